"""How the tests are run: Makefile, .ci/run, the workflow.

Not checked here, because it takes GitHub: that the workflow runs, and that each pinned commit is
the release its comment names.
"""

import os
import re
import subprocess
import sys

import pytest
from markdown_pages import ROOT
from ruamel.yaml import YAML

WORKFLOW = ROOT / ".github" / "workflows" / "ci.yml"
TEXT = WORKFLOW.read_text(encoding="utf-8")
CONTENT = YAML(typ="safe", pure=True).load(TEXT)
JOBS = CONTENT["jobs"]
PYTHONS = re.findall(r"Python :: (3\.\d+)", (ROOT / "pyproject.toml").read_text(encoding="utf-8"))


@pytest.mark.parametrize("target", ["run", "lab", "test", "bench", "book", "lock"])
def test_every_target_is_one_line_after_the_set_up(target: str) -> None:
    command = ["make", "--dry-run", target, "ARGS=--an-option", "PYTHON=python3.99"]
    environment = {name: value for name, value in os.environ.items() if "MAKE" not in name}
    answer = subprocess.run(
        command, cwd=ROOT, env=environment, capture_output=True, text=True, check=True
    )
    (line,) = answer.stdout.splitlines()
    set_up = "bootstrap.py" if target in ("run", "lab") else "bootstrap.py dev"
    assert line.startswith(f"python3.99 {set_up} && .venv/bin/")
    assert line.endswith("--an-option")


@pytest.mark.parametrize("failing", ["", "make test", "slow tests"])
def test_ci_runs_all_stages_and_fails_where_one_does(failing: str) -> None:
    """The script itself, with stages that only say how they end."""
    script = (ROOT / ".ci" / "run").read_text(encoding="utf-8")
    script, stages = re.subn(
        r'(?m)^stage "(.*?)" .*',
        lambda stage: f'stage "{stage[1]}" test "{stage[1]}" != "{failing}"',
        script,
    )
    assert stages == 3
    script = script.replace('cd "$(dirname "${BASH_SOURCE[0]}")/.."', "")
    script = script.replace("has_browser || install", "true || install")
    done = subprocess.run(["bash", "-c", script], cwd=ROOT, capture_output=True, text=True)
    assert re.findall(r"== (.*): \d+ s", done.stdout) == ["set-up", "make test", "slow tests"]
    assert (done.returncode, done.stderr) == ((1, f"Failed: {failing}\n") if failing else (0, ""))
    assert os.access(ROOT / ".ci" / "run", os.X_OK)


def test_the_workflow_is_valid_by_its_schema() -> None:
    command = [sys.executable, "-m", "check_jsonschema"]
    command += ["--builtin-schema", "vendor.github-workflows", str(WORKFLOW)]
    answer = subprocess.run(command, capture_output=True, text=True)
    assert answer.returncode == 0, answer.stdout + answer.stderr


def test_the_workflow_may_only_read_and_every_action_is_pinned() -> None:
    assert CONTENT["permissions"] == {"contents": "read"}
    assert not any("permissions" in job for job in JOBS.values())
    lines = [line for line in TEXT.splitlines() if "uses:" in line]
    assert lines
    for line in lines:
        assert re.fullmatch(r"\s*- uses: [\w-]+/[\w-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+", line), line


@pytest.mark.parametrize("name", JOBS)
def test_every_job_takes_the_oldest_and_the_newest_python_through_ci_run(name: str) -> None:
    job = JOBS[name]
    assert job["strategy"]["matrix"] == {"python": [PYTHONS[0], PYTHONS[-1]]}
    assert job["steps"][-1] == {"run": "bash .ci/run"}
    assert 45 <= job["timeout-minutes"] <= 90
    assert ("services" in job) == ("CARLIB_TEST_DATABASE_URL" in job.get("env", {}))
