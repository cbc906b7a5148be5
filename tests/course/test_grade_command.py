"""`carlib grade` as it is typed: who is a learner, what is written, which exit status."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, NamedTuple
from xml.etree import ElementTree

import nbformat
import pytest
from learner_notebooks import SOLUTIONS, all_assignments, hand_in, outcomes, right, sql

from course.cli import main
from course.errors import NothingToGrade
from course.grading.examination import Outcome, Verdict
from course.grading.grades import LearnerGrade, LessonGrade
from course.grading.junit import as_junit
from course.grading.report import as_table
from course.grading.submissions import find_learners

ASSIGNMENTS = all_assignments()
HELPERS = "from sqlalchemy import text\n\n\ndef only(frame, *names):\n    return frame[[*names]]"
SPLIT = """\
def mine(cars):
    models = only(cars, "brand", "model").drop_duplicates().rename(columns={"model": "name"})
    brands = only(cars, "brand").drop_duplicates().rename(columns={"brand": "name"})
    return {"car_brand": brands, "car_model": models}"""


class Graded(NamedTuple):
    """What a run of the command left."""

    status: int
    table: list[str]
    progress: str
    learners: dict[str, Any]
    settings: dict[str, Any]
    suites: dict[str, ElementTree.Element]


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Graded:
    """A class of honest learners, each with habits of their own, graded once."""
    root = tmp_path_factory.mktemp("an honest class")
    hand_in(  # in the workbook's own layout, answers anywhere, twice where the first was wrong
        root / "ann" / "workbook" / "1_core",
        sql("sold_out_brands", "SELECT 1"),
        HELPERS,
        f"late = {SOLUTIONS['sold_out_brands']!r}",
        SPLIT,
        "ex.split_cars.check(mine)\nex.sold_out_brands.check(late)\nex.sold_out_brands.check(...)",
        "for name in ['cars_per_brand']:\n    getattr(ex, name)"
        f".check({SOLUTIONS['cars_per_brand']!r})",
        "for name in ['add_car']: getattr(ex, name).check(mine)",
        lesson="02_initial_load",
    )
    path = hand_in(  # other parameters, a dropped schema, an error in between, a name of one's own
        root / "bob",
        "with engine.begin() as db: db.exec_driver_sql(f'DROP SCHEMA \"{schema}\" CASCADE')",
        "1 / 0",
        sql("dealer_table"),
        "n = 3\nanswer = n * n\nex.rows_deleted.check(answer)",
        "ex.foreign_keys.check()",
        name="my answers (2).ipynb",
    )
    notebook = nbformat.read(path, as_version=4)
    notebook.cells[0].source = 'schema = "bobs"\nrows = "many"'
    nbformat.write(notebook, path)
    (root / "bob" / "notes.ipynb").write_text("not a notebook")
    (root / "cid").mkdir()
    (root / "cid" / "01_schema.ipynb").write_text('{"cells": 7}')
    (root / "empty").mkdir()
    out = root / "results"
    words = [root, "--only", "01", "--only", "02", "--rows", 500, "--require", 3]
    with pytest.MonkeyPatch.context() as patch:
        said: dict[str, list[str]] = {"out": [], "err": []}
        patch.setattr("sys.stdout", _Tee(said["out"]))
        patch.setattr("sys.stderr", _Tee(said["err"]))
        files = ["--json", out / "grades.json", "--junit", out / "grades.xml"]
        status = main(["grade", *map(str, [*words, *files])])
    found = json.loads((out / "grades.json").read_text("utf-8"))
    suites = ElementTree.parse(out / "grades.xml").getroot()
    return Graded(
        status,
        "".join(said["out"]).splitlines(),
        "".join(said["err"]),
        {one["name"]: one for one in found["learners"]},
        found["settings"],
        {suite.attrib["name"]: suite for suite in suites},
    )


class _Tee:
    def __init__(self, kept: list[str]) -> None:
        self.write = kept.append
        self.flush = lambda: None


def test_answers_are_found_wherever_they_are_handed_in(finished: Graded) -> None:
    assert right(finished.learners["ann"]) == ["cars_per_brand", "sold_out_brands", "split_cars"]
    assert right(finished.learners["bob"]) == ["dealer_table", "rows_deleted"]
    assert outcomes(finished.learners["bob"])["foreign_keys"] == "not tried"
    assert right(finished.learners["cid"]) == []


def test_what_was_graded_can_be_read(finished: Graded) -> None:
    ann = {one["name"]: one for one in finished.learners["ann"]["lessons"][1]["exercises"]}
    assert ann["sold_out_brands"]["answer"] == SOLUTIONS["sold_out_brands"]
    assert "def only(frame" in ann["split_cars"]["answer"]
    assert "found function that is not in the cell of its check" in ann["add_car"]["text"]
    assert finished.settings["rows"] == 500


def test_what_went_wrong_is_said(finished: Graded) -> None:
    bob, cid = (finished.learners[name]["lessons"][0] for name in ("bob", "cid"))
    assert bob["problems"] == ["Cell [4] ended in an error: ZeroDivisionError: division by zero."]
    assert (bob["ran_through"], bob["right"], bob["asked"]) == (False, 2, 5)
    assert cid["problems"][0].startswith("It can't be read as a notebook: ")
    assert finished.learners["bob"]["left_out"] == ["notes.ipynb: not one of the lessons to grade"]


def test_a_table_is_printed_and_each_notebook_when_it_is_done(finished: Graded) -> None:
    assert [line.split() for line in finished.table[:4]] == [
        ["learner", "01_schema", "02_initial_load", "right"],
        ["ann", "-", "3/5", "3/10"],
        ["bob", "2/5", "!", "-", "2/10"],
        ["cid", "0/5", "!", "-", "0/10"],
    ]
    assert finished.progress.count("\n") == 3
    assert "[2/3] bob 1_core/01_schema" in finished.progress


def test_the_status_says_whether_what_is_required_is_met(finished: Graded) -> None:
    assert finished.status == 1
    assert finished.table[-1] == "Fewer than 3 of 10 right: 2 of 3."


def test_junit_has_a_suite_for_each_notebook_and_a_case_for_each_exercise(
    finished: Graded,
) -> None:
    bob = finished.suites["bob/1_core/01_schema"]
    found = {case.attrib["name"]: [child.tag for child in case] for case in bob}
    assert found == {
        "the notebook runs through": ["error"],
        "dealer_table": [],
        "foreign_keys": ["skipped"],
        "add_model": ["skipped"],
        "models_per_brand": ["skipped"],
        "rows_deleted": [],
    }
    counts = {name: bob.attrib[name] for name in ("tests", "failures", "errors", "skipped")}
    assert counts == {"tests": "6", "failures": "0", "errors": "1", "skipped": "3"}
    assert finished.suites["ann/1_core/01_schema"].attrib["failures"] == "5"


def _grade(name: str, text: str) -> LearnerGrade:
    verdicts = {"one": Verdict(Outcome.WRONG, text, text, text), "two": Verdict(Outcome.UNCHECKED)}
    return LearnerGrade(name, [LessonGrade("1_core/01_schema", verdicts, {}, [text], 1.0)], [text])


def test_junit_holds_any_text() -> None:
    text = "".join(map(chr, [*range(0x20), 0x7F, 0xD800, 0xFFFE, 0x1F600])) + "]]>&<\"'"
    root = ElementTree.fromstring(as_junit([_grade(text, text)]))
    assert root.attrib["errors"] == "2"
    (failure,) = root.iter("failure")
    assert failure.text is not None
    assert "\U0001f600]]>&<\"'" in failure.text


def test_the_table_gives_a_terminal_no_commands() -> None:
    assert as_table([_grade("\x1b[2Jann\r", "\x07ring\x9b")]).splitlines() == [
        "learner   01_schema  right",
        "?[2Jann?  0/2 !      0/2",
        "?[2Jann? 1_core/01_schema: ?ring?",
        "?[2Jann?, left out: ?ring?",
    ]


# -- who is a learner


def _found(*folders: Path) -> dict[str, list[str]]:
    return {one.name: sorted(one.submissions) for one in find_learners(folders, ASSIGNMENTS)}


@pytest.mark.parametrize(
    ("files", "learners"),
    [
        (["01_schema.ipynb"], {"top": ["1_core/01_schema"]}),
        (["1_core/01_schema.ipynb"], {"top": ["1_core/01_schema"]}),
        (["workbook/1_core/01_schema.ipynb"], {"top": ["1_core/01_schema"]}),
        (["notebooks/1_core/02_initial_load.ipynb"], {"top": ["1_core/02_initial_load"]}),
        (
            ["ann/01_schema.ipynb", "bob/deep/down/x.ipynb", "none/x.txt", ".git/y.ipynb"],
            {"ann": ["1_core/01_schema"], "bob": ["1_core/01_schema"]},
        ),
        (
            ["ann/.ipynb_checkpoints/02_initial_load.ipynb", "ann/x.ipynb"],
            {"ann": ["1_core/01_schema"]},
        ),
    ],
)
def test_a_folder_is_a_learner_or_a_class(
    tmp_path: Path, files: list[str], learners: dict[str, list[str]]
) -> None:
    for name in files:
        hand_in(tmp_path / "top", name=name)
    assert _found(tmp_path / "top") == learners


def test_of_two_copies_the_one_with_the_lessons_name_counts(tmp_path: Path) -> None:
    hand_in(tmp_path, "1 + 1")
    hand_in(tmp_path, name="01_schema-Copy1.ipynb")
    (learner,) = find_learners([tmp_path], ASSIGNMENTS)
    assert "1 + 1" in learner.submissions["1_core/01_schema"].cells
    assert learner.left_out == ["01_schema-Copy1.ipynb: another of 1_core/01_schema"]

    hand_in(tmp_path / "more")
    (learner,) = find_learners([tmp_path], ASSIGNMENTS)
    assert "found 2: 01_schema.ipynb, more/01_schema.ipynb" in (
        learner.submissions["1_core/01_schema"].problem.replace("\\", "/")
    )


def test_learners_of_several_folders_keep_apart(tmp_path: Path) -> None:
    for place in ("a/ann", "b/ann"):
        hand_in(tmp_path / place)
    assert sorted(_found(tmp_path / "a", tmp_path / "b")) == ["a/ann", "b/ann"]
    with pytest.raises(NothingToGrade, match="two folders 'ann'"):
        _found(tmp_path / "a" / "ann", tmp_path / "b" / "ann")


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["missing"], "found no missing"),
        (["empty"], "Found none."),
        (["ann", "--only", "7"], "No lesson '7'"),
        (["ann", "--rows", "many"], "'rows' takes a whole number"),
        (["ann", "--only", "01", "--require", "6"], "a number from 0 to 5, found '6'"),
        (["ann", "--require", "some"], "found 'some'"),
        (["ann", "--seconds", "0"], "--seconds takes"),
        (["ann", "--seconds", "nan"], "--seconds takes"),
        (["ann", "--memory", "10"], "--memory takes"),
        (["ann", "--json", "empty"], "empty is a folder"),
        ([], "FOLDER"),
    ],
)
def test_what_can_not_be_graded_is_refused_before_anything_runs(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    words: list[str],
    said: str,
) -> None:
    hand_in(tmp_path / "ann", f"open({str(tmp_path / 'ran')!r}, 'w').close()")
    (tmp_path / "empty").mkdir()
    monkeypatch.chdir(tmp_path)
    try:
        status = main(["grade", *words])
    except SystemExit as ended:  # what argparse refuses itself
        status = ended.code
    assert status == 2
    assert said in capsys.readouterr().err
    assert not (tmp_path / "ran").exists()
