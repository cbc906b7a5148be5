"""``carlib grade``: from the words of the command line to files, a table and an exit status."""

import argparse
import json
import sys
from importlib import metadata
from pathlib import Path

from course.errors import UsageError
from course.grading.grades import LearnerGrade, grade_learners
from course.grading.junit import as_junit
from course.grading.limits import Limits, system_limits_memory
from course.grading.report import as_json, as_table
from course.grading.submissions import Assignment, assignments, find_learners, key_of
from course.lessons import choose_lessons, find_lessons
from course.parameters import assign_parameters

ROWS = "10000"  # enough for every lesson to run through, and quick


def grade(options: argparse.Namespace) -> int:
    """Grade what was asked for.

    Returns:
        0, or 1 where a learner has fewer exercises right than is required.

    Raises:
        UsageError: It can't be done as asked; nothing was executed.
        GradingFailed: Nothing can be graded here.
    """
    lessons = find_lessons(options.notebooks)
    wanted = assignments(choose_lessons(lessons, options.only))
    if not wanted:
        raise UsageError("Expected lessons with exercises, found none among those chosen.")
    asked = sum(len(one.exercises) for one in wanted)
    required = _required(options.require, asked)
    values = {"rows": options.rows or ROWS}
    if options.rows:
        assign_parameters([one.lesson for one in wanted], values)  # refuses what is mistyped
    limits = _limits(options)
    for path in filter(None, (options.json, options.junit)):
        if path.is_dir():
            raise UsageError(f"Expected a file to write to, but {path} is a folder.")
    learners = find_learners(options.folder, wanted, {one.name for one in lessons})
    if not system_limits_memory():
        print("This system limits no process's memory: it is watched instead.", file=sys.stderr)

    grades: list[LearnerGrade] = []
    for said in grade_learners(learners, wanted, limits, values):
        if isinstance(said, str):
            print(said, file=sys.stderr, flush=True)
        else:
            grades = said
    settings = _settings(wanted, limits, values, options.require)
    if options.json:
        text = json.dumps(as_json(grades, settings), indent=2)
        _write(options.json, text.encode() + b"\n")
    if options.junit:
        _write(options.junit, as_junit(grades))
    print(as_table(grades))
    few = [one.name for one in grades if one.right < required]
    if few:
        print(f"Fewer than {required} of {asked} right: {len(few)} of {len(grades)}.")
    return 1 if few else 0


def _required(text: str | None, asked: int) -> int:
    if text is None:
        return 0
    number = asked if text == "all" else int(text) if text.isdecimal() else -1
    if not 0 <= number <= asked:
        raise UsageError(f"--require takes 'all' or a number from 0 to {asked}, found {text!r}.")
    return number


def _limits(options: argparse.Namespace) -> Limits:
    if not 1 <= options.seconds <= 86400:
        raise UsageError(f"--seconds takes a number from 1 to 86400, found {options.seconds:g}.")
    if not 512 <= options.memory <= 2**20:
        raise UsageError(f"--memory takes megabytes from 512 to {2**20}, found {options.memory}.")
    return Limits(options.seconds, options.memory)


def _settings(
    wanted: list[Assignment], limits: Limits, values: dict[str, str], require: str | None
) -> dict[str, object]:
    return {
        "carlib": metadata.version("carlib"),
        "lessons": [key_of(one.lesson) for one in wanted],
        "rows": int(values["rows"]),
        "seconds": limits.seconds,
        "megabytes": limits.megabytes,
        "memory_limited_by": "system and watch" if system_limits_memory() else "watch",
        "require": require,
    }


def _write(path: Path, content: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
