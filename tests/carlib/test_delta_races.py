"""Two loads at once, and loads beside others who write without the load's lock."""

import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import UTC, datetime

import pandas as pd
import pytest
from car_states import broken_lives
from fault_injection import before_each_statement, holds
from server_probes import eventually
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError
from table_states import run, snapshot
from worker_process import Worker, load_deltas, schema_of, work_at_once

from carlib import create_tables, get_car, initial_load, sample_cars, sample_delta
from carlib.loading.delta import delta_load
from carlib.transactions import ATTEMPTS

FIRST = datetime(2024, 11, 1, tzinfo=UTC)
WAIT = 30  # seconds that no step may take


@pytest.fixture
def cars(engine):
    create_tables(engine)
    initial_load(engine, sample_cars(), loaded_at=FIRST)
    return engine


def prices(**by_vin):
    return pd.DataFrame({"vin": list(by_vin), "price": list(by_vin.values())})


def query(engine, sql):
    with engine.connect() as connection:
        return [tuple(row) for row in connection.execute(text(sql))]


def history(engine):
    sql = 'SELECT vin, price, operation FROM car_info_history ORDER BY vin, "timestamp"'
    return query(engine, sql)


class Gate:
    """Stops a load before the first statement that holds a word, until it is opened."""

    def __init__(self, word):
        self.word, self.reached, self.opened = word, threading.Event(), threading.Event()

    def __call__(self, sql, pid):
        if holds(sql, self.word) and not self.reached.is_set():
            self.reached.set()
            assert self.opened.wait(WAIT)


@contextmanager
def paused(pool, engine, word, work):
    """Run `work` in a thread, stopped before a statement; it goes on after the block."""
    gate = Gate(word)
    with before_each_statement(engine, gate):
        future = pool.submit(work)
        try:
            assert gate.reached.wait(WAIT)
            yield future
        finally:
            gate.opened.set()
            future.exception(WAIT)


def waiting(engine):
    """How many ask in vain for the lock of a load in this schema."""
    sql = """
        SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND NOT granted
        AND objid = CAST(hashtext(current_schema()) AS oid)
    """
    return query(engine, sql)[0][0]


def blocked(engine):
    """How many wait for another transaction to end."""
    sql = "SELECT count(*) FROM pg_locks WHERE locktype = 'transactionid' AND NOT granted"
    return query(engine, sql)[0][0]


@pytest.fixture
def pool():
    with ThreadPoolExecutor(2) as pool:
        yield pool


@pytest.fixture
def other(cars, make_engine):
    return make_engine(schema_of(cars))


# A load and a load

NEW = sample_delta()


def test_readers_are_not_blocked_by_a_load(cars, other, pool):
    before = snapshot(other)
    with paused(pool, cars, "COMMIT", lambda: delta_load(cars, prices(ABC123=1))):
        with other.connect() as connection:
            connection.execute(text("SET LOCAL lock_timeout = '1ms'"))
            sql = text("SELECT price FROM car_info ORDER BY vin")
            assert connection.scalars(sql).all() == [15000, 13000]
        assert snapshot(other) == before


def test_loads_of_two_schemas_do_not_wait_for_each_other(cars, make_engine, pool):
    elsewhere = make_engine()
    create_tables(elsewhere)
    with paused(pool, cars, "COMMIT", lambda: delta_load(cars, prices(ABC123=1))):
        assert pool.submit(delta_load, elsewhere, sample_cars()).result(WAIT).inserted == 2


def test_eight_processes_lose_nothing(cars, database_url):
    delta_load(cars, NEW, loaded_at=FIRST)
    vins, deltas = ["ABC123", "DEF456", "GHI789"], 4
    tokens = {p: range(100 * p, 100 * p + deltas) for p in range(1, 9)}  # each price is there once
    schema, workers = schema_of(cars), []
    for p in tokens:
        order = vins if p % 2 else vins[::-1]
        work = [[{"vin": vin, "price": t} for vin in order] for t in tokens[p]]
        workers.append(Worker(database_url, schema, load_deltas, work))
    assert work_at_once(workers) == [[(0, 3, 0, 0)] * deltas] * 8
    logged, lived = history(cars), {token for each in tokens.values() for token in each}
    for vin, price in zip(vins, (15000, 13000, 16000), strict=True):
        prices_of_car = [p for v, p, _ in logged if v == vin] + [get_car(cars, vin=vin)["price"]]
        assert prices_of_car[0] == price
        assert len(prices_of_car) == 1 + len(lived)
        assert set(prices_of_car[1:]) == lived
    assert broken_lives(cars) == []


# A load and someone without its lock


def test_a_car_that_somebody_inserts_under_way_is_met_at_the_next_attempt(cars, other, pool):
    with other.connect() as outsider:
        outsider.execute(
            text(
                "INSERT INTO car_info (model_id, vin, color, price, status)"
                " SELECT model_id, 'GHI789', 'Black', 5, true FROM car_info WHERE vin = 'ABC123'"
            )
        )
        load = pool.submit(delta_load, cars, iter([NEW]))
        assert eventually(lambda: load.done() or blocked(cars))
        outsider.commit()
    assert load.result(WAIT).updated == 1
    assert history(cars) == [("GHI789", 5, "update")]
    assert broken_lives(cars) == []


def test_what_somebody_changed_under_way_is_what_the_history_remembers(cars, other, pool):
    with other.connect() as outsider:
        outsider.execute(text("UPDATE car_info SET price = 5 WHERE vin = 'ABC123'"))
        load = pool.submit(delta_load, cars, prices(ABC123=6))
        assert eventually(lambda: load.done() or blocked(cars))
        outsider.commit()
    assert load.result(WAIT).updated == 1
    assert history(cars) == [("ABC123", 5, "update")]


def test_a_deadlock_is_tried_again(cars, other, pool):
    with other.connect() as outsider:
        outsider.execute(text("SET LOCAL deadlock_timeout = '20s'"))  # the load notices first
        outsider.execute(text("UPDATE car_info SET color = 'X' WHERE vin = 'DEF456'"))
        load = pool.submit(delta_load, cars, prices(ABC123=1, DEF456=2))
        assert eventually(lambda: load.done() or blocked(cars))
        outsider.execute(text("UPDATE car_info SET color = 'X' WHERE vin = 'ABC123'"))
        outsider.commit()
    assert load.result(WAIT).updated == 2
    assert query(cars, "SELECT DISTINCT color FROM car_info_history") == [("X",)]
    deadlocks = "SELECT deadlocks > 0 FROM pg_stat_database WHERE datname = current_database()"
    assert eventually(lambda: query(cars, deadlocks) == [(True,)])


def failing(engine, code, times):
    """Make the first changes of a car fail with an error code; a sequence counts them all."""
    run(
        engine,
        "CREATE SEQUENCE attempts",
        f"""
        CREATE FUNCTION fail() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
            IF nextval('attempts') <= {times} THEN
                RAISE EXCEPTION 'not now' USING ERRCODE = '{code}';
            END IF;
            RETURN NEW;
        END $$
        """,
        "CREATE TRIGGER fail BEFORE UPDATE ON car_info FOR EACH ROW EXECUTE FUNCTION fail()",
    )


@pytest.mark.parametrize("code", ["40P01", "40001", "23505"])
def test_errors_that_pass_are_tried_again_a_few_times(cars, code):
    failing(cars, code, ATTEMPTS - 1)
    stream = iter([prices(ABC123=1), prices(DEF456=13000)])  # which can't be read twice
    report = delta_load(cars, stream)
    assert (report.received, report.updated, report.unchanged) == (2, 1, 1)
    assert history(cars) == [("ABC123", 15000, "update")]
    assert query(cars, "SELECT last_value FROM attempts") == [(ATTEMPTS,)]


@pytest.mark.parametrize(("code", "attempts"), [("40P01", ATTEMPTS), ("22012", 1)])
def test_errors_that_do_not_pass_are_raised(cars, code, attempts):
    failing(cars, code, 100)
    before = snapshot(cars)
    with pytest.raises(DBAPIError, match="not now"):
        delta_load(cars, prices(ABC123=1))
    assert snapshot(cars) == before
    assert query(cars, "SELECT last_value FROM attempts") == [(attempts,)]


def test_an_engine_of_another_isolation_level_serves_as_well(cars, other, pool):
    strict = other.execution_options(isolation_level="REPEATABLE READ")
    with paused(pool, cars, "COMMIT", lambda: delta_load(cars, prices(ABC123=1))):
        two = pool.submit(delta_load, strict, prices(ABC123=2))
        assert eventually(lambda: two.done() or waiting(other))
    assert two.result(WAIT).updated == 1
    assert broken_lives(cars) == []
