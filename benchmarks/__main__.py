"""`python -m benchmarks`: measure side by side, and write tables to build/benchmarks."""

import argparse
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path

from benchmarks import blobs, delta_load, initial_load
from benchmarks.timing import Options
from servers.postgres import temporary_server

SUBJECTS = {"initial_load": initial_load, "delta_load": delta_load, "blobs": blobs}
FOLDER = Path("build/benchmarks")


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("subject", nargs="*", help=f"of {', '.join(SUBJECTS)} (default: all)")
    parser.add_argument("--rows", type=_count, nargs="+", help="default: 100000 1000000")
    parser.add_argument("--rounds", type=_count, help="default: 3; slow ways run less often")
    parser.add_argument("--only", nargs="+", default=[], help="parts of names, e.g. adbc floor")
    parser.add_argument("--quick", action="store_true", help="one round of 2000 and 20000 rows")
    parser.add_argument("--database-url", help="default: a temporary embedded server")
    given = parser.parse_args(arguments)
    unknown = set(given.subject) - set(SUBJECTS)
    if unknown:
        parser.error(f"no such subject: {', '.join(unknown)}; there are {', '.join(SUBJECTS)}")
    subjects = {name: SUBJECTS[name] for name in given.subject or SUBJECTS}
    for part in given.only:
        if not any(part.casefold() in way.casefold() for s in subjects.values() for way in s.WAYS):
            parser.error(f"no way is named like {part}")
    rows, rounds = ([2_000, 20_000], 1) if given.quick else ([100_000, 1_000_000], 3)
    options = Options(given.rows or rows, given.rounds or rounds, given.only)
    FOLDER.mkdir(parents=True, exist_ok=True)
    with ExitStack() as stack:
        url = given.database_url
        if url is None:
            server = stack.enter_context(temporary_server())
            url = server.url.render_as_string(hide_password=False)
        for name, subject in subjects.items():
            path = FOLDER / f"{name}.md"
            for report in subject.run(url, options):
                path.write_text(report, encoding="utf-8")  # what is cut short leaves its part
            print(f"\n{report}\nWritten to {path}.")


def _count(text: str) -> int:
    number = int(text.replace("_", ""))
    if number < 1:
        raise argparse.ArgumentTypeError(f"expected a whole number from 1, found {text}")
    return number


if __name__ == "__main__":
    main()
