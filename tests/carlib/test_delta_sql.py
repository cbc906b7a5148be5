"""Where the identifiers of the one statement of a delta load come from."""

from carlib.loading.delta_sql import (
    LOGGED,
    SOURCES,
    differs,
    source_query,
    value_columns,
)
from carlib.loading.prepare import TABLE_COLUMNS
from carlib.models import CarBrand, CarInfo, CarModel


def test_identifiers_come_from_the_models_only():
    ours = {column.name for column in CarInfo.__table__.columns}
    assert set(SOURCES) == ours - {"car_id", "valid_from"}
    assert set(LOGGED) == ours
    assert {name for names in SOURCES.values() for name in names} == set(TABLE_COLUMNS)
    evil = ["vin", "price", "x; DROP TABLE car_info --", 'color"']
    assert value_columns(evil) == ["price"]
    for builder in (source_query, differs):
        assert builder(evil) == builder(["vin", "price"])
    assert {CarBrand.__tablename__, CarModel.__tablename__} == {"car_brand", "car_model"}
