"""For authors: execute a lesson and write it back in the one form that is committed.

An executed notebook carries more than its outputs: times, random widget ids, the author's Python.
Those differ at every run and say nothing; without them a commit shows what really changed.
"""

from collections.abc import Iterable
from pathlib import Path

import nbformat
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError, DeadKernelError

from course.database import run_database
from course.errors import LessonFailed, LessonFormError
from course.lessons import Lesson
from course.run import KERNEL_OPTIONS, kernel_environment
from course.widgets import keep_widgets
from exercises import Exercise, Function, Value

SOLUTIONS = "### Solutions"
ABOUT_SOLUTIONS = "One way to solve each; others may be just as right."
_KERNEL_SPEC = {"display_name": "Python 3 (ipykernel)", "language": "python", "name": "python3"}
_LANGUAGE = {"file_extension": ".py", "mimetype": "text/x-python", "name": "python"}
_LANGUAGE["pygments_lexer"] = "ipython3"
_KEPT_METADATA = {"tags", "jupyter"}


def execute_lesson(path: Path, database_url: str | None = None) -> None:
    """Run all cells of a notebook from a fresh kernel, with its own parameters, and save it.

    Args:
        path: The notebook. It is left as it was unless every cell succeeds.
        database_url: A server to use; by default a temporary embedded one.

    Raises:
        LessonFailed: A cell raised an error.
        LessonFormError: A cell wrote to stderr: a warning would stand in every learner's copy.
    """
    notebook = nbformat.read(path, as_version=4)
    notebook.metadata = nbformat.from_dict({"kernelspec": _KERNEL_SPEC})
    # nbval and JupyterLab start a lesson's kernel in the lesson's own folder.
    resources = {"metadata": {"path": str(path.resolve().parent)}}
    client = NotebookClient(notebook, resources=resources, **KERNEL_OPTIONS)
    with run_database(database_url) as (environment, _), kernel_environment(environment):
        try:
            client.reset_execution_trackers()
            with client.setup_kernel():  # execute() would put its own handlers on our signals
                for index, cell in enumerate(notebook.cells):
                    client.execute_cell(cell, index)
                client.set_widgets_metadata()
        except (CellExecutionError, DeadKernelError) as error:
            raise LessonFailed(f"{path.name} was not saved: a cell failed.\n{error}") from error
    for cell in notebook.cells:
        for output in cell.get("outputs", []):
            if output.get("name") == "stderr":
                where = f"{path.name} was not saved: cell [{cell.execution_count}]"
                raise LessonFormError(f"{where} wrote to stderr:\n{output.text.strip()}")
    fill_solutions(notebook, Lesson(path).exercises)
    keep_widgets(notebook)  # their ids are random; how they stood at the end is not
    notebook.metadata = nbformat.from_dict({"kernelspec": _KERNEL_SPEC, "language_info": _LANGUAGE})
    for cell in notebook.cells:
        kept = {name: cell.metadata[name] for name in _KEPT_METADATA & set(cell.metadata)}
        cell.metadata = nbformat.from_dict(kept)
    nbformat.write(notebook, path)


def fill_solutions(notebook: nbformat.NotebookNode, exercises: Iterable[Exercise]) -> None:
    """Write the solutions, folded, into the cell that begins with `SOLUTIONS`, if there is one."""
    folded = [
        f"<details><summary><code>ex.{exercise.name}</code></summary>\n\n"
        f"```{'python' if isinstance(exercise, Function | Value) else 'sql'}\n"
        f"{exercise.shown_solution.strip()}\n```\n</details>"
        for exercise in exercises
    ]
    for cell in notebook.cells:
        if folded and cell.cell_type == "markdown" and cell.source.startswith(SOLUTIONS):
            cell.source = "\n\n".join([SOLUTIONS, ABOUT_SOLUTIONS, *folded])
