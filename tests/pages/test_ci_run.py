""".ci/run installs a browser where there is none, and goes on where it can't.

Whether Debian's package works is seen where the other tests in a browser run; here stand-ins of the
system's installer and of make tell only what they were asked for.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parents[2] / ".ci" / "run"
TOOLS = ("bash", "dirname", "env", "git")
pytestmark = pytest.mark.skipif(
    not all(map(shutil.which, TOOLS)) or sys.platform == "win32",
    reason="a bash script, which needs git",
)


@pytest.fixture
def programs(tmp_path: Path) -> Path:
    """A folder with all that .ci/run needs, and no browser."""
    for name in TOOLS:
        (tmp_path / name).symlink_to(shutil.which(name))
    write_program(tmp_path / "sudo", 'shift; exec "$@"')
    write_program(tmp_path / "apt-get", 'echo "apt-get $*" >>"$LOG"')
    write_program(tmp_path / "make", 'echo "make $*" >>"$LOG"')
    return tmp_path


def write_program(path: Path, line: str) -> None:
    path.write_text(f"#!{shutil.which('bash')}\n{line}\n", encoding="utf-8")
    path.chmod(0o755)


def asked(programs: Path) -> tuple[list[str], subprocess.CompletedProcess[str]]:
    """Run .ci/run with these programs alone; what they were asked for, in order."""
    log = programs / "log"
    environment = {"PATH": str(programs), "LOG": str(log), "PYTHON": sys.executable}
    answer = subprocess.run(
        [programs / "bash", SCRIPT], env=environment, capture_output=True, text=True, check=False
    )
    return log.read_text(encoding="utf-8").splitlines(), answer


@pytest.mark.parametrize("name", ["chromium", "chromium-browser", "google-chrome"])
def test_a_browser_that_is_there_is_taken(programs: Path, name: str) -> None:
    write_program(programs / name, "")
    lines, answer = asked(programs)
    assert answer.returncode == 0, answer.stderr
    assert lines == [f"make test PYTHON={sys.executable}"]


def test_a_missing_browser_is_installed(programs: Path) -> None:
    lines, answer = asked(programs)
    assert answer.returncode == 0, answer.stderr
    assert lines == [
        "apt-get update -qq",
        "apt-get install -qq --no-install-recommends chromium",
        f"make test PYTHON={sys.executable}",
    ]
    assert answer.stderr == ""


@pytest.mark.parametrize("without", ["its package", "apt-get"])
def test_the_other_tests_run_without_a_browser(programs: Path, without: str) -> None:
    if without == "apt-get":
        (programs / "apt-get").unlink()
    else:
        write_program(programs / "apt-get", '[[ "$1" == update ]]')
    lines, answer = asked(programs)
    assert answer.returncode == 0, answer.stderr
    assert lines == [f"make test PYTHON={sys.executable}"]
    assert "No Chromium here: the tests in a browser are skipped." in answer.stderr
