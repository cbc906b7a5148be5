"""get_car: one car by its VIN or its id, or None."""

from datetime import UTC, datetime
from decimal import Decimal
from uuid import UUID, uuid4

import pandas as pd
import pytest

from carlib import create_tables, get_car, initial_load, sample_cars
from carlib.errors import BadArgument

AT = datetime(2024, 11, 10, 10, tzinfo=UTC)


@pytest.fixture
def cars(engine):
    """An engine on the two sample cars and one with accents and without a color."""
    create_tables(engine)
    third = ("Škoda", "Enyaq", "stra\xdfe \xe9", None, None, 43999.9, True)
    frame = pd.DataFrame([*sample_cars().itertuples(index=False), third])
    initial_load(engine, frame, loaded_at=AT)
    return engine


def test_a_car_has_these_values_of_these_types(cars):
    car = get_car(cars, vin="ABC123")
    assert isinstance(car.pop("car_id"), UUID)
    assert car == {
        "brand": "Toyota",
        "model": "Corolla",
        "vin": "ABC123",
        "engine_size": 2.0,
        "color": "Red",
        "price": Decimal("15000.00"),
        "status": True,
        "valid_from": AT,
    }
    assert [type(car[name]) for name in ("engine_size", "price", "status")] == [
        float,
        Decimal,
        bool,
    ]
    assert car["valid_from"].utcoffset() is not None


def test_what_is_not_known_is_none(cars):
    car = get_car(cars, vin="STRASSE \xc9")
    assert (car["engine_size"], car["color"], car["price"]) == (None, None, Decimal("43999.90"))


@pytest.mark.parametrize("vin", ["def456", " DEF456\n", "\u3000Def456\xa0"])
def test_case_and_blanks_around_a_vin_do_not_matter(cars, vin):
    assert get_car(cars, vin=vin)["model"] == "Civic"


@pytest.mark.parametrize("vin", ["STRASSE \xc9", "stra\xdfe e\u0301", "Strasse \xe9 "])
def test_a_vin_is_tidied_as_loading_tidied_it(cars, vin):
    assert get_car(cars, vin=vin)["brand"] == "Škoda"


def test_by_id_as_a_uuid_and_as_text(cars):
    car = get_car(cars, vin="ABC123")
    key = car["car_id"]
    for each in (key, str(key), str(key).upper(), key.hex, f"{{{key}}}"):
        assert get_car(cars, car_id=each) == car


@pytest.mark.parametrize(
    "vin", ["XYZ", "", " ", "A\0B", "\ud800", "x" * 10_000, "' OR 1=1 --", "%"]
)
def test_a_vin_or_id_that_no_car_has(cars, vin):
    assert get_car(cars, vin=vin) is None
    assert get_car(cars, car_id=uuid4()) is None


@pytest.mark.parametrize(
    ("arguments", "found"),
    [
        ({}, "neither"),
        ({"vin": "ABC123", "car_id": uuid4()}, "both"),
        ({"vin": "ABC123", "car_id": "1"}, "both"),
        ({"car_id": "1"}, "'1'"),
        ({"car_id": 1}, "1"),
        ({"car_id": ""}, "''"),
        ({"car_id": b"\0" * 16}, r"b'\\x00"),
        ({"car_id": "ABC123"}, r"'ABC123'.*get_car\(engine, vin=...\)"),
    ],
)
def test_arguments_that_make_no_question(cars, arguments, found):
    with pytest.raises(BadArgument, match=f"found {found}"):
        get_car(cars, **arguments)
