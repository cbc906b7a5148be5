"""The lessons for each learner of a class, one learner after the other, and a table of results."""

import contextlib
import os
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from carlib.errors import CarlibError
from course.class_file import read_class
from course.database import run_database
from course.errors import ClassFileError, UsageError
from course.lessons import CourseRun, Lesson, assign_parameters
from course.pages import write_index
from course.run import execute_run, plan_run
from servers.postgres import ServerError


def run_class(
    class_file: Path,
    every_lesson: Sequence[Lesson],
    lessons: Sequence[Lesson],
    output: Path,
    values: Mapping[str, object],
    database_url: str | None,
) -> list[CourseRun]:
    """Execute lessons for each learner of a class; one learner's failure ends nobody else's run.

    Args:
        class_file: The table, see `read_class`.
        every_lesson: All lessons whose parameters may be columns of the table.
        lessons: Those of them to run, in their order.
        output: The folder for a folder for each learner, named by the learner's slug.
        values: Parameters for everyone, in place of what the table says.
        database_url: The same. Learners without one share an embedded server for the run.

    Returns:
        A run for each learner. Where a server can't be used, its first lesson holds the error.

    Raises:
        UsageError: The table, or one of `values`, has a mistake; nothing has run.
    """
    assign_parameters(lessons, values)  # first, so that no line of the table gets the blame
    declared = {name for lesson in lessons for name in lesson.parameters}
    learners = read_class(class_file, {name for one in every_lesson for name in one.parameters})
    courses = []
    for learner in learners:
        if (name := learner.url_variable) and not (database_url or os.environ.get(name)):
            raise ClassFileError(
                f"{learner.place}: expected the environment variable {name} to hold the URL of "
                f"{learner.name}'s database, which `carlib roles` can make; it is not set."
            )
        try:
            assign_parameters(every_lesson, learner.values)  # also those that are not to run now
        except UsageError as error:
            raise ClassFileError(f"{learner.place}: {error}") from None
        merged = {"schema": learner.slug, **learner.values, **values}
        chosen = {name: value for name, value in merged.items() if name in declared}
        courses.append(plan_run(lessons, output / learner.slug, chosen, learner.name))
    for course in courses:  # Whoever's lessons can't run must not seem to have results.
        for earlier in (course.index, *(p for r in course.lessons for p in (r.notebook, r.page))):
            earlier.unlink(missing_ok=True)
    with contextlib.ExitStack() as stack:
        servers: dict[str | None, tuple[dict[str, str], str]] = {}
        for learner, course in zip(learners, courses, strict=True):
            url = database_url or os.environ.get(learner.url_variable)
            try:
                if url not in servers:
                    servers[url] = stack.enter_context(run_database(url))
                environment, course.server = servers[url]
                execute_run(course, environment, sys.stderr, keep_going=True)
            except (CarlibError, ServerError) as error:
                course.lessons[0].error = str(error)
                print(f"{learner.name}  not run  {error}", file=sys.stderr)
                write_index(course)
    return courses


def class_table(courses: Sequence[CourseRun]) -> str:
    """Return a row for each learner with each lesson's status, then the errors, then a count."""
    rows, errors = (
        [["learner", *(run.lesson.name[:2] for run in courses[0].lessons), "seconds"]],
        [],
    )
    for course in courses:
        seconds = f"{sum(run.seconds for run in course.lessons):.1f}"
        rows.append([course.learner, *(run.status for run in course.lessons), seconds])
        for run in course.lessons:
            if error := " ".join(run.error.split()):
                errors.append(f"{course.learner}, {run.lesson.name}: {error}")
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = ["  ".join(map(str.ljust, row, widths)).rstrip() for row in rows]
    ok = sum(set(statuses) == {"ok"} for _, *statuses, _ in rows[1:])
    return "\n".join([*lines, *errors, f"{ok} of {len(courses)} learners ok"])
