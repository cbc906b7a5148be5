"""A load that is stopped between any two statements leaves nothing behind, and can be run again."""

from datetime import UTC, datetime

import pandas as pd
import psycopg2
import pytest
from fault_injection import before_each_statement
from sqlalchemy import event, text
from table_states import run, snapshot
from worker_process import Worker, load_generated, schema_of, work_at_once

from carlib import Base, create_tables, delta_load, generate_cars, initial_load
from carlib.errors import WriteFailed

FIRST, SECOND, THIRD = (datetime(2024, 11, day, tzinfo=UTC) for day in (1, 2, 3))
ROWS = 20

# In two chunks, and such that each statement of a load has work to do.


def prepare_initial(engine):
    """Tables without cars, and two brands that somebody entered."""
    create_tables(engine)
    run(engine, "INSERT INTO car_brand (name) VALUES ('TOYOTA'), ('Trabant')")


def load_initial(engine):
    cars = generate_cars(ROWS)
    given_twice = [cars.iloc[:2], cars.iloc[2:4].assign(price=1.0), cars.iloc[4:5].assign(price=-1)]
    report = initial_load(engine, pd.concat([cars, *given_twice]), on_reject="report")
    return report.inserted, report.unchanged, len(report.rejected)


def prepare_delta(engine):
    """Cars of which one changed late and one was deleted; the delta's last two are not there."""
    create_tables(engine)
    cars = generate_cars(ROWS)
    initial_load(engine, cars.iloc[:19], loaded_at=FIRST)
    delta_load(engine, cars.iloc[:18], loaded_at=SECOND, missing="delete")
    late = pd.DataFrame({"vin": [cars["vin"][9]], "price": [7.0]})
    delta_load(engine, late, loaded_at=datetime(2025, 1, 1, tzinfo=UTC))


def load_delta(engine):
    cars = generate_cars(ROWS)
    changed = cars.iloc[:4].assign(price=1.0, brand="Saab", model="900")
    delta = [
        changed,
        changed.iloc[:1],  # a repetition
        cars.iloc[4:8],
        cars.iloc[4:5].assign(price=2.0),  # a contradiction
        cars.iloc[8:9].assign(price=-1),  # refused
        cars.iloc[9:10].assign(price=3.0),  # late
        cars.iloc[10:16],
        cars.iloc[18:],  # new, and revived
    ]
    options = {"loaded_at": THIRD, "on_reject": "report", "missing": "delete", "batch": "b"}
    report = delta_load(engine, pd.concat(delta), **options)
    return report.inserted, report.updated, report.deleted, len(report.rejected)


LOADS = {
    "initial": (prepare_initial, load_initial, (ROWS - 2, 2, 5)),
    "delta": (prepare_delta, load_delta, (2, 4, 2, 4)),
}


@pytest.fixture(autouse=True)
def small_chunks(monkeypatch):
    monkeypatch.setattr("carlib.loading.staging.CHUNK_ROWS", ROWS // 2 + 5)


@pytest.fixture(params=LOADS)
def kind(request):
    return request.param


@pytest.fixture
def load(kind):
    return LOADS[kind][1]


@pytest.fixture
def tables(engine, kind):
    LOADS[kind][0](engine)
    return engine


@pytest.fixture
def sent(make_engine, kind):
    """What a load sends, as another schema sees it."""
    prepare, load, _ = LOADS[kind]
    engine, statements = make_engine(), []
    prepare(engine)
    with before_each_statement(engine, lambda sql, pid: statements.append(sql)):
        load(engine)
    assert statements[-1] == "COMMIT"
    return statements


def assert_loaded(engine, kind):
    assert LOADS[kind][1](engine) == LOADS[kind][2]
    if kind == "delta":  # again: it converges
        after = snapshot(engine)
        assert load_delta(engine)[:3] == (0, 0, 0)
        assert snapshot(engine) == after


def at(number, action):
    """A function that does nothing until it is called for that time, counted from 0."""
    calls = iter(range(10**6))
    return lambda sql, pid: action(pid) if next(calls) == number else None


class Killed(Exception):
    pass


@pytest.mark.parametrize("error", [Killed, KeyboardInterrupt])
def test_an_error_before_any_statement_leaves_nothing_behind(tables, kind, load, sent, error):
    def fail(pid):
        raise error

    before = snapshot(tables)
    for number in range(len(sent)):
        with before_each_statement(tables, at(number, fail)), pytest.raises(error):
            load(tables)
        assert snapshot(tables) == before
    assert_loaded(tables, kind)


def test_a_connection_cut_before_any_statement_leaves_nothing_behind(
    tables, kind, load, sent, make_engine
):
    other = make_engine()

    def cut(pid):
        with other.connect() as connection:
            assert connection.scalar(text(f"SELECT pg_terminate_backend({pid}, 10000)"))

    before = snapshot(tables)
    for number in range(len(sent)):
        lost = pytest.raises(
            WriteFailed, match=r"closed the connection.* (Nothing was|look whether)"
        )
        with before_each_statement(tables, at(number, cut)), lost:
            load(tables)
        assert snapshot(tables) == before
    assert_loaded(tables, kind)


def test_a_connection_cut_after_commit_was_sent_leaves_all_behind(tables, load, make_engine):
    other = make_engine()

    def commit_and_cut(connection):
        raw = connection.connection.dbapi_connection
        raw.commit()
        with other.connect() as cutter:
            cut = text(f"SELECT pg_terminate_backend({raw.info.backend_pid}, 10000)")
            assert cutter.scalar(cut)
        raw.cursor().execute("SELECT")

    before = snapshot(tables)
    event.listen(tables, "commit", commit_and_cut)
    with pytest.raises(WriteFailed, match="look whether the change is there") as error:
        load(tables)
    assert isinstance(error.value.__cause__, psycopg2.Error)
    event.remove(tables, "commit", commit_and_cut)
    tables.dispose()
    assert snapshot(tables) != before


@pytest.mark.slow
def test_a_client_killed_before_a_statement_leaves_nothing_behind(kind, make_engine, database_url):
    prepare, load, _ = LOADS[kind]
    change = "MERGE" if kind == "delta" else "INSERT INTO car_info"
    for word in ("COPY", change, "COMMIT"):
        engine = make_engine()
        prepare(engine)
        before = snapshot(engine)
        worker = Worker(database_url, schema_of(engine), load, kill_before=word)
        assert work_at_once([worker]) == [None]
        assert snapshot(engine) == before
        assert_loaded(engine, kind)


# Two processes at once


def test_two_processes_that_create_tables_at_once_create_each_once(make_engine, database_url):
    names = list(Base.metadata.tables)
    for attempt in range(9):
        engine = make_engine()
        if attempt % 3 == 2:  # some are there, some are not
            create_tables(engine)
            run(engine, "DROP TABLE car_info")
        schema = schema_of(engine)
        workers = [Worker(database_url, schema, create_tables) for _ in range(2)]
        one, other = work_at_once(workers)
        assert sorted(one + other) == (["car_info"] if attempt % 3 == 2 else sorted(names))
        assert create_tables(engine) == []


def test_of_two_processes_that_load_at_once_one_does(make_engine, database_url):
    for _ in range(6):
        engine = make_engine()
        create_tables(engine)
        schema = schema_of(engine)
        workers = [Worker(database_url, schema, load_generated, 500) for _ in range(2)]
        assert sorted(work_at_once(workers), key=str) == [500, "TablesNotEmpty"]
        with engine.connect() as connection:
            assert connection.scalar(text("SELECT count(*) FROM car_info")) == 500
