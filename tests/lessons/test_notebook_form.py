"""Each lesson, and the template, has the form of a lesson."""

import nbformat
import notebook_form
import pytest

from course.lessons import Lesson, find_lessons

LESSONS = find_lessons()
TEMPLATE = Lesson(notebook_form.TEMPLATE)


@pytest.mark.parametrize("lesson", [*LESSONS, TEMPLATE], ids=lambda lesson: lesson.name)
def test_a_lesson_keeps_the_rules(lesson: Lesson) -> None:
    assert [offense for rule in notebook_form.RULES for offense in rule(lesson)] == []


@pytest.mark.parametrize("lesson", [*LESSONS, TEMPLATE], ids=lambda lesson: lesson.name)
def test_a_lesson_is_saved_as_nbformat_saves_it(lesson: Lesson) -> None:
    assert lesson.path.read_text(encoding="utf-8") == nbformat.writes(lesson.notebook) + "\n"


@pytest.mark.parametrize("lesson", LESSONS, ids=lambda lesson: lesson.name)
def test_a_lesson_is_linked_to_its_neighbors(lesson: Lesson) -> None:
    paths = [None, *(lesson.path for lesson in LESSONS), None]
    place = paths.index(lesson.path)
    assert list(notebook_form.links(lesson, (paths[place - 1], paths[place + 1]))) == []


def test_each_lesson_has_a_schema_of_its_own() -> None:
    schemas = [lesson.parameters["schema"] for lesson in [*LESSONS, TEMPLATE]]
    assert len(set(schemas)) == len(schemas)
