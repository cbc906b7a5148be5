"""initial_load against the other ways to get a frame into three tables."""

import statistics
from collections.abc import Callable, Iterator
from functools import partial

import pandas as pd
from sqlalchemy import text

from benchmarks.loaders import ADBC, ADD_EACH, CARLIB, FLOORS, LOADERS, MOST_CARS, Encoded
from benchmarks.timing import (
    Options,
    checkpoint,
    interleaved,
    machine,
    markdown,
    ratios,
    spread,
    stopwatch,
)
from carlib import connect, create_tables, generate_cars

SCHEMA = "benchmark_initial_load"
ALWAYS = frozenset({CARLIB, ADBC, *FLOORS})  # the aims are about these: each round, however long
WAYS = [*reversed(LOADERS), *FLOORS]
WARM_UP = 100  # cars that each way loads beforehand: first calls import and compile

Results = dict[int, dict[str, list[float]]]  # for each number of cars and way, seconds


def run(database_url: str, options: Options) -> Iterator[str]:
    """Measure all ways at each size, smallest first.

    Yields:
        After each run, a report in Markdown on what was measured so far.
    """
    engine = connect(database_url, schema=SCHEMA)
    results: Results = {}
    try:
        for rows in sorted(set(options.rows)):
            print(f"initial load of {rows:,} cars", flush=True)
            if not results:
                for way in _ways(database_url, generate_cars(WARM_UP), options).values():
                    way()
            ways = _ways(database_url, generate_cars(rows), options)
            for results[rows] in interleaved(ways, options.rounds, ALWAYS):
                yield f"{_report(results)}\n\nMedian (least to greatest). {machine(engine)}.\n"
    finally:
        engine.dispose()
        connect(database_url, schema=SCHEMA, fresh=True).dispose()  # leaves no rows behind


def _ways(
    database_url: str, cars: pd.DataFrame, options: Options
) -> dict[str, Callable[[], float]]:
    chosen = {
        name: way
        for name, way in (LOADERS | FLOORS).items()
        if name == CARLIB or options.chosen(name)
    }
    return {
        name: partial(_time, way, database_url, cars.head(MOST_CARS.get(name, len(cars))), cars)
        for name, way in chosen.items()
    }


def _time(
    way: Callable | Encoded, database_url: str, some: pd.DataFrame, cars: pd.DataFrame
) -> float:
    """Load some of the cars into a fresh schema; return the seconds that all would take."""
    engine = connect(database_url, schema=SCHEMA, fresh=True)
    create_tables(engine)
    load = way
    if isinstance(way, Encoded):
        way.prepare(engine, some)
        load = way.load
    checkpoint(engine)
    seconds = stopwatch(partial(load, engine, some))
    with engine.connect() as connection:
        loaded = connection.scalar(text("SELECT count(*) FROM car_info"))
    engine.dispose()
    if loaded != len(some):
        raise RuntimeError(f"Expected {len(some):,} cars in the table, found {loaded:,}.")
    return seconds * len(cars) / len(some)


def _report(results: Results) -> str:
    header = ["way"]
    for rows in results:
        header += [f"{rows:,} cars, s", "times as long as carlib"]
    table = []
    for name in WAYS:
        cells = [cell for rows, found in results.items() for cell in _cells(name, rows, found)]
        if any(cells):
            table.append([name, *cells])
    return "\n\n".join([markdown(header, table), *_aims(results)])


def _cells(name: str, rows: int, found: dict[str, list[float]]) -> tuple[str, str]:
    if not found.get(name):
        return "", ""
    scaled = "about " if rows > MOST_CARS.get(name, rows) else ""
    return scaled + spread(found[name]), scaled + spread(ratios(found[name], found[CARLIB]))


def _aims(results: Results) -> Iterator[str]:
    """What is aimed at and what was measured, as far as it was."""
    rows, found = next(iter(results.items()))
    lines = []
    if found.get(ADD_EACH):
        measured = f"{spread(ratios(found[ADD_EACH], found[CARLIB]))} at {rows:,}"
        lines.append(["times as fast as the row-by-row ORM (one flush)", "at least 12", measured])
    for size, here in results.items():
        if here.get(ADBC):
            measured = f"{spread(ratios(here[ADBC], here[CARLIB]))} at {size:,}"
            lines.append(["times as fast as ADBC", "at least 1", measured])
    last = max(size for size, here in results.items() if here[CARLIB])
    if last > rows:
        a_car = [statistics.median(results[size][CARLIB]) / size for size in (rows, last)]
        measured = f"{a_car[1] / a_car[0]:.2f} ({1e6 * a_car[1]:.1f} µs, {1e6 * a_car[0]:.1f} µs)"
        aim = f"time per car at {last:,}, by that at {rows:,}"
        lines.append([aim, "at most 1.3", measured])
    if lines:
        yield markdown(["carlib.initial_load", "aim", "measured"], lines)
    scaled = [f"{name}: {most:,}" for name, most in MOST_CARS.items() if most < last]
    if scaled:
        yield f'"About": scaled up from fewer cars ({"; ".join(scaled)}).'
