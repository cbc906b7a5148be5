"""Who waits for a lock says for whom and gives up; who is ended says what PostgreSQL said."""

import time
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta

import pandas as pd
import psycopg2
import pytest
from sqlalchemy import event, text
from sqlalchemy.exc import DBAPIError
from table_states import run, snapshot
from worker_process import schema_of

from carlib import (
    create_tables,
    delete_car,
    delta_load,
    generate_cars,
    get_car,
    initial_load,
    sample_cars,
    update_car,
)
from carlib.errors import LateChange, WriteFailed
from carlib.load_lock import lock_for_load

PRICE = pd.DataFrame({"vin": ["ABC123"], "price": [1.0]})
WRITES = {
    "load": lambda engine: delta_load(engine, PRICE),
    "change": lambda engine: update_car(engine, car_id(engine), {"price": 1}),
    "deletion": lambda engine: delete_car(engine, car_id(engine)),
}
HOLDS = {
    "a row": lambda connection: connection.execute(text("UPDATE car_info SET color = 'My own'")),
    "a table": lambda connection: connection.execute(text("LOCK TABLE car_info_history")),
    "the load's lock": lock_for_load,
}


def car_id(engine):
    return get_car(engine, vin="ABC123")["car_id"]


@pytest.fixture
def cars(engine):
    create_tables(engine)
    initial_load(engine, sample_cars())
    return engine


@pytest.mark.parametrize(("write", "hold"), list(zip(WRITES, HOLDS, strict=True)))
def test_a_writer_says_for_whom_it_waits_and_gives_up(
    cars, make_engine, monkeypatch, capfd, write, hold
):
    monkeypatch.setattr("carlib.transactions.SILENT_SECONDS", 0.3)
    monkeypatch.setattr("carlib.transactions.LOCK_SECONDS", 1.2)
    before, other = snapshot(cars), make_engine(schema_of(cars))
    with other.connect() as holder:
        HOLDS[hold](holder)
        pid = holder.connection.dbapi_connection.info.backend_pid
        capfd.readouterr()
        with pytest.raises(
            WriteFailed, match=rf"1\.2 seconds for a lock that .*pid {pid}"
        ) as error:
            WRITES[write](cars)
    assert isinstance(error.value.__cause__, DBAPIError)
    (line,) = capfd.readouterr().err.splitlines()
    assert line.startswith("Waiting for a lock that ")
    assert f"pid {pid}" in line
    assert snapshot(cars) == before


def test_a_writer_that_need_not_wait_for_long_is_silent_and_one_that_does_goes_on(
    cars, make_engine, monkeypatch, capfd
):
    other = make_engine(schema_of(cars))
    monkeypatch.setattr("carlib.transactions.SILENT_SECONDS", 0.5)
    for seconds, lines in ((0.1, 0), (1.5, 1)):
        with ThreadPoolExecutor(1) as pool, other.connect() as holder:
            HOLDS["a row"](holder)
            capfd.readouterr()
            load = pool.submit(delta_load, cars, PRICE.assign(price=seconds))
            time.sleep(seconds)
            holder.rollback()
            assert load.result(20).updated == 1
        said = capfd.readouterr().err
        assert said.count("\n") == lines
    assert "idle in transaction" in said
    assert "UPDATE car_info SET color = 'My own'" in said


@pytest.mark.parametrize(
    ("limit", "sentence"),
    [
        ("idle_in_transaction_session_timeout", "due to idle-in-transaction timeout"),
        ("transaction_timeout", "due to transaction timeout"),
        ("statement_timeout", "canceling statement due to statement timeout"),
    ],
)
def test_a_session_that_a_time_limit_ends_says_so(cars, limit, sentence):
    def slowly():
        yield generate_cars(5)
        time.sleep(0.6)
        yield generate_cars(5, start=5)

    run(
        cars,
        "CREATE FUNCTION wait() RETURNS trigger LANGUAGE plpgsql AS"
        " $$BEGIN PERFORM pg_sleep(0.6); RETURN NULL; END$$",
        "CREATE TRIGGER wait AFTER INSERT ON car_info EXECUTE FUNCTION wait()",
    )
    before = snapshot(cars)

    # As ALTER ROLE ... SET would, and for this engine alone.
    @event.listens_for(cars, "begin")
    def limited(connection):
        connection.exec_driver_sql(f"SET {limit} = '400ms'")

    with pytest.raises(WriteFailed, match=sentence) as error:
        delta_load(cars, slowly())
    event.remove(cars, "begin", limited)
    assert isinstance(error.value.__cause__, (psycopg2.Error, DBAPIError))
    cars.dispose()
    assert snapshot(cars) == before


def test_a_full_disk_is_named(cars):
    # As the server says it: SQLSTATE 53100.
    run(
        cars,
        "CREATE FUNCTION fill() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN"
        " RAISE EXCEPTION 'could not extend file: No space left on device'"
        " USING ERRCODE = 'disk_full'; END $$",
        "CREATE TRIGGER fill BEFORE UPDATE ON car_info EXECUTE FUNCTION fill()",
    )
    with pytest.raises(WriteFailed, match=r"No space left on device.*Free space on the disk"):
        delta_load(cars, PRICE)


def test_a_clock_that_is_behind_is_guessed_where_no_instant_was_given(cars):
    late = datetime.now(UTC) + timedelta(hours=1)
    delta_load(cars, PRICE, loaded_at=late)
    for at, hint in ((None, True), (late, False)):
        for change in (
            lambda at=at: delta_load(cars, PRICE.assign(price=2.0), loaded_at=at),
            lambda at=at: update_car(cars, car_id(cars), {"price": 2}, changed_at=at),
            lambda at=at: delete_car(cars, car_id(cars), deleted_at=at),
        ):
            with pytest.raises(LateChange) as error:
                change()
            assert ("clock may be behind" in str(error.value)) is hint
