"""Timing several ways of doing one thing so that the numbers can be trusted as far as they go.

The ways take turns, so that what else the computer does falls on all alike; and each is shown
with its fastest and slowest run, so that a difference smaller than the noise is seen to be none.
"""

from collections.abc import Callable, Mapping
from statistics import median
from time import perf_counter

import pandas as pd
from matplotlib.axes import Axes


def time_in_turn(
    ways: Mapping[str, Callable[[], object]],
    runs: int = 3,
    before: Callable[[], object] | None = None,
) -> pd.DataFrame:
    """Run each way in turn, several times, and keep its times.

    Args:
        ways: What is timed, under the names to show.
        runs: How often each way runs.
        before: Called before each run, outside of the time: to empty the tables, for example.

    Returns:
        A row for each way with the seconds of its `fastest`, its `median` and its `slowest` run.
    """
    seconds: dict[str, list[float]] = {name: [] for name in ways}
    for _ in range(runs):
        for name, way in ways.items():
            if before is not None:
                before()
            start = perf_counter()
            way()
            seconds[name].append(perf_counter() - start)
    rows = {name: (min(each), median(each), max(each)) for name, each in seconds.items()}
    return pd.DataFrame.from_dict(rows, orient="index", columns=["fastest", "median", "slowest"])


def times_as_long(times: pd.DataFrame, slow: str, fast: str) -> str:
    """Say how many times as long one way took as another, no more exactly than was measured.

    Args:
        times: From `time_in_turn`.
        slow: The name of the way that is expected to take longer.
        fast: The name of the other one.

    Returns:
        A range such as "4 to 10 times as long", from the slow way's fastest run against the fast
        one's slowest to the opposite; or "no measurable difference" where the runs overlap.
    """
    low = float(times["fastest"][slow]) / float(times["slowest"][fast])
    high = float(times["slowest"][slow]) / float(times["fastest"][fast])
    if low <= 1 <= high:
        return "no measurable difference"
    low, high = float(f"{low:.2g}"), float(f"{high:.2g}")
    return f"{low:g} to {high:g} times as long" if low < high else f"{low:g} times as long"


def draw_times(times: pd.DataFrame, title: str, unit: str = "s") -> Axes:
    """Draw the median of each way as a bar, and its fastest and slowest run as a line on it.

    Args:
        times: From `time_in_turn`, or any frame with these three columns, such as ratios.
        title: The sentence that the picture shows.
        unit: What the numbers are, for the axis.
    """
    spread = [times["median"] - times["fastest"], times["slowest"] - times["median"]]
    axes = times["median"].plot.barh(
        xerr=spread, color="#56B4E9", figsize=(7, 0.6 + 0.4 * len(times))
    )
    axes.invert_yaxis()
    axes.set(title=title, xlabel=f"median, with the fastest and the slowest run ({unit})")
    return axes
