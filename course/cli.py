"""The command line: ``carlib run``, ``lab``, ``doctor``, ``grade``, ``roles``, ``execute``.

A command is a function, and its docstring the help that a person reads. Each imports what it needs
when it is called, so that ``--help`` is quick and ``doctor`` works where something is missing.
"""

import argparse
import contextlib
import inspect
import os
import signal
import sys
from collections.abc import Callable, Iterator, Sequence
from importlib import metadata
from pathlib import Path
from types import FrameType
from typing import Any

from course.errors import LessonFailed, OutputFailed, UsageError

_EXIT_STATUS = """\
exit status: 0 done, 1 failed, 2 nothing was done (a misspelled option, lesson or parameter),
130 stopped with Ctrl-C, 143 by SIGTERM
"""


class Stopped(KeyboardInterrupt):
    """SIGINT or SIGTERM arrived; the argument is the exit status that shells give it."""


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command of `argv`, by default of this process; return its exit status."""
    options, rest = make_parser().parse_known_args(argv)
    if rest and options.command is not _lab:
        options.parser.error(f"unknown: {' '.join(rest)}. Try --help.")
    options.rest = rest
    try:
        with _stop_in_order():
            return options.command(options)
    except Stopped as stopped:
        print("Stopped.", file=sys.stderr)
        return stopped.args[0]
    except Exception as error:
        # By the package, not by the class: the doctor works where carlib can't be imported.
        if type(error).__module__.partition(".")[0] not in ("carlib", "course", "servers"):
            raise
        print(f"carlib: {error}", file=sys.stderr)
        return 2 if isinstance(error, UsageError) else 1


@contextlib.contextmanager
def _stop_in_order() -> Iterator[None]:
    """Turn the first SIGINT or SIGTERM into an exception; ignore both while all is cleaned up."""

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
    """Execute the lessons and write notebooks, pages and index.html.

    The run has a PostgreSQL of its own in a temporary folder. The first failing cell ends it, and
    what was executed until then is kept. For example:

      carlib run --only 02 --rows 5000 -p schema my_class --output results
    """
    from course.lessons import choose_lessons, find_lessons

    values: dict[str, str] = {}
    for name, value in [("rows", options.rows), ("seed", options.seed), *options.parameter]:
        if value is not None and values.setdefault(name, value) != value:
            raise UsageError(f"The parameter {name!r} is given twice, with different values.")
    output = options.output or Path("build", "class" if options.class_file else "run")
    if os.path.isfile(output):
        raise UsageError(f"--output takes a folder, but {output} is a file.")
    every_lesson = find_lessons(options.notebooks)
    lessons = choose_lessons(every_lesson, options.only)
    url = options.database_url
    if options.class_file:
        from course.class_run import class_table, run_class

        with _disks_named(output, url):
            courses = run_class(options.class_file, every_lesson, lessons, output, values, url)
        print(f"{class_table(courses)}\nRead {output / '*' / 'index.html'}")
        return int(any(run.status != "ok" for course in courses for run in course.lessons))
    from course.run import run_lessons  # slow to import: only once the words are right

    with _disks_named(output, url):
        course = run_lessons(lessons, output, values=values, database_url=url)
    seconds = sum(run.seconds for run in course.lessons)
    count = f"{len(lessons)} lesson{'s' * (len(lessons) > 1)}"
    print(f"{count} ok in {seconds:.0f} s. Read {output / 'index.html'}")
    return 0


@contextlib.contextmanager
def _disks_named(output: Path, database_url: str | None) -> Iterator[None]:
    """Name the folder that can't be written to: that of the results, or the temporary server's."""
    from nbformat.reader import NotJSONError

    from servers.postgres import ServerError

    try:
        yield
    except (OSError, NotJSONError) as error:
        cause: BaseException = error  # a notebook is read again that was cut off when written
        while not isinstance(cause, OSError) and cause.__context__:
            cause = cause.__context__
        place, folder = getattr(cause, "filename", None), output.resolve()
        if place and not (folder.is_relative_to(place) or Path(place).is_relative_to(folder)):
            raise
        reason = getattr(cause, "strerror", None) or "a notebook there is cut off"
        advice = "Make it writable, free space on its disk, or name another folder with --output."
        raise OutputFailed(f"can't write to {output}: {reason}. {advice}") from error
    except (ServerError, LessonFailed) as error:
        if database_url:
            raise
        text = str(error).replace("CARLIB_DATA_DIR", "TMPDIR")
        raise type(error)(text.replace("CARLIB_DATABASE_URL", "--database-url")) from error


def _lab(options: argparse.Namespace) -> int:
    """Open JupyterLab on your copy of a lesson; stop it with Ctrl-C.

    The copies are in the folder workbook: made once, never overwritten. Other options go to
    JupyterLab as they are, such as --allow-root or --no-browser.
    """
    from course.lab import copy_lessons, copy_of, open_lab
    from course.lessons import choose_lessons, find_lessons

    lessons = find_lessons(options.notebooks)
    lesson = choose_lessons(lessons, [options.lesson])[0]
    if not options.original:
        print(*copy_lessons(lessons), sep="\n", file=sys.stderr)
        lesson = copy_of(lesson)
    open_lab(lesson, options.rest)
    return 0


def _doctor(options: argparse.Namespace) -> int:
    """Check that everything is there: one line each, ok or what to do.

    The server is started, or reached, as a lesson does it.
    """
    from course.doctor import run_checks

    return run_checks(options.database_url)


def _grade(options: argparse.Namespace) -> int:
    """Execute learners' notebooks and say which exercises are right.

    A FOLDER holds the notebooks of one learner, or a folder for each learner. Stored outputs count
    nothing. The notebooks run with your rights: grade those of strangers in a container. A wrong
    answer is no failure without --require.
    """
    from course.grade import grade

    return grade(options)


def _roles(options: argparse.Namespace) -> int:
    """Make a role for each learner of a class on a shared server.

    Each gets a schema and can touch no other learner's. The superuser's URL is best put into
    CARLIB_DATABASE_URL, where no list of processes shows it.
    """
    from course.roles import make_roles

    roles = make_roles(options.class_file, options.output, options.database_url)
    where = f"Their URLs are in {options.output}" if roles else "Each learner's variable is set"
    print(f"Roles made: {', '.join(roles) or 'none'}. {where}")
    return 0


def _execute(options: argparse.Namespace) -> int:
    """Execute lessons and write them back in the form that is committed.

    Cells are numbered and solutions filled in; no times, no random ids. A notebook whose cell fails
    or writes to stderr is left as it was.
    """
    from course.execute import execute_lesson

    for path in options.lesson:
        execute_lesson(path, options.database_url)
        print(f"{path} executed")
    return 0


def make_parser() -> argparse.ArgumentParser:
    """Describe the command line: each command with its options."""
    form = argparse.RawDescriptionHelpFormatter
    common: dict[str, Any] = {"formatter_class": form, "allow_abbrev": False}
    parser = argparse.ArgumentParser("carlib", epilog=_EXIT_STATUS, **common)
    version = f"carlib {metadata.version('carlib')}"
    parser.add_argument("--version", action="version", version=version)
    commands = parser.add_subparsers(metavar="COMMAND", required=True)

    def command(function: Callable[[Any], int], listed: bool = True) -> Callable[..., object]:
        text = inspect.getdoc(function) or ""
        more: dict[str, Any] = {"help": text.splitlines()[0]} if listed else {}
        name = function.__name__.removeprefix("_")
        added = commands.add_parser(name, description=text, epilog=_EXIT_STATUS, **common, **more)
        added.set_defaults(command=function, parser=added)
        return added.add_argument

    folder: dict[str, Any] = {"metavar": "DIR", "type": Path}
    file: dict[str, Any] = {"metavar": "FILE", "type": Path}
    url: dict[str, Any] = {"metavar": "URL"}
    each: dict[str, Any] = {"action": "append", "default": []}
    notebooks = {"help": "the folder of the lessons, if not this workbook's", **folder}

    add = command(_run)
    add("--rows", metavar="N", help="how many cars, in the lessons that ask for it")
    add("--seed", metavar="N", help="which random cars: the same seed gives the same cars")
    add("-p", "--parameter", nargs=2, metavar=("NAME", "VALUE"), help="another parameter", **each)
    add("--only", metavar="LESSON", help="a number, a name or a part (1_core)", **each)
    add("--output", help="for the results (default: build/run, for a class build/class)", **folder)
    add("--class", dest="class_file", help="a CSV table with a line for each learner", **file)
    add("--database-url", help="a PostgreSQL 18 instead of the temporary one", **url)
    add("--notebooks", **notebooks)

    add = command(_lab)
    add("lesson", nargs="?", default="01", metavar="LESSON", help="number or name (default: 01)")
    add("--original", action="store_true", help="open the original, as authors do")
    add("--notebooks", **notebooks)

    add = command(_doctor)
    add("--database-url", help="default: CARLIB_DATABASE_URL, else the embedded server", **url)

    add = command(_grade)
    add("folder", nargs="+", metavar="FOLDER", type=Path, help="of a learner, or of a class")
    add("--json", help="write everything that is known", **file)
    add("--junit", help="write JUnit XML, as CI services read it", **file)
    add("--only", metavar="LESSON", help="grade this lesson; can be repeated", **each)
    add("--rows", metavar="N", default="10000", help="how many cars (default: 10000)")
    add("--require", metavar="N", help="exit 1 unless each learner has N exercises right, or 'all'")
    add("--seconds", metavar="N", type=float, default=60, help="for each cell (default: 60)")
    add("--notebooks", **notebooks)

    add = command(_roles)
    add("class_file", help="as for carlib run --class", **file)
    add("--output", required=True, help="a file for the URLs, which only you can read", **file)
    add("--database-url", help="of a superuser (default: CARLIB_DATABASE_URL)", **url)

    add = command(_execute, listed=False)  # for authors
    add("lesson", nargs="+", type=Path, metavar="NOTEBOOK")
    add("--database-url", help="a PostgreSQL 18 instead of a temporary one", **url)
    return parser


if __name__ == "__main__":
    sys.exit(main())
