"""delta_load against the other ways to bring the cars up to date, with what each costs the server.

The delta holds every car, one in ten of them changed, and one in a hundred new. Each run begins
with the same cars, vacuumed and after a checkpoint, and ends with a look whether all ways made the
same of them.
"""

from collections.abc import Callable, Iterator
from functools import partial
from statistics import median
from typing import NamedTuple

import pandas as pd
from sqlalchemy import Engine, text

from benchmarks.delta_ways import (
    CARLIB,
    DBMERGE,
    EACH,
    EACH_DRIVER,
    EACH_ORM,
    LOADERS,
    MOST_ROWS,
    NO_HISTORY,
)
from benchmarks.server_cost import Cost, cost_since, log_position, settle
from benchmarks.timing import Options, interleaved, machine, markdown, ratios, spread, stopwatch
from carlib import connect, create_tables, generate_cars, generate_delta, initial_load

SCHEMA = "benchmark_delta_load"
CHANGED, NEW = 0.1, 0.01
ONLY_CHANGED = f"{CARLIB}, changed and new rows only"
ALWAYS = frozenset({CARLIB, NO_HISTORY, ONLY_CHANGED, DBMERGE})  # the aims are about these
WAYS = [*reversed(LOADERS), ONLY_CHANGED]
WARM_UP = 100  # cars that each way is tried on first: first calls import and compile

CONTENT = """
SELECT count(*), sum(hashtextextended(CAST(
    ROW(b.name, m.name, c.vin, c.engine_size, c.color, c.price, c.status) AS text), 0))
FROM car_info c JOIN car_model m USING (model_id) JOIN car_brand b USING (brand_id)
"""


class Measured(NamedTuple):
    """What was found with one number of cars, for each way."""

    seconds: dict[str, list[float]]
    costs: dict[str, list[Cost]]


def run(database_url: str, options: Options) -> Iterator[str]:
    """Measure all ways at each size, smallest first.

    Yields:
        After each run, a report in Markdown on what was measured so far.
    """
    engine = connect(database_url, schema=SCHEMA)
    results: dict[int, Measured] = {}
    try:
        for rows in sorted(set(options.rows)):
            print(f"delta load on {rows:,} cars", flush=True)
            if not results:
                for way in _ways(database_url, WARM_UP, options, {}).values():
                    way()
            costs: dict[str, list[Cost]] = {}
            ways = _ways(database_url, rows, options, costs)
            for seconds in interleaved(ways, options.rounds, ALWAYS):
                results[rows] = Measured(seconds, costs)
                yield f"{_report(results)}\n\nMedian (least to greatest). {machine(engine)}.\n"
    finally:
        engine.dispose()
        connect(database_url, schema=SCHEMA, fresh=True).dispose()  # leaves no rows behind


def changed_and_new(cars: pd.DataFrame, delta: pd.DataFrame) -> pd.DataFrame:
    """The rows of a delta that are new or differ from the cars."""
    return delta[(delta.merge(cars, how="left", indicator=True)["_merge"] != "both").to_numpy()]


def _ways(
    database_url: str, rows: int, options: Options, costs: dict[str, list[Cost]]
) -> dict[str, Callable[[], float]]:
    cars = generate_cars(rows)
    delta = generate_delta(cars, new=NEW, changed=CHANGED)
    deltas = {name: (way, delta) for name, way in LOADERS.items()}
    deltas[ONLY_CHANGED] = LOADERS[CARLIB], changed_and_new(cars, delta)
    contents: set[tuple] = set()
    return {
        name: partial(
            _measure,
            way,
            database_url,
            cars,
            given,
            MOST_ROWS.get(name),
            costs.setdefault(name, []),
            contents,
        )
        for name, (way, given) in deltas.items()
        if name == CARLIB or options.chosen(name)
    }


def _measure(
    way: Callable[[Engine, pd.DataFrame], None],
    database_url: str,
    cars: pd.DataFrame,
    delta: pd.DataFrame,
    most: int | None,
    costs: list[Cost],
    contents: set[tuple],
) -> float:
    """Load the delta, or a part of it, into tables with the cars.

    Args:
        most: How many rows of the delta to take, at random; None for all.
        costs: Where the cost goes.
        contents: What the tables held after other ways; this one must make them hold the same.

    Returns:
        The seconds that the whole delta would take.
    """
    part, scale = delta, 1.0
    if most is not None and most < len(delta):
        part, scale = delta.sample(most, random_state=0), len(delta) / most
    engine = connect(database_url, schema=SCHEMA, fresh=True)
    create_tables(engine)
    initial_load(engine, cars)
    settle(engine)
    begin = log_position(engine)
    seconds = stopwatch(partial(way, engine, part))
    costs.append(Cost(*(scale * cost for cost in cost_since(engine, begin))))
    with engine.connect() as connection:
        content = connection.execute(text(CONTENT)).one()
    engine.dispose()
    if part is delta:
        contents.add(tuple(content))
    new = len(part) - part["vin"].isin(cars["vin"]).sum()
    if len(contents) > 1 or content[0] != len(cars) + new:
        raise RuntimeError("Expected the cars to be what the other ways made of them.")
    return scale * seconds


def _report(results: dict[int, Measured]) -> str:
    header = ["way", "s", "times as long as carlib", "WAL, MB", "cars rewritten", "dead rows"]
    parts = []
    for rows, measured in results.items():
        table = [
            [name, *_cells(name, rows, measured)] for name in WAYS if measured.seconds.get(name)
        ]
        total = round(rows * (1 + NEW))
        parts += [f"{total:,} rows on {rows:,} cars:", markdown(header, table), *_aims(measured)]
    largest = max(results) * (1 + NEW)
    scaled = [f"{name}: {most:,} rows" for name, most in MOST_ROWS.items() if most < largest]
    if scaled:
        parts.append(f'"About": scaled up from part of the delta ({"; ".join(scaled)}).')
    return "\n\n".join(parts)


def _cells(name: str, rows: int, measured: Measured) -> list[str]:
    about = "about " if rows * (1 + NEW) > MOST_ROWS.get(name, float("inf")) else ""
    seconds, costs = measured.seconds[name], measured.costs[name]
    wal, rewritten, dead = (median(column) for column in zip(*costs, strict=True))
    return [
        about + spread(seconds),
        about + spread(ratios(seconds, measured.seconds[CARLIB])),
        "" if about else f"{wal:.1f}",
        f"{about}{rewritten:,.0f}",
        f"{about}{dead:,.0f}",
    ]


def _aims(measured: Measured) -> Iterator[str]:
    """What is aimed at and what was measured, as far as it was."""
    seconds = measured.seconds
    aims = [
        *(
            (f"times as fast as {each}", "at least 50", each, CARLIB)
            for each in (EACH_ORM, EACH, EACH_DRIVER)
        ),
        ("times as fast as dbmerge", "at least 1", DBMERGE, CARLIB),
        ("time with history, by that without", "at most 1.3", CARLIB, NO_HISTORY),
        ("time of changed and new rows only, by all", "at most 0.33", ONLY_CHANGED, CARLIB),
    ]
    lines = [
        [what, aim, spread(ratios(seconds[one], seconds[other]))]
        for what, aim, one, other in aims
        if seconds.get(one) and seconds.get(other)
    ]
    if lines:
        yield markdown(["carlib.delta_load, history included", "aim", "measured"], lines)
