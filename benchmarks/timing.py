"""Interleaved runs, ratios of runs that stood side by side, and a table of them."""

import os
import platform
import statistics
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from importlib.metadata import version
from importlib.util import find_spec

import psutil
from sqlalchemy import Engine, text

PATIENCE = 30  # seconds that a way may take at one size before it is not run again


@dataclass(frozen=True)
class Options:
    """What to measure.

    Attributes:
        rows: The sizes, in rows.
        rounds: How often each way runs at each size; a slow one less often, see `interleaved`.
        only: Parts of the names of the ways to run; all where it is empty.
    """

    rows: list[int]
    rounds: int
    only: list[str]

    def chosen(self, name: str) -> bool:
        return not self.only or any(part.casefold() in name.casefold() for part in self.only)


def interleaved(
    ways: Mapping[str, Callable[[], float]], rounds: int, always: frozenset[str] = frozenset()
) -> Iterator[dict[str, list[float]]]:
    """Run each way once a round, so that a slow minute of the machine slows all of them.

    Args:
        ways: For each name a function that does the work once and returns its seconds.
        rounds: How often.
        always: The ways that run in every round; another one only until it took `PATIENCE`.

    Yields:
        After each run, all seconds so far: the same dictionary, growing.
    """
    seconds: dict[str, list[float]] = {name: [] for name in ways}
    spent = dict.fromkeys(ways, 0.0)
    for number in range(rounds):
        for name, run in ways.items():
            if spent[name] > PATIENCE and name not in always:
                continue
            start = time.perf_counter()
            seconds[name].append(run())
            spent[name] += time.perf_counter() - start
            shown = f"{name:<40} {seconds[name][-1]:9.2f} s"
            print(f"  round {number + 1}/{rounds}  {shown}", flush=True)
            yield seconds


def stopwatch(work: Callable[[], object]) -> float:
    """Do the work and return the seconds it took."""
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def ratios(slow: list[float], fast: list[float]) -> list[float]:
    """Divide run by run; a way that ran in the first rounds only is compared with those."""
    return [one / other for one, other in zip(slow, fast, strict=False)]


def spread(values: list[float]) -> str:
    """The median to two digits or more; in brackets the least and the greatest, if several."""
    middle = _digits(statistics.median(values))
    if len(values) == 1:
        return middle
    return f"{middle} ({_digits(min(values))} to {_digits(max(values))})"


def _digits(value: float) -> str:
    return f"{value:.{0 if value >= 10 else 1 if value >= 1 else 2}f}"


def markdown(header: list[str], rows: list[list[str]]) -> str:
    """A Markdown table, the first column to the left and the others to the right."""
    lines = [header, ["---", *["---:"] * (len(header) - 1)], *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def checkpoint(engine: Engine) -> None:
    """Write out what earlier runs left in memory, so that the next one does not pay for it."""
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.execute(text("CHECKPOINT"))


def machine(engine: Engine) -> str:
    """One line about what was measured on, and how busy it was."""
    with engine.connect() as connection:
        server = connection.scalar(text("SHOW server_version"))
        embedded = connection.scalar(text("SHOW cluster_name")) == "carlib-embedded"
    memory = psutil.virtual_memory().total / 2**30
    packages = (
        *("SQLAlchemy", "psycopg2-binary", "pandas", "pyarrow"),
        *("adbc-driver-postgresql", "dbmerge", *["pangres"] * bool(find_spec("pangres"))),
    )
    return (
        f"{os.cpu_count()} cores, {memory:.0f} GiB, {platform.system()} {platform.machine()}, "
        f"PostgreSQL {server} ({'embedded' if embedded else 'not embedded'}), "
        f"Python {platform.python_version()}, "
        f"{', '.join(f'{name} {version(name)}' for name in packages)}; "
        f"load average at the end {psutil.getloadavg()[2]:.1f} (15 minutes)"
    )
