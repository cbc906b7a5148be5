"""The benchmarks compare what is comparable: every way ends in the same tables, blobs in bytes."""

from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest
from pandas.testing import assert_frame_equal
from sqlalchemy import Engine, inspect, text

from benchmarks import __main__ as command
from benchmarks import blobs, delta_load, timing
from benchmarks.delta_load import changed_and_new
from benchmarks.delta_ways import CARLIB, COMPARING, DBMERGE
from benchmarks.delta_ways import LOADERS as DELTA_LOADERS
from benchmarks.loaders import FLOORS, LOADERS
from benchmarks.timing import Options, interleaved
from carlib import create_tables, generate_cars, generate_delta, initial_load

pytestmark = pytest.mark.slow

CARS = generate_cars(300, seed=5)
DELTA = generate_delta(CARS, new=0.5, changed=0.2)  # 60 changed and 150 new, some of new models
LOADED = """
SELECT b.name AS brand, m.name AS model, c.vin, c.engine_size, c.color, c.price, c.status
FROM car_info c JOIN car_model m USING (model_id) JOIN car_brand b USING (brand_id)
"""
TABLES = ("car_brand", "car_model", "car_info")


def rules(engine: Engine) -> list:
    """The keys, checks and indexes in force."""
    find = inspect(engine)
    return [
        (
            find.get_pk_constraint(t),
            find.get_foreign_keys(t),
            find.get_check_constraints(t),
            sorted(find.get_indexes(t), key=str),
        )
        for t in TABLES
    ]


def assert_holds(engine: Engine, expected: pd.DataFrame) -> None:
    loaded = pd.read_sql(LOADED, engine).sort_values("vin", ignore_index=True)
    expected = expected.sort_values("vin", ignore_index=True)
    assert_frame_equal(loaded, expected[loaded.columns], check_exact=True)


@pytest.mark.parametrize("name", [*LOADERS, *FLOORS])
def test_every_way_loads_the_same_cars(name: str, engine: Engine) -> None:
    create_tables(engine)
    before = rules(engine)
    if name in FLOORS:
        FLOORS[name].prepare(engine, CARS)
    (LOADERS.get(name) or FLOORS[name].load)(engine, CARS)
    assert_holds(engine, CARS)
    assert rules(engine) == before


@pytest.mark.parametrize("name", LOADERS)
def test_every_way_loads_all_or_nothing(name: str, engine: Engine) -> None:
    create_tables(engine)
    repeated = pd.concat([CARS, CARS.head(1).assign(color="Of another color")])
    with pytest.raises(Exception, match=r"(?i)more than once|unique|duplicate"):
        LOADERS[name](engine, repeated)
    with engine.connect() as connection:
        for table in TABLES:
            assert connection.scalar(text(f"SELECT count(*) FROM {table}")) == 0


@pytest.mark.parametrize("delta", [DELTA, changed_and_new(CARS, DELTA)], ids=["all", "changed"])
@pytest.mark.parametrize("name", DELTA_LOADERS)
def test_every_way_of_a_delta_ends_in_the_same_cars(
    name: str, delta: pd.DataFrame, engine: Engine
) -> None:
    create_tables(engine)
    first = initial_load(engine, CARS).loaded_at
    DELTA_LOADERS[name](engine, delta)
    assert_holds(engine, DELTA)
    query = text("SELECT count(*) FROM car_info WHERE valid_from = :first")
    with engine.connect() as connection:
        untouched = connection.scalar(query, {"first": first})
        logged = connection.scalar(text("SELECT count(*) FROM car_info_history"))
    assert untouched == (240 if name in COMPARING or len(delta) < len(DELTA) else 0)
    assert logged == (60 if name == CARLIB else 0)


def test_a_way_that_ends_otherwise_stops_the_benchmark(
    database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def wrong(engine: Engine, delta: pd.DataFrame) -> None:
        DELTA_LOADERS[CARLIB](engine, delta.assign(price=delta["price"] + 1))

    monkeypatch.setattr(delta_load, "WARM_UP", 1)
    monkeypatch.setitem(delta_load.LOADERS, DBMERGE, wrong)
    with pytest.raises(RuntimeError, match=r"what the other ways made"):
        [*delta_load.run(database_url, Options([20], 1, [DBMERGE]))]


@pytest.mark.parametrize("way", [blobs.STORE, blobs.ORM, blobs.LARGE, blobs.FILE])
def test_each_way_gives_back_the_bytes_it_was_given(engine: Engine, tmp_path, way: str) -> None:
    """The ways check it themselves, each time; here for an empty database and a second put."""
    ways, _ = blobs._ways(engine, 50, tmp_path / "blob", Options([50], 1, []))
    for _ in range(2):
        assert ways[f"{way}: put"]() > 0
        assert ways[f"{way}: get"]() > 0


def test_bytes_that_come_back_changed_stop_the_run(engine: Engine, tmp_path, monkeypatch) -> None:
    monkeypatch.setattr(blobs.store_rows, "fetch_all", lambda *_: memoryview(b"other"))
    ways, _ = blobs._ways(engine, 50, tmp_path / "blob", Options([50], 1, []))
    ways[f"{blobs.STORE}: put"]()
    with pytest.raises(RuntimeError, match="give back the bytes"):
        ways[f"{blobs.STORE}: get"]()


@pytest.mark.parametrize("name", ["initial_load", "delta_load", "blobs"])
def test_the_command_writes_the_report(
    database_url: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys, name: str
) -> None:
    monkeypatch.setattr(command, "FOLDER", tmp_path / "new")
    command.main([name, "--rows", "50", "--rounds", "1", "--database-url", database_url])
    written = (tmp_path / "new" / f"{name}.md").read_text(encoding="utf-8")
    assert "| " in written
    assert written in capsys.readouterr().out


def test_runs_are_interleaved_and_slow_ones_not_repeated(monkeypatch: pytest.MonkeyPatch) -> None:
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
