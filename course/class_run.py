"""The lessons for each learner of a class, one learner after the other, and a summary."""

import contextlib
import html
import os
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TextIO

from carlib.errors import CarlibError
from course.class_file import Learner, read_class
from course.database import run_database
from course.errors import ClassFileError, CourseError, UsageError
from course.lessons import Lesson
from course.run import CourseRun, execute_run, plan_run
from servers.postgres import ServerError

_PAGE = """<!DOCTYPE html>
<html lang="en"><head><meta charset="utf-8"><title>The class: {outcome}</title><style>
:root {{ color-scheme: light dark; }} body {{ font: 16px/1.5 system-ui, sans-serif; margin: 3rem; }}
td {{ padding: .3rem 1rem .3rem 0; border-top: 1px solid #8884; }}
</style></head><body><h1>Storing data in PostgreSQL</h1><p>{outcome} · {time}</p>
<table>{rows}</table><ul>{failures}</ul></body></html>
"""


@dataclass
class ClassRun:
    """What became of a class.

    Attributes:
        courses: The lessons of each learner, in the order of the table.
        index: The summary page, which leads to each learner's own.
        errors: For each learner whose lessons could not run at all: name to reason.
    """

    courses: list[CourseRun]
    index: Path
    errors: dict[str, str] = field(default_factory=dict)

    @property
    def ok(self) -> bool:
        """Whether every lesson of everyone ran to its end."""
        return all(map(_is_ok, self.courses))

    @property
    def outcome(self) -> str:
        """The result in one line."""
        return f"{sum(map(_is_ok, self.courses))} of {len(self.courses)} learners ok"

    def rows(self) -> list[list[str]]:
        """Return a heading, then for each learner the status of each lesson and all seconds."""
        rows = [["learner", *(run.lesson.number for run in self.courses[0].lessons), "seconds"]]
        for course in self.courses:
            seconds = sum(run.seconds for run in course.lessons)
            statuses = [run.status for run in course.lessons]
            rows.append([course.learner, *statuses, f"{seconds:.1f}"])
        return rows

    def failures(self) -> Iterator[str]:
        """Yield a line for each failure: whose it is, where, and the error."""
        for course in self.courses:
            errors = {course.learner: self.errors.get(course.learner, "")}
            errors |= {f"{course.learner}, {run.lesson.name}": run.error for run in course.lessons}
            for place, error in errors.items():
                if error:
                    yield f"{place}: {' '.join(error.split())}"

    def __str__(self) -> str:
        """The summary as a table, with the failures and the outcome below it."""
        rows = self.rows()
        widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
        lines = ["  ".join(map(str.ljust, row, widths)).rstrip() for row in rows]
        return "\n".join([*lines, *self.failures(), self.outcome])


def run_class(
    class_file: Path,
    every_lesson: Sequence[Lesson],
    lessons: Sequence[Lesson],
    output: Path,
    *,
    values: Mapping[str, object] | None = None,
    database_url: str | None = None,
    log: TextIO | None = None,
) -> ClassRun:
    """Execute lessons for each learner of a class; one learner's failure ends nobody else's run.

    Args:
        class_file: The table, see `read_class`.
        every_lesson: All lessons whose parameters may be columns of the table.
        lessons: Those of them to run, in their order.
        output: The folder for the summary ``index.html`` and a folder for each learner, named like
            the learner's schema unless the table has a column `schema`.
        values: Parameters for everyone, in place of what the table says.
        database_url: A server for everyone, in place of what the table says. Learners without one
            share an embedded server in a temporary folder, which goes when the run ends.
        log: Where progress is shown, by default on stderr.

    Returns:
        The run; its `ok` says whether all went well.

    Raises:
        UsageError: The table, or one of `values`, has a mistake; nothing has run.
    """
    values, log, output = values or {}, log or sys.stderr, output.resolve()
    plan_run(lessons, output, values)  # first, so that no line of the table gets the blame
    learners = read_class(class_file, {name for one in every_lesson for name in one.parameters})
    declared = {name for lesson in lessons for name in lesson.parameters}
    courses = []
    for learner in learners:
        _check(learner, every_lesson, output, bool(database_url))
        merged = {"schema": learner.slug, **learner.values, **values}
        chosen = {name: value for name, value in merged.items() if name in declared}
        courses.append(plan_run(lessons, output / learner.slug, chosen, learner.name))
    result = ClassRun(courses, output / "index.html")
    _remove_earlier(courses)
    with contextlib.ExitStack() as stack:
        servers: dict[str | None, tuple[dict[str, str], str]] = {}
        for learner, course in zip(learners, courses, strict=True):
            url = database_url or os.environ.get(learner.url_variable)
            try:
                if url not in servers:
                    servers[url] = stack.enter_context(run_database(url))
                environment, course.server = servers[url]
                execute_run(course, environment, log, keep_going=True)
            except (CarlibError, CourseError, ServerError) as error:
                result.errors[learner.name] = str(error)
                print(f"{learner.name}  not run  {error}", file=log)
            finally:
                _write_index(result)
    return result


def _check(learner: Learner, lessons: Sequence[Lesson], output: Path, has_url: bool) -> None:
    """Check the values of a row against all lessons, also those that are not to run now."""
    if learner.url_variable and not (has_url or os.environ.get(learner.url_variable)):
        raise ClassFileError(
            f"{learner.place}: expected the environment variable {learner.url_variable} to hold "
            f"the database URL of {learner.name}, but it is not set. Set it; `carlib roles` makes "
            "a role and its URL."
        )
    try:
        plan_run(lessons, output, learner.values)
    except UsageError as error:
        raise ClassFileError(f"{learner.place}: {error}") from None


def _is_ok(course: CourseRun) -> bool:
    return all(run.status == "ok" for run in course.lessons)


def _remove_earlier(courses: Sequence[CourseRun]) -> None:
    """Remove earlier results: a learner whose lessons can't run must not seem to have some."""
    for course in courses:
        course.index.unlink(missing_ok=True)
        for run in course.lessons:
            run.notebook.unlink(missing_ok=True)
            run.page.unlink(missing_ok=True)


def _write_index(result: ClassRun) -> None:
    rows = [[html.escape(cell) for cell in row] for row in result.rows()]
    for row, course in zip(rows[1:], result.courses, strict=True):
        if course.index.exists():
            row[0] = f'<a href="{course.index.parent.name}/index.html">{row[0]}</a>'
    page = _PAGE.format(
        outcome=result.outcome,
        time=time.strftime("%Y-%m-%d %H:%M"),
        rows="\n".join(f"<tr><td>{'</td><td>'.join(row)}</td></tr>" for row in rows),
        failures="\n".join(f"<li>{html.escape(line)}</li>" for line in result.failures()),
    )
    result.index.parent.mkdir(parents=True, exist_ok=True)
    result.index.write_text(page, encoding="utf-8")
