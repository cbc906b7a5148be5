"""What an open load or change may still write."""

import threading
import time
from datetime import UTC, datetime, timedelta

import pytest
from history_oracle import rows_of
from sqlalchemy import text

from carlib import (
    car_history,
    cars_as_of,
    create_tables,
    get_car,
    initial_load,
    sample_cars,
    update_car,
)
from carlib.errors import IncompleteAnswer
from carlib.load_lock import announce, final_before, lock_for_load

LOADED = datetime(2024, 11, 1, tzinfo=UTC)
FIRST = datetime(2024, 11, 10, 10, tzinfo=UTC)
SECOND = datetime(2024, 11, 12, 15, 30, tzinfo=UTC)
THIRD = datetime(2024, 11, 14, 9, tzinfo=UTC)
MICROSECOND = timedelta(microseconds=1)


@pytest.fixture
def cars(engine):
    create_tables(engine)
    initial_load(engine, sample_cars(), loaded_at=LOADED)
    return engine


@pytest.fixture
def car_id(cars):
    return get_car(cars, vin="ABC123")["car_id"]


def test_what_an_open_load_may_write_is_not_final(cars, car_id, make_engine):
    def is_final(when):
        if expected[when]:
            return cars_as_of(cars, when).attrs["final"]
        with pytest.warns(IncompleteAnswer):
            return cars_as_of(cars, when).attrs["final"]

    expected = {FIRST: True, SECOND - MICROSECOND: True, SECOND: False, THIRD: False}
    with cars.begin() as load:
        announce(load, SECOND)
        lock_for_load(load)
        elsewhere = make_engine()
        assert {when: is_final(when) for when in expected} == expected
        with elsewhere.connect() as connection:
            began = connection.scalar(text("SELECT now()"))
            assert final_before(connection) == began, "another schema's loads don't matter"
    assert cars_as_of(cars, THIRD).attrs["final"] is True
    with cars.begin() as load:
        name = load.scalar(text("SHOW application_name"))
    assert "carlib load" not in name, "the connection has its own name again"


def test_a_load_that_announces_nothing_began_with_its_transaction(cars):
    with cars.begin() as load:
        lock_for_load(load)
        began = load.scalar(text("SELECT now()"))
        assert cars_as_of(cars, began - MICROSECOND).attrs["final"] is True
        with pytest.warns(IncompleteAnswer):
            cars_as_of(cars, began)


def test_a_change_that_waits_for_its_turn_is_announced(cars, car_id):
    waiting = threading.Thread(
        target=update_car, args=(cars, car_id, {"price": 1}), kwargs={"changed_at": SECOND}
    )
    with cars.begin() as load:
        announce(load, THIRD)
        lock_for_load(load)
        waiting.start()
        with cars.connect() as connection:
            end = time.monotonic() + 10
            while (until := final_before(connection)) == THIRD and time.monotonic() < end:
                connection.rollback()
        assert until == SECOND
        waiting.join(0.2)
        assert waiting.is_alive(), "a change waits until the load before it is done"
    waiting.join(10)
    assert rows_of(car_history(cars, car_id)[["price", "valid_from"]])[-1] == (1, SECOND)
