"""Notebooks as learners hand them in: short ones, with whatever somebody may think of."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import nbformat
from nbformat.v4 import new_code_cell, new_notebook

from course.cli import main
from course.grading.submissions import Assignment, assignments
from course.lessons import find_lessons
from exercises import Exercise, Function, Value
from exercises.notebook import exercises_of

PARAMETERS = 'schema = "mine"'
START = """\
from carlib import connect, create_tables, exercises
engine = connect(schema=schema, fresh=True)
create_tables(engine)
ex = exercises.open_lesson(engine, "{module}")"""
SOLUTIONS = {
    exercise.name: exercise.shown_solution
    for module in ("lesson_01", "lesson_02")
    for exercise in exercises_of(module)
}


def hand_in(
    folder: Path, *cells: str | nbformat.NotebookNode, lesson: str = "01_schema", name: str = ""
) -> Path:
    """Write a notebook of a lesson: its parameters, its start, then `cells`; return its path."""
    start = START.format(module=f"lesson_{lesson[:2]}")
    code = [new_code_cell(PARAMETERS, metadata={"tags": ["parameters"]}), start, *cells]
    made = [new_code_cell(one) if isinstance(one, str) else one for one in code]
    path = folder / (name or f"{lesson}.ipynb")
    path.parent.mkdir(parents=True, exist_ok=True)
    nbformat.write(new_notebook(cells=made), path)
    return path


def sql(exercise: str, answer: str | None = None) -> str:
    """A cell that hands in SQL, by default the solution."""
    return f"ex.{exercise}.check({answer or SOLUTIONS[exercise]!r})"


def written_in(exercise: Exercise, answer: str) -> str:
    """A cell as a learner fills it in."""
    if isinstance(exercise, Function):
        return f"{answer}\n\n\nex.{exercise.name}.check({exercise.function})"
    if isinstance(exercise, Value):
        return f"{answer}\nex.{exercise.name}.check(answer)"
    return f'answer = """\n{answer}\n"""\nex.{exercise.name}.check(answer)'


def solved(assignment: Assignment) -> nbformat.NotebookNode:
    """A lesson's own notebook with every exercise solved, not executed."""
    notebook = nbformat.reads(nbformat.writes(assignment.lesson.notebook), as_version=4)
    for exercise in exercises_of(assignment.module):
        for cell in notebook.cells:
            if cell.cell_type == "code" and f"ex.{exercise.name}.check(" in cell.source:
                cell.source = written_in(exercise, exercise.shown_solution)
    return notebook


def all_assignments() -> list[Assignment]:
    """Every lesson that has exercises."""
    return assignments(find_lessons())


def graded(tmp_path: Path, *words: object) -> tuple[int, dict[str, Any]]:
    """Run `carlib grade` here; return its status, and by learner what the JSON file says."""
    report = tmp_path / "grades.json"
    status = main(["grade", *map(str, words), "--json", str(report)])
    found = json.loads(report.read_text(encoding="utf-8"))
    return status, {one["name"]: one for one in found["learners"]}


def outcomes(learner: dict[str, Any], lesson: int = 0) -> dict[str, str]:
    """What became of each exercise of one lesson."""
    return {one["name"]: one["outcome"] for one in learner["lessons"][lesson]["exercises"]}


def right(learner: dict[str, Any]) -> Sequence[str]:
    """The names of the exercises that are right."""
    lessons = range(len(learner["lessons"]))
    return [name for n in lessons for name, o in outcomes(learner, n).items() if o == "right"]
