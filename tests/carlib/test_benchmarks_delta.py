"""The delta benchmark: every way ends in the same cars, and the report says what was measured."""

import re
from collections.abc import Callable
from datetime import UTC, datetime

import pandas as pd
import pytest
from pandas.testing import assert_frame_equal
from sqlalchemy import Engine, text

from benchmarks import delta_load, delta_ways
from benchmarks.delta_load import ONLY_CHANGED, WAYS, changed_and_new
from benchmarks.delta_ways import CARLIB, COMPARING, DBMERGE, LOADERS, NO_HISTORY
from benchmarks.timing import Options
from carlib import create_tables, generate_cars, generate_delta, initial_load

pytestmark = pytest.mark.slow

CARS = generate_cars(300, seed=5)
DELTA = generate_delta(CARS, new=0.5, changed=0.2)  # 60 changed and 150 new, some of new models
FIRST = datetime(2024, 11, 10, 10, tzinfo=UTC)
LOADED = """
SELECT b.name AS brand, m.name AS model, c.vin, c.engine_size, c.color, c.price, c.status
FROM car_info c JOIN car_model m USING (model_id) JOIN car_brand b USING (brand_id)
"""


def _loaded(engine: Engine, way: Callable, delta: pd.DataFrame) -> None:
    create_tables(engine)
    initial_load(engine, CARS, loaded_at=FIRST)
    way(engine, delta)


def _assert_holds(engine: Engine, expected: pd.DataFrame) -> None:
    loaded = pd.read_sql(LOADED, engine).sort_values("vin", ignore_index=True)
    expected = expected.sort_values("vin", ignore_index=True)
    assert_frame_equal(loaded, expected[loaded.columns], check_exact=True)


def _since_first(engine: Engine) -> pd.Index:
    query = text("SELECT vin FROM car_info WHERE valid_from = :first")
    return pd.Index(pd.read_sql(query, engine, params={"first": FIRST})["vin"])


@pytest.mark.parametrize("name", LOADERS)
def test_every_way_ends_in_the_same_cars(name: str, engine: Engine) -> None:
    _loaded(engine, LOADERS[name], DELTA)
    _assert_holds(engine, DELTA)
    changed = changed_and_new(CARS, DELTA)["vin"]
    unchanged = DELTA["vin"][~DELTA["vin"].isin(changed)]
    expected = unchanged if name in COMPARING else []
    assert sorted(_since_first(engine)) == sorted(expected)


@pytest.mark.parametrize("name", LOADERS)
def test_every_way_takes_the_changed_and_new_rows_alone(name: str, engine: Engine) -> None:
    changed = changed_and_new(CARS, DELTA)
    _loaded(engine, LOADERS[name], changed)
    _assert_holds(engine, DELTA)


@pytest.mark.parametrize(("name", "logged"), [(CARLIB, 60), (NO_HISTORY, 0), (DBMERGE, 0)])
def test_carlib_alone_keeps_a_history(name: str, logged: int, engine: Engine) -> None:
    _loaded(engine, LOADERS[name], DELTA)
    with engine.connect() as connection:
        assert connection.scalar(text("SELECT count(*) FROM car_info_history")) == logged


def test_a_statement_without_a_history_to_take_away_is_refused(
    monkeypatch: pytest.MonkeyPatch, engine: Engine
) -> None:
    monkeypatch.setattr(delta_ways, "merge_statement", lambda *a, **o: "SELECT 'INSERT', 1")
    with pytest.raises(RuntimeError, match="writes the history"):
        _loaded(engine, LOADERS[NO_HISTORY], DELTA)


def _last_report(url: str, *options: object) -> str:
    *_, report = delta_load.run(url, Options(*options))
    return report


def _row(report: str, name: str) -> list[str]:
    (line,) = re.findall(rf"(?m)^\| {re.escape(name)} \| (.*) \|$", report)
    return line.split(" | ")


def test_a_report_says_what_each_way_costs(
    database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(delta_load, "WARM_UP", 1)
    report = _last_report(database_url, [200], 1, [])
    assert "202 rows on 200 cars:" in report
    assert "about" not in report.lower()
    for name in WAYS:
        _, _, wal, rewritten, dead = _row(report, name)
        compares = name in COMPARING or name == ONLY_CHANGED
        assert rewritten == dead == ("20" if compares else "200")
        assert float(wal) > 0
    for aim in ("at least 50", "at least 1", "at most 1.3", "at most 0.33"):
        assert f"| {aim} |" in report


def test_a_way_that_ends_otherwise_stops_the_benchmark(
    database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def wrong(engine: Engine, delta: pd.DataFrame) -> None:
        LOADERS[CARLIB](engine, delta.assign(price=delta["price"] + 1))

    monkeypatch.setattr(delta_load, "WARM_UP", 1)
    monkeypatch.setitem(delta_load.LOADERS, DBMERGE, wrong)
    with pytest.raises(RuntimeError, match=r"what the other ways made"):
        _last_report(database_url, [20], 1, [DBMERGE])
