"""The benchmarks compare what is comparable: every way ends in the same tables."""

from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest
from pandas.testing import assert_frame_equal
from sqlalchemy import Engine, inspect, text

from benchmarks import __main__ as command
from benchmarks import initial_load, timing
from benchmarks.loaders import ADD_EACH, FLOORS, FLUSH_EACH, LOADERS, MOST_CARS
from benchmarks.timing import Options, interleaved, ratios, spread
from carlib import create_tables, generate_cars

pytestmark = pytest.mark.slow

CARS = generate_cars(300, seed=5)
LOADED = """
SELECT b.name AS brand, m.name AS model, c.vin, c.engine_size, c.color, c.price, c.status
FROM car_info c JOIN car_model m USING (model_id) JOIN car_brand b USING (brand_id)
"""


def _rules(engine: Engine) -> list:
    """The keys, checks and indexes in force."""
    tables = ("car_brand", "car_model", "car_info")
    find = inspect(engine)
    return [
        (
            find.get_pk_constraint(t),
            find.get_foreign_keys(t),
            find.get_check_constraints(t),
            sorted(find.get_indexes(t), key=str),
        )
        for t in tables
    ]


@pytest.mark.parametrize("name", [*LOADERS, *FLOORS])
def test_every_way_loads_the_same_cars(name: str, engine: Engine) -> None:
    create_tables(engine)
    rules = _rules(engine)
    load: Callable = LOADERS.get(name) or FLOORS[name].load
    if name in FLOORS:
        FLOORS[name].prepare(engine, CARS)
    load(engine, CARS)
    loaded = pd.read_sql(LOADED, engine).sort_values("vin", ignore_index=True)
    expected = CARS.sort_values("vin", ignore_index=True)
    assert_frame_equal(loaded, expected[loaded.columns], check_exact=True)
    assert _rules(engine) == rules


@pytest.mark.parametrize("name", LOADERS)
def test_every_way_loads_all_or_nothing(name: str, engine: Engine) -> None:
    create_tables(engine)
    repeated = pd.concat([CARS, CARS.head(1).assign(color="Of another color")])
    with pytest.raises(Exception, match=r"(?i)more than once|unique|duplicate"):
        LOADERS[name](engine, repeated)
    with engine.connect() as connection:
        for table in ("car_info", "car_model", "car_brand"):
            assert connection.scalar(text(f"SELECT count(*) FROM {table}")) == 0


def _last_report(url: str, *options: object) -> str:
    *_, report = initial_load.run(url, Options(*options))
    return report


def test_a_report_names_every_way_and_size(database_url: str) -> None:
    report = _last_report(database_url, [50, 20], 2, [])
    assert all(f"| {name} |" in report for name in [*LOADERS, *FLOORS])
    assert report.index("20 cars, s") < report.index("50 cars, s")
    assert "| at least 12 |" in report
    assert report.count("| at least 1 |") == 2
    assert "time per car at 50, by that at 20" in report
    assert "About" not in report


def test_the_time_of_a_part_is_scaled_up_and_said_to_be(
    database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    loaded = []
    monkeypatch.setattr(initial_load, "WARM_UP", 1)
    monkeypatch.setattr(initial_load, "stopwatch", lambda work: loaded.append(work) or work() or 2)
    monkeypatch.setitem(MOST_CARS, ADD_EACH, 10)
    report = _last_report(database_url, [30], 1, [ADD_EACH])
    assert f"| {ADD_EACH} | about 6.0 | about 3.0 |" in report
    assert f"{ADD_EACH}: 10" in report
    assert FLUSH_EACH not in report.split('"About"')[0]
    assert [len(work.args[1]) for work in loaded] == [1, 1, 30, 10]


def test_the_command_writes_the_report(
    database_url: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys
) -> None:
    monkeypatch.setattr(command, "FOLDER", tmp_path / "new")
    chosen = ["--rows", "20", "--rounds", "1", "--only", "execute_values"]
    command.main(["initial_load", *chosen, "--database-url", database_url])
    written = (tmp_path / "new" / "initial_load.md").read_text(encoding="utf-8")
    assert "| psycopg2 execute_values |" in written
    assert written in capsys.readouterr().out


def test_runs_are_interleaved_and_slow_ones_not_repeated(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    clock, order = [0.0], []

    def way(name: str, takes: float) -> Callable[[], float]:
        def run() -> float:
            clock[0] += takes
            order.append(name)
            return takes

        return run

    monkeypatch.setattr(timing.time, "perf_counter", lambda: clock[0])
    ways = {name: way(name, takes) for name, takes in {"a": 40, "b": 20, "c": 50}.items()}
    *_, seconds = interleaved(ways, 3, always=frozenset("c"))
    assert order == ["a", "b", "c", "b", "c", "c"]
    assert seconds == {"a": [40], "b": [20, 20], "c": [50, 50, 50]}


def test_ratios_are_of_runs_side_by_side() -> None:
    assert ratios([4.0, 9.0], [2.0, 3.0]) == [2.0, 3.0]
    assert ratios([8.0], [2.0, 4.0]) == [4.0]  # ran in the first round only
    assert spread([3.0, 1.0, 22.4]) == "3.0 (1.0 to 22)"
    assert spread([0.256]) == "0.26"
