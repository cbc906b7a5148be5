"""The delta by a query per row: look each car up, compare it in Python, INSERT or UPDATE it.

Generous to that way: the keys of all models are looked up at once, and it is one transaction.
"""

import pandas as pd
from psycopg2.extras import register_uuid
from sqlalchemy import Engine, bindparam, func, insert, select, update

from benchmarks.loaders import records, with_model_ids
from carlib import CarInfo

COMPARED = ["model_id", "engine_size", "color", "price", "status"]
CARS = CarInfo.__table__
NAMES = ", ".join([*COMPARED, "vin"])
VALUES = ", ".join(f"%({name})s" for name in [*COMPARED, "vin"])
ASSIGNED = ", ".join(f"{name} = %({name})s" for name in COMPARED)
LOOK_UP = f"SELECT {', '.join(COMPARED)} FROM car_info WHERE vin = %(vin)s"
INSERT = f"INSERT INTO car_info ({NAMES}, valid_from) VALUES ({VALUES}, clock_timestamp())"
UPDATE = f"UPDATE car_info SET {ASSIGNED}, valid_from = clock_timestamp() WHERE vin = %(vin)s"


def row_by_row(engine: Engine, delta: pd.DataFrame) -> None:
    """With SQLAlchemy Core."""
    look_up = select(*(CARS.c[name] for name in COMPARED)).where(CARS.c.vin == bindparam("v"))
    change = update(CARS).where(CARS.c.vin == bindparam("v"))
    with engine.begin() as connection:
        for record in records(with_model_ids(connection, delta)):
            known = connection.execute(look_up, {"v": record["vin"]}).one_or_none()
            if known is None:
                connection.execute(insert(CARS), record)
            elif _differs(known, record):
                values = {name: record[name] for name in COMPARED}
                values["valid_from"] = func.clock_timestamp()
                connection.execute(change.values(values), {"v": record["vin"]})


def row_by_row_driver(engine: Engine, delta: pd.DataFrame) -> None:
    """With the driver's cursor."""
    with engine.begin() as connection:
        rows = records(with_model_ids(connection, delta))
        with connection.connection.cursor() as cursor:
            register_uuid(conn_or_curs=cursor)
            for record in rows:
                cursor.execute(LOOK_UP, record)
                known = cursor.fetchone()
                if known is None:
                    cursor.execute(INSERT, record)
                elif _differs(known, record):
                    cursor.execute(UPDATE, record)


def _differs(known: tuple, record: dict) -> bool:
    """Whether the values that are known are others; None equals None in Python."""
    old = dict(zip(COMPARED, known, strict=True))
    for name in ("engine_size", "price"):
        old[name] = None if old[name] is None else float(old[name])
    return any(old[name] != record[name] for name in COMPARED)
