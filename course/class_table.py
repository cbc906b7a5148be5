"""The summary of a class run as text, for the end of the command."""

from __future__ import annotations

from typing import TYPE_CHECKING

from course.printable import printable

if TYPE_CHECKING:
    from course.class_run import ClassRun, LearnerRun


def class_table(whole: ClassRun) -> str:
    """Return one line for each learner, one column for each lesson, and below what failed.

    A column is headed by the lesson's number, and says ``ok``, ``failed`` or ``not run`` with the
    seconds it took.
    """
    several = len({lesson.part for lesson in whole.lessons}) > 1
    heads = [f"{x.part}/{x.number}" if several else x.number for x in whole.lessons]
    rows = [["learner", *heads, "seconds"]]
    for run in whole.learners:
        cells = [f"{one.status} {one.seconds:.1f}" for one in run.course.lessons]
        cells = [cell.removesuffix(" 0.0") for cell in cells]
        total = sum(one.seconds for one in run.course.lessons)
        rows.append([printable(run.learner.name), *cells, f"{total:.1f}"])
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = [
        "  ".join([row[0].ljust(widths[0]), *map(str.rjust, row[1:], widths[1:])]) for row in rows
    ]
    return "\n".join([*lines, *failures(whole), said_of(whole)])


def failures(whole: ClassRun) -> list[str]:
    """Return a line for each failure, with whose it is and where."""
    return [line for run in whole.learners for line in _failures_of(run)]


def said_of(whole: ClassRun) -> str:
    """Return the outcome in one line."""
    fine = sum(run.ok for run in whole.learners)
    return f"{fine} of {len(whole.learners)} learners ok, {len(whole.lessons)} lessons each"


def _failures_of(run: LearnerRun) -> list[str]:
    who = printable(run.learner.name)
    found = [f"{who}: {run.error}"] if run.error else []
    return found + [
        f"{who}, {one.lesson.part}/{one.lesson.name}: {' '.join(one.error.split())}"
        for one in run.course.lessons
        if one.error
    ]
