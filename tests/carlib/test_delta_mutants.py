"""The checks of these tests bite: with a mistake put into carlib, each of them fails.

A scenario passes with carlib as it is; then a mutant of it is made, and the same scenario fails.
"""

import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import pandas as pd
import pytest
from car_states import broken_lives, put_back, rows_of_tables, stored
from interleaving import Interleaver, Run, Work, interleaver
from sqlalchemy import Engine, text
from sqlalchemy.exc import IntegrityError
from worker_process import schema_of

from carlib import create_tables, get_car, initial_load, load_lock, sample_cars
from carlib.errors import IncompleteAnswer, NotFound
from carlib.history import changes
from carlib.history.queries import cars_as_of
from carlib.loading import delta

pytestmark = pytest.mark.slow

FIRST, SECOND, THIRD = (datetime(2024, 11, day, tzinfo=UTC) for day in (1, 2, 3))

# Two ways to change one car


def by_load(engine: Engine, vin: str, values: dict | None, at: datetime | None = None) -> None:
    if values is None:
        others = sample_cars().query("vin != @vin")[["vin"]]
        delta.delta_load(engine, others, loaded_at=at, missing="delete")
    else:
        delta.delta_load(engine, pd.DataFrame([{"vin": vin, **values}]), loaded_at=at)


def by_change(engine: Engine, vin: str, values: dict | None, at: datetime | None = None) -> None:
    key = get_car(engine, vin=vin)["car_id"]
    if values is None:
        changes.delete_car(engine, key, deleted_at=at)
    else:
        changes.update_car(engine, key, values, changed_at=at)


WAYS = {
    "load": (by_load, delta),
    "change": (by_change, changes),
}

# Scenarios


@dataclass(frozen=True)
class Cars:
    """The tables with two cars, and two sessions to change them at once."""

    engine: Engine
    sessions: Interleaver
    change: Callable[..., None]

    def life(self, *names: str) -> list[tuple]:
        """Some values of each version of the car ABC123."""
        assert broken_lives(self.engine) == []
        rows = [row for row in stored(self.engine) if row["vin"] == "ABC123"]
        return [tuple(row[name] for name in names) for row in rows]

    def changes(self, price: float, at: datetime | None = None) -> Callable[[Engine], None]:
        return lambda engine: self.change(engine, "ABC123", {"price": price}, at)


def an_update_is_remembered(cars: Cars) -> None:
    cars.change(cars.engine, "ABC123", {"price": 1.0}, SECOND)
    assert cars.life("price", "valid_from", "until", "operation") == [
        (15000, FIRST, SECOND, "update"),
        (1, SECOND, None, None),
    ]


def a_deletion_is_remembered(cars: Cars) -> None:
    cars.change(cars.engine, "ABC123", None, SECOND)
    assert cars.life("price", "until", "operation") == [(15000, SECOND, "delete")]


def what_a_car_has_already_is_not_written(cars: Cars) -> None:
    before = stored(cars.engine)
    cars.change(cars.engine, "ABC123", {"price": 15000.0, "color": "Red"}, SECOND)
    assert stored(cars.engine) == before


def null_is_another_value(cars: Cars) -> None:
    cars.change(cars.engine, "ABC123", {"color": None}, SECOND)
    cars.change(cars.engine, "ABC123", {"color": "Blue"}, THIRD)
    assert cars.life("color") == [("Red",), (None,), ("Blue",)]


def who_waited_for_the_lock_is_dated_later(cars: Cars) -> None:
    """The second session begins first, and gets the lock last."""
    steps = {"begin": "lock_timeout", "lock": "pg_advisory_xact_lock", "commit": "COMMIT"}
    works = [Work(cars.changes(price), steps) for price in (1.0, 2.0)]
    run = cars.sessions.run(works, [1, 0, 0, 0, 1, 1])
    assert_no_error(run)
    assert cars.life("price") == [(15000,), (1,), (2,)]


def changes_of_one_car_take_turns(cars: Cars) -> None:
    """The first session has read the clock when the second one wants to change the car."""
    word = "FOR UPDATE" if cars.change is by_change else "RETURNING merge_action()"
    steps = {"begin": "set_config", "apply": word, "commit": "COMMIT"}
    works = [Work(cars.changes(price), steps) for price in (1.0, 2.0)]
    run = cars.sessions.run(works, [0, 1, 1, 1, 0, 0])
    assert_no_error(run)
    assert run.blocked == [(1, "begin")]
    assert cars.life("price") == [(15000,), (1,), (2,)]


def what_may_still_change_is_not_final(cars: Cars) -> None:
    """A reader asks for the instant of a change that has not committed."""
    works = [
        Work(cars.changes(1.0, SECOND), {"begin": "set_config", "commit": "COMMIT"}),
        Work(lambda engine: cars_as_of(engine, SECOND), {"read": "pg_stat_activity"}),
    ]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", IncompleteAnswer)
        run = cars.sessions.run(works, [0, 1, 0])
    assert_no_error(run)
    assert list(run.results[1]["price"]) == [15000, 13000]
    assert run.results[1].attrs["final"] is False


def assert_no_error(run: Run) -> None:
    assert [result for result in run.results if isinstance(result, Exception)] == []


# Mutants

# A check fails, the table refuses the row, or the car is not found for having been deleted.
BITES = (AssertionError, IntegrityError, NotFound)
Patch = Callable[[pytest.MonkeyPatch, Any], list]


def other_sql(old: str, new: str) -> Patch:
    """A mutant that puts other words into the statement, and into what asks before it."""

    def patch(monkeypatch: pytest.MonkeyPatch, module: Any) -> list:
        made: list[int] = []

        def rebuilt(build: Callable[..., str]) -> Callable[..., str]:
            def rebuild(*arguments: Any, **options: Any) -> str:
                statement = build(*arguments, **options)
                made.append(statement.count(old))
                return statement.replace(old, new)

            return rebuild

        for name in {"merge_statement", "differs"} & set(vars(module)):
            monkeypatch.setattr(module, name, rebuilt(getattr(module, name)))
        return made

    return patch


def other_function(name: str, function: Callable[..., Any]) -> Patch:
    """A mutant that does something else in place of a function."""

    def patch(monkeypatch: pytest.MonkeyPatch, module: Any) -> list:
        called = []

        def instead(*arguments: Any) -> Any:
            called.append(1)
            return function(*arguments)

        monkeypatch.setattr(module if name == "read_clock" else load_lock, name, instead)
        return called

    return patch


def clock_before_lock(monkeypatch: pytest.MonkeyPatch, module: Any) -> list:
    read, lock = module.read_clock, load_lock.lock_for_load
    instants: dict[Any, datetime] = {}

    def lock_late(connection: Any) -> None:
        instants[connection] = read(connection)
        lock(connection)

    monkeypatch.setattr(load_lock, "lock_for_load", lock_late)
    monkeypatch.setattr(module, "read_clock", lambda connection: instants[connection])
    return [instants]


MUTANTS = {
    "new price logged": (other_sql("old.price", "new.price"), an_update_is_remembered),
    # The table refuses a version that ends as it begins.
    "new row logged": (other_sql("old.", "new."), an_update_is_remembered),
    "nothing logged": (other_sql("<> 'INSERT'", "IS NULL"), an_update_is_remembered),
    "valid_from not set": (other_sql(", :loaded_at)", ", c.valid_from)"), an_update_is_remembered),
    "deletions not logged": (
        other_sql("action <> 'INSERT'", "action = 'UPDATE'"),
        a_deletion_is_remembered,
    ),
    "deletions logged as updates": (
        other_sql("lower(action)", "'update'"),
        a_deletion_is_remembered,
    ),
    "no guard": (
        other_sql("IS DISTINCT FROM ROW(s.color, s.price)", "IS NOT NULL"),
        what_a_car_has_already_is_not_written,
    ),
    "<> for IS DISTINCT FROM": (other_sql("IS DISTINCT FROM", "<>"), null_is_another_value),
    "now() for the clock": (
        other_function("read_clock", lambda connection: connection.scalar(text("SELECT now()"))),
        who_waited_for_the_lock_is_dated_later,
    ),
    "clock before the lock": (clock_before_lock, who_waited_for_the_lock_is_dated_later),
    "no lock": (
        other_function("lock_for_load", lambda connection: None),
        changes_of_one_car_take_turns,
    ),
    "nothing announced": (
        other_function(
            "announce",
            lambda connection, _: connection.execute(text("SELECT 'set_config'")),
        ),
        what_may_still_change_is_not_final,
    ),
}


@pytest.fixture
def tables(engine: Engine) -> Engine:
    create_tables(engine)
    initial_load(engine, sample_cars(), loaded_at=FIRST)
    return engine


@pytest.fixture
def sessions(tables: Engine, make_engine: Callable[..., Engine]) -> Iterator[Interleaver]:
    engines = [make_engine(schema_of(tables)) for _ in range(2)]
    with interleaver(tables, engines) as sessions:
        yield sessions


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("mutant", MUTANTS)
def test_a_scenario_passes_and_fails_with_the_mutant(
    tables: Engine, sessions: Interleaver, monkeypatch: pytest.MonkeyPatch, mutant: str, way: str
) -> None:
    (patch, scenario), (change, module) = MUTANTS[mutant], WAYS[way]
    cars, beginning = Cars(tables, sessions, change), rows_of_tables(tables)
    scenario(cars)
    put_back(tables, beginning)
    used = patch(monkeypatch, module)
    with pytest.raises(BITES):
        scenario(cars)
    assert any(used), "the mutant was not met, or the words to replace were not there"
