"""Interleaved runs, ratios of runs that stood side by side, and a table of them."""

import os
import platform
import statistics
import time
from collections.abc import Callable, Mapping
from importlib.metadata import version

import psutil


def interleaved(
    ways: Mapping[str, Callable[[], float]], rounds: int, once: frozenset[str] = frozenset()
) -> dict[str, list[float]]:
    """Run each way once a round, so that a slow minute of the machine slows all of them.

    Args:
        ways: For each name a function that does the work once and returns its seconds.
        rounds: How often.
        once: The ways that run in the first round only, since they take long.
    """
    seconds: dict[str, list[float]] = {name: [] for name in ways}
    for number in range(rounds):
        for name, run in ways.items():
            if number and name in once:
                continue
            seconds[name].append(run())
            print(
                f"  round {number + 1}/{rounds}  {name:<42} {seconds[name][-1]:9.2f} s", flush=True
            )
    return seconds


def stopwatch(work: Callable[[], object]) -> float:
    """Do the work and return the seconds it took."""
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def ratios(slow: list[float], fast: list[float]) -> list[float]:
    """Divide run by run; a way that ran in the first round only is compared with that round."""
    return [one / other for one, other in zip(slow, fast, strict=False)]


def spread(values: list[float], form: str = "{:.1f}") -> str:
    """The median, and in brackets the least and the greatest where there are several."""
    middle = form.format(statistics.median(values))
    if len(values) == 1:
        return middle
    return f"{middle} ({form.format(min(values))} to {form.format(max(values))})"


def markdown(header: list[str], rows: list[list[str]]) -> str:
    """A Markdown table, the first column to the left and the others to the right."""
    lines = [header, ["---", *["---:"] * (len(header) - 1)], *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def machine(server_version: str) -> str:
    """One line about what was measured on."""
    memory = psutil.virtual_memory().total / 2**30
    packages = ", ".join(f"{name} {version(name)}" for name in ("SQLAlchemy", "pandas", "pyarrow"))
    return (
        f"{os.cpu_count()} cores, {memory:.0f} GiB, {platform.system()} {platform.machine()}, "
        f"PostgreSQL {server_version}, Python {platform.python_version()}, {packages}"
    )
