"""Each lesson has the form of a lesson, and each rule about it can fail."""

import copy
from collections.abc import Callable
from pathlib import Path

import nbformat
import notebook_form
import pytest
from nbformat.v4 import new_output

from course.lessons import Lesson, find_lessons

LESSONS = find_lessons()
CHECKOUT = Path("somewhere", "workbook")
Spoil = Callable[[nbformat.NotebookNode], object]


@pytest.mark.parametrize("rule", notebook_form.RULES, ids=lambda rule: rule.__name__)
@pytest.mark.parametrize("lesson", LESSONS, ids=lambda lesson: lesson.name)
def test_a_lesson_keeps_the_rule(lesson: Lesson, rule: notebook_form.Rule) -> None:
    assert list(rule(lesson)) == []


@pytest.mark.parametrize("lesson", LESSONS, ids=lambda lesson: lesson.name)
def test_a_lesson_is_linked_to_the_next(lesson: Lesson) -> None:
    place = LESSONS.index(lesson)
    before, after = LESSONS[:place][-1:], LESSONS[place + 1 :][:1]
    neighbors = [found[0].path if found else None for found in (before, after)]
    assert list(notebook_form.links(lesson, tuple(neighbors))) == []


@pytest.mark.parametrize("lesson", LESSONS, ids=lambda lesson: lesson.name)
def test_a_lesson_is_saved_as_nbformat_saves_it(lesson: Lesson) -> None:
    assert lesson.path.read_text(encoding="utf-8") == nbformat.writes(lesson.notebook) + "\n"


def test_each_lesson_has_a_schema_of_its_own() -> None:
    schemas = [lesson.parameters["schema"] for lesson in LESSONS]
    assert len(set(schemas)) == len(LESSONS)


# -- the rules, broken one by one


def _code(notebook: nbformat.NotebookNode) -> list[nbformat.NotebookNode]:
    return [cell for cell in notebook.cells if cell.cell_type == "code"]


def _source(text: str, cell: int = 2) -> Spoil:
    return lambda notebook: _code(notebook)[cell].update(source=text)


def _stream(text: str, name: str = "stdout") -> Spoil:
    output = new_output("stream", name=name, text=text)
    return lambda notebook: _code(notebook)[2].outputs.append(output)


def _data(**data: object) -> Spoil:
    named = {kind.replace("__", "/").replace("_", "-"): value for kind, value in data.items()}
    output = new_output("display_data", data=named)
    return lambda notebook: _code(notebook)[2].outputs.append(output)


def _tag(*tags: str, cells: slice = slice(2, 3)) -> Spoil:
    def spoil(notebook: nbformat.NotebookNode) -> None:
        for cell in _code(notebook)[cells]:
            cell.metadata["tags"] = [*tags]

    return spoil


def _without(text: str) -> Spoil:
    def spoil(notebook: nbformat.NotebookNode) -> None:
        for cell in notebook.cells:
            if cell.cell_type == "markdown":
                cell.source = cell.source.replace(text, "")

    return spoil


BROKEN: list[tuple[notebook_form.Rule, str, Spoil]] = [
    (notebook_form.form, "metadata", lambda nb: nb.metadata.update(widgets={})),
    (notebook_form.form, "not python3", lambda nb: nb.metadata.kernelspec.update(name="other")),
    (
        notebook_form.form,
        "Python version",
        lambda nb: nb.metadata.language_info.update(version="3"),
    ),
    (notebook_form.form, "cells have", lambda nb: nb.cells[0].metadata.update(execution={})),
    (notebook_form.form, "same id", lambda nb: nb.cells[0].update(id=nb.cells[1].id)),
    (notebook_form.execution, "[None]", lambda nb: _code(nb)[-1].update(execution_count=None)),
    (notebook_form.execution, "[7]", lambda nb: _code(nb)[4].update(execution_count=7)),
    (notebook_form.source, "magic", _source("%time 1")),
    (notebook_form.source, "magic", _source("%%time\n1")),
    (notebook_form.source, "magic", _source("!ls")),
    (notebook_form.source, "magic", _source("files = !ls")),
    (notebook_form.source, "magic", _source("print?")),
    (notebook_form.source, "semicolon", _source("x = 1\nx;  # quiet")),
    (notebook_form.source, "empty", _source("  ")),
    (notebook_form.source, "speaks", _source("# NBVAL_IGNORE_OUTPUT\n1")),
    (notebook_form.outputs, "stderr", _stream("careful", name="stderr")),
    (notebook_form.outputs, "a path", _stream("in /home/ann/x.csv")),
    (notebook_form.outputs, "a path", _data(text__html="<b>/tmp/cars</b>")),
    (notebook_form.outputs, "a path", _stream(r"C:\Users\ann")),
    (notebook_form.outputs, "this checkout", _stream(f"{CHECKOUT}/x.csv")),
    (notebook_form.outputs, "network address", _stream("at 127.0.0.1:5432")),
    (notebook_form.outputs, "network address", _stream("at localhost")),
    (notebook_form.outputs, "memory address", _data(text__plain="<Car at 0x7f00deadbeef>")),
    (
        notebook_form.outputs,
        "random id",
        _data(**{"application__vnd.jupyter.widget_view+json": {"model_id": "5"}}),
    ),
    (
        notebook_form.outputs,
        "an error",
        lambda nb: _code(nb)[2].outputs.append(new_output("error", ename="E", evalue="x")),
    ),
    (notebook_form.comparison, "asserts nothing", _tag(notebook_form.IGNORED)),
    (notebook_form.comparison, "only", _tag(notebook_form.IGNORED, cells=slice(0, 25))),
    (notebook_form.comparison, "has the tags", _tag("nbval-skip")),
    (notebook_form.comparison, "has the tags", _tag("raises-exception")),
    (notebook_form.parameters, "are []", _tag(cells=slice(0, 1))),
    (notebook_form.parameters, "are [0, 2]", _tag("parameters")),
    (notebook_form.parameters, "lines like", _source('schema = "a"\nrows = 2 * 3', cell=0)),
    (notebook_form.parameters, "not declared", _source('schema = "a"\nrows = "3"', cell=0)),
    (notebook_form.anatomy, "the title", _without("# 1 · ")),
    (
        notebook_form.anatomy,
        "opening sentence",
        lambda nb: nb.cells[0].update(source="# 1 · X\n\n"),
    ),
    (notebook_form.anatomy, "You will", _without("**You will**")),
    (notebook_form.anatomy, "You need", _without("**You need**")),
    (notebook_form.anatomy, "Time", _without("minutes")),
    (notebook_form.anatomy, "Exercises", _without("## Exercises")),
    (notebook_form.anatomy, "Claims", _without("## Claims, measured")),
    (notebook_form.anatomy, "Recap", _without("## Recap")),
    (notebook_form.anatomy, "Questions", _without("</details>")),
    (notebook_form.anatomy, "Questions", _without("<summary>5.")),
    (notebook_form.anatomy, "Glossary", _without("### Glossary")),
    (notebook_form.anatomy, "'### On'", _without("### On")),
    (notebook_form.anatomy, "Solutions", _without("### Solutions")),
    (notebook_form.solutions, "carlib execute", _without("CREATE TABLE dealer")),
    (notebook_form.anatomy, "out of order", lambda nb: nb.cells.insert(1, nb.cells[-1])),
    (notebook_form.anatomy, "0 exercises", lambda nb: nb.update(cells=nb.cells[:20])),
]


def _spoiled(spoil: Spoil) -> Lesson:
    """A copy of the first lesson with one fault."""
    notebook = copy.deepcopy(LESSONS[0].notebook)
    spoil(notebook)
    lesson = Lesson(CHECKOUT / "notebooks" / LESSONS[0].part / LESSONS[0].path.name)
    lesson.__dict__["notebook"] = notebook  # as the cached property keeps it
    return lesson


@pytest.mark.parametrize(("rule", "said", "spoil"), BROKEN)
def test_a_broken_rule_is_noticed(rule: notebook_form.Rule, said: str, spoil: Spoil) -> None:
    found = list(rule(_spoiled(spoil)))
    assert [problem for problem in found if said in problem], found


def test_a_broken_link_is_noticed() -> None:
    broken = _spoiled(lambda nb: nb.cells[-1].update(source="[x](missing.ipynb)"))
    assert len(list(notebook_form.links(broken, (None, Path("02_next.ipynb"))))) == 2
