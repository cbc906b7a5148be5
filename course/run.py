"""Runs lessons in order through papermill and keeps what came out: notebooks, pages, an index."""

import contextlib
import os
import re
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, TextIO

import nbformat
import papermill
from nbclient.exceptions import DeadKernelError

from carlib.text import printable
from course.database import run_database
from course.errors import LessonFailed
from course.lessons import CourseRun, Lesson, LessonRun, assign_parameters
from course.pages import write_index, write_page

# For nbclient, alone or below papermill; the kernel's own log is of no use to who runs lessons.
KERNEL_OPTIONS: dict[str, Any] = {"kernel_name": "python3", "iopub_timeout": 60}
KERNEL_OPTIONS["extra_arguments"] = ["--log-level=CRITICAL"]
_KERNEL_VARIABLES = {
    "JUPYTER_PREFER_ENV_PATH": "1",  # the user's folders may have a kernel of another Python
    "TQDM_DISABLE": "1",  # outputs shall not depend on how fast a machine is
    "PYDEVD_DISABLE_FILE_VALIDATION": "1",  # a note of the debugger that every kernel loads
}


def run_lessons(
    lessons: Sequence[Lesson],
    output: Path,
    *,
    values: Mapping[str, object] | None = None,
    database_url: str | None = None,
    log: TextIO | None = None,
) -> CourseRun:
    """Execute lessons one after the other and write what came out to `output`.

    The first failing cell ends the run; the half-executed notebook and its page are kept.

    Args:
        lessons: The lessons, in the order in which they run.
        output: The folder for ``<part>/<lesson>.ipynb``, ``.html`` and ``index.html``.
        values: Parameter name to value; each goes to the lessons that declare it.
        database_url: The server to use, by default an embedded one in a temporary folder.
        log: Where progress is shown, by default on stderr; a bar only if it is a terminal.

    Raises:
        UsageError: A parameter is unknown or of the wrong type; nothing has run.
        ConnectionFailed: The server can't be used as it is; nothing has run.
        LessonFailed: A cell failed. Says the lesson, the cell and the error.
    """
    course = plan_run(lessons, output, values or {})
    with run_database(database_url) as (environment, course.server):
        execute_run(course, environment, log or sys.stderr)
    return course


def plan_run(
    lessons: Sequence[Lesson], output: Path, values: Mapping[str, object], learner: str = ""
) -> CourseRun:
    """Say which lesson gets which values, and where what comes out of it goes; nothing runs."""
    output = output.resolve()
    runs = []
    for lesson, parameters in zip(lessons, assign_parameters(lessons, values), strict=True):
        place = output / lesson.part / lesson.path.name
        runs.append(LessonRun(lesson, parameters, place, place.with_suffix(".html")))
    return CourseRun(runs, output / "index.html", learner)


def execute_run(
    course: CourseRun, environment: Mapping[str, str], log: TextIO, keep_going: bool = False
) -> None:
    """Execute the lessons of a run on a server, and write their pages and the index at the end.

    What becomes of each lesson is entered into `course`; `environment` is that of `run_database`.

    Raises:
        LessonFailed: A cell failed; with `keep_going`, the next lesson runs instead.
    """
    runs = course.lessons
    for earlier in (course.index, *(path for run in runs for path in (run.notebook, run.page))):
        earlier.unlink(missing_ok=True)
    who = f"{printable(course.learner)} " if course.learner else ""
    try:
        with kernel_environment(environment):
            for position, run in enumerate(runs, 1):
                _execute(run, f"{who}[{position}/{len(runs)}] {run.lesson.name}", log)
                if run.error and not keep_going:
                    raise LessonFailed(
                        f"{run.lesson} failed in {run.error}\n"
                        f"The notebook is kept as far as it came: {run.notebook}"
                    )
    finally:
        for run in runs:
            if run.notebook.exists():
                write_page(run, runs)
        write_index(course)


@contextlib.contextmanager
def kernel_environment(environment: Mapping[str, str]) -> Iterator[None]:
    """Set the variables that kernels started in the block inherit, and reset them afterwards.

    The database's address travels so: a parameter's password would stand in the executed notebook.
    """
    before = dict(os.environ)
    os.environ.update(_KERNEL_VARIABLES | dict(environment))
    try:
        yield
    finally:
        os.environ.clear()
        os.environ.update(before)


def _execute(run: LessonRun, label: str, log: TextIO) -> None:
    """Execute one lesson; its notebook is saved after every cell."""
    run.notebook.parent.mkdir(parents=True, exist_ok=True)
    run.status, started = "failed", time.perf_counter()
    # papermill fills parameters into paths, between braces.
    paths = [re.sub("([{}])", r"\1\1", str(path)) for path in (run.lesson.path, run.notebook)]
    bar = {"desc": label, "file": log, "disable": None, "leave": False}
    options = {"language": "python", "progress_bar": bar, **KERNEL_OPTIONS}
    try:
        papermill.execute_notebook(*paths, run.parameters, **options)
        cells = _code_cells(run)
        if unrun := sum(cell.execution_count is None for cell in cells if cell.source.strip()):
            # papermill takes a lesson that called sys.exit() for a success.
            run.error = f"cell [{_last_cell(run)}]: it ended the lesson, {unrun} cells unrun"
        else:
            run.status = "ok"
    except papermill.PapermillExecutionError as error:
        run.error = f"cell [{error.exec_count}]: {_brief(error)}"
    except DeadKernelError:
        run.error = f"cell [{_last_cell(run)}]: the kernel died"
    except KeyboardInterrupt:
        run.error = f"cell [{_last_cell(run)}]: the run was stopped there"
        raise
    finally:
        run.seconds = time.perf_counter() - started
    print(f"{label}  {run.status}  {run.seconds:.1f} s", file=log)


def _last_cell(run: LessonRun) -> int:
    """The number of the last cell that was started, as the notebook counts them."""
    return sum(bool(cell.metadata.papermill.start_time) for cell in _code_cells(run))


def _code_cells(run: LessonRun) -> list[nbformat.NotebookNode]:
    if not run.notebook.exists():
        return []
    cells = nbformat.read(run.notebook, as_version=4).cells
    return [cell for cell in cells if cell.cell_type == "code"]


def _brief(error: papermill.PapermillExecutionError) -> str:
    """The error's name and at most two lines of what it says, or the line that failed."""
    plain = re.sub(r"\x1b\[[0-9;]*m", "", error.evalue or "\n".join(error.traceback))
    if not error.evalue:  # an `assert` without a text: IPython's arrow points to it
        plain = "".join(re.findall(r"^-+> \d+ (.*)", plain, re.MULTILINE)[:1])
    lines = [line.strip() for line in plain.splitlines() if line.strip()]
    return f"{error.ename}: " + "\n".join(lines[:2])[:400]
