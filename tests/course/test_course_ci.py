"""The job of docs/course_ci.md: valid, pinned, and run here as it is written, in a tiny course."""

from __future__ import annotations

import json
import os
import re
import runpy
import shutil
import subprocess
import sys
import sysconfig
import tempfile
import venv
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import nbformat
import pytest
from learner_notebooks import SOLUTIONS
from nbformat.v4 import new_code_cell, new_notebook, new_output
from notebook_form import TEMPLATE
from ruamel.yaml import YAML

from servers.postgres import EmbeddedServer

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "course_ci.md").read_text(encoding="utf-8")
(JOB,) = re.findall(r"^```yaml\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)
CONTENT: dict[str, Any] = YAML(typ="safe", pure=True).load(JOB)
STEPS = CONTENT["jobs"]["grades"]["steps"]
COMMANDS = [step["run"] for step in STEPS if "run" in step]
LESSON = "01_template"


def test_the_job_is_valid_by_its_schema(tmp_path: Path) -> None:
    path = tmp_path / "grades.yml"
    path.write_text(JOB, encoding="utf-8")
    command = [sys.executable, "-m", "check_jsonschema"]
    command += ["--builtin-schema", "vendor.github-workflows", str(path)]
    answer = subprocess.run(command, capture_output=True, text=True, check=False)
    assert answer.returncode == 0, answer.stdout + answer.stderr


def test_its_actions_are_those_of_our_own_workflow() -> None:
    ours = (ROOT / ".github" / "workflows" / "ci.yml").read_text(encoding="utf-8")
    used = re.findall(r"uses: .+", JOB)
    assert len(used) == sum("uses" in step for step in STEPS) > 0
    assert all(line in ours for line in used)
    assert CONTENT["permissions"] == {"contents": "read"}


class Course(NamedTuple):
    """A folder as the job finds it, and the environment of its commands."""

    folder: Path
    environment: dict[str, str]

    def run(self, command: str) -> subprocess.CompletedProcess[str]:
        """Run one step's command as the runner does."""
        return subprocess.run(
            ["bash", "-e", "-c", command],
            cwd=self.folder,
            env=self.environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=600,
        )

    def hand_in(self, learner: str, answer: str | None) -> None:
        """Write a learner's copy of the lesson, with an answer or with the stub."""
        notebook = nbformat.read(TEMPLATE, as_version=4)
        for cell in notebook.cells:
            if cell.cell_type == "code" and ".check(" in cell.source and answer:
                cell.source = f'answer = """{answer}"""\nex.models_per_brand.check(answer)'
        path = self.folder / "solved" / learner / f"{LESSON}.ipynb"
        path.parent.mkdir(parents=True)
        nbformat.write(notebook, path)


@pytest.fixture(scope="module")
def course() -> Iterator[Course]:
    """The workbook with the template as its only lesson, installed: nothing is left to fetch."""
    folder = Path(tempfile.mkdtemp(prefix="carlib-course-")).resolve()
    workbook = folder / "course"
    (workbook / "notebooks" / "1_core").mkdir(parents=True)
    for name in ("bootstrap.py", "pyproject.toml", "requirements.lock", "README.md"):
        shutil.copy(ROOT / name, workbook)
    shutil.copytree(ROOT / "carlib", workbook / "carlib", ignore=shutil.ignore_patterns("__py*"))
    (workbook / "tests").mkdir()
    shutil.copy(ROOT / "tests" / "nbval_sanitize.cfg", workbook / "tests")
    shutil.copy(TEMPLATE, workbook / "notebooks" / "1_core" / f"{LESSON}.ipynb")
    _install(workbook)
    kept = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("CARLIB_", "PYTEST_", "JUPYTER_"))
    }
    found = f"{Path(sys.executable).parent}{os.pathsep}{kept['PATH']}"
    ours = {"PATH": found, "CARLIB_DATA_DIR": str(folder / "data"), "PYTHON": ""}
    yield Course(folder, kept | CONTENT["jobs"]["grades"]["env"] | ours)
    EmbeddedServer(folder / "data", temporary=True).close()  # nbval kills its kernels
    shutil.rmtree(folder, ignore_errors=True)


def _install(workbook: Path) -> None:
    """Make the environment that bootstrap.py would, of the packages that are here."""
    place = workbook / ".venv"
    venv.create(place, symlinks=True)
    (site,) = place.glob("lib/python3*/site-packages")
    (site / "all.pth").write_text(f"{workbook}\n{sysconfig.get_paths()['purelib']}\n")
    script = place / "bin" / "carlib"
    text = "import sys\nfrom course.cli import main\nsys.exit(main())\n"
    script.write_text(f"#!{place / 'bin' / 'python'}\n{text}")
    script.chmod(0o755)
    content = runpy.run_path(str(workbook / "bootstrap.py"))["fingerprint"]()
    state = {"folder": str(workbook), "content": content}
    (place / "set-up.json").write_text(json.dumps(state))


@pytest.mark.skipif(os.name == "nt", reason="the job's commands are those of its Ubuntu")
def test_its_commands_do_what_the_page_says(course: Course) -> None:
    course.hand_in("ann", SOLUTIONS["models_per_brand"])
    install, lessons, copies, grade = COMMANDS
    for command in (install, lessons, copies, grade):
        done = course.run(command)
        assert done.returncode == 0, f"{command}\n{done.stdout}"
        assert not re.search(r"\b(no tests ran|skipped)\b", done.stdout), done.stdout
    assert re.search(r"^ann +1/1 +1/1$", done.stdout, re.MULTILINE)
    assert (course.folder / "grades" / "grades.xml").exists()

    course.hand_in("bob", None)
    done = course.run(grade)
    assert done.returncode == 1
    assert "Fewer than 1 of 1 right: 1 of 2." in done.stdout
    found = json.loads((course.folder / "grades" / "grades.json").read_text("utf-8"))
    assert [learner["right"] for learner in found["learners"]] == [1, 0]


def _cell(source: str, output: nbformat.NotebookNode | None, count: int | None = 1) -> Any:
    outputs = [output] if output else []
    return new_code_cell(source, outputs=outputs, execution_count=count)


def _value(text: str) -> nbformat.NotebookNode:
    return new_output("execute_result", data={"text/plain": text}, execution_count=1)


ERROR = new_output("error", ename="ZeroDivisionError", evalue="division by zero")
# The rows of the page's table that speak of one cell, each with such a cell.
CELLS = {
    "a copy, solved, run": _cell("1 + 1", _value("2")),
    "a copy with cells of": _cell("import uuid\nuuid.uuid4().hex", _value("'0'")),
    "a cell that was never": _cell("print('x')", None, None),
    "an output that was typed": _cell("1 + 1", _value("3")),
    "a wrong answer": _cell("print('Not right yet (a)')", None, None),
    "a cell that ends in an error": _cell("1 / 0", None),
}


@pytest.mark.parametrize(("column", "option"), [(2, "--nbval"), (3, "--nbval-lax")])
def test_the_table_says_what_nbval_does(tmp_path: Path, column: int, option: str) -> None:
    cells = [*CELLS.values(), _cell("1 / 0", ERROR)]
    nbformat.write(new_notebook(cells=cells), tmp_path / "copy.ipynb")
    command = [sys.executable, "-m", "pytest", option, "--nbval-current-env", "-v", "--color=no"]
    done = subprocess.run(
        [*command, "-p", "no:cacheprovider", "-p", "no:xdist", "copy.ipynb"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=600,
    )
    results = dict(re.findall(r"Cell (\d+) (PASSED|FAILED)", done.stdout))
    for number, beginning in enumerate(CELLS):
        (row,) = re.findall(rf"^\| {re.escape(beginning)}.*", PAGE, re.MULTILINE)
        said = row.split("|")[column].strip()
        assert results[str(number)] == ("FAILED" if said.startswith("fails") else "PASSED"), row
    assert results[str(len(CELLS))] == "FAILED"  # the error that is stored
