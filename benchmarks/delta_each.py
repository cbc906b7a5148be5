"""The delta row by row: look each car up, compare it in Python, INSERT or UPDATE it.

All of it in one transaction, which is generous to these ways. With Core and with the driver, so
are the keys of the models: they are looked up at once, and each row takes one query.
"""

from collections.abc import Sequence

import pandas as pd
from psycopg2.extras import register_uuid
from sqlalchemy import Engine, bindparam, func, insert, select, update
from sqlalchemy.orm import Session

from benchmarks.loaders import records, with_model_ids
from carlib import CarBrand, CarInfo, CarModel

COMPARED = ["model_id", "engine_size", "color", "price", "status"]
CARS = CarInfo.__table__
NAMES = ", ".join([*COMPARED, "vin"])
VALUES = ", ".join(f"%({name})s" for name in [*COMPARED, "vin"])
ASSIGNED = ", ".join(f"{name} = %({name})s" for name in COMPARED)
LOOK_UP = f"SELECT {', '.join(COMPARED)} FROM car_info WHERE vin = %(vin)s"
INSERT = f"INSERT INTO car_info ({NAMES}, valid_from) VALUES ({VALUES}, clock_timestamp())"
UPDATE = f"UPDATE car_info SET {ASSIGNED}, valid_from = clock_timestamp() WHERE vin = %(vin)s"


def row_by_row_orm(engine: Engine, delta: pd.DataFrame) -> None:
    """With sessions and objects, as tutorials do it: brand, model and car are looked up."""
    with Session(engine) as session, session.begin():
        for record in records(delta):
            name, model_name = record.pop("brand"), record.pop("model")
            brand = session.scalars(select(CarBrand).where(CarBrand.name == name)).one_or_none()
            if brand is None:
                brand = CarBrand(name=name)
                session.add(brand)
                session.flush()
            by_name = CarModel.brand_id == brand.brand_id, CarModel.name == model_name
            model = session.scalars(select(CarModel).where(*by_name)).one_or_none()
            if model is None:
                model = CarModel(brand_id=brand.brand_id, name=model_name)
                session.add(model)
                session.flush()
            record["model_id"] = model.model_id
            by_vin = CarInfo.vin == record["vin"]
            car = session.scalars(select(CarInfo).where(by_vin)).one_or_none()
            if car is None:
                session.add(CarInfo(**record))
            elif _differs([getattr(car, name) for name in COMPARED], record):
                for name in COMPARED:
                    setattr(car, name, record[name])
                car.valid_from = func.clock_timestamp()


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


def _differs(known: Sequence, record: dict) -> bool:
    """Whether the values that are known are others; None equals None in Python."""
    old = dict(zip(COMPARED, known, strict=True))
    for name in ("engine_size", "price"):
        old[name] = None if old[name] is None else float(old[name])
    return any(old[name] != record[name] for name in COMPARED)
