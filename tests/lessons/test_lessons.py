"""Every lesson, executed and compared, on servers and in orders that learners meet.

A new lesson is found and covered without a change here. On a shared machine these tests take most
of the time of all; each run below answers more than one question:

- embedded server, as a learner has it: shuffled, two at once, each output compared;
- then on the same server, in the schemas that were left, by papermill with other parameters;
- a server on TCP with a password, where CARLIB_TEST_DATABASE_URL names one: all lessons compared;
  else the first lesson, on a server of our own.
"""

import copy
import os
import random
import re
import secrets
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import nbformat
import pytest
from nbval.plugin import get_sanitize_patterns
from nbval_lessons import SANITIZE, explain, validate, validate_two_at_once
from sqlalchemy import URL, make_url

from course.lessons import Lesson, find_lessons
from course.run import run_lessons
from servers.postgres import EmbeddedServer, temporary_server

LESSONS = find_lessons()
OTHER_SERVER = os.environ.get("CARLIB_TEST_DATABASE_URL")


def _name(lesson: Lesson) -> str:
    return f"{lesson.part}/{lesson.name}"


each_lesson = pytest.mark.parametrize("lesson", LESSONS, ids=_name)


@pytest.fixture(scope="module")
def learner_server() -> Iterator[tuple[EmbeddedServer, dict[Path, subprocess.CompletedProcess]]]:
    """All lessons compared, shuffled, two at once; and the server on which that was done."""
    seed = int(os.environ.get("CARLIB_TEST_SEED") or secrets.randbelow(10**6))
    shuffled = random.Random(seed)
    folder = Path(tempfile.mkdtemp(prefix="carlib-lessons-"))  # as in conftest: not tmp_path
    server = EmbeddedServer(folder, temporary=True)
    try:
        order = shuffled.sample([lesson.path for lesson in LESSONS], len(LESSONS))
        print(f"CARLIB_TEST_SEED={seed}: {[path.stem for path in order]}")
        yield server, validate_two_at_once(order, {"CARLIB_DATA_DIR": str(folder)})
    finally:  # nbval kills its kernels, so none of them stops the server
        server.close()
        shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="module")
def tcp_url() -> Iterator[URL]:
    """The server of CARLIB_TEST_DATABASE_URL, else one of our own with a password."""
    if OTHER_SERVER:
        # pytest prints arguments of failed tests, a URL without its password
        yield make_url(OTHER_SERVER)
        return
    with temporary_server(tcp=True) as server:
        assert server.url.password
        yield server.url


class TestOnTheEmbeddedServer:
    """As a learner has it: no URL, the server starts with the first kernel."""

    @each_lesson
    def test_every_output_is_the_committed_one(self, lesson: Lesson, learner_server) -> None:
        done = learner_server[1][lesson.path]
        assert done.returncode == 0, explain(done, "The lesson, two at once,")

    @each_lesson
    def test_again_with_other_parameters_the_results_are_others(
        self, lesson: Lesson, learner_server, tmp_path: Path
    ) -> None:
        _run_with_other_parameters(lesson, learner_server[0].url, tmp_path)


class TestOnAServerWithPassword:
    """Reached by a URL over TCP."""

    @pytest.mark.parametrize("lesson", LESSONS if OTHER_SERVER else LESSONS[:1], ids=_name)
    def test_every_output_is_the_committed_one(self, lesson: Lesson, tcp_url: URL) -> None:
        url = tcp_url.render_as_string(hide_password=False)
        done = validate(lesson.path, {"CARLIB_DATABASE_URL": url})
        assert done.returncode == 0, explain(done, "The lesson on TCP")


def _run_with_other_parameters(lesson: Lesson, url: URL, folder: Path) -> None:
    declared = lesson.parameters
    rows = declared["rows"] // 8
    values = {"rows": rows, "seed": declared["seed"] + 1}
    course = run_lessons(
        [lesson], folder, values=values, database_url=url.render_as_string(hide_password=False)
    )
    executed = nbformat.read(course.lessons[0].notebook, as_version=4)

    before, after = _compared(lesson.notebook), _compared(executed)
    assert before.keys() == after.keys()
    changed = {cell_id for cell_id in before if before[cell_id] != after[cell_id]}
    here, there = (" ".join(results.values()) for results in (before, after))
    # The number of cars is shown: 12,500 or 12500, now and not before.
    shown = re.compile(rf"(?<![\d,.]){f'{rows:,}'.replace(',', ',?')}(?![\d,.]\d)")
    assert shown.search(there)
    assert not shown.search(here)
    assert changed, "at least one result"


def _compared(notebook: nbformat.NotebookNode) -> dict[str, str]:
    """The text of each output that nbval compares, by its cell's id."""
    patterns = get_sanitize_patterns(SANITIZE.read_text(encoding="utf-8"))
    found = {}
    for cell in notebook.cells:
        tags = set(cell.metadata.get("tags", []))
        ignored = tags & {"nbval-ignore-output", "parameters", "injected-parameters"}
        if cell.cell_type != "code" or ignored:
            continue
        parts = [
            output.get("text") or output.get("data", {}).get("text/plain", "")
            for output in cell.outputs
        ]
        text = "\n".join(parts)
        for regex, replacement in patterns:
            text = re.sub(regex, replacement, text)
        found[cell.id] = text
    return found


def test_one_changed_character_is_noticed(database_url: str, tmp_path: Path) -> None:
    """The start of a lesson, copied, with another character in its last committed output."""
    lesson = LESSONS[0]
    cells = [cell for cell in lesson.notebook.cells if cell.cell_type == "code"]
    results = [any("data" in output for output in cell.outputs) for cell in cells]
    last = results.index(True)
    notebook = copy.deepcopy(lesson.notebook)
    notebook.cells = copy.deepcopy(cells[: last + 1])
    (data,) = [output.data for output in notebook.cells[last].outputs]
    data["text/plain"] = data["text/plain"].rstrip()[:-1] + "#"
    path = tmp_path / lesson.path.name
    nbformat.write(notebook, path)
    done = validate(path, {"CARLIB_DATABASE_URL": database_url})
    assert done.returncode == 1
    assert f"Cell {last}: Cell outputs differ" in done.stdout
    assert "mismatch 'text/plain'" in done.stdout
    assert f"1 failed, {last} passed" in done.stdout, "the outputs left alone are equal"
