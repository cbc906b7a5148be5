"""A load that is killed between any two statements leaves nothing behind, and can be run again."""

import signal

import pandas as pd
import psycopg2
import pytest
from fault_injection import before_each_statement, holds
from load_process import LoadProcess, schema_of
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError
from table_states import run, snapshot

from carlib import create_tables, generate_cars, initial_load
from carlib.tables import TABLES

ROWS = 40


@pytest.fixture
def tables(engine):
    """An engine on a schema with the tables, and a brand that somebody entered."""
    create_tables(engine)
    run(engine, "INSERT INTO car_brand (name) VALUES ('TOYOTA'), ('Trabant')")
    return engine


@pytest.fixture
def cars(monkeypatch):
    """Cars in two chunks, some given twice, so that each statement of a load has work to do."""
    monkeypatch.setattr("carlib.loading.staging.CHUNK_ROWS", ROWS // 2 + 5)
    cars = generate_cars(ROWS)
    same, other = cars.iloc[:2], cars.iloc[2:4].assign(price=1.0)
    return pd.concat([cars, same, other, cars.iloc[4:5].assign(price=-1)], ignore_index=True)


def load(engine, cars):
    report = initial_load(engine, cars, on_reject="report")
    assert (report.inserted, report.unchanged, len(report.rejected)) == (ROWS - 2, 2, 5)


def statements_of_a_load(engine, cars):
    """What a load sends; the tables are emptied again."""
    sent = []
    with before_each_statement(engine, lambda sql, pid: sent.append(sql)):
        initial_load(engine, cars, on_reject="report")
    run(engine, "DELETE FROM car_brand")
    run(engine, "INSERT INTO car_brand (name) VALUES ('TOYOTA'), ('Trabant')")
    return sent


def at(number, action):
    """A function that does nothing until it is called for that time, counted from 0."""
    calls = iter(range(10**6))
    return lambda sql, pid: action(pid) if next(calls) == number else None


def test_the_faults_below_meet_every_kind_of_statement(tables, cars):
    sent = statements_of_a_load(tables, cars)
    for word in (
        "advisory",
        "CREATE TEMP",
        "COPY",
        "ANALYZE",
        "DELETE",
        "INSERT INTO car_brand",
        "INSERT INTO car_model",
        "SAVEPOINT",
        "DROP CONSTRAINT",
        "DROP INDEX",
        "INSERT INTO car_info",
        "ADD CONSTRAINT",
        "CREATE INDEX",
        "COMMIT",
    ):
        assert any(holds(sql, word) for sql in sent), word
    assert sum("COPY" in sql for sql in sent) == 2
    assert sent[-1] == "COMMIT"


class Killed(Exception):
    pass


@pytest.mark.parametrize("error", [Killed, KeyboardInterrupt])
def test_an_error_before_any_statement_leaves_nothing_behind(tables, cars, error):
    def fail(pid):
        raise error

    count = len(statements_of_a_load(tables, cars))
    before = snapshot(tables)
    for number in range(count):
        with before_each_statement(tables, at(number, fail)), pytest.raises(error):
            load(tables, cars)
        assert snapshot(tables) == before
    load(tables, cars)


def test_a_connection_cut_before_any_statement_leaves_nothing_behind(tables, cars, make_engine):
    other = make_engine()
    terminate = text("SELECT pg_terminate_backend(:pid, 10000)")

    def cut(pid):
        with other.connect() as connection:
            assert connection.scalar(terminate, {"pid": pid})

    sent = statements_of_a_load(tables, cars)
    before = snapshot(tables)
    for number in range(len(sent)):
        lost = pytest.raises((DBAPIError, psycopg2.Error), match=r"terminat|closed")
        with before_each_statement(tables, at(number, cut)), lost:
            load(tables, cars)
        assert snapshot(tables) == before
    load(tables, cars)


@pytest.mark.slow
def test_a_client_killed_before_a_statement_leaves_nothing_behind(make_engine, database_url):
    cars, killed = generate_cars(ROWS), []
    for word in ("COPY", "INSERT INTO car_info", "COMMIT"):
        engine = make_engine()
        create_tables(engine)
        run(engine, "INSERT INTO car_brand (name) VALUES ('TOYOTA'), ('Trabant')")
        sent = statements_of_a_load(engine, cars)
        number = next(i for i, sql in enumerate(sent) if holds(sql, word))
        process = LoadProcess(database_url)
        killed.append((process, engine, snapshot(engine)))
        process.order(do="load", schema=schema_of(engine), rows=ROWS, kill_at=number + 1)
    for process, engine, before in killed:
        assert process.answer() == ""
        assert process.process.wait() == -signal.SIGKILL
        process.close()
        assert snapshot(engine) == before
        assert initial_load(engine, cars).inserted == ROWS


@pytest.fixture(scope="module")
def two_processes(database_url):
    processes = [LoadProcess(database_url) for _ in range(2)]
    yield processes
    for process in processes:
        process.close()


def test_two_processes_that_create_tables_at_once_create_each_once(two_processes, make_engine):
    names = [table.name for table in TABLES]
    for attempt in range(9):
        engine = make_engine()
        if attempt % 3 == 2:  # some are there, some are not
            create_tables(engine)
            run(engine, "DROP TABLE car_info")
        for process in two_processes:
            process.order(do="create", schema=schema_of(engine))
        one, other = (process.answer() for process in two_processes)
        assert sorted(one + other) == (["car_info"] if attempt % 3 == 2 else sorted(names))
        assert create_tables(engine) == []


def test_of_two_processes_that_load_at_once_one_does(two_processes, make_engine):
    for _ in range(6):
        engine = make_engine()
        create_tables(engine)
        for process in two_processes:
            process.order(do="load", schema=schema_of(engine), rows=500)
        answers = [process.answer() for process in two_processes]
        assert sorted(answers, key=str) == [500, "TablesNotEmpty"]
        with engine.connect() as connection:
            assert connection.scalar(text("SELECT count(*) FROM car_info")) == 500
