"""The initial load: a frame of cars becomes rows in three tables, or nothing happens."""

from datetime import datetime
from time import perf_counter
from typing import Literal

import pandas as pd
from sqlalchemy import Engine, text
from sqlalchemy.engine import Connection

from carlib.errors import BadArgument, CarlibError, RejectedRows, TablesNotEmpty
from carlib.load_lock import announce, lock_for_load, read_clock, require_instant
from carlib.loading.log import log_load
from carlib.loading.rebuild import deferred_indexes
from carlib.loading.report import LoadReport, describe_rejected
from carlib.loading.staging import Cars, fill_staging, frames_of, join_rejected, refuse_repeated
from carlib.tables import require_tables
from carlib.transactions import read_committed

OnReject = Literal["raise", "report"]


def initial_load(
    engine: Engine,
    cars: Cars,
    *,
    loaded_at: datetime | None = None,
    on_reject: OnReject = "raise",
) -> LoadReport:
    """Load cars into empty tables, in one transaction.

    Brands and models are found by name, whatever the case, or made. Any failure, at any moment,
    leaves the tables as they were.

    Args:
        engine: From `connect`, with the tables made by `create_tables`.
        cars: A cars frame (one row a car; brand, model, vin, engine_size in litres, color, price,
            status), an iterator of such frames, or the path of a CSV or Parquet file. Frames of an
            iterator and files are loaded piece by piece, so they may be larger than memory; only
            the refused rows are kept.
        loaded_at: The instant since which the values hold, with a time zone; None means now.
        on_reject: What to do when rows can't be loaded. ``"raise"`` loads nothing and raises;
            ``"report"`` loads the other rows and hands the refused ones back in the report.

    Returns:
        A `LoadReport`: how many rows came in, and what became of each.

    Raises:
        BadArgument: `cars`, `loaded_at` or `on_reject` is not of the expected kind.
        TablesMissing: The tables are not there; `create_tables` makes them.
        TablesNotEmpty: There are cars already; `delta_load` adds to them.
        WrongColumns, WrongColumns: The frame's columns are not those of a cars frame.
        UnreadableFile: The path leads to no CSV or Parquet file that can be read.
        RejectedRows: Rows were refused and `on_reject` is ``"raise"``.
        CarlibError: A trigger or the like on the tables swallowed some of the cars.
    """
    check_on_reject(on_reject)
    if loaded_at is not None:
        loaded_at = require_instant("loaded_at", loaded_at)
    start = perf_counter()
    with read_committed(engine) as connection:
        announce(connection, loaded_at)
        lock_for_load(connection)
        require_tables(connection)
        require_no_cars(connection)
        started_at = read_clock(connection)
        loaded_at = loaded_at or started_at
        received, refused, _ = fill_staging(connection, *frames_of(cars))
        repetitions, repeated = refuse_repeated(connection)
        rejected = join_rejected([refused, repeated])
        if len(rejected) and on_reject == "raise":
            raise rejected_rows(rejected, received)
        insert_names(connection)
        with deferred_indexes(connection):
            expected = received - len(rejected) - repetitions
            inserted = _insert_cars(connection, loaded_at, expected)
        report = LoadReport(
            received=received,
            inserted=inserted,
            updated=0,
            deleted=0,
            unchanged=repetitions,
            rejected=rejected,
            seconds=perf_counter() - start,
            loaded_at=loaded_at,
        )
        log_load(connection, "initial", report, started_at)
    return report


def check_on_reject(on_reject: str) -> None:
    """Raise BadArgument unless `on_reject` is a known word."""
    if on_reject not in ("raise", "report"):
        raise BadArgument(f"Expected on_reject to be 'raise' or 'report', found {on_reject!r}.")


def require_no_cars(connection: Connection) -> None:
    """Raise TablesNotEmpty if there is a car."""
    if connection.scalar(text("SELECT EXISTS (SELECT FROM car_info)")):
        raise TablesNotEmpty(
            "Expected no cars, since an initial load fills empty tables, but car_info has rows. "
            "Add to them with delta_load(engine, cars), or start on an empty schema with "
            "connect(schema=..., fresh=True)."
        )


def rejected_rows(rejected: pd.DataFrame, received: int) -> RejectedRows:
    """Describe the refused rows: how many, why, and the first of them."""
    return RejectedRows(
        f"{describe_rejected(rejected, received)}\n"
        "Mend these rows, or load the others with on_reject='report' and find the refused ones in "
        "the report's `rejected`.",
        rejected,
    )


def insert_names(connection: Connection) -> None:
    """Insert the staged brands and models that the tables don't hold yet."""
    connection.execute(
        text(
            "INSERT INTO car_brand (name) SELECT brand FROM staging"
            " WHERE brand IS NOT NULL GROUP BY brand ORDER BY min(row) ON CONFLICT DO NOTHING"
        )
    )
    connection.execute(
        text(
            "INSERT INTO car_model (brand_id, name) SELECT b.brand_id, s.model"
            " FROM (SELECT brand, model, min(row) AS first FROM staging WHERE model IS NOT NULL"
            "       GROUP BY brand, model) s JOIN car_brand b ON b.name = s.brand"
            " ORDER BY s.first ON CONFLICT DO NOTHING"
        )
    )


def _insert_cars(connection: Connection, loaded_at: datetime, expected: int) -> int:
    """Insert the staged cars, and say how many; all of them, or CarlibError."""
    inserted = connection.execute(
        text(
            "INSERT INTO car_info"
            " (car_id, model_id, engine_size, vin, color, price, status, valid_from)"
            " SELECT s.car_id, m.model_id, s.engine_size, s.vin, s.color, s.price, s.status,"
            " :loaded_at"
            " FROM staging s JOIN car_brand b ON b.name = s.brand"
            " JOIN car_model m ON m.brand_id = b.brand_id AND m.name = s.model"
        ),
        {"loaded_at": loaded_at},
    ).rowcount
    if inserted != expected:
        raise CarlibError(
            f"Expected to insert {expected:,} cars, but {inserted:,} arrived, so none was loaded. "
            "Something on the tables changes or drops rows: look for triggers, rules and policies."
        )
    return inserted
