"""The template has the form of a lesson, runs as one, and a copy of it is one."""

from __future__ import annotations

import os
import re
import shutil
from pathlib import Path

import nbformat
import notebook_form
import pytest
from nbval_lessons import explain, validate

from course.lessons import Lesson, find_lessons
from exercises import lessons

TEMPLATE = Lesson(notebook_form.TEMPLATE)


@pytest.mark.parametrize("rule", notebook_form.RULES, ids=lambda rule: rule.__name__)
def test_it_keeps_the_rules_of_a_lesson(rule: notebook_form.Rule) -> None:
    assert list(rule(TEMPLATE)) == []


def test_it_is_saved_as_nbformat_saves_it() -> None:
    assert TEMPLATE.path.read_text("utf-8") == nbformat.writes(TEMPLATE.notebook) + "\n"


def test_it_has_one_exercise() -> None:
    checks = [c for c in notebook_form.code_cells(TEMPLATE) if ".check(" in c.source]
    assert len(checks) == 1


def test_every_output_is_the_committed_one(database_url: str) -> None:
    done = validate(TEMPLATE.path, {"CARLIB_DATABASE_URL": database_url})
    assert done.returncode == 0, explain(done, "The template")


def test_it_is_no_lesson_itself() -> None:
    assert TEMPLATE.path not in [lesson.path for lesson in find_lessons()]
    schemas = [lesson.parameters["schema"] for lesson in find_lessons()]
    assert TEMPLATE.parameters["schema"] not in schemas


def test_its_links_lead_somewhere() -> None:
    folder = TEMPLATE.path.parent
    for cell in TEMPLATE.notebook.cells:
        for target in notebook_form.link_targets(cell):
            assert (folder / target).exists(), target


def test_what_it_says_of_using_it_is_so(tmp_path: Path) -> None:
    """A copy under a lesson's name is found as one; what is named is there."""
    (text,) = [c.source for c in TEMPLATE.notebook.cells if c.source.startswith("How to use it")]
    (place,) = re.findall(r"`(notebooks/1_core/NN_name\.ipynb)`", text)
    copy = tmp_path / place.replace("NN_name", "07_seven")
    copy.parent.mkdir(parents=True)
    shutil.copy(TEMPLATE.path, copy)
    (lesson,) = find_lessons(tmp_path / "notebooks")
    assert (lesson.number, lesson.title) == ("07", "0 · Template")
    (module,) = re.findall(r"`exercises/(lesson_NN)\.py`", text)
    assert all(re.fullmatch(module.replace("NN", r"\d\d"), name) for name in lessons())
    assert os.path.relpath(lesson.path.parents[2] / "README.md", copy.parent) == "../../README.md"
