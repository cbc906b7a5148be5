"""The command line: ``carlib run``, ``lab``, ``doctor``, ``grade``, ``roles``, ``execute``.

Each command imports what it needs when it is called, so that ``--help`` is quick and ``doctor``
works where something is missing.
"""

import argparse
import contextlib
import signal
import sys
from collections.abc import Callable, Iterator, Sequence
from importlib import metadata
from pathlib import Path
from types import FrameType
from typing import Any

from course.errors import CourseError, UsageError

_EXIT = """
exit status: 0 done, 1 failed, 2 not done as asked (a misspelled parameter, lesson or option),
128 plus the signal's number when stopped: 130 for Ctrl-C.
"""
_EXAMPLES = """\
examples:
  carlib doctor    is everything there?
  carlib lab       read and try the lessons in the browser
  carlib run       execute all lessons, as a course's CI does
"""
_RUN = """\
Execute the lessons in order and write executed notebooks, a page for each and index.html. The run
has a PostgreSQL of its own in a temporary folder. The first failing cell ends the run, and what
was executed until then is kept.
"""
_RUN_EXAMPLES = f"""\
examples:
  carlib run --only 02 --rows 5000
  carlib run -p schema my_class --output results
  carlib run --class learners.csv
{_EXIT}
PostgreSQL also reads passwords from ~/.pgpass and PGPASSWORD: better than in --database-url.
"""
_LAB = """\
Open JupyterLab on your copy of a lesson, for this machine only. The copies are in the folder
workbook; they are made once and never overwritten. Stop JupyterLab with Ctrl-C.
"""
_LAB_EXAMPLES = """\
examples:
  carlib lab
  carlib lab initial_load --no-browser
  carlib lab 02 --original

Other options go to JupyterLab as they are, for example --port=9999, or --allow-root as root.
"""
_DOCTOR = """\
Check each requirement, one line each: ok, or what to do. The server is started, or reached, as a
lesson does it. Exit status: 0 everything is ok, 1 something is not.
"""
_GRADE = """\
Execute learners' notebooks and say which exercises are right. A FOLDER holds the notebooks of one
learner, or a folder for each learner of a class. Outputs stored in a file count nothing. The
notebooks run with your rights: grade those of strangers in a container.
"""
_GRADE_EXAMPLES = f"""\
examples:
  carlib grade workbook
  carlib grade submissions --json grades.json --junit grades.xml --require all
{_EXIT}
A wrong answer alone is no failure: --require makes it one.
"""
_ROLES = """\
Make a role with a schema for each learner of a class, on the server of a superuser. No role can
touch another's tables. FILE is that of `carlib run --class`; the URLs, passwords included, go to a
file of environment variables that only you can read.
"""
_ROLES_EXAMPLES = """\
examples:
  carlib roles learners.csv --output class.env

The superuser's URL is best put into CARLIB_DATABASE_URL, where no list of processes shows it.
"""
_EXECUTE = """\
Execute lessons with their own parameters and write them back in the form that is committed: cells
numbered, solutions filled in, no times, no random ids. A notebook whose cell fails or writes to
stderr is left as it was.
"""


class Stopped(KeyboardInterrupt):
    """SIGINT or SIGTERM arrived; the argument is the exit status that shells give it."""


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command.

    Args:
        argv: The words after ``carlib``; by default those of this process.

    Returns:
        The exit status: 0 done, 1 failed, 2 not done as asked, 128 plus the number of the signal
        that stopped it.
    """
    options, rest = _parser().parse_known_args(argv)
    if rest and options.command is not _lab:
        options.parser.error(f"unknown: {' '.join(rest)}. Try --help.")
    options.rest = rest
    try:
        with _stop_in_order():
            return options.command(options)
    except Stopped as stopped:
        print("Stopped.", file=sys.stderr)
        return stopped.args[0]
    except CourseError as error:
        print(f"carlib: {error}", file=sys.stderr)
        return 2 if isinstance(error, UsageError) else 1
    except Exception as error:
        from carlib.errors import CarlibError  # not above: a doctor works without carlib
        from servers.postgres import ServerError

        if not isinstance(error, CarlibError | ServerError):
            raise
        print(f"carlib: {error}", file=sys.stderr)
        return 1


@contextlib.contextmanager
def _stop_in_order() -> Iterator[None]:
    """Turn the first SIGINT or SIGTERM into an exception; ignore others while all is cleaned up.

    They stay ignored to the end of the process, which has a status that says why it ended: the
    impatient press Ctrl-C again.
    """

    def stop(number: int, _frame: FrameType | None) -> None:
        for each in previous:
            signal.signal(each, signal.SIG_IGN)
        raise Stopped(128 + number)

    previous = {each: signal.signal(each, stop) for each in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for each, handler in previous.items():
            if signal.getsignal(each) is stop:
                signal.signal(each, handler)


def _run(options: argparse.Namespace) -> int:
    from course.lessons import choose_lessons, find_lessons

    values: dict[str, str] = {}
    for name, value in [("rows", options.rows), ("seed", options.seed), *options.parameter]:
        if value is not None and values.setdefault(name, value) != value:
            raise UsageError(f"The parameter {name!r} is given twice, with different values.")
    output = options.output or Path("build", "class" if options.class_file else "run")
    if output.exists() and not output.is_dir():
        raise UsageError(f"--output takes a folder, but {output} is a file.")
    every_lesson = find_lessons(options.notebooks)
    lessons = choose_lessons(every_lesson, options.only)
    url = options.database_url
    if options.class_file:
        from course.class_run import run_class

        ok = run_class(
            options.class_file, every_lesson, lessons, output, values=values, database_url=url
        )
        print(f"Read {output / 'index.html'}")
        return 0 if ok else 1
    from course.run import run_lessons  # slow to import: only once the words are right

    course = run_lessons(lessons, output, values=values, database_url=url)
    count = f"{len(lessons)} lesson{'s' * (len(lessons) > 1)}"
    seconds = sum(run.seconds for run in course.lessons)
    print(f"{count} ok in {seconds:.0f} s. Read {output / 'index.html'}")
    return 0


def _lab(options: argparse.Namespace) -> int:
    from course.lab import copy_lessons, open_lab
    from course.lessons import choose_lessons, find_lessons

    lessons = find_lessons(options.notebooks)
    lesson = choose_lessons(lessons, [options.lesson])[0]
    if not options.original:
        copy = copy_lessons(lessons)
        print(copy, file=sys.stderr)
        lesson = copy.copy_of(lesson)
    open_lab(lesson, options.rest)
    return 0


def _doctor(options: argparse.Namespace) -> int:
    from course.doctor import run_checks

    return run_checks(options.database_url)


def _grade(options: argparse.Namespace) -> int:
    from course.grade import grade

    return grade(options)


def _roles(options: argparse.Namespace) -> int:
    from course.roles import make_roles

    return make_roles(options.class_file, options.output, options.database_url)


def _execute(options: argparse.Namespace) -> int:
    from course.execute import execute_lesson

    for path in options.lesson:
        execute_lesson(path, options.database_url)
        print(f"{path} executed")
    return 0


def _parser() -> argparse.ArgumentParser:
    raw = argparse.RawDescriptionHelpFormatter
    about = "The commands of the workbook on storing data in PostgreSQL."
    parser = argparse.ArgumentParser("carlib", description=about, epilog=_EXAMPLES)
    parser.formatter_class, parser.allow_abbrev = raw, False
    version = f"carlib {metadata.version('carlib')}"
    parser.add_argument("--version", action="version", version=version)
    commands = parser.add_subparsers(metavar="COMMAND", required=True)

    def command(
        function: Callable[[argparse.Namespace], int], description: str, epilog: str, **texts: Any
    ) -> Callable[..., argparse.Action]:
        added = commands.add_parser(
            function.__name__.removeprefix("_"),
            description=description,
            epilog=epilog,
            formatter_class=raw,
            allow_abbrev=False,
            **texts,
        )
        added.set_defaults(command=function, parser=added)
        return added.add_argument

    several = {"action": "append", "default": []}
    notebooks = {"metavar": "DIR", "type": Path, "help": "the lessons, if not this workbook's"}

    add = command(_run, _RUN, _RUN_EXAMPLES, help="execute the lessons")
    add("--rows", metavar="N", help="how many cars, in the lessons that ask for it")
    add("--seed", metavar="N", help="which random cars: the same seed gives the same cars")
    add(
        *("-p", "--parameter"),
        **several,
        nargs=2,
        metavar=("NAME", "VALUE"),
        help="any other value of a lesson's parameters cell; can be repeated",
    )
    only = "a number (02), a name (initial_load) or a part (1_core); can be repeated"
    add("--only", metavar="LESSON", **several, help=only)
    where = "where the results go (default: build/run, with --class build/class)"
    add("--output", metavar="DIR", type=Path, help=where)
    each = "a CSV table of learners: name, any parameter, database_url_env; a run for each of them"
    add("--class", metavar="FILE", type=Path, dest="class_file", help=each)
    add("--database-url", metavar="URL", help="a PostgreSQL 18 instead of the temporary one")
    add("--notebooks", **notebooks)

    add = command(_lab, _LAB, _LAB_EXAMPLES, help="open JupyterLab on a lesson")
    add("lesson", nargs="?", default="01", metavar="LESSON", help="number or name (default: 01)")
    add("--original", action="store_true", help="open the original, as authors do")
    add("--notebooks", **notebooks)

    add = command(_doctor, _DOCTOR, "", help="check that everything is there")
    add("--database-url", metavar="URL", help="default: CARLIB_DATABASE_URL, else the embedded one")

    add = command(_grade, _GRADE, _GRADE_EXAMPLES, help="grade notebooks")
    add("folder", nargs="+", metavar="FOLDER", type=Path, help="of a learner, or of a class")
    add("--json", metavar="FILE", type=Path, help="write everything that is known")
    add("--junit", metavar="FILE", type=Path, help="write JUnit XML, as CI services read it")
    add("--only", metavar="LESSON", **several, help="grade this lesson; can be repeated")
    add("--rows", metavar="N", help="how many cars; no exercise depends on it (default: 10000)")
    add("--require", metavar="N", help="exit 1 unless each learner has N exercises right, or 'all'")
    add("--seconds", metavar="N", type=float, default=600, help="for each cell (default: 600)")
    add("--notebooks", **notebooks)

    add = command(_roles, _ROLES, _ROLES_EXAMPLES, help="make a role for each learner of a class")
    add("class_file", metavar="FILE", type=Path, help="as for carlib run --class")
    add("--output", metavar="FILE", type=Path, required=True, help="a new file for the URLs")
    add("--database-url", metavar="URL", help="of a superuser (default: CARLIB_DATABASE_URL)")

    # For authors, not listed: the tests refuse a lesson that is not in the form this writes.
    add = command(_execute, _EXECUTE, "")
    add("lesson", nargs="+", type=Path, metavar="NOTEBOOK")
    add("--database-url", metavar="URL", help="a PostgreSQL 18 instead of a temporary one")
    return parser
