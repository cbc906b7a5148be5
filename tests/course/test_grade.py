"""`carlib grade`: notebooks as learners hand them in, executed again and judged."""

import json
import re
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_notebook, new_output

from course.cli import main
from exercises import Function, Value
from exercises.notebook import exercises_of

START = """\
import exercises
from carlib import connect, create_tables
engine = connect(schema=schema, fresh=True)
create_tables(engine)
ex = exercises.open_lesson(engine, "lesson_01")"""
SOLUTIONS = {exercise.name: exercise.shown_solution for exercise in exercises_of("lesson_01")}
NAMES = list(SOLUTIONS)
CLEARED = "\nfrom IPython.display import clear_output\nclear_output()"
CAPTURED = "import ipywidgets\nwith ipywidgets.Output():\n    "
HANG_ON = "import time\nwhile True:\n    try: time.sleep(9)\n    except KeyboardInterrupt: pass"
# What is no text is not checked once more, and need not be: nothing of it can be right.
PATCHED = """\
import exercises.checking
fine = ex.rows_deleted.check(9)
exercises.checking._grade = lambda *_: fine
ex.dealer_table.check(5)"""
FORGED = """\
from IPython.display import publish_display_data
for data in (["add_model", "", "Right", "add_model"], ["rows_deleted", "", "Right", "", "", 5], 7):
    publish_display_data({"application/vnd.carlib.answer+json": data})"""


def answer(name: str, text: str | None = None) -> str:
    """A cell that hands in an answer, by default the solution."""
    exercise = next(each for each in exercises_of("lesson_01") if each.name == name)
    text = text or SOLUTIONS[name]
    if isinstance(exercise, Function):
        return f"{text}\nex.{name}.check({exercise.function})"
    if isinstance(exercise, Value):
        return f"{text}\nex.{name}.check(answer)"
    return f"ex.{name}.check({text!r})"


def hand_in(folder: Path, *cells: str) -> Path:
    """Write lesson 1 as a learner hands it in: parameters (no tags), start, then `cells`."""
    parameters = new_code_cell('# mine\nschema = "mine"\nrows = 7')
    path = folder / "01_schema.ipynb"
    folder.mkdir(parents=True, exist_ok=True)
    nbformat.write(new_notebook(cells=[parameters, *map(new_code_cell, [START, *cells])]), path)
    return path


class Graded:
    """What a run of the command left: its status, its table, and its files."""

    def __init__(self, status: int, table: str, folder: Path) -> None:
        self.status = status
        self.table = table
        found = json.loads((folder / "grades.json").read_text(encoding="utf-8"))
        self.learners: dict[str, Any] = {learner["name"]: learner for learner in found}
        self.suites = ElementTree.parse(folder / "grades.xml").getroot()

    def verdicts(self, learner: str) -> dict[str, str]:
        """The verdict on each exercise of the learner's first lesson."""
        exercises = self.learners[learner]["lessons"][0]["exercises"]
        return {name: result["verdict"] for name, result in exercises.items()}

    def problems(self, learner: str) -> list[str]:
        return self.learners[learner]["lessons"][0]["problems"]


@pytest.fixture(scope="module")
def graded(tmp_path_factory: pytest.TempPathFactory) -> Graded:
    """A class with habits of all kinds, graded once."""
    root, out = tmp_path_factory.mktemp("class"), tmp_path_factory.mktemp("out")
    cells = [answer(name) for name in NAMES]
    cells[0], cells[1] = cells[0] + CLEARED, CAPTURED + cells[1]
    hand_in(root / "ann" / "workbook" / "1_core", "assert rows == 500", *cells)
    hand_in(  # an error in between, a wrong answer, a stub below an answer, an untouched exercise
        root / "bob\x1b[2J",
        "1 / 0",
        answer("models_per_brand", "SELECT 1, 2"),
        answer("missing_index"),
        "ex.missing_index.check(...)",
        f"for name in ['dealer_table']: getattr(ex, name).check({SOLUTIONS['dealer_table']!r})",
    )
    path = hand_in(  # pretends in three ways
        root / "cid",
        "from exercises import Exercise; Exercise.difference = lambda *results: None",
        answer("models_per_brand", "SELECT 1, 2"),
        PATCHED,
        FORGED,
        "print('Right (missing_index)')",
    )
    notebook = nbformat.read(path, as_version=4)
    text = {"text/plain": "Right (missing_index)"}
    notebook.cells[-1].outputs = [new_output("execute_result", data=text, execution_count=1)]
    nbformat.write(notebook, path)
    hand_in(  # ends its own kernel after one right answer; has seen no secret
        root / "1_dora",
        "import os; assert not {'GRADES_TOKEN', 'DATABASE_URL'} & {*os.environ}",
        answer("missing_index"),
        "os._exit(3)",
        answer("dealer_table"),
    )
    hang = "while True: pass"
    hand_in(root / "eve", hang, answer("missing_index"), HANG_ON, answer("dealer_table"))
    (root / "fay").mkdir()
    (root / "gus").mkdir()
    (root / "fay" / "01_schema.ipynb").write_text('{"cells": 7}')
    words = [root, "--only", "01", "--only", "02", "--rows", 500, "--require", 3, "--seconds", 5]
    words += ["--json", out / "grades.json", "--junit", out / "grades.xml"]
    with pytest.MonkeyPatch.context() as patch:
        printed: list[str] = []
        patch.setattr("sys.stdout.write", printed.append, raising=False)
        patch.setenv("GRADES_TOKEN", "not for learners")
        patch.setenv("DATABASE_URL", "not for learners")
        status = main(["grade", *map(str, words)])
    return Graded(status, "".join(printed), out)


def test_right_answers_are_right_wherever_the_notebook_lies(graded: Graded) -> None:
    assert set(graded.verdicts("ann").values()) == {"right"}
    assert graded.problems("ann") == []
    assert graded.learners["ann"]["right"] == len(NAMES)


def test_the_last_answer_counts_and_errors_end_nothing(graded: Graded) -> None:
    bob = graded.verdicts("bob\x1b[2J")
    assert bob["models_per_brand"] == "not right"
    assert bob["missing_index"] == bob["dealer_table"] == "right"
    assert {bob[name] for name in ("add_model", "rows_deleted")} == {"not tried"}
    assert graded.problems("bob\x1b[2J") == ["ZeroDivisionError: division by zero"]


def test_sql_is_judged_once_more_and_outputs_count_nothing(graded: Graded) -> None:
    cid = graded.verdicts("cid")
    assert cid["models_per_brand"] == "not right"
    assert cid["missing_index"] == "not tried"
    assert cid["dealer_table"] == cid["add_model"] == "not right"
    assert graded.problems("cid") == []


def test_what_ends_a_notebook_ends_it_alone(graded: Graded) -> None:
    reasons = {"1_dora": "the kernel died", "eve": "a cell hung"}
    for name, reason in reasons.items():
        assert graded.verdicts(name)["missing_index"] == "right"
        assert graded.verdicts(name)["dealer_table"] == "not tried"
        assert graded.problems(name)[0] == f"The rest was not run: {reason}."
    assert len(graded.problems("1_dora")) == 1  # it saw none of the secrets
    late = "KeyboardInterrupt: It took longer than 5 s."
    assert late in graded.problems("eve")
    assert set(graded.verdicts("fay").values()) == {"not right"}
    assert graded.problems("fay")[0].startswith("It can't be read as a notebook: ")


def test_a_lesson_that_is_not_there_is_not_right(graded: Graded) -> None:
    second = graded.learners["ann"]["lessons"][1]
    assert {result["verdict"] for result in second["exercises"].values()} == {"no notebook"}
    assert set(graded.verdicts("gus").values()) == {"no notebook"}


def test_the_table_is_for_reading_and_the_status_for_ci(graded: Graded) -> None:
    lines = [line.split() for line in graded.table.splitlines()]
    assert lines[0] == ["learner", "01_schema", "02_initial_load", "right"]
    assert lines[2] == ["ann", f"{len(NAMES)}/{len(NAMES)}", "0/5", f"{len(NAMES)}/10"]
    assert "\x1b" not in graded.table
    assert "Fewer than 3 of 10 right: 6 of 7." in graded.table
    assert graded.status == 1


def test_junit_counts_what_a_ci_service_shows(graded: Graded) -> None:
    suites = {suite.get("name"): suite for suite in graded.suites}
    ann = suites["ann"]
    assert (ann.get("tests"), ann.get("failures"), ann.get("skipped")) == ("10", "5", "0")
    bob = suites["bob\\x1b[2J"]
    assert (bob.get("failures"), bob.get("skipped")) == ("6", "2")
    failures = [case.find("failure") for case in bob if case.get("name") == "models_per_brand"]
    assert "ZeroDivisionError" in failures[0].text


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["empty"], "Expected notebooks in .*empty.*01_schema.*found none"),
        (["nowhere"], "Expected notebooks in .*nowhere"),
        (["twice"], "Expected one 01_schema.ipynb of twice: remove .* or "),
        (["twice", "--require", "999"], "--require takes 'all' or 0 to "),
        (["twice", "--only", "77"], "77"),
    ],
)
def test_what_cannot_be_graded_is_told_before_anything_runs(
    words: list[str],
    message: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("empty").mkdir()
    hand_in(Path("twice", "1_core"))
    hand_in(Path("twice", "notebooks"))
    assert main(["grade", *words]) == 2
    assert re.search(message, capsys.readouterr().err)
