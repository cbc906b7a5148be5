"""A delta load that is interrupted between any two statements leaves nothing behind, and can be
run again."""

import signal
from datetime import UTC, datetime

import pandas as pd
import psycopg2
import pytest
from delta_process import DeltaProcess
from fault_injection import before_each_statement, holds
from load_process import schema_of
from sqlalchemy import event, text
from sqlalchemy.exc import DBAPIError
from table_states import snapshot

from carlib import create_tables, generate_cars, initial_load
from carlib.loading.delta import delta_load

FIRST = datetime(2024, 11, 1, tzinfo=UTC)
SECOND = datetime(2024, 11, 2, tzinfo=UTC)
THIRD = datetime(2024, 11, 3, tzinfo=UTC)
ROWS = 20


@pytest.fixture
def delta(monkeypatch):
    """A snapshot in two chunks, such that each statement of a load has work to do."""
    monkeypatch.setattr("carlib.loading.staging.CHUNK_ROWS", ROWS // 2 + 5)
    cars = generate_cars(ROWS)
    changed = cars.iloc[:4].assign(price=1.0, brand="Saab", model="900")
    return pd.concat(
        [
            changed,
            changed.iloc[:1],  # a repetition
            cars.iloc[4:8],
            cars.iloc[4:5].assign(price=2.0),  # a contradiction
            cars.iloc[8:9].assign(price=-1),  # refused
            cars.iloc[9:10].assign(price=3.0),  # late
            cars.iloc[10:16],
            cars.iloc[18:],  # new, and revived
        ],
        ignore_index=True,
    )


def prepare_tables(engine):
    """Cars of which one changed late and one was deleted; the delta's last two are not there."""
    create_tables(engine)
    cars = generate_cars(ROWS)
    initial_load(engine, cars.iloc[:19], loaded_at=FIRST)
    delta_load(engine, cars.iloc[:18], loaded_at=SECOND, missing="delete")
    late = pd.DataFrame({"vin": [cars["vin"][9]], "price": [7.0]})
    delta_load(engine, late, loaded_at=datetime(2025, 1, 1, tzinfo=UTC))


@pytest.fixture
def tables(engine):
    prepare_tables(engine)
    return engine


def load(engine, delta):
    return delta_load(
        engine, delta, loaded_at=THIRD, on_reject="report", missing="delete", batch="b"
    )


def assert_loaded(engine, delta):
    """Run it, and run it again: it converges."""
    report = load(engine, delta)
    counts = (report.inserted, report.updated, report.deleted, len(report.rejected))
    assert counts == (2, 4, 2, 4)
    after = snapshot(engine)
    again = load(engine, delta)
    assert (again.inserted, again.updated, again.deleted) == (0, 0, 0)
    assert snapshot(engine) == after


@pytest.fixture
def sent(make_engine, delta):
    """What a load sends, as another schema sees it."""
    engine, statements = make_engine(), []
    prepare_tables(engine)
    with before_each_statement(engine, lambda sql, pid: statements.append(sql)):
        load(engine, delta)
    return statements


def at(number, action):
    """A function that does nothing until it is called for that time, counted from 0."""
    calls = iter(range(10**6))
    return lambda sql, pid: action(pid) if next(calls) == number else None


def test_the_faults_below_meet_every_kind_of_statement(sent):
    for word in (
        "advisory",
        "CREATE TEMPORARY TABLE staging",
        "COPY",
        "ANALYZE",
        "FROM load_log",
        "SAVEPOINT",
        "CREATE TEMPORARY TABLE repeated",
        "DELETE FROM staging",
        "INSERT INTO kept",
        "INSERT INTO car_brand",
        "INSERT INTO car_model",
        "UPDATE staging",
        "MERGE INTO car_info",
        "RELEASE",
        "INSERT INTO load_log",
        "COMMIT",
    ):
        assert any(holds(sql, word) for sql in sent), word
    assert sum("COPY" in sql for sql in sent) == 2
    assert sent[-1] == "COMMIT"


class Killed(Exception):
    pass


@pytest.mark.parametrize("error", [Killed, KeyboardInterrupt])
def test_an_error_before_any_statement_leaves_nothing_behind(tables, delta, sent, error):
    def fail(pid):
        raise error

    before = snapshot(tables)
    for number in range(len(sent)):
        with before_each_statement(tables, at(number, fail)), pytest.raises(error):
            load(tables, delta)
        assert snapshot(tables) == before
    assert_loaded(tables, delta)


def test_a_connection_cut_before_any_statement_leaves_nothing_behind(
    tables, delta, sent, make_engine
):
    other = make_engine()
    terminate = text("SELECT pg_terminate_backend(:pid, 10000)")

    def cut(pid):
        with other.connect() as connection:
            assert connection.scalar(terminate, {"pid": pid})

    before = snapshot(tables)
    for number in range(len(sent)):
        lost = pytest.raises((DBAPIError, psycopg2.Error), match=r"terminat|closed")
        with before_each_statement(tables, at(number, cut)), lost:
            load(tables, delta)
        assert snapshot(tables) == before
    assert_loaded(tables, delta)


def test_a_connection_cut_after_commit_was_sent_leaves_all_behind(tables, delta, make_engine):
    other = make_engine()

    def commit_and_cut(connection):
        raw = connection.connection.dbapi_connection
        raw.commit()
        with other.connect() as cutter:
            assert cutter.scalar(
                text(f"SELECT pg_terminate_backend({raw.info.backend_pid}, 10000)")
            )
        raw.cursor().execute("SELECT")

    before = snapshot(tables)
    event.listen(tables, "commit", commit_and_cut)
    with pytest.raises(psycopg2.Error, match=r"terminat|closed"):
        load(tables, delta)
    event.remove(tables, "commit", commit_and_cut)
    tables.dispose()
    after = snapshot(tables)
    assert after != before
    assert (load(tables, delta).updated, snapshot(tables)) == (0, after)


@pytest.mark.slow
def test_a_client_killed_before_a_statement_leaves_nothing_behind(make_engine, database_url):
    rows = [{"vin": vin, "price": 5.0} for vin in generate_cars(10)["vin"]]
    engines, statements = [make_engine() for _ in range(4)], []
    for engine in engines:
        prepare_tables(engine)
    with before_each_statement(engines[0], lambda sql, pid: statements.append(sql)):
        delta_load(engines[0], pd.DataFrame(rows))
    killed = []
    for word, engine in zip(("COPY", "MERGE", "COMMIT"), engines[1:], strict=True):
        number = next(i for i, sql in enumerate(statements) if holds(sql, word))
        before = snapshot(engine)
        process = DeltaProcess(database_url, schema_of(engine), [rows], kill_at=number + 1)
        killed.append((process, engine, before))
    for process, engine, before in killed:
        assert process.answer() is None
        assert process.close() == -signal.SIGKILL
        assert snapshot(engine) == before
        assert delta_load(engine, pd.DataFrame(rows)).updated == 10
