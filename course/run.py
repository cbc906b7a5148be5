"""Runs lessons in order through papermill and keeps what came out: notebooks, pages, an index."""

import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TextIO

import nbformat
import papermill
from nbclient.exceptions import CellTimeoutError, DeadKernelError

from course.cell_errors import brief, failing_line
from course.database import run_database
from course.errors import LessonFailed
from course.index import write_index
from course.kernels import kernel_options
from course.lessons import Lesson
from course.pages import write_page
from course.parameters import assign_parameters
from course.printable import printable
from course.stopping import begin_clean_up, check_for_stop


@dataclass
class LessonRun:
    """What became of one lesson.

    Attributes:
        lesson: The lesson.
        parameters: The values that replaced its defaults.
        notebook: Where the executed notebook is, or will be.
        page: The same as an HTML page.
        status: ``ok``, ``failed`` or ``not run``.
        seconds: How long it took; 0 when it was not run.
        error: The failing cell and its error, when it failed.
    """

    lesson: Lesson
    parameters: dict[str, object]
    notebook: Path
    page: Path
    status: str = "not run"
    seconds: float = 0.0
    error: str = ""


@dataclass
class CourseRun:
    """What became of all lessons of one run.

    Attributes:
        lessons: In the order in which they run.
        index: The page that leads to all of them.
        learner: Whose run it is, where it is one of a class.
        server: The version of the server they ran on.
        started: When, as `time.time` counts.
    """

    lessons: list[LessonRun]
    index: Path
    learner: str = ""
    server: str = ""
    started: float = field(default_factory=time.time)


def run_lessons(
    lessons: Sequence[Lesson],
    output: Path,
    *,
    values: Mapping[str, object] | None = None,
    database_url: str | None = None,
    log: TextIO = sys.stderr,
) -> CourseRun:
    """Execute lessons one after the other and write what came out to `output`.

    The first failing cell ends the run; the half-executed notebook and its page are kept.

    Args:
        lessons: The lessons, in the order in which they run.
        output: The folder for ``<part>/<lesson>.ipynb``, ``.html`` and ``index.html``. Earlier
            results of the same lessons in it are replaced.
        values: Parameter name to value; each goes to the lessons that declare it.
        database_url: The server to use. Without it, an embedded one in a temporary folder starts,
            and goes when the run ends.
        log: Where progress is shown; a bar only if it is a terminal.

    Returns:
        The run, every lesson in it with status ``ok``.

    Raises:
        UsageError: A parameter is unknown or of the wrong type; nothing has run.
        ConnectionFailed: The server can't be used as it is; nothing has run.
        LessonFailed: A cell failed. Says the lesson, the cell and the error.
    """
    course = plan_run(lessons, output, values or {})
    with run_database(database_url) as (environment, course.server):
        execute_run(course, environment, log)
    return course


def plan_run(
    lessons: Sequence[Lesson], output: Path, values: Mapping[str, object], learner: str = ""
) -> CourseRun:
    """Say which lesson gets which values and where what comes out of it goes; nothing runs.

    Raises:
        UsageError: A parameter is unknown or of the wrong type.
    """
    assigned = assign_parameters(lessons, values)
    output = output.resolve()
    runs = [
        LessonRun(
            lesson,
            parameters,
            notebook=output / lesson.part / f"{lesson.name}.ipynb",
            page=output / lesson.part / f"{lesson.name}.html",
        )
        for lesson, parameters in zip(lessons, assigned, strict=True)
    ]
    return CourseRun(runs, output / "index.html", learner)


def execute_run(
    course: CourseRun, environment: Mapping[str, str], log: TextIO, *, keep_going: bool = False
) -> None:
    """Execute the lessons of a run on a server, and write their pages and the index at the end.

    Args:
        course: From `plan_run`; what becomes of each lesson is entered there.
        environment: What tells the kernels where the server is.
        log: Where progress is shown.
        keep_going: After a failure, go on with the next lesson.

    Raises:
        LessonFailed: A cell failed, unless `keep_going`.
    """
    remove_earlier(course)
    runs = course.lessons
    who = f"{printable(course.learner)} " if course.learner else ""
    try:
        for position, run in enumerate(runs, 1):
            run.notebook.parent.mkdir(parents=True, exist_ok=True)
            label = f"{who}[{position}/{len(runs)}] {run.lesson.name}"
            try:
                _execute(run, environment, label, log)
            except LessonFailed:
                if not keep_going:
                    raise
    finally:
        begin_clean_up()
        for run in runs:
            if run.notebook.exists():
                write_page(run, runs)
        write_index(course)


def remove_earlier(course: CourseRun) -> None:
    """Remove what an earlier run of the same lessons left where this one will write."""
    for run in course.lessons:
        run.notebook.unlink(missing_ok=True)
        run.page.unlink(missing_ok=True)
    course.index.unlink(missing_ok=True)


def _execute(run: LessonRun, environment: Mapping[str, str], label: str, log: TextIO) -> None:
    """Execute one lesson; its notebook is saved after every cell."""
    started = time.perf_counter()
    try:
        papermill.execute_notebook(
            _literally(run.lesson.path),
            _literally(run.notebook),
            run.parameters,
            language="python",
            progress_bar={"desc": label, "file": log, "disable": None, "leave": False},
            on_cell_start=check_for_stop,
            **kernel_options(environment),
        )
        _refuse_early_end(run)
        run.status = "ok"
    except papermill.PapermillExecutionError as error:
        said = error.evalue or failing_line(error.traceback)
        run.error = f"cell [{error.exec_count}]: {brief(error.ename, said)}"
    except CellTimeoutError as error:
        run.error = f"cell [{_last_cell(run)}]: {brief(type(error).__name__, str(error))}"
    except DeadKernelError:
        run.error = f"cell [{_last_cell(run)}]: the kernel died"
    except LessonFailed as error:
        run.error = str(error)
    except KeyboardInterrupt:
        run.error = f"cell [{_last_cell(run)}]: the run was stopped there"
        raise
    finally:
        run.seconds = time.perf_counter() - started
        if run.status == "not run":
            run.status = "failed"
    print(f"{label}  {run.status}  {run.seconds:.1f} s", file=log)
    if run.error:
        raise LessonFailed(
            f"{run.lesson.part}/{run.lesson.name} failed in {run.error}\n"
            f"The notebook is kept as far as it came: {run.notebook}"
        )


def _literally(path: Path) -> str:
    """The path for papermill, which fills parameters in between braces."""
    return str(path).replace("{", "{{").replace("}", "}}")


def _refuse_early_end(run: LessonRun) -> None:
    """Refuse what papermill takes for a success: a lesson that called ``sys.exit()``."""
    cells = [cell for cell in _code_cells(run) if cell.source.strip()]
    left = sum(cell.execution_count is None for cell in cells)
    if left:
        raise LessonFailed(f"cell [{_last_cell(run)}]: it ended the lesson, {left} cells unrun")


def _last_cell(run: LessonRun) -> int:
    """The number of the last cell that was started, as the notebook counts them."""
    return sum(bool(cell.metadata.papermill.start_time) for cell in _code_cells(run))


def _code_cells(run: LessonRun) -> list[nbformat.NotebookNode]:
    if not run.notebook.exists():
        return []
    notebook = nbformat.read(run.notebook, as_version=4)
    return [cell for cell in notebook.cells if cell.cell_type == "code"]
