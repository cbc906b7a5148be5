"""How the tests are run: Makefile, .ci/run, the workflow, the dev container.

Not checked here, because it takes GitHub: that the workflow runs, that each pinned commit is the
release its comment names, and that a codespace opens.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from ruamel.yaml import YAML
from sqlalchemy import make_url

ROOT = Path(__file__).parents[2]
WORKFLOW = ROOT / ".github" / "workflows" / "ci.yml"
TEXT = WORKFLOW.read_text(encoding="utf-8")
CONTENT = YAML(typ="safe", pure=True).load(TEXT)
JOBS = CONTENT["jobs"]
PYPROJECT = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
PYTHONS = re.findall(r"Python :: (3\.\d+)", PYPROJECT)


@pytest.mark.parametrize("target", ["run", "lab", "test", "bench", "book", "lock"])
def test_every_target_is_one_line_after_the_set_up(target: str) -> None:
    command = ["make", "--dry-run", target, "ARGS=--an-option", "PYTHON=python3.99"]
    alone = {name: value for name, value in os.environ.items() if "MAKE" not in name}
    answer = subprocess.run(
        command, cwd=ROOT, env=alone, capture_output=True, text=True, check=True
    )  # without MAKEFLAGS: the tests themselves run under make
    (line,) = answer.stdout.splitlines()
    assert line.startswith("python3.99 bootstrap.py && .venv/bin/")
    assert line.endswith("--an-option")


def test_ci_run_is_an_executable_that_calls_make_test() -> None:
    script = ROOT / ".ci" / "run"
    assert os.access(script, os.X_OK)
    subprocess.run(["bash", "-n", script], check=True)
    last = script.read_text(encoding="utf-8").rstrip().splitlines()[-1]
    assert last == 'exec make test PYTHON="$PYTHON"', "its exit code must be that of the tests"


def test_workflow_is_valid_by_its_schema() -> None:
    command = [sys.executable, "-m", "check_jsonschema"]
    command += ["--builtin-schema", "vendor.github-workflows", str(WORKFLOW)]
    answer = subprocess.run(command, capture_output=True, text=True, check=False)
    assert answer.returncode == 0, answer.stdout + answer.stderr


def test_workflow_runs_on_changes_and_weekly() -> None:
    assert {"push", "pull_request", "schedule"} <= set(CONTENT["on"])
    (schedule,) = CONTENT["on"]["schedule"]
    assert re.fullmatch(r"\d+ \d+ \* \* [0-6]", schedule["cron"])


def test_workflow_may_only_read_and_ends() -> None:
    assert CONTENT["permissions"] == {"contents": "read"}
    assert "group" in CONTENT["concurrency"]
    for job in JOBS.values():
        assert "permissions" not in job
        assert 0 < job["timeout-minutes"] <= 60


def test_every_action_is_pinned_to_a_commit_with_its_version() -> None:
    lines = [line for line in TEXT.splitlines() if "uses:" in line]
    assert len(lines) == sum("uses" in step for job in JOBS.values() for step in job["steps"]) > 0
    for line in lines:
        assert re.fullmatch(r"\s*- uses: [\w-]+/[\w-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+", line), line


@pytest.mark.parametrize("name", JOBS)
def test_every_job_takes_the_oldest_and_the_newest_python_through_ci_run(name: str) -> None:
    job = JOBS[name]
    assert job["strategy"]["matrix"] == {"python": [PYTHONS[0], PYTHONS[-1]]}
    (setup,) = (step for step in job["steps"] if "setup-python" in step.get("uses", ""))
    assert setup["with"]["python-version"] == "${{ matrix.python }}"
    assert job["steps"][-1] == {"run": "bash .ci/run"}


def test_one_job_is_on_the_embedded_server_and_one_on_a_container() -> None:
    embedded, container = JOBS["embedded"], JOBS["container"]
    assert "services" not in embedded
    assert "CARLIB" not in json.dumps(embedded)
    server = container["services"]["postgres"]
    assert re.fullmatch(r"postgres:18(\.\d+)?", server["image"])
    assert "pg_isready" in server["options"]
    password = server["env"]["POSTGRES_PASSWORD"]
    given = container["env"]["CARLIB_TEST_DATABASE_URL"]
    assert password in given
    url = make_url(given.replace(password, "x"))
    assert (url.host, url.password, url.username) == ("127.0.0.1", "x", "postgres")
    assert server["ports"] == [f"127.0.0.1:{url.port}:5432"]
    conftest = (ROOT / "tests" / "conftest.py").read_text(encoding="utf-8")
    assert '"CARLIB_TEST_DATABASE_URL"' in conftest, "the tests must read what the job sets"


def test_dev_container_sets_up_and_opens_the_lab() -> None:
    content = json.loads((ROOT / ".devcontainer" / "devcontainer.json").read_text("utf-8"))
    assert re.fullmatch(rf"python:({'|'.join(map(re.escape, PYTHONS))})-\w+", content["image"])
    assert content["postCreateCommand"] == "python3 bootstrap.py"
    assert content["postAttachCommand"].startswith(".venv/bin/carlib lab --no-browser ")
    (port,) = content["forwardPorts"]
    assert f"--port={port} " in content["postAttachCommand"]
    assert list(content["portsAttributes"]) == [str(port)]
    for opened in content["customizations"]["codespaces"]["openFiles"]:
        assert (ROOT / opened).is_file()
