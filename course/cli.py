"""The command line: ``carlib run``, ``roles``, ``doctor``, ``lab``, ``grade``, ``execute``.

Each command imports what it needs when it is called, so that ``--help`` is quick and ``doctor``
works where something is missing.
"""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from carlib.errors import CarlibError
from course.arguments import make_parser
from course.errors import UsageError
from course.stopping import orderly_stop, stop_status
from servers.postgres import ServerError

if TYPE_CHECKING:
    from course.lessons import Lesson


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command.

    Args:
        argv: The words after ``carlib``; by default those of this process.

    Returns:
        The exit status: 0 done, 1 failed, 2 asked for in a way that can't be done, 130 stopped.
    """
    commands = {
        "run": _run,
        "roles": _roles,
        "doctor": _doctor,
        "lab": _lab,
        "grade": _grade,
        "execute": _execute,
    }
    options, rest = make_parser(commands).parse_known_args(argv)
    options.rest = rest
    if rest and options.command is not _lab:
        options.parser.error(f"unknown: {' '.join(rest)}. Try --help.")
    try:
        with orderly_stop():
            return options.command(options)
    except KeyboardInterrupt:
        print("Stopped.", file=sys.stderr)
        return stop_status()
    except (CarlibError, ServerError) as error:
        print(f"carlib: {error}", file=sys.stderr)
        return 2 if isinstance(error, UsageError) else 1


def _run(options: argparse.Namespace) -> int:
    from course.lessons import choose_lessons, find_lessons

    given = [("rows", options.rows), ("seed", options.seed), *options.parameter]
    values: dict[str, str] = {}
    for name, value in given:
        if value is not None and values.setdefault(name, value) != value:
            raise UsageError(f"The parameter {name!r} is given twice, with different values.")
    output = options.output or Path("build", "class" if options.class_file else "run")
    if output.exists() and not output.is_dir():
        raise UsageError(f"--output takes a folder, but {output} is a file.")
    every_lesson = find_lessons(options.notebooks)
    lessons = choose_lessons(every_lesson, options.only)
    if options.class_file:
        return _run_class(options, values, every_lesson, lessons, output)
    from course.run import run_lessons  # slow to import: only once the words are right

    course = run_lessons(lessons, output, values=values, database_url=options.database_url)
    seconds = sum(run.seconds for run in course.lessons)
    count = f"{len(lessons)} lesson{'s' * (len(lessons) > 1)}"
    print(f"{count} ok in {seconds:.0f} s. Read {output / 'index.html'}")
    return 0


def _run_class(
    options: argparse.Namespace,
    values: dict[str, str],
    every_lesson: "Sequence[Lesson]",
    lessons: "Sequence[Lesson]",
    output: Path,
) -> int:
    from course.class_run import run_class

    done = run_class(
        options.class_file,
        every_lesson,
        lessons,
        output,
        values=values,
        database_url=options.database_url,
    )
    print(f"{done}\nRead {output / 'index.html'}")
    return 0 if done.ok else 1


def _roles(options: argparse.Namespace) -> int:
    from course.roles import make_roles

    made = make_roles(options.class_file, options.output, options.database_url)
    if made:
        count = f"{len(made)} role{'s' * (len(made) != 1)}"
        print(f"{count} made: {', '.join(made)}. Their URLs are in {options.output}")
    else:
        print("No role made: the variable of each learner is set.")
    return 0


def _doctor(options: argparse.Namespace) -> int:
    from course.doctor import examine

    missing = 0
    for check in examine(options.database_url):
        print(check, flush=True)
        missing += not check.ok
    if missing:
        say = "says" if missing == 1 else "say"
        print(f"\nNot ready: {missing} of the lines above {say} NO and what to do.")
    return 1 if missing else 0


def _lab(options: argparse.Namespace) -> int:
    from course.lessons import choose_lessons, find_lessons

    lessons = find_lessons(options.notebooks)
    lesson, originals = choose_lessons(lessons, [options.lesson])[0], ""
    if not options.original:
        from course.workbook import copy_lessons

        copy = copy_lessons(lessons)
        print(copy, file=sys.stderr)
        lesson, originals = copy.copy_of(lesson), lesson.path.parents[1].name
    from course.lab import open_lab

    open_lab(lesson, options.rest, originals=originals)
    return 0


def _grade(options: argparse.Namespace) -> int:
    from course.grade import grade

    return grade(options)


def _execute(options: argparse.Namespace) -> int:
    from course.execute import execute_lesson

    for path in options.lesson:
        execute_lesson(path, options.database_url)
        print(f"{path} executed")
    return 0
