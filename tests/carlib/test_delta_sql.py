"""Where the identifiers of the one statement of a delta load come from."""

from carlib.loading.delta_sql import (
    LOGGED,
    SOURCES,
    differs,
    merge_statement,
    source_query,
    value_columns,
)
from carlib.loading.prepare import TABLE_COLUMNS
from carlib.models import CarBrand, CarInfo, CarModel


def test_vins_alone_change_nothing():
    statement = merge_statement(["vin"], insert=False, delete_missing=False)
    assert "  WHEN MATCHED THEN DO NOTHING\n  RETURNING" in statement
    assert differs(["vin"]) == "false"


def test_identifiers_come_from_the_models_only():
    ours = {column.name for column in CarInfo.__table__.columns}
    assert set(SOURCES) == ours - {"car_id", "vin", "valid_from"}
    assert set(LOGGED) == ours
    assert {name for names in SOURCES.values() for name in names} == set(TABLE_COLUMNS) - {"vin"}
    evil = ["vin", "price", "x; DROP TABLE car_info --", 'color"']
    assert value_columns(evil) == ["price"]
    for builder in (source_query, differs):
        assert builder(evil) == builder(["vin", "price"])
    assert {CarBrand.__tablename__, CarModel.__tablename__} == {"car_brand", "car_model"}


def test_a_brand_without_its_model_is_no_source_of_a_model():
    assert value_columns(["vin", "brand", "color"]) == ["color"]
