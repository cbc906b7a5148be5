"""Ways to bring the cars up to date with a delta, each as a user of that tool would write it.

All end in the same cars, brands and models. Only carlib keeps a history. Those in `COMPARING` leave
unchanged cars alone, the others write every car anew and lose since when its values hold.
All do the whole job in one transaction, but for dbmerge, which opens a connection of its own: what
is new among brands and models is committed before.

pangres is measured where it is installed (`pip install pangres`). The lock leaves it out: all that
it names must have a wheel. 4.2.1 has none; 4.1.4, which has one, imports pkg_resources, declares no
dependency on setuptools for it, and uses what SQLAlchemy 2.0 deprecated.
"""

import io
import logging
import re
from importlib.util import find_spec
from unittest.mock import patch

import pandas as pd
import pyarrow as pa
import pyarrow.csv
from dbmerge import dbmerge
from psycopg2.extras import execute_batch, register_uuid
from sqlalchemy import Engine, func, select, text

from benchmarks.delta_each import (
    CARS,
    COMPARED,
    INSERT,
    NAMES,
    UPDATE,
    row_by_row,
    row_by_row_driver,
    row_by_row_orm,
)
from benchmarks.loaders import CAR_COLUMNS, records, with_model_ids
from carlib import delta_load
from carlib.loading import delta as delta_module
from carlib.loading.delta_sql import merge_statement


def carlib_load(engine: Engine, delta: pd.DataFrame) -> None:
    delta_load(engine, delta)


def carlib_without_history(engine: Engine, delta: pd.DataFrame) -> None:
    """All that delta_load does, except that its MERGE hands no old values to the history."""
    with patch.object(delta_module, "merge_statement", _without_history):
        delta_load(engine, delta)


def _without_history(*arguments: object, **options: object) -> str:
    statement, cuts = re.subn(
        r"(RETURNING merge_action\(\) AS action),.*?\n\), logged AS \(.*?\n\)(?=\nSELECT action)",
        r"\1\n)",
        merge_statement(*arguments, **options),
        flags=re.DOTALL,
    )
    if cuts != 1:
        raise RuntimeError(f"Expected a part that writes the history, found none in {statement}")
    return statement


def dbmerge_load(engine: Engine, delta: pd.DataFrame) -> None:
    """COPY into a temporary table, an UPDATE of what differs, an INSERT of what is missing."""
    logger = logging.getLogger("dbmerge")
    logger.addHandler(logging.NullHandler())  # else it prints a line for each load
    with engine.begin() as connection:
        keyed = with_model_ids(connection, delta)
    with dbmerge(
        engine,
        "car_info",
        keyed.astype({"model_id": "str"}),  # COPY takes that faster than UUID objects
        key=["vin"],
        merged_on_field="valid_from",
        can_create_table=False,
        can_create_columns=False,
    ) as merge:
        merge.exec(commit_all_steps=False)


def pangres_upsert(engine: Engine, delta: pd.DataFrame) -> None:
    """INSERT ... ON CONFLICT DO UPDATE, a thousand rows a statement, for every row."""
    from pangres import upsert

    with engine.begin() as connection:
        keyed = with_model_ids(connection, delta)
        keyed["valid_from"] = connection.scalar(select(func.clock_timestamp()))
        upsert(
            connection,
            keyed.set_index("vin"),
            "car_info",
            if_row_exists="update",
            schema=connection.scalar(select(func.current_schema())),
            create_table=False,
            chunksize=1000,
            dtype={"model_id": CARS.c.model_id.type},
        )


def pandas_compare(engine: Engine, delta: pd.DataFrame) -> None:
    """Fetch the table, compare in pandas, and send changed and new rows with execute_batch."""
    with engine.begin() as connection:
        keyed = with_model_ids(connection, delta)
        known = pd.read_sql(select(*(CARS.c[name] for name in CAR_COLUMNS)), connection)
        both = keyed.merge(known, on="vin", how="left", suffixes=("", "_old"), indicator=True)
        new = both["_merge"] == "left_only"
        differs = pd.Series(False, index=both.index)
        for name in COMPARED:
            one, other = both[name], both[f"{name}_old"]
            differs |= (one != other) & ~(one.isna() & other.isna())
        with connection.connection.cursor() as cursor:
            register_uuid(conn_or_curs=cursor)
            for statement, rows in ((UPDATE, keyed[differs & ~new]), (INSERT, keyed[new])):
                execute_batch(cursor, statement, records(rows), page_size=1000)


def upsert_without_guard(engine: Engine, delta: pd.DataFrame) -> None:
    """COPY into a temporary table, then INSERT ... ON CONFLICT DO UPDATE of every row."""
    buffer = io.BytesIO()
    table = pa.Table.from_pandas(delta, preserve_index=False)
    pyarrow.csv.write_csv(table, buffer, pyarrow.csv.WriteOptions(include_header=False))
    buffer.seek(0)
    with engine.begin() as connection:
        connection.execute(
            text(
                "CREATE TEMPORARY TABLE incoming (brand text, model text, vin text, engine_size"
                " numeric, color text, price numeric, status boolean) ON COMMIT DROP"
            )
        )
        with connection.connection.cursor() as cursor:
            columns = ", ".join(delta.columns)
            cursor.copy_expert(f"COPY incoming ({columns}) FROM STDIN (FORMAT csv)", buffer)
        connection.execute(
            text(
                "INSERT INTO car_brand (name) SELECT DISTINCT brand FROM incoming"
                " ON CONFLICT DO NOTHING"
            )
        )
        connection.execute(
            text(
                "INSERT INTO car_model (brand_id, name) SELECT DISTINCT b.brand_id, i.model"
                " FROM incoming i JOIN car_brand b ON b.name = i.brand ON CONFLICT DO NOTHING"
            )
        )
        excluded = ", ".join(f"{name} = excluded.{name}" for name in [*COMPARED, "valid_from"])
        connection.execute(
            text(
                f"INSERT INTO car_info ({NAMES}, valid_from)"
                " SELECT m.model_id, i.engine_size, i.color, i.price, i.status, i.vin, now()"
                " FROM incoming i JOIN car_brand b ON b.name = i.brand"
                " JOIN car_model m ON m.brand_id = b.brand_id AND m.name = i.model"
                f" ON CONFLICT (vin) DO UPDATE SET {excluded}"
            )
        )


CARLIB = "carlib.delta_load"
NO_HISTORY = "the same, no history kept"
DBMERGE = "dbmerge"
UNGUARDED = "COPY, ON CONFLICT without a guard"
PANGRES = "pangres"
EACH_ORM = "three queries per row, SQLAlchemy ORM"
EACH = "query per row, SQLAlchemy Core"
EACH_DRIVER = "query per row, psycopg2"

LOADERS = {
    CARLIB: carlib_load,
    NO_HISTORY: carlib_without_history,
    DBMERGE: dbmerge_load,
    UNGUARDED: upsert_without_guard,
    "pandas compare, execute_batch": pandas_compare,
    **({PANGRES: pangres_upsert} if find_spec("pangres") else {}),
    EACH_DRIVER: row_by_row_driver,
    EACH: row_by_row,
    EACH_ORM: row_by_row_orm,
}
# The ways that write a car only where it changed.
COMPARING = set(LOADERS) - {UNGUARDED, PANGRES}
# The most rows of the delta that a way is given; what it took is scaled up to all of them.
MOST_ROWS = {EACH: 101_000, EACH_DRIVER: 101_000, EACH_ORM: 20_000}
