"""The initial load: a frame of cars becomes rows in three tables, or nothing happens."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from time import perf_counter
from typing import Any, Literal

from sqlalchemy import CheckConstraint, Engine, text
from sqlalchemy.engine import Connection
from sqlalchemy.exc import DBAPIError

from carlib.connection import driver_error
from carlib.errors import BadArgument, TablesNotEmpty, WriteFailed
from carlib.load_lock import change_in_order, read_clock, require_instant
from carlib.loading import staging
from carlib.loading.report import LoadReport, log_load, rejected_rows
from carlib.models import CarInfo

OnReject = Literal["raise", "report"]

INSERT_CARS = text(
    "INSERT INTO car_info (car_id, model_id, engine_size, vin, color, price, status, valid_from)"
    " SELECT s.car_id, m.model_id, s.engine_size, s.vin, s.color, s.price, s.status, :loaded_at"
    " FROM staging s JOIN car_brand b ON b.name = s.brand"
    " JOIN car_model m ON m.brand_id = b.brand_id AND m.name = s.model"
)

# The keys and indexes of car_info as they are, each as two statements.
KEYS = text(
    """
    SELECT format('ALTER TABLE car_info DROP CONSTRAINT %I', conname) AS drop,
           format('ALTER TABLE car_info ADD CONSTRAINT %I %s', conname, pg_get_constraintdef(c.oid))
               AS create
    FROM pg_constraint c JOIN pg_class t ON t.oid = conrelid
    WHERE t.oid = 'car_info'::regclass AND t.relkind = 'r' AND conname = ANY(:names)
    UNION ALL
    SELECT format('DROP INDEX %s', i.indexrelid::regclass), pg_get_indexdef(i.indexrelid)
    FROM pg_index i JOIN pg_class t ON t.oid = indrelid JOIN pg_class x ON x.oid = indexrelid
    WHERE t.oid = 'car_info'::regclass AND t.relkind = 'r' AND x.relname = ANY(:names)
      AND NOT EXISTS (SELECT FROM pg_constraint WHERE conindid = indexrelid)
    """
)
# Why they may have to stay: lock not to be had, not the owner, something depends on them.
CANNOT_DROP = ("55P03", "42501", "2BP01")


def initial_load(
    engine: Engine,
    cars: staging.Cars,
    *,
    loaded_at: datetime | None = None,
    on_reject: OnReject = "raise",
) -> LoadReport:
    """Load cars into empty tables, in one transaction.

    Brands and models are found by name, whatever the case, or made. Any failure, at any moment,
    leaves the tables as they were. A progress bar appears after two seconds.

    Args:
        engine: From `connect`, with the tables made by `create_tables`.
        cars: A cars frame (one row a car; brand, model, vin, engine_size in litres, color, price,
            status), an iterator of such frames, or the path of a CSV or Parquet file with these
            names (for others, `read_cars(path, rename={"Make": "brand"})` makes the frame). Frames
            of an iterator and files are loaded piece by piece, so they may be larger than memory;
            only the refused rows are kept. Text with an invisible character in it is refused;
            letters of other scripts that look alike are not: the Cyrillic А is no A.
        loaded_at: The instant since which the values hold, with a time zone; None means now.
        on_reject: What to do when rows can't be loaded. ``"raise"`` loads nothing and raises;
            ``"report"`` loads the other rows and hands the refused ones back in the report.

    Returns:
        A `LoadReport`: how many rows came in, and what became of each.

    Raises:
        BadArgument: `cars`, `loaded_at` or `on_reject` is not of the expected kind.
        TablesMissing: The tables are not there; `create_tables` makes them.
        TablesNotEmpty: There are cars already; `delta_load` adds to them.
        WrongColumns: The frame's columns are not those of a cars frame.
        UnreadableFile: The path leads to no CSV or Parquet file that can be read.
        RejectedRows: Rows were refused and `on_reject` is ``"raise"``.
        WriteFailed: A trigger or the like on the tables swallowed some of the cars, others held a
            lock for longer than `carlib.transactions.LOCK_SECONDS` (five minutes; who does is said
            on stderr after two seconds), the disk is full, or PostgreSQL ended the session.
    """
    check_on_reject(on_reject)
    if loaded_at is not None:
        loaded_at = require_instant("loaded_at", loaded_at)
    start = perf_counter()
    with change_in_order(engine, loaded_at) as connection:
        if connection.scalar(text("SELECT EXISTS (SELECT FROM car_info)")):
            raise TablesNotEmpty(
                "Expected no cars, since an initial load fills empty tables, but car_info has "
                "rows. Add to them with delta_load(engine, cars), or start on an empty schema with "
                "connect(schema=..., fresh=True)."
            )
        started_at = read_clock(connection)
        loaded_at = loaded_at or started_at
        staged = staging.fill_staging(connection, cars)
        repetitions, repeated = staging.refuse_repeated(connection, staged.columns)
        rejected = staging.join_rejected([staged.rejected, repeated])
        if len(rejected) and on_reject == "raise":
            raise rejected_rows(rejected, staged.received)
        staging.insert_names(connection)
        with deferred_indexes(connection):
            inserted = connection.execute(INSERT_CARS, {"loaded_at": loaded_at}).rowcount
        expected = staged.received - len(rejected) - repetitions
        if inserted != expected:
            raise WriteFailed(
                f"Expected to insert {expected:,} cars, but {inserted:,} arrived, so none was "
                "loaded. Something on the tables changes or drops rows: look for triggers, rules "
                "and policies."
            )
        counts: dict[str, Any] = {"received": staged.received, "inserted": inserted, "updated": 0}
        counts |= {"deleted": 0, "unchanged": repetitions, "rejected": rejected}
        report = LoadReport(**counts, seconds=perf_counter() - start, loaded_at=loaded_at)
        log_load(connection, "initial", report, started_at)
    return report


def check_on_reject(on_reject: str) -> None:
    """Raise BadArgument unless `on_reject` is a known word."""
    if on_reject not in ("raise", "report"):
        raise BadArgument(f"Expected on_reject to be 'raise' or 'report', found {on_reject!r}.")


@contextmanager
def deferred_indexes(connection: Connection) -> Iterator[None]:
    """Take the keys and indexes off car_info, and build the same again when the rows are there.

    One sorted build is faster than placing every row in every index ("Populating a Database" in
    the PostgreSQL manual). It all happens in the load's transaction, so nobody sees the table
    without them. They stay where something else needs them, and the load takes longer: a foreign
    key or a view built on them, an open transaction that reads the tables, an owner who is not us.
    """
    table = CarInfo.__table__
    constraints = [key for key in table.constraints if not isinstance(key, CheckConstraint)]
    names = [*(key.name for key in constraints), *(index.name for index in table.indexes)]
    keys = connection.execute(KEYS, {"names": names}).all()
    as_it_is = {"no_parameters": True}  # a percent sign in it is one
    patience = connection.scalar(text("SHOW lock_timeout"))
    try:
        with connection.begin_nested():
            connection.execute(text("SET LOCAL lock_timeout = '2s'"))
            for key in keys:
                connection.exec_driver_sql(key.drop, execution_options=as_it_is)
            connection.execute(text(f"SET LOCAL lock_timeout = '{patience}'"))
    except DBAPIError as error:
        if driver_error(error).pgcode not in CANNOT_DROP:
            raise
        keys = []
    yield
    with staging.progress(len(keys), desc="keys and indexes") as bar:
        for key in keys:
            connection.exec_driver_sql(key.create, execution_options=as_it_is)
            bar.update(1)
