"""initial_load against the other ways to get a frame into three tables."""

import statistics
from collections.abc import Callable
from functools import partial

import pandas as pd
from sqlalchemy import text

from benchmarks.loaders import ADBC, ADD_EACH, CARLIB, FLOOR, FLUSH_EACH, LOADERS, Floor
from benchmarks.timing import interleaved, machine, markdown, ratios, spread, stopwatch
from carlib import connect, create_tables, generate_cars

SCHEMA = "benchmark_initial_load"
SLOW = 30e-6  # seconds a car: what takes longer runs once at larger sizes


def run(database_url: str, sizes: list[int], rounds: int) -> str:
    """Measure all ways at each size, smallest first, and return a report in Markdown."""
    results: dict[int, dict[str, list[float]]] = {}
    for rows in sorted(sizes):
        print(f"initial load of {rows:,} cars", flush=True)
        ways = _ways(database_url, generate_cars(rows))
        once = frozenset()
        if results:  # the smaller size tells which are slow
            small, before = next(iter(results.items()))
            once = frozenset(
                name
                for name, found in before.items()
                if name not in (ADBC, CARLIB, FLOOR) and statistics.median(found) / small > SLOW
            )
            ways.pop(FLUSH_EACH)
        results[rows] = interleaved(ways, rounds, once)
    engine = connect(database_url, schema=SCHEMA, fresh=True)  # leaves nothing behind
    with engine.connect() as connection:
        server = connection.scalar(text("SHOW server_version"))
    engine.dispose()
    return _report(results, server)


def _ways(database_url: str, cars: pd.DataFrame) -> dict[str, Callable[[], float]]:
    engine = connect(database_url, schema=SCHEMA, fresh=True)
    create_tables(engine)
    floor = Floor()

    def once(load: Callable, prepare: Callable = lambda *_: None) -> float:
        with engine.begin() as connection:
            connection.execute(text("TRUNCATE car_info, car_model, car_brand"))
        prepare(engine, cars)
        with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
            connection.execute(text("CHECKPOINT"))  # nobody pays for the WAL of the one before
        seconds = stopwatch(partial(load, engine, cars))
        with engine.connect() as connection:
            assert connection.scalar(text("SELECT count(*) FROM car_info")) == len(cars)
        return seconds

    ways = {name: partial(once, load) for name, load in LOADERS.items()}
    return ways | {FLOOR: partial(once, floor.load, floor.prepare)}


def _report(results: dict[int, dict[str, list[float]]], server: str) -> str:
    names = [FLUSH_EACH, *(n for n in LOADERS if n not in (FLUSH_EACH, CARLIB)), CARLIB, FLOOR]
    header = ["way"]
    for rows in results:
        header += [f"{rows:,} cars, s", "times as long as carlib"]
    table = []
    for name in names:
        line = [name]
        for found in results.values():
            if name in found:
                line += [
                    spread(found[name], "{:.2f}"),
                    spread(ratios(found[name], found[CARLIB]), "{:.2f}"),
                ]
            else:
                line += ["not run", ""]
        table.append(line)
    first, *_, last = results.items()
    per_car = [statistics.median(found[CARLIB]) / rows for rows, found in (first, last)]
    orm = statistics.median(ratios(first[1][ADD_EACH], first[1][CARLIB]))
    adbc = statistics.median(ratios(last[1][ADBC], last[1][CARLIB]))
    growth = per_car[1] / per_car[0]
    return (
        f"{markdown(header, table)}\n\n"
        f"carlib is {orm:.0f} times as fast as the row-by-row ORM, {adbc:.1f} times as fast as "
        f"ADBC. A car takes {1e6 * per_car[0]:.1f} µs of {first[0]:,} cars, and "
        f"{1e6 * per_car[1]:.1f} µs of {last[0]:,} ({growth:.2f} times as long).\n\n"
        f"Median (least to greatest). {machine(server)}.\n"
    )
