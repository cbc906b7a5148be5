"""The one statement of a delta load, word for word, and where its identifiers come from."""

import pytest

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

FULL = """\
WITH source AS (
  SELECT s.car_id, s.vin, m.model_id, s.engine_size, s.color, s.price, s.status
  FROM staging AS s
  LEFT JOIN car_brand AS b ON b.name = s.brand
  LEFT JOIN car_model AS m ON m.brand_id = b.brand_id AND m.name = s.model
), merged AS (
  MERGE INTO car_info AS c
  USING source AS s ON c.vin = s.vin
  WHEN MATCHED AND ROW(c.model_id, c.engine_size, c.color, c.price, c.status)
       IS DISTINCT FROM ROW(s.model_id, s.engine_size, s.color, s.price, s.status) THEN
    UPDATE SET (model_id, engine_size, color, price, status, valid_from)
             = (s.model_id, s.engine_size, s.color, s.price, s.status, :loaded_at)
  WHEN NOT MATCHED THEN
    INSERT (car_id, vin, model_id, engine_size, color, price, status, valid_from)
    VALUES (s.car_id, s.vin, s.model_id, s.engine_size, s.color, s.price, s.status, :loaded_at)
  RETURNING merge_action() AS action,
            coalesce(s.car_id, uuidv7()) AS history_id,
            old.car_id, old.model_id, old.engine_size, old.vin, old.color,
            old.price, old.status, old.valid_from
), logged AS (
  INSERT INTO car_info_history
         (history_id, car_id, model_id, engine_size, vin, color, price, status, valid_from,
          "timestamp", operation)
  SELECT history_id, car_id, model_id, engine_size, vin, color, price, status, valid_from,
         :loaded_at, lower(action)
  FROM merged WHERE action <> 'INSERT'
)
SELECT action, count(*) FROM merged GROUP BY action"""

PRICES = """\
WITH source AS (
  SELECT s.car_id, s.vin, s.price
  FROM staging AS s
), merged AS (
  MERGE INTO car_info AS c
  USING source AS s ON c.vin = s.vin
  WHEN MATCHED AND ROW(c.price)
       IS DISTINCT FROM ROW(s.price) THEN
    UPDATE SET (price, valid_from)
             = (s.price, :loaded_at)
"""

SNAPSHOT_OF_VINS = """\
WITH source AS (
  SELECT s.car_id, s.vin
  FROM staging AS s
), merged AS (
  MERGE INTO car_info AS c
  USING source AS s ON c.vin = s.vin
  WHEN NOT MATCHED BY SOURCE AND c.vin NOT IN (SELECT vin FROM refused_vin) THEN
    DELETE
"""

REST = FULL[FULL.index("  RETURNING") :]


@pytest.mark.parametrize(
    ("columns", "insert", "delete", "statement"),
    [
        (list(TABLE_COLUMNS), True, False, FULL),
        (["vin", "price"], False, False, PRICES + REST),
        (["vin"], False, True, SNAPSHOT_OF_VINS + REST),
    ],
    ids=["all columns", "vin and price", "a snapshot of VINs"],
)
def test_the_statement_is_this(columns, insert, delete, statement):
    assert merge_statement(columns, insert=insert, delete_missing=delete) == statement


def test_a_snapshot_adds_one_clause():
    full = merge_statement(list(TABLE_COLUMNS), insert=True, delete_missing=True)
    clause = SNAPSHOT_OF_VINS[SNAPSHOT_OF_VINS.index("  WHEN") :]
    assert full == FULL.replace("  RETURNING", clause + "  RETURNING")


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
