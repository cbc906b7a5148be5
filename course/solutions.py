"""The folded solutions at the end of a lesson, for readers of a page that runs nothing."""

import re

import nbformat

from exercises.exercise import Exercise
from exercises.kinds import Function, Value
from exercises.notebook import exercises_of

HEADING = "### Solutions"
_OPENED = re.compile(r"exercises\.open_lesson\(engine, \"(\w+)\"\)")


def fill_solutions(notebook: nbformat.NotebookNode) -> None:
    """Write the solutions into the cell that begins with `HEADING`; changes `notebook`.

    They are those of the exercises that the notebook asks. A notebook without such a cell, or
    without exercises, is left as it is.
    """
    code = "\n".join(cell.source for cell in notebook.cells if cell.cell_type == "code")
    opened = _OPENED.search(code)
    exercises = exercises_of(opened[1]) if opened else ()
    asked = [exercise for exercise in exercises if f"ex.{exercise.name}.check(" in code]
    for cell in notebook.cells:
        if opened and cell.cell_type == "markdown" and cell.source.startswith(HEADING):
            folded = map(_folded, asked)
            cell.source = "\n\n".join([HEADING, "One way each; others are as right.", *folded])


def _folded(exercise: Exercise) -> str:
    """One way to do an exercise, to unfold."""
    language = "python" if isinstance(exercise, Function | Value) else "sql"
    return (
        f"<details><summary><code>ex.{exercise.name}</code></summary>\n\n"
        f"```{language}\n{exercise.shown_solution.strip()}\n```\n</details>"
    )
