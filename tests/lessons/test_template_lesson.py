"""The template for authors: it leads somewhere, runs as it says, and a copy of it is a lesson."""

import re
import shutil
from pathlib import Path

import notebook_form
import pytest
from nbval_lessons import validate

from course.lessons import Lesson, find_lessons
from exercises import lessons

TEMPLATE = Lesson(notebook_form.TEMPLATE)


def test_its_links_lead_somewhere() -> None:
    targets = [t for cell in TEMPLATE.notebook.cells for t in notebook_form.link_targets(cell)]
    assert [target for target in targets if not (TEMPLATE.path.parent / target).exists()] == []


def test_its_instructions_make_a_lesson_of_a_copy(tmp_path: Path) -> None:
    (text,) = [c.source for c in TEMPLATE.notebook.cells if c.source.startswith("How to use it")]
    (place,) = re.findall(r"`(notebooks/1_core/NN_name\.ipynb)`", text)
    copy = tmp_path / place.replace("NN_name", "07_seven")
    copy.parent.mkdir(parents=True)
    shutil.copy(TEMPLATE.path, copy)
    (lesson,) = find_lessons(tmp_path / "notebooks")
    assert (lesson.number, lesson.title) == ("07", "0 · Template")
    (module,) = re.findall(r"`exercises/part_1/(lesson_NN)\.py`", text)
    assert all(re.fullmatch(module.replace("NN", r"\d\d"), name) for name in lessons())


@pytest.mark.slow
def test_every_output_is_the_committed_one(database_url: str) -> None:
    validation = validate(TEMPLATE.path, {"CARLIB_DATABASE_URL": database_url})
    assert validation.passed, validation.report
