"""The folded solutions at the end of a lesson, for readers of a page that runs nothing."""

import re

import nbformat

from carlib.exercises.exercise import Exercise
from carlib.exercises.kinds import Function, Value
from carlib.exercises.notebook import exercises_of

HEADING = "### Solutions"
_OPENED = re.compile(r"exercises\.open_lesson\(engine, \"(\w+)\"\)")


def fill_solutions(notebook: nbformat.NotebookNode) -> None:
    """Write each exercise's solution into the cell that begins with `HEADING`; changes `notebook`.

    A notebook without such a cell, or without exercises, is left as it is.
    """
    found = (_OPENED.search(cell.source) for cell in notebook.cells if cell.cell_type == "code")
    opened = next((match[1] for match in found if match), None)
    for cell in notebook.cells:
        if opened and cell.cell_type == "markdown" and cell.source.startswith(HEADING):
            cell.source = solutions_of(exercises_of(opened))


def solutions_of(exercises: tuple[Exercise, ...]) -> str:
    """Return the section: for each exercise one way to do it, to unfold."""
    folded = (
        f"<details><summary><code>ex.{exercise.name}</code></summary>\n\n"
        f"```{'python' if isinstance(exercise, Function | Value) else 'sql'}\n"
        f"{exercise.shown_solution.strip()}\n```\n</details>"
        for exercise in exercises
    )
    return "\n\n".join([HEADING, "One way each; others are as right.", *folded])
