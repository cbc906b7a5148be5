"""Every order of the steps of loads, changes, archivings and readers at once.

Whatever the order, the outcome is that of the same works one after the other, as they committed.
"""

import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import UUID

import pandas as pd
import pytest
from car_states import broken_lives, put_back, rows_of_tables, stored
from history_oracle import Oracle, rows_of
from interleaving import Interleaver, Run, Work, interleaver, schedules
from sqlalchemy import Engine, text
from worker_process import schema_of

from carlib import create_tables
from carlib.errors import IncompleteAnswer, LateChange, RejectedRows
from carlib.history.archive import ArchiveReport, archive_history
from carlib.history.changes import delete_car, update_car
from carlib.history.queries import car_history, cars_as_of
from carlib.load_lock import read_clock
from carlib.loading.delta import delta_load
from carlib.loading.prepare import REQUIRED


def november(day: int) -> datetime:
    return datetime(2024, 11, day, tzinfo=UTC)


NAMES = ["brand", "model", "engine_size", "color", "price", "status"]
ABC = dict(zip(NAMES, ["Toyota", "Corolla", 2.0, "Red", 15000.0, True], strict=True))
DEF = dict(zip(NAMES, ["Honda", "Civic", 1.5, "Blue", 13000.0, False], strict=True))
GHI = dict(zip(NAMES, ["Toyota", "Corolla", 2.2, "Black", 16000.0, True], strict=True))
JKL = dict(zip(NAMES, ["Saab", "900", None, None, 9000.0, True], strict=True))

# The works

LOAD = {"lock": "pg_advisory_xact_lock", "apply": "SAVEPOINT", "commit": "COMMIT"}
ALL = {"announce": "set_config", **LOAD}
CHANGE = LOAD | {"apply": "FOR UPDATE"}
SHORT = {"lock": "pg_advisory_xact_lock", "commit": "COMMIT"}
ARCHIVE = {
    "list": "pg_advisory_xact_lock",
    "write": "COPY (",
    "remove": "DELETE FROM car_info_history",
    "commit": "COMMIT",
}
READ = {"clock": "clock_timestamp", "horizon": "pg_stat_activity", "fleet": "COPY ("}


@dataclass(frozen=True)
class Load:
    """A delta load; None instead of a car's values means that a snapshot does not mention it."""

    cars: dict[str, dict]
    at: datetime | None = None
    missing: str = "keep"
    steps: dict[str, str] = field(default_factory=lambda: LOAD)

    def __call__(self, engine: Engine) -> datetime:
        frame = pd.DataFrame([{"vin": vin, **values} for vin, values in self.cars.items()])
        options = {"missing": self.missing, "max_deleted": 1}
        return delta_load(engine, frame, loaded_at=self.at, **options).loaded_at

    def refusal(self, oracle: Oracle, at: datetime) -> type[Exception] | None:
        for vin, values in self.cars.items():
            if oracle.living(vin) is None and not set(REQUIRED) <= {"vin", *values}:
                return RejectedRows
            if oracle.living(vin) and oracle.refusal(vin, at, values):
                return LateChange
        return None

    def replay(self, oracle: Oracle, at: datetime) -> None:
        for vin, values in self.cars.items():
            oracle.put(vin, values, at)
        for vin in oracle.lives if self.missing == "delete" else ():
            if vin not in self.cars and oracle.living(vin):
                oracle.end(vin, at, "delete")


@dataclass(frozen=True)
class Change:
    """A change of one car, or its deletion where there are no values."""

    vin: str
    values: dict | None
    at: datetime | None = None
    steps: dict[str, str] = field(default_factory=lambda: CHANGE)

    def __call__(self, engine: Engine) -> datetime | None:
        key = IDS[self.vin]
        if self.values is None:
            return delete_car(engine, key, deleted_at=self.at)
        return update_car(engine, key, self.values, changed_at=self.at)["valid_from"]

    def refusal(self, oracle: Oracle, at: datetime) -> type[Exception] | None:
        return oracle.refusal(self.vin, at, self.values)

    def replay(self, oracle: Oracle, at: datetime) -> None:
        if self.values is None:
            oracle.end(self.vin, at, "delete")
        else:
            oracle.put(self.vin, self.values, at)


@dataclass(frozen=True)
class Archive:
    """An archiving of what was replaced before an instant."""

    before: datetime
    directory: Path
    steps: dict[str, str] = field(default_factory=lambda: ARCHIVE)

    def __call__(self, engine: Engine) -> ArchiveReport:
        return archive_history(engine, self.before, self.directory)


@dataclass(frozen=True)
class Read:
    """A look at the fleet as of the instant at which it began."""

    steps: dict[str, str] = field(default_factory=lambda: READ)

    def __call__(self, engine: Engine) -> tuple[datetime, pd.DataFrame]:
        with engine.connect() as connection:
            when = read_clock(connection)
        return when, cars_as_of(engine, when)


# The tables to begin with

IDS = {vin: UUID(int=number) for number, vin in enumerate(["ABC123", "DEF456", "GHI789"], 1)}
BEGINNING = [
    (Load({"ABC123": ABC, "DEF456": DEF, "GHI789": GHI}), november(1)),
    (Load({"ABC123": {"price": 15500.0}}), november(5)),
    (Load({"ABC123": {}, "DEF456": {}}, missing="delete"), november(10)),
]


def begin_oracle() -> Oracle:
    oracle = Oracle()
    for load, at in BEGINNING:
        load.replay(oracle, at)
    return oracle


@pytest.fixture
def cars(engine: Engine) -> Engine:
    """Two cars, of which one changed, and one that was deleted; each has the id of `IDS`."""
    create_tables(engine)
    for load, at in BEGINNING:
        Load(load.cars, at, load.missing)(engine)
        with engine.begin() as connection:
            for vin, car_id in IDS.items():
                for table in ("car_info", "car_info_history"):
                    connection.execute(
                        text(f"UPDATE {table} SET car_id = :car_id WHERE vin = :vin"),
                        {"car_id": car_id, "vin": vin},
                    )
    return engine


@pytest.fixture
def at_once(cars: Engine, make_engine: Callable[..., Engine]) -> Any:
    """Runs works at once, from the same beginning each time."""
    engines = [make_engine(schema_of(cars)) for _ in range(3)]
    beginning = rows_of_tables(cars)
    with interleaver(cars, engines) as sessions:
        yield AtOnce(cars, sessions, beginning)


@dataclass
class AtOnce:
    engine: Engine
    sessions: Interleaver
    beginning: dict

    def run(self, works: Sequence[Any], schedule: Sequence[int]) -> Run:
        put_back(self.engine, self.beginning)
        return self.sessions.run([Work(work, work.steps) for work in works], schedule)


# What is expected


@contextmanager
def told(schedule: Sequence[int], run: Run) -> Iterator[None]:
    """Add to a failure what was done in which order."""
    try:
        yield
    except AssertionError as error:
        error.add_note(f"{schedule}: {', '.join(run.taken)}; {run.blocked} waited")
        raise


def assert_serial(
    engine: Engine,
    works: Sequence[Any],
    run: Run,
    schedule: Sequence[int],
    directory: Path | None = None,
) -> list[int]:
    """All is as if each work had been done alone; returns the order of their turns."""
    waited, turns = taking_turns(works, run, schedule)
    assert run.blocked == waited
    assert committed(run.ended, works, run) == committed(turns, works, run)
    oracle, instants = begin_oracle(), [november(10)]
    for number in turns:
        work, result = works[number], run.results[number]
        if not isinstance(work, (Load, Change)):
            continue
        refusal = work.refusal(oracle, work.at or datetime.max.replace(tzinfo=UTC))
        if refusal is not None:
            assert type(result) is refusal, result
            continue
        assert not isinstance(result, Exception), result
        at = work.at or result or deleted_at(engine, work.vin)
        assert instants[-1] < at, "an instant is not after the one that committed before it"
        instants.append(at)
        work.replay(oracle, at)
    if directory is None:
        expected = [row for vin in sorted(oracle.lives) for row in oracle.life(vin)]
        names = ["brand", "model", "vin", "engine_size", "color", "price", "status"]
        names += ["valid_from", "until", "operation"]
        assert [tuple(row[name] for name in names) for row in stored(engine)] == expected
        assert broken_lives(engine) == []
    for vin, car_id in IDS.items() if directory else ():
        assert rows_of(car_history(engine, car_id, directory)) == oracle.life(vin)
    for when in instants:
        fleet = cars_as_of(engine, when, directory)
        assert rows_of(fleet.drop(columns="car_id")) == oracle.as_of(when)
    return turns


def deleted_at(engine: Engine, vin: str) -> datetime:
    ends = [row for row in stored(engine) if row["vin"] == vin and row["operation"] == "delete"]
    return ends[-1]["until"]


def taking_turns(works: Sequence[Any], run: Run, schedule: Sequence[int]) -> tuple[list, list]:
    """Who waits, and who ends when, if the lock is given to one after the other as they come."""
    last = [len(work.steps) - 1 for work in works]
    for number, result in enumerate(run.results):
        last[number] -= isinstance(result, Exception)  # it was not going to commit
    begun, owed = [0] * len(works), [0] * len(works)
    turns, waited, ended = [], [], []
    for number in schedule:
        owed[number] += 1
        moving = number
        while moving is not None and owed[moving] and moving not in turns[1:]:
            owed[moving] -= 1
            if moving in ended:
                continue
            step, begun[moving] = begun[moving], begun[moving] + 1
            if list(works[moving].steps)[step] == "lock":
                waited += [(moving, "lock")] if turns else []
                turns.append(moving)
            while turns and begun[turns[0]] > last[turns[0]]:
                ended.append(turns.pop(0))
                moving = turns[0] if turns else None
    return waited, ended


def committed(numbers: Sequence[int], works: Sequence[Any], run: Run) -> list[int]:
    """Those that changed cars; one that failed may end while the next one is at work already."""
    failed = [isinstance(result, Exception) for result in run.results]
    return [n for n in numbers if isinstance(works[n], (Load, Change)) and not failed[n]]


CASES = {
    "insert, insert": (
        Load({"JKL012": JKL, "ABC123": ABC | {"price": 101.0}}),
        Load({"JKL012": JKL | {"price": 201.0}}),
    ),
    "insert, same insert": (Load({"JKL012": JKL}), Load({"JKL012": JKL})),
    "update, update": (
        Load({"ABC123": {"price": 101.0}}),
        Load({"ABC123": {"price": 201.0}, "DEF456": {"price": 202.0}}),
    ),
    "update, delete": (Load({"ABC123": {"price": 101.0}}), Change("ABC123", None)),
    "update, delete by a snapshot": (
        Change("ABC123", {"price": 101.0, "color": None}),
        Load({"DEF456": {}}, missing="delete"),
    ),
    "revival, delete": (Load({"GHI789": GHI | {"price": 101.0}}), Change("GHI789", None)),
    "two cars in opposite order": (
        Load({"ABC123": {"price": 101.0}, "DEF456": {"price": 102.0}}),
        Load({"DEF456": {"price": 202.0}, "ABC123": {"price": 201.0}}),
    ),
    "update, update at given instants": (
        Change("ABC123", {"price": 101.0}, november(20)),
        Change("ABC123", {"price": 201.0}, november(21)),
    ),
    "insert, insert, update": (
        Load({"JKL012": JKL | {"price": 101.0}, "ABC123": ABC | {"price": 102.0}}, steps=SHORT),
        Load({"JKL012": JKL | {"price": 201.0}}, steps=SHORT),
        Change("ABC123", {"price": 301.0}, steps=SHORT),
    ),
    "update, update, delete": (
        Load({"ABC123": {"price": 101.0}}, steps=SHORT),
        Change("ABC123", {"price": 201.0}, steps=SHORT),
        Change("ABC123", None, steps=SHORT),
    ),
}


PAIRS_AND_TRIPLES = [
    pytest.param(case, marks=pytest.mark.slow if len(works) == 3 else ())
    for case, works in CASES.items()
]


@pytest.mark.parametrize("case", PAIRS_AND_TRIPLES)
def test_every_order_of_steps_ends_like_one_work_after_the_other(cars, at_once, case):
    works = CASES[case]
    orders = set()
    for schedule in schedules(*(len(work.steps) for work in works)):
        run = at_once.run(works, schedule)
        with told(schedule, run):
            orders.add(tuple(assert_serial(cars, works, run, schedule)))
    assert len(orders) == {2: 2, 3: 6}[len(works)]


def test_an_archiving_changes_no_answer_whatever_a_load_does_at_once(cars, at_once, tmp_path):
    """The load writes history that the archiving may take or not, and revives a deleted car."""
    load = Load({"DEF456": {**DEF, "price": 101.0}, "GHI789": GHI}, november(20))
    archived = set()
    for number, schedule in enumerate(schedules(len(load.steps), len(ARCHIVE))):
        directory = tmp_path / str(number)
        archive = Archive(november(30), directory)
        run = at_once.run([load, archive], schedule)
        with told(schedule, run):
            report = run.results[1]
            assert_serial(cars, [load, archive], run, schedule, directory)
            rows = rows_of_tables(cars)["car_info_history"]
            assert len(rows) + report.rows == 3  # two of the beginning, and the one of the load
            assert {row["vin"] for row in rows} <= {"DEF456", "GHI789"}
        archived.add(report.rows)
    assert archived == {1, 3}


def test_two_archivings_take_turns_and_archive_each_row_once(cars, at_once, tmp_path):
    short = {
        "lock": "pg_advisory_xact_lock",
        "list": "date_trunc",
        "count": "SELECT count(*) FROM car",
    }
    for number, schedule in enumerate(schedules(3, 3)):
        directory = tmp_path / str(number)
        works = [Archive(november(day), directory, short) for day in (30, 29)]
        run = at_once.run(works, schedule)
        with told(schedule, run):
            assert_serial(cars, works, run, schedule, directory)
            assert sorted(report.rows for report in run.results) == [0, 1]


def test_what_was_said_to_be_final_is(cars, at_once):
    """A reader asks for the instant at which it began, while a load is under way."""
    load, seen = Load({"ABC123": ABC | {"price": 101.0}, "JKL012": JKL}, steps=ALL), set()
    for schedule in schedules(len(load.steps), len(READ)):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", IncompleteAnswer)
            run = at_once.run([load, Read()], schedule)
        with told(schedule, run):
            assert_serial(cars, [load, Read()], run, schedule)
            when, fleet = run.results[1]
            final, same = fleet.attrs["final"], unchanged(fleet, cars_as_of(cars, when))
            assert same or not final
        seen.add((final, same))
    assert {(True, True), (False, False)} <= seen


def unchanged(one: pd.DataFrame, other: pd.DataFrame) -> bool:
    """Whether two fleets are the same; when a version ended is not a question of the instant."""
    return rows_of(one.drop(columns="valid_to")) == rows_of(other.drop(columns="valid_to"))
