"""The exercises that a lesson asks, and their folded solutions at its end."""

import re

import nbformat

from exercises.exercise import Exercise
from exercises.kinds import Function, Value
from exercises.notebook import exercises_of

HEADING = "### Solutions"


def fill_solutions(notebook: nbformat.NotebookNode) -> None:
    """Write the solutions into the cell that begins with `HEADING`; changes `notebook`.

    They are those of the exercises that the notebook asks. A notebook without such a cell, or
    without exercises, is left as it is.
    """
    code = "\n".join(cell.source for cell in notebook.cells if cell.cell_type == "code")
    asked = exercises_asked(code)
    for cell in notebook.cells:
        if asked and cell.cell_type == "markdown" and cell.source.startswith(HEADING):
            folded = map(_folded, asked)
            cell.source = "\n\n".join([HEADING, "One way each; others are as right.", *folded])


def exercises_asked(code: str) -> list[Exercise]:
    """Return the exercises that the code of a lesson opens and checks, in their module's order."""
    opened = re.search(r"open_lesson\(\s*\w+\s*,\s*[\"'](\w+)[\"']", code)
    exercises = exercises_of(opened[1]) if opened else ()
    return [exercise for exercise in exercises if f"ex.{exercise.name}.check(" in code]


def _folded(exercise: Exercise) -> str:
    """One way to do an exercise, to unfold."""
    language = "python" if isinstance(exercise, Function | Value) else "sql"
    return (
        f"<details><summary><code>ex.{exercise.name}</code></summary>\n\n"
        f"```{language}\n{exercise.shown_solution.strip()}\n```\n</details>"
    )
