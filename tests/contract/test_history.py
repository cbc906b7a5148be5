from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal
from uuid import UUID, uuid4

import pandas as pd
import pytest
from history_oracle import CHANGES, DELTAS, Pair, rows_of
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import text
from sqlalchemy.exc import IntegrityError

from carlib import (
    car_history,
    cars_as_of,
    create_tables,
    delete_car,
    delta_load,
    get_car,
    initial_load,
    price_changes,
    sample_cars,
    sample_delta,
    update_car,
)
from carlib.errors import (
    BadArgument,
    IncompleteAnswer,
    LateChange,
    NotFound,
    RejectedRows,
    TablesMissing,
    VinTaken,
    WriteFailed,
    WrongColumns,
)

LOADED = datetime(2024, 11, 1, tzinfo=UTC)
FIRST = datetime(2024, 11, 10, 10, tzinfo=UTC)
SECOND = datetime(2024, 11, 12, 15, 30, tzinfo=UTC)
THIRD = datetime(2024, 11, 14, 9, tzinfo=UTC)
MICROSECOND = timedelta(microseconds=1)


@pytest.fixture
def cars(engine):
    """The three cars of the requirements, as they were loaded."""
    create_tables(engine)
    initial_load(engine, sample_cars(), loaded_at=LOADED)
    delta_load(engine, sample_delta(), loaded_at=LOADED)
    return engine


@pytest.fixture
def car_id(cars):
    return get_car(cars, vin="GHI789")["car_id"]


@pytest.fixture
def changed(cars, car_id):
    """The requirements' three updates of GHI789."""
    update_car(cars, car_id, {"price": 16500, "status": False}, changed_at=FIRST)
    update_car(cars, car_id, {"price": 17000, "status": True}, changed_at=SECOND)
    update_car(cars, car_id, {"price": 17250}, changed_at=THIRD)
    return cars


def history_rows(engine):
    query = text(
        "SELECT engine_size, vin, color, price, status, valid_from, timestamp, operation"
        " FROM car_info_history ORDER BY timestamp"
    )
    with engine.connect() as connection:
        return [tuple(row) for row in connection.execute(query)]


def everything(engine):
    """All rows, with where they are stored: even a rewrite with equal values shows."""
    tables = ["car_brand", "car_model", "car_info", "car_info_history"]
    with engine.connect() as connection:
        return [
            connection.execute(text(f"SELECT ctid, xmin, t.* FROM {t} t ORDER BY 1")).all()
            for t in tables
        ]


# The requirements' example


def test_car_history_is_the_whole_life(changed, car_id):
    life = car_history(changed, car_id)
    same = ("Toyota", "Corolla", "GHI789", 2.2, "Black")
    assert rows_of(life) == [
        (*same, 16000, True, LOADED, FIRST, "update"),
        (*same, 16500, False, FIRST, SECOND, "update"),
        (*same, 17000, True, SECOND, THIRD, "update"),
        (*same, 17250, True, THIRD, None, None),
    ]
    assert life["operation"].iloc[-1] is None
    assert life["valid_to"].iloc[-1] is pd.NaT
    instant = "datetime64[us, UTC]"
    text_columns = dict.fromkeys(["brand", "model", "vin", "color"], "str")
    assert life.dtypes.astype(str).to_dict() == {
        **text_columns, "engine_size": "float64", "price": "float64", "status": "bool",
        "valid_from": instant, "valid_to": instant, "operation": "object",
    }  # fmt: skip
    pd.testing.assert_frame_equal(car_history(changed, str(car_id)), life, check_exact=True)


def test_an_unknown_car_has_no_history_but_the_columns(changed, car_id):
    nothing = car_history(changed, uuid4())
    assert len(nothing) == 0
    pd.testing.assert_series_equal(nothing.dtypes, car_history(changed, car_id).dtypes)
    with pytest.raises(BadArgument, match="UUID"):
        car_history(changed, "GHI789")


def test_the_fleet_as_of_an_instant(changed, car_id):
    fleet = cars_as_of(changed, SECOND)
    assert list(fleet.columns) == [
        "car_id", "brand", "model", "vin", "engine_size", "color", "price", "status",
        "valid_from", "valid_to",
    ]  # fmt: skip
    assert list(fleet["vin"]) == ["ABC123", "DEF456", "GHI789"]
    assert [type(key) for key in fleet["car_id"]] == [UUID] * 3
    row = rows_of(fleet)[2]
    assert (row[0], row[6:]) == (car_id, (17000, True, SECOND, THIRD))
    assert fleet.attrs == {"final": True, "complete": True}


def test_there_were_no_cars_before_the_first_load(changed):
    before = cars_as_of(changed, LOADED - MICROSECOND)
    assert len(before) == 0
    pd.testing.assert_series_equal(before.dtypes, cars_as_of(changed, LOADED).dtypes)


def test_a_car_that_left_and_came_back_at_one_instant_changed_no_price(changed, car_id):
    delete_car(changed, car_id, deleted_at=THIRD + timedelta(days=1))
    delta_load(changed, sample_delta(), loaded_at=THIRD + timedelta(days=1))
    assert list(car_history(changed, car_id)["price"])[-2:] == [17250, 16000]
    assert list(price_changes(changed)["changed_at"]) == [FIRST, SECOND, THIRD]


# Changes of prices


def test_price_changes_have_old_new_difference_and_percent(changed, car_id):
    changes = price_changes(changed)
    assert list(changes.columns) == [
        "car_id", "vin", "brand", "model", "changed_at", "old_price", "new_price", "difference",
        "percent",
    ]  # fmt: skip
    car = (car_id, "GHI789", "Toyota", "Corolla")
    assert rows_of(changes) == [
        (*car, FIRST, 16000, 16500, 500, 3.125),
        (*car, SECOND, 16500, 17000, 500, 100 * 500 / 16500),
        (*car, THIRD, 17000, 17250, 250, 100 * 250 / 17000),
    ]


def test_the_period_of_price_changes_is_half_open(changed):
    def instants(since=None, until=None):
        return list(price_changes(changed, since, until)["changed_at"])

    assert instants(since=SECOND) == [SECOND, THIRD]
    assert instants(until=SECOND) == [FIRST]
    assert instants(FIRST, THIRD) == [FIRST, SECOND]
    assert instants(FIRST, FIRST) == []
    assert instants(since=FIRST + MICROSECOND, until=THIRD) == [SECOND]
    with pytest.raises(BadArgument, match="since to come before until"):
        price_changes(changed, THIRD, FIRST)


# One change


def test_update_returns_the_car_as_it_is_now(cars, car_id):
    changes = {"engine_size": 1.85, "vin": " jkl012 ", "color": None, "price": 15999.5, "status": 0}
    car = update_car(cars, str(car_id), changes, changed_at=FIRST)
    assert car == get_car(cars, vin="JKL012")
    assert {name: type(value) for name, value in car.items()} == {
        name: type(value) for name, value in get_car(cars, car_id=car_id).items()
    }
    assert car == {
        "car_id": car_id, "brand": "Toyota", "model": "Corolla", "vin": "JKL012",
        "engine_size": 1.85, "color": None, "price": Decimal("15999.50"), "status": False,
        "valid_from": FIRST,
    }  # fmt: skip
    assert [row[1] for row in history_rows(cars)] == ["GHI789"]


def test_without_an_instant_the_change_is_dated_by_the_server_clock(cars, car_id):
    clock = text("SELECT clock_timestamp()")
    with cars.connect() as connection:
        before = connection.scalar(clock)
        updated = update_car(cars, car_id, {"price": 1})["valid_from"]
        delete_car(cars, car_id)
        after = connection.scalar(clock)
    (_, until, *_), (_, deleted, *_) = [row[-3:] + row[:1] for row in history_rows(cars)]
    assert before < updated == until < deleted < after


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"price": 16000.004},
        {"price": Decimal("16000.00"), "color": " Black ", "vin": "ghi789"},
        {"engine_size": 2.2, "status": 1, "brand": "TOYOTA", "model": "corolla"},
    ],
)
def test_nothing_is_written_where_nothing_differs(cars, car_id, changes):
    before = everything(cars)
    assert update_car(cars, car_id, changes) == get_car(cars, car_id=car_id)
    # Not even where the instant would be too late for a change.
    update_car(cars, car_id, changes, changed_at=LOADED - MICROSECOND)
    assert everything(cars) == before


@pytest.mark.parametrize("late", [LOADED, LOADED - MICROSECOND, datetime(1, 1, 1, tzinfo=UTC)])
def test_a_change_at_or_before_the_last_one_is_refused(cars, car_id, late):
    before = everything(cars)
    with pytest.raises(LateChange, match=r"after 2024-11-01 00:00:00\+00:00"):
        update_car(cars, car_id, {"price": 1}, changed_at=late)
    with pytest.raises(LateChange, match="backwards"):
        delete_car(cars, car_id, deleted_at=late)
    assert everything(cars) == before
    update_car(cars, car_id, {"price": 1}, changed_at=LOADED + MICROSECOND)


def test_history_outlives_its_model(cars, car_id):
    update_car(cars, car_id, {"brand": "Honda", "model": "Civic"}, changed_at=FIRST)
    with cars.begin() as connection:
        connection.execute(text("DELETE FROM car_brand WHERE name = 'Toyota'"))
    assert rows_of(car_history(cars, car_id)[["brand", "model"]]) == [
        (None, None),
        ("Honda", "Civic"),
    ]


@pytest.mark.parametrize(
    ("changes", "error", "message"),
    [
        ({"prise": 1}, WrongColumns, r"'prise' \(do you mean 'price'\?\)\. What can change is br"),
        ({"car_id": 1, 7: 2}, WrongColumns, "values of a car: 'car_id', 7"),
        ({"brand": "Honda"}, WrongColumns, "found brand alone. Give the model too"),
        ({"model": "Civic", "price": 1}, WrongColumns, "found model alone"),
        (["price"], BadArgument, "dictionary of new values by name"),
        ({"price": -1, "status": None}, RejectedRows, "price is negative; status missing"),
        ({"price": "10,900"}, RejectedRows, "price = '10,900': price is text, not a number"),
        ({"price": None}, RejectedRows, "price missing"),
        ({"price": 1e10}, RejectedRows, "price is out of range"),
        ({"engine_size": 0}, RejectedRows, "engine_size is not above zero"),
        ({"color": ["Red", "Blue"]}, RejectedRows, "color is not text"),
        ({"status": "yes"}, RejectedRows, "neither true nor false"),
        ({"vin": "  "}, RejectedRows, "vin missing"),
        ({"brand": "Honda", "model": None}, RejectedRows, "model missing"),
        ({"vin": "def456"}, VinTaken, "'DEF456' is another car's"),
    ],
)
def test_what_no_car_can_have_is_refused_by_name(cars, car_id, changes, error, message):
    before = everything(cars)
    with pytest.raises(error, match=message) as caught:
        update_car(cars, car_id, changes, changed_at=FIRST)
    assert everything(cars) == before
    if error is RejectedRows:
        assert len(caught.value.rejected) == 1
        assert caught.value.rejected["reason"].item() in str(caught.value)


def test_a_vin_that_another_car_had_later_is_taken(cars, car_id):
    other = get_car(cars, vin="DEF456")["car_id"]
    update_car(cars, other, {"vin": "NEW1"}, changed_at=SECOND)
    with pytest.raises(VinTaken):
        update_car(cars, car_id, {"vin": "DEF456"}, changed_at=FIRST)
    update_car(cars, car_id, {"vin": "DEF456"}, changed_at=SECOND)
    for when in (SECOND - MICROSECOND, SECOND):
        assert cars_as_of(cars, when)["vin"].is_unique


def test_a_car_that_is_not_there_is_said_so(cars, car_id):
    for key in (uuid4(), car_id):
        if key == car_id:
            delete_car(cars, car_id)
        with pytest.raises(NotFound, match=str(key)):
            update_car(cars, key, {"price": 1})
        with pytest.raises(NotFound, match=str(key)):
            delete_car(cars, key)


def test_without_tables_every_function_says_what_to_do(engine):
    calls = [
        lambda: update_car(engine, uuid4(), {"price": 1}),
        lambda: delete_car(engine, uuid4()),
        lambda: car_history(engine, uuid4()),
        lambda: cars_as_of(engine, FIRST),
        lambda: price_changes(engine),
    ]
    for call in calls:
        with pytest.raises(TablesMissing, match="create_tables"):
            call()


# Instants


@pytest.mark.parametrize(
    "instant",
    [
        datetime(2024, 11, 10, 10),
        "2024-11-10T10:00:00+00:00",
        pd.NaT,
        FIRST.date(),
        1731232800,
        datetime(1, 1, 1, tzinfo=timezone(timedelta(hours=1))),
    ],
)
def test_an_instant_that_would_be_a_guess_is_refused(cars, car_id, instant):
    before = everything(cars)
    calls = {
        "changed_at": lambda: update_car(cars, car_id, {"price": 1}, changed_at=instant),
        "deleted_at": lambda: delete_car(cars, car_id, deleted_at=instant),
        "when": lambda: cars_as_of(cars, instant),
        "since": lambda: price_changes(cars, since=instant),
        "until": lambda: price_changes(cars, until=instant),
    }
    for name, call in calls.items():
        with pytest.raises(BadArgument, match=f"Expected {name} to be "):
            call()
    assert everything(cars) == before


def test_instants_of_any_zone_and_kind_mean_the_same(changed):
    expected = cars_as_of(changed, FIRST)
    plus_two = FIRST.astimezone(timezone(timedelta(hours=2)))
    nanoseconds = pd.Timestamp(FIRST) + pd.Timedelta(999, "ns")
    for when in (plus_two, pd.Timestamp(FIRST), nanoseconds):
        pd.testing.assert_frame_equal(cars_as_of(changed, when), expected, check_exact=True)


def test_an_instant_to_come_is_not_final(cars):
    soon = datetime.now(UTC) + timedelta(minutes=1)
    with pytest.warns(IncompleteAnswer, match="can still change"):
        assert cars_as_of(cars, soon).attrs["final"] is False
    with cars.connect() as connection:
        past = connection.scalar(text("SELECT clock_timestamp()"))
    assert cars_as_of(cars, past).attrs["final"] is True


# One statement, one transaction


@pytest.mark.parametrize("change", ["update", "delete"])
def test_a_change_and_its_history_are_all_or_nothing(cars, car_id, change):
    with cars.begin() as connection:
        connection.execute(text("ALTER TABLE car_info_history ADD CHECK (price < 16000)"))
    before = everything(cars)
    with pytest.raises(IntegrityError):
        update_car(cars, car_id, {"price": 1}) if change == "update" else delete_car(cars, car_id)
    assert everything(cars) == before


# What the table itself refuses


@pytest.mark.parametrize(
    ("since", "until"),
    [
        (LOADED + MICROSECOND, FIRST - MICROSECOND),
        (FIRST - MICROSECOND, FIRST + MICROSECOND),
        (LOADED, THIRD),
        (FIRST, SECOND),
        (THIRD, THIRD),
        (THIRD + MICROSECOND, THIRD),
    ],
)
def test_the_table_refuses_overlaps_and_empty_versions(changed, since, until):
    before = history_rows(changed)
    copy = text(
        "INSERT INTO car_info_history (car_id, model_id, vin, price, status, valid_from,"
        ' "timestamp", operation) SELECT car_id, model_id, vin, price, status, :since, :until,'
        " 'update' FROM car_info WHERE vin = 'GHI789'"
    )
    refused = "overlap|pk_car_info_history|empty|range lower bound"
    with pytest.raises(Exception, match=refused), changed.begin() as connection:
        connection.execute(copy, {"since": since, "until": until})
    assert history_rows(changed) == before
    with changed.begin() as connection:  # the next one touches the last one, and may
        connection.execute(copy, {"since": THIRD, "until": THIRD + MICROSECOND})


# Against plain Python


@settings(
    max_examples=settings.default.max_examples // 2,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(first=DELTAS, changes=st.lists(CHANGES, min_size=1, max_size=12))
def test_random_histories_equal_those_of_plain_python(engine, first, changes):
    create_tables(engine)
    pair = Pair(engine)
    for change in [first, *changes]:
        pair.apply(*change)
    pair.assert_equal()
    pair.assert_equal_prices()


@pytest.mark.parametrize(
    ("event", "change"),
    [("UPDATE", lambda engine, car: update_car(engine, car, {"price": 1})), ("DELETE", delete_car)],
    ids=["update", "delete"],
)
def test_a_change_that_a_trigger_prevents_is_an_error(cars, car_id, event, change):
    with cars.begin() as connection:
        connection.exec_driver_sql(
            "CREATE FUNCTION no() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END';"
            f"CREATE TRIGGER t BEFORE {event} ON car_info FOR EACH ROW EXECUTE FUNCTION no()"
        )
    with pytest.raises(WriteFailed, match="look for triggers"):
        change(cars, car_id)
    assert car_history(cars, car_id)["operation"].isna().all()
