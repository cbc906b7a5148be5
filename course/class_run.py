"""The lessons for each learner of a class, one learner after the other, and a summary of all."""

from __future__ import annotations

import contextlib
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TextIO

from carlib._database_url import Secret
from carlib.errors import CarlibError
from course.class_file import Learner
from course.class_index import write_class_index
from course.database import run_database
from course.lessons import Lesson
from course.printable import printable
from course.run import CourseRun, execute_run, plan_run, remove_earlier
from course.stopping import begin_clean_up, resume_work
from servers.postgres import ServerError

_OpenDatabase = Callable[[Secret | None], tuple[dict[str, str], str]]


@dataclass
class LearnerRun:
    """What became of the lessons of one learner.

    Attributes:
        learner: Whose run it is.
        course: The lessons, all of them ``not run`` where `error` says why.
        error: Why no lesson could run: the server can't be reached, say.
    """

    learner: Learner
    course: CourseRun
    error: str = ""

    @property
    def ok(self) -> bool:
        """Whether every lesson ran to its end."""
        return all(run.status == "ok" for run in self.course.lessons)


@dataclass
class ClassRun:
    """What became of a class.

    Attributes:
        learners: In the order in which they run.
        lessons: The lessons that each of them gets.
        index: The page with the summary.
        started: When, as `time.time` counts.
    """

    learners: list[LearnerRun]
    lessons: Sequence[Lesson]
    index: Path
    started: float = field(default_factory=time.time)


def run_class(
    learners: Sequence[Learner],
    lessons: Sequence[Lesson],
    output: Path,
    *,
    values: Mapping[str, object] | None = None,
    database_url: str | None = None,
    log: TextIO | None = None,
) -> ClassRun:
    """Execute the lessons for each learner, and go on past what fails.

    Args:
        learners: From `read_class`.
        lessons: The lessons, in the order in which they run.
        output: The folder for ``<learner>/<part>/<lesson>.ipynb``, ``.html``, each learner's
            ``index.html``, and the summary ``index.html``.
        values: Parameters for everyone, in place of what the class's file says.
        database_url: A server for everyone, in place of what the class's file says. Those who have
            none share an embedded one in a temporary folder, which goes when the run ends.
        log: Where progress is shown; by default on stderr.

    Returns:
        The run; `LearnerRun.ok` says of each whether all went well.

    Raises:
        UsageError: A parameter in `values` is unknown or of the wrong type; nothing has run.
    """
    values, log = values or {}, log or sys.stderr
    declared = {name for lesson in lessons for name in lesson.parameters}
    output = output.resolve()
    runs = []
    for learner in learners:
        own = {name: value for name, value in learner.values.items() if name in declared}
        planned = plan_run(lessons, output / learner.folder, {**own, **values}, learner.name)
        runs.append(LearnerRun(learner, planned))
    whole = ClassRun(runs, lessons, output / "index.html")
    for run in runs:
        remove_earlier(run.course)
    common = Secret(database_url) if database_url else None
    try:
        with _databases() as open_database:
            try:
                for run in runs:
                    _run_one(run, open_database, common, log)
                    write_class_index(whole)
                    resume_work()
            finally:
                begin_clean_up()
    finally:
        write_class_index(whole)
    return whole


def _run_one(
    run: LearnerRun, open_database: _OpenDatabase, common: Secret | None, log: TextIO
) -> None:
    try:
        environment, run.course.server = open_database(common or run.learner.database_url)
        execute_run(run.course, environment, log, keep_going=True)
    except (CarlibError, ServerError) as error:
        run.error = str(error)
        print(f"{printable(run.learner.name)} not run: {run.error}", file=log)


@contextlib.contextmanager
def _databases() -> Iterator[_OpenDatabase]:
    """A function that opens each server once; the embedded one starts when it is first needed."""
    opened: dict[str | None, tuple[dict[str, str], str]] = {}

    def open_database(url: Secret | None) -> tuple[dict[str, str], str]:
        key = url.reveal() if url else None
        if key not in opened:
            opened[key] = stack.enter_context(run_database(key))
        return opened[key]

    with contextlib.ExitStack() as stack:
        yield open_database
