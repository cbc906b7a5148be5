"""What the tables hold of the lives of cars: to read it, to judge it, to put it back."""

from typing import Any

from sqlalchemy import Engine, delete, insert, select, text

from carlib.history.archive import ARCHIVE
from carlib.tables import TABLES

STORED = """
    SELECT v.vin, b.name AS brand, m.name AS model, price::float8, status, color,
           engine_size::float8, valid_from, until, operation, car_id
    FROM (SELECT vin, model_id, price, status, color, engine_size, valid_from,
                 "timestamp" AS until, operation, car_id FROM car_info_history
          UNION ALL
          SELECT vin, model_id, price, status, color, engine_size, valid_from, NULL, NULL, car_id
          FROM car_info) v
    JOIN car_model m USING (model_id) JOIN car_brand b USING (brand_id)
    ORDER BY vin, valid_from
"""


def stored(engine: Engine) -> list[dict[str, Any]]:
    """Every version of every car as the tables have it."""
    with engine.connect() as connection:
        return [dict(row) for row in connection.execute(text(STORED)).mappings()]


def broken_lives(engine: Engine) -> list[tuple]:
    """Neighboring versions of a car that leave a gap, overlap, or end before they begin."""
    sql = """
        SELECT * FROM (
            SELECT car_id, valid_from, until, operation,
                   lead(valid_from) OVER (PARTITION BY car_id ORDER BY valid_from) AS next
            FROM (SELECT car_id, valid_from, "timestamp" AS until, operation FROM car_info_history
                  UNION ALL SELECT car_id, valid_from, NULL, NULL FROM car_info) versions) pairs
        WHERE until <= valid_from OR next < until
           OR (operation = 'update' AND next IS DISTINCT FROM until)
           OR (operation IS NULL AND next IS NOT NULL)
        """
    with engine.connect() as connection:
        return [tuple(row) for row in connection.execute(text(sql))]


def rows_of_tables(engine: Engine) -> dict[str, list[dict[str, Any]]]:
    """All rows of the workbook's tables, by table."""
    with engine.connect() as connection:
        return {
            table.name: [
                {c.name: row[c.name] for c in table.columns if c.computed is None}
                for row in connection.execute(select(table)).mappings()
            ]
            for table in TABLES
        }


def put_back(engine: Engine, rows: dict[str, list[dict[str, Any]]]) -> None:
    """Replace all rows of the workbook's tables by these, and forget what was archived."""
    with engine.begin() as connection:
        ARCHIVE.create(connection, checkfirst=True)
        for table in [ARCHIVE, *reversed(TABLES)]:
            connection.execute(delete(table))
        for table in TABLES:
            if rows[table.name]:
                connection.execute(insert(table), rows[table.name])
