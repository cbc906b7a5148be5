"""Which indexes the questions about history use, read from their plans.

A hundred thousand rows are enough for the planner to choose as it does for ten million.
"""

import json
import uuid
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import text

from carlib.connection import connect
from carlib.history.archive import REMOVE, ROWS_OF_MONTH
from carlib.history.queries import HISTORY_QUERY, PRICES_QUERY
from carlib.tables import create_tables

CARS, VERSIONS = 20_000, 5
START = datetime(2024, 1, 1, tzinfo=UTC)
DAY = timedelta(days=1)
# Version k of car i begins 36 days after version k - 1, and a minute after that of car i - 1; the
# rows are written in the order of time, as loads write them.
FILL = f"""
INSERT INTO car_brand (name) VALUES ('Toyota');
INSERT INTO car_model (brand_id, name) SELECT brand_id, 'Corolla' FROM car_brand;
INSERT INTO car_info (model_id, vin, price, status, valid_from)
SELECT model_id, 'VIN' || i, 1000 + i, true,
       timestamptz '{START:%Y-%m-%d}Z' + interval '36 days' * {VERSIONS} + interval '1 minute' * i
FROM car_model, generate_series(1, {CARS}) i;
ALTER TABLE car_info_history DROP CONSTRAINT pk_car_info_history;
INSERT INTO car_info_history
  (car_id, model_id, vin, price, status, valid_from, "timestamp", operation)
SELECT car_id, model_id, vin, price - k, status, valid_from - interval '36 days' * k,
       valid_from - interval '36 days' * (k - 1), 'update'
FROM generate_series({VERSIONS}, 1, -1) k, car_info ORDER BY k DESC, valid_from;
ALTER TABLE car_info_history
  ADD CONSTRAINT pk_car_info_history PRIMARY KEY (car_id, valid WITHOUT OVERLAPS);
"""


@pytest.fixture(scope="module")
def filled(database_url):
    engine = connect(database_url, schema=f"test_{uuid.uuid4().hex}")
    create_tables(engine)
    with engine.begin() as connection:
        connection.exec_driver_sql(FILL.replace("%", "%%"))
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.execute(text("VACUUM ANALYZE car_info, car_info_history"))
    yield engine
    with engine.begin() as connection:
        connection.exec_driver_sql("DO $$ BEGIN EXECUTE 'DROP SCHEMA ' || current_schema()"
                                   " || ' CASCADE'; END $$")  # fmt: skip
    engine.dispose()


@pytest.fixture
def a_car(filled):
    with filled.connect() as connection:
        return connection.scalar(text("SELECT car_id FROM car_info WHERE vin = 'VIN777'"))


def scans(engine, query, table="car_info_history", **values):
    """Each scan of a table in the plan: what kind, by which index, and how many rows it read."""
    with engine.connect() as connection, connection.connection.cursor() as cursor:
        cursor.execute("SET LOCAL max_parallel_workers_per_gather = 0")
        cursor.execute(f"EXPLAIN (ANALYZE, FORMAT json) {query}", values)
        [[[plan]]] = cursor.fetchall()
    found, todo = [], [(json.loads(plan) if isinstance(plan, str) else plan)["Plan"]]
    while todo:
        node = todo.pop()
        todo += node.get("Plans", [])
        if node.get("Relation Name") == table:
            below = [n.get("Index Name") for n in node.get("Plans", [])]
            index = node.get("Index Name") or next(iter(below), None)
            rows = node["Actual Rows"] + node.get("Rows Removed by Filter", 0)
            rows += node.get("Rows Removed by Index Recheck", 0)
            found.append((node["Node Type"], index, rows * node["Actual Loops"]))
    return found


def test_the_life_of_a_car_is_looked_up_in_the_key(filled, a_car):
    [(kind, index, rows)] = scans(filled, HISTORY_QUERY, car_id=str(a_car))
    assert kind in ("Index Scan", "Bitmap Heap Scan")
    assert index in ("pk_car_info_history", "ix_car_info_history_car_id_timestamp")
    assert rows == VERSIONS
    assert scans(filled, HISTORY_QUERY, "car_info", car_id=str(a_car)) == [
        ("Index Scan", "pk_car_info", 1)
    ]


def test_the_price_changes_of_a_short_time_are_looked_up(filled):
    since = START + 40 * DAY
    hour = {"since": since, "until": since + timedelta(hours=1)}
    changed, followers = sorted(scans(filled, PRICES_QUERY, **hour))
    assert changed[:2] == ("Bitmap Heap Scan", "ix_car_info_history_timestamp")
    assert changed[2] < CARS * VERSIONS / 5, "only the blocks of that time"
    assert followers[:2] == ("Index Scan", "pk_car_info_history")
    assert followers[2] == 60, "one row more for each change"


def test_a_deleted_car_that_comes_back_is_looked_up(filled):
    by_vin = "SELECT car_id FROM car_info_history WHERE operation = 'delete' AND vin = %(vin)s"
    [(_, index, _)] = scans(filled, by_vin, vin="VIN7")
    assert index == "ix_car_info_history_deleted_vin"


def test_archiving_reads_the_blocks_of_its_month_and_removes_by_the_key(filled):
    month = {"month": datetime(2024, 3, 1, tzinfo=UTC), "before": START + 300 * DAY}
    [(_, index, rows), *_] = scans(filled, ROWS_OF_MONTH, **month)
    # By the blocks of that time, or in the order of the B-tree, skipping through it.
    assert index in ("ix_car_info_history_timestamp", "ix_car_info_history_car_id_timestamp")
    assert rows < CARS * VERSIONS / 2
    with filled.connect() as connection:
        connection.execute(
            text("CREATE TEMPORARY TABLE archived AS SELECT * FROM car_info_history LIMIT 100")
        )
        connection.execute(text("ANALYZE archived"))
        plan = connection.execute(text(f"EXPLAIN {REMOVE}")).scalars().all()
    assert any("Index Scan using" in line and "on car_info_history" in line for line in plan)
