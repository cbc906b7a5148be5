"""`python -m benchmarks`: measure, and write tables to build/benchmarks."""

import argparse
from contextlib import ExitStack
from pathlib import Path

from benchmarks import initial_load
from carlib.server import temporary_server

SUBJECTS = {"initial_load": initial_load}


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("subject", nargs="*", help=f"of {', '.join(SUBJECTS)} (default: all)")
    parser.add_argument("--rows", type=int, nargs="+", default=[100_000, 1_000_000])
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--database-url", help="default: a temporary embedded server")
    options = parser.parse_args()
    unknown = set(options.subject) - set(SUBJECTS)
    if unknown:
        parser.error(f"no such subject: {', '.join(unknown)}; there are {', '.join(SUBJECTS)}")
    folder = Path("build/benchmarks")
    folder.mkdir(parents=True, exist_ok=True)
    with ExitStack() as stack:
        url = options.database_url
        if url is None:
            server = stack.enter_context(temporary_server())
            url = server.url.render_as_string(hide_password=False)
        for name in options.subject or SUBJECTS:
            report = SUBJECTS[name].run(url, options.rows, options.rounds)
            (folder / f"{name}.md").write_text(report, encoding="utf-8")
            print(f"\n{report}")


if __name__ == "__main__":
    main()
