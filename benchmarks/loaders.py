"""Ways to load a cars frame into the three tables, each as a user of that tool would write it.

All of them do the whole job in one transaction: insert brands and models, look their keys up,
insert the cars, with the tables' constraints in force.
"""

import io
from contextlib import nullcontext

import adbc_driver_postgresql.dbapi as adbc
import pandas as pd
import pyarrow as pa
import pyarrow.csv
from psycopg2.extras import execute_values
from sqlalchemy import Engine, Uuid, insert, select, text
from sqlalchemy.dialects.postgresql import insert as pg_insert
from sqlalchemy.engine import Connection
from sqlalchemy.orm import Session

from carlib import CarBrand, CarInfo, CarModel, initial_load
from carlib.loading.initial import deferred_indexes
from carlib.loading.staging import UUID7Generator

CAR_COLUMNS = ["model_id", "engine_size", "vin", "color", "price", "status"]


def with_model_ids(connection: Connection, cars: pd.DataFrame) -> pd.DataFrame:
    """Insert new brands and models, and give each car the key of its model for their names."""
    brands = cars[["brand"]].drop_duplicates()
    missing = pg_insert(CarBrand).on_conflict_do_nothing()
    connection.execute(missing, [{"name": name} for name in brands["brand"]])
    keys = pd.DataFrame(
        connection.execute(select(CarBrand.brand_id, CarBrand.name)), columns=["brand_id", "brand"]
    )
    models = cars[["brand", "model"]].drop_duplicates().merge(keys)
    models = models.rename(columns={"model": "name"})
    missing = pg_insert(CarModel).on_conflict_do_nothing()
    connection.execute(missing, models[["brand_id", "name"]].to_dict("records"))
    keys = pd.DataFrame(
        connection.execute(
            select(CarModel.model_id, CarBrand.name, CarModel.name).join(CarModel.brand)
        ),
        columns=["model_id", "brand", "model"],
    )
    return cars.merge(keys, how="left")[CAR_COLUMNS]


def records(keyed: pd.DataFrame) -> list[dict]:
    """One dictionary a car, with None where a value is missing."""
    return keyed.astype(object).where(keyed.notna(), None).to_dict("records")


def orm_flush_each(engine: Engine, cars: pd.DataFrame) -> None:
    with Session(engine) as session, session.begin():
        for record in records(with_model_ids(session.connection(), cars)):
            session.add(CarInfo(**record))
            session.flush()


def orm_add_each(engine: Engine, cars: pd.DataFrame) -> None:
    with Session(engine) as session, session.begin():
        for record in records(with_model_ids(session.connection(), cars)):
            session.add(CarInfo(**record))


def to_sql(engine: Engine, cars: pd.DataFrame) -> None:
    with engine.begin() as connection:
        keyed = with_model_ids(connection, cars)
        keyed.to_sql(
            "car_info", connection, if_exists="append", index=False, dtype={"model_id": Uuid()}
        )


def to_sql_multi(engine: Engine, cars: pd.DataFrame) -> None:
    with engine.begin() as connection:
        keyed = with_model_ids(connection, cars)
        keyed.to_sql(
            "car_info",
            connection,
            if_exists="append",
            index=False,
            dtype={"model_id": Uuid()},
            method="multi",
            chunksize=1000,
        )


def bulk_insert(engine: Engine, cars: pd.DataFrame) -> None:
    with engine.begin() as connection:
        connection.execute(insert(CarInfo), records(with_model_ids(connection, cars)))


def psycopg2_values(engine: Engine, cars: pd.DataFrame) -> None:
    with engine.begin() as connection:
        keyed = with_model_ids(connection, cars)
        rows = keyed.astype(object).where(keyed.notna(), None).itertuples(index=False, name=None)
        with connection.connection.cursor() as cursor:
            execute_values(
                cursor,
                f"INSERT INTO car_info ({', '.join(CAR_COLUMNS)}) VALUES %s",
                rows,
                page_size=1000,
            )


def adbc_staging(engine: Engine, cars: pd.DataFrame) -> None:
    """Arrow's own driver copies the frame into a temporary table; SQL does the rest."""
    url = engine.url.set(drivername="postgresql").render_as_string(hide_password=False)
    with engine.connect() as connection:
        schema = connection.scalar(text("SELECT quote_ident(current_schema())"))
    with adbc.connect(url) as connection, connection.cursor() as cursor:
        cursor.execute(f"SET search_path = {schema}")
        cursor.adbc_ingest("staging", pa.Table.from_pandas(cars), mode="create", temporary=True)
        cursor.execute("INSERT INTO car_brand (name) SELECT DISTINCT brand FROM pg_temp.staging")
        cursor.execute(
            "INSERT INTO car_model (brand_id, name) SELECT DISTINCT b.brand_id, s.model"
            " FROM pg_temp.staging s JOIN car_brand b ON b.name = s.brand"
        )
        cursor.execute(
            "INSERT INTO car_info (model_id, engine_size, vin, color, price, status)"
            " SELECT m.model_id, nullif(s.engine_size, 'NaN'), s.vin, s.color, s.price, s.status"
            " FROM pg_temp.staging s JOIN car_brand b ON b.name = s.brand"
            " JOIN car_model m ON m.brand_id = b.brand_id AND m.name = s.model"
        )
        connection.commit()


def carlib_load(engine: Engine, cars: pd.DataFrame) -> None:
    initial_load(engine, cars)


class Encoded:
    """COPY of rows that are encoded already: brands, models and their keys are there beforehand.

    Args:
        keys_afterwards: Send the cars' own keys too, and build keys and indexes after the rows, as
            initial_load does; else the server makes the keys and checks every row as it comes.
    """

    def __init__(self, keys_afterwards: bool) -> None:
        self._keys_afterwards = keys_afterwards

    def prepare(self, engine: Engine, cars: pd.DataFrame) -> None:
        """Do what does not count: brands and models, keys, and the text for COPY."""
        with engine.begin() as connection:
            keyed = with_model_ids(connection, cars)
        table = pa.Table.from_pandas(keyed.astype({"model_id": "str"}), preserve_index=False)
        if self._keys_afterwards:
            table = table.append_column("car_id", UUID7Generator().batch(len(cars)))
        self._columns = ", ".join(table.column_names)
        buffer = io.BytesIO()
        pyarrow.csv.write_csv(table, buffer, pyarrow.csv.WriteOptions(include_header=False))
        self._rows = buffer.getvalue()

    def load(self, engine: Engine, cars: pd.DataFrame) -> None:
        rebuild = deferred_indexes if self._keys_afterwards else nullcontext
        copy = f"COPY car_info ({self._columns}) FROM STDIN (FORMAT csv)"
        with (
            engine.begin() as connection,
            rebuild(connection),
            connection.connection.cursor() as cursor,
        ):
            cursor.copy_expert(copy, io.BytesIO(self._rows))


CARLIB = "carlib.initial_load"
ADBC = "ADBC ingest into staging, INSERT"
ADD_EACH = "ORM, row by row, one flush"
FLUSH_EACH = "ORM, a flush for each car"

# The way of carlib and the ways of its alternatives.
LOADERS = {
    CARLIB: carlib_load,
    ADBC: adbc_staging,
    "psycopg2 execute_values": psycopg2_values,
    "SQLAlchemy bulk insert": bulk_insert,
    "pandas to_sql": to_sql,
    "pandas to_sql(method='multi')": to_sql_multi,
    ADD_EACH: orm_add_each,
    FLUSH_EACH: orm_flush_each,
}
# What no way can do without, the client's part left out: nobody loads like this.
FLOORS = {
    "floor: COPY of encoded rows": Encoded(keys_afterwards=False),
    "floor: the same, keys built afterwards": Encoded(keys_afterwards=True),
}
# The most cars that a way is given; its time is scaled up to the others' number.
MOST_CARS = {ADD_EACH: 100_000, FLUSH_EACH: 20_000}
