"""The words of the command line, and the help a person reads."""

import argparse
from collections.abc import Callable, Mapping
from importlib import metadata
from pathlib import Path
from typing import Any

_EXAMPLES = """\
examples:
  carlib doctor                    is everything there?
  carlib lab                       read and try the lessons in the browser
  carlib run                       execute all lessons, as a course's CI does
"""

_RUN = """\
Execute the lessons in order and write executed notebooks, one page each and index.html. The run
has a PostgreSQL of its own in a temporary folder; the data you work with in JupyterLab is never
touched. The first failing cell ends the run, and what was executed until then is kept.
"""

_RUN_EXAMPLES = """\
examples:
  carlib run                                     all lessons
  carlib run --only 02 --rows 5000               lesson 2 with 5,000 cars
  carlib run --only schema --only initial_load   two lessons by name
  carlib run -p schema my_class --output results
  carlib run --class class.yml                   for each learner of a file
  carlib run --database-url postgresql://teacher@db.example.org/course

The file of --class gives each learner a name, and what else is to be theirs:
  defaults: {rows: 5000}
  learners:
    - {name: Ada, seed: 1}
    - {name: Group B, seed: 2, database_url: "postgresql://b:${B_PASSWORD}@db.example.org/course"}
${B_PASSWORD} is the environment variable of that name. A failure ends no one else's lessons.

exit status: 0 all lessons ok, 1 a lesson or the server failed, 2 nothing was run (a misspelt
parameter, lesson or option), 130 stopped with Ctrl-C.
A password is better kept out of the command: PostgreSQL also reads ~/.pgpass and PGPASSWORD.
"""


_ROLES = """\
Make a role for each learner of a class that has no database_url yet, on the server of a superuser.
A role has a schema of its name, can make more, and can touch no other learner's. The file that is
written has everyone's URL with the password, so it is readable for you alone; it is there for
carlib run --class, and to tell learners their URL.
"""

_ROLES_EXAMPLES = """\
examples:
  carlib roles class.yml --output class_roles.yml
  carlib roles class_roles.yml --output class_roles.yml    once more, for those who came later

The superuser's URL is best put into CARLIB_DATABASE_URL, where no list of processes shows it.
exit status: 0 done, 1 the server refused and nothing was made, 2 the file has a mistake.
"""

_LAB_EXAMPLES = """\
examples:
  carlib lab
  carlib lab 02
  carlib lab initial_load --no-browser
  carlib lab --original

You work on a copy of the lessons, in the folder workbook beside them. It is made once: a lesson
that is new in a newer version is added, a file that is there is never touched, and you are told
which originals have changed since. Authors open the originals themselves.

Other options go to JupyterLab as they are, for example --port=9999, or --allow-root as root.
"""

_GRADE = """\
Execute learners' notebooks and say which exercises are right. A FOLDER holds the notebooks of one
learner, or a folder for each learner of a class. Outputs stored in a file count nothing: what each
cell hands to `check` is graded apart, where no code of a learner runs.
"""

_GRADE_EXAMPLES = """\
examples:
  carlib grade workbook                           your own copy
  carlib grade submissions --json grades.json --junit grades.xml
  carlib grade submissions --only 01 --only 02 --require 8

exit status: 0 all was graded, and --require is met; 1 --require is not met, or grading failed; 2
nothing was graded (a folder without notebooks, a misspelt lesson or option); 130 stopped.
A wrong answer alone is no failure. The notebooks run with the rights of the user who grades: give
the command a container or an account of its own where you don't trust them.
"""


def make_parser(
    commands: Mapping[str, Callable[[argparse.Namespace], int]],
) -> argparse.ArgumentParser:
    """Describe the command line.

    Args:
        commands: For ``run``, ``roles``, ``doctor``, ``lab``, ``grade`` and ``execute`` what
            carries it out; the parsed options have it as ``command``, the command's own parser as
            ``parser``.
    """
    parser = argparse.ArgumentParser(
        prog="carlib",
        description="The commands of the workbook on storing data in PostgreSQL.",
        epilog=_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    parser.add_argument(
        "--version", action="version", version=f"carlib {metadata.version('carlib')}"
    )
    subparsers = parser.add_subparsers(metavar="COMMAND", required=True)

    def command(name: str, **texts: Any) -> argparse.ArgumentParser:
        added = subparsers.add_parser(
            name,
            formatter_class=argparse.RawDescriptionHelpFormatter,
            allow_abbrev=False,
            **texts,
        )
        added.set_defaults(command=commands[name], parser=added)
        return added

    run = command("run", help="execute the lessons", description=_RUN, epilog=_RUN_EXAMPLES)
    add = run.add_argument
    add("--rows", metavar="N", help="how many cars, in the lessons that ask for it")
    add("--seed", metavar="N", help="which random cars: the same seed gives the same cars")
    add(
        "-p",
        "--parameter",
        nargs=2,
        metavar=("NAME", "VALUE"),
        action="append",
        default=[],
        help="any other value of a lesson's parameters cell; can be repeated",
    )
    add(
        "--only",
        metavar="LESSON",
        action="append",
        default=[],
        help="a number (02), a name (initial_load) or a part (1_core); can be repeated",
    )
    add(
        "--output",
        metavar="DIR",
        type=Path,
        help="where the results go (default: build/run, with --class build/class)",
    )
    add(
        "--class",
        metavar="FILE",
        type=Path,
        dest="class_file",
        help="a YAML file with an entry for each learner: each gets a folder, a schema and "
        "parameters of their own; other options hold for all",
    )
    _add_database(run, "a PostgreSQL 18 to use instead of the temporary one")
    _add_notebooks(run)

    roles = command(
        "roles",
        help="make a role on a shared server for each learner of a class",
        description=_ROLES,
        epilog=_ROLES_EXAMPLES,
    )
    roles.add_argument("class_file", metavar="FILE", type=Path, help="as for carlib run --class")
    roles.add_argument(
        "--output",
        metavar="FILE",
        type=Path,
        required=True,
        help="a new file of the class with each one's URL, or FILE itself",
    )
    _add_database(roles, "a superuser of the shared database (default: CARLIB_DATABASE_URL)")
    _add_notebooks(roles)

    doctor = command(
        "doctor",
        help="check that everything is there",
        description="Check each requirement, one line each: ok, or what to do. The server is "
        "started, or reached, as a lesson does it.",
        epilog="exit status: 0 everything is ok, 1 something is not.",
    )
    _add_database(doctor, "the PostgreSQL to ask (default: CARLIB_DATABASE_URL, else embedded)")

    lab = command(
        "lab",
        help="open JupyterLab on a lesson",
        description="Open JupyterLab on your copy of a lesson, for this machine only. Stop it with "
        "Ctrl-C.",
        epilog=_LAB_EXAMPLES,
    )
    lab.add_argument(
        "lesson", nargs="?", default="01", metavar="LESSON", help="a number or name (default: 01)"
    )
    lab.add_argument("--original", action="store_true", help="the originals, for authors")
    _add_notebooks(lab)

    grade = command("grade", help="grade notebooks", description=_GRADE, epilog=_GRADE_EXAMPLES)
    add = grade.add_argument
    add("folder", nargs="+", metavar="FOLDER", type=Path, help="of a learner, or of a class")
    add("--json", metavar="FILE", type=Path, help="write everything that is known")
    add("--junit", metavar="FILE", type=Path, help="write JUnit XML, as CI services read it")
    add(
        "--only",
        metavar="LESSON",
        action="append",
        default=[],
        help="grade this lesson; can be repeated (default: all, a missing notebook is not right)",
    )
    add("--rows", metavar="N", help="how many cars; no exercise depends on it (default: 10000)")
    add("--require", metavar="N", help="exit 1 unless each learner has N exercises right, or 'all'")
    add("--seconds", metavar="N", type=float, default=60, help="for a cell (default: 60)")
    _add_notebooks(grade)

    # For authors, not listed: the tests refuse a lesson that is not in the form this writes.
    execute = command(
        "execute",
        description="Execute lessons with their own parameters and write them back in the form "
        "that is committed: numbered cells, no times, no widget state. A notebook whose cell fails "
        "or writes to stderr is left as it was.",
    )
    execute.add_argument("lesson", nargs="+", type=Path, metavar="NOTEBOOK")
    _add_database(execute, "a PostgreSQL 18 to use instead of a temporary one")
    return parser


def _add_database(parser: argparse.ArgumentParser, text: str) -> None:
    parser.add_argument("--database-url", metavar="URL", help=text)


def _add_notebooks(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--notebooks", metavar="DIR", type=Path, help="the folder of the lessons, if not this one's"
    )
