"""The delta load: new cars are added, changed ones updated, and what they were is remembered."""

from collections.abc import Iterator
from datetime import datetime
from time import perf_counter
from typing import Literal

import pandas as pd
import psycopg2
from sqlalchemy import Engine, text
from sqlalchemy.engine import Connection
from sqlalchemy.exc import DBAPIError

from carlib.delta_checks import (
    keep_refused,
    refuse_incomplete,
    refuse_late,
    require_trusted_snapshot,
    revive,
)
from carlib.delta_sql import merge_statement
from carlib.errors import BadArgument, MissingColumn
from carlib.load import (
    OnReject,
    check_arguments,
    insert_names,
    lock_for_load,
    rejected_rows,
    require_tables,
)
from carlib.load_log import content_of_staging, log_load, was_loaded
from carlib.prepare import REQUIRED, TARGETS, check_columns
from carlib.report import LoadReport
from carlib.staging import Cars, fill_staging, frames_of, join_rejected, refuse_repeated

# Met under way, these pass: deadlock, serialization failure, and a unique violation by someone
# who writes without the load's lock (PostgreSQL manual, "Serialization Failure Handling").
PASSING = {"40P01", "40001", "23505"}
ATTEMPTS = 4


def delta_load(
    engine: Engine,
    cars: Cars,
    *,
    loaded_at: datetime | None = None,
    on_reject: OnReject = "raise",
    batch: str | None = None,
    missing: Literal["keep", "delete"] = "keep",
    max_deleted: float = 0.5,
) -> LoadReport:
    """Bring the tables up to date with a frame of cars, in one transaction.

    Cars are found by VIN. New ones are inserted, changed ones updated, unchanged ones not touched;
    the replaced values of every changed or deleted car go to ``car_info_history``. Like
    `initial_load`, but for tables that have cars, and a frame may hold only some columns.

    Args:
        engine: From `connect`, with the tables made by `create_tables`.
        cars: A cars frame, an iterator of frames with the same columns, or the path of a CSV or
            Parquet file. Only `vin` must be there: what a frame has no column for stays as it is.
        loaded_at: The instant of the change, with a time zone; None means now, read once for the
            whole load after its lock was granted.
        on_reject: ``"raise"`` loads nothing when rows can't be loaded; ``"report"`` loads the
            others and hands the refused ones back.
        batch: A name for what is loaded. The same batch again changes nothing.
        missing: What happens to cars that are not mentioned: ``"keep"``, or ``"delete"`` when
            `cars` is a full snapshot.
        max_deleted: The largest share of the cars that a snapshot may delete, from 0 to 1.

    Raises:
        BadArgument: An argument is not of the expected kind.
        TablesMissing: The tables are not there; `create_tables` makes them.
        UnknownColumn, MissingColumn: The frame's columns are not those of a cars frame, `brand`
            comes without `model`, or the frames of an iterator differ in their columns.
        RejectedRows: Rows were refused and `on_reject` is ``"raise"``.
        LateChange: A car changed at or after `loaded_at`, and `on_reject` is ``"raise"``.
        BatchConflict: A batch of that name was loaded before, with other content.
        SnapshotRefused: A snapshot is empty or would delete more than `max_deleted`.
    """
    check_arguments(loaded_at, on_reject)
    if missing not in ("keep", "delete"):
        raise BadArgument(f"Expected missing to be 'keep' or 'delete', found {missing!r}.")
    if batch is not None and (not isinstance(batch, str) or not 0 < len(batch.strip()) <= 200):
        raise BadArgument(f"Expected batch to be a name of 1 to 200 characters, found {batch!r}.")
    attempts = 1 if isinstance(cars, Iterator) else ATTEMPTS  # an iterator can be read only once
    while True:
        attempts -= 1
        try:
            with engine.begin() as connection:
                return _attempt(
                    connection,
                    cars,
                    loaded_at=loaded_at,
                    on_reject=on_reject,
                    batch=batch,
                    max_deleted=max_deleted if missing == "delete" else None,
                )
        except (DBAPIError, psycopg2.Error) as error:
            original = error.orig if isinstance(error, DBAPIError) else error
            if getattr(original, "pgcode", None) not in PASSING or not attempts:
                raise


def _attempt(
    connection: Connection,
    cars: Cars,
    *,
    loaded_at: datetime | None,
    on_reject: OnReject,
    batch: str | None,
    max_deleted: float | None,
) -> LoadReport:
    """Do all of a delta load inside the connection's transaction."""
    start = perf_counter()
    lock_for_load(connection)
    require_tables(connection)
    # After the lock: a load that waited must not be dated before the one it waited for.
    started_at = connection.scalar(text("SELECT clock_timestamp()"))
    loaded_at = loaded_at or started_at
    stream = _SameColumns(cars)
    received, refused = fill_staging(connection, stream, required=("vin",))
    columns = stream.columns
    content = content_of_staging(connection, columns) if batch else None
    again = batch is not None and was_loaded(connection, batch, content)
    _, repeated = refuse_repeated(connection)
    incomplete = refuse_incomplete(connection, columns)
    rejected = join_rejected([refused, repeated, incomplete])
    counts = {"INSERT": 0, "UPDATE": 0, "DELETE": 0}
    if not again:
        if max_deleted is not None:
            keep_refused(connection, rejected)
            require_trusted_snapshot(connection, max_deleted)
        late = refuse_late(
            connection, columns, loaded_at, on_reject, delete_missing=max_deleted is not None
        )
        rejected = join_rejected([rejected, late])
        if len(rejected) and on_reject == "raise":
            raise rejected_rows(rejected, received)
        complete = set(REQUIRED) <= set(columns)
        if complete:
            insert_names(connection)
            revive(connection)
        statement = merge_statement(
            columns, insert=complete, delete_missing=max_deleted is not None
        )
        counts |= dict(connection.execute(text(statement), {"loaded_at": loaded_at}).all())
    report = LoadReport(
        received=received,
        inserted=counts["INSERT"],
        updated=counts["UPDATE"],
        deleted=counts["DELETE"],
        unchanged=received - counts["INSERT"] - counts["UPDATE"] - len(rejected),
        rejected=rejected,
        seconds=perf_counter() - start,
        loaded_at=loaded_at,
        batch=batch,
    )
    if not again:
        log_load(connection, "delta", report, started_at, content)
    return report


class _SameColumns:
    """The frames of a load, handed on as long as all have the same columns."""

    def __init__(self, cars: Cars) -> None:
        self._cars = cars
        self.columns: list[str] = ["vin"]

    def __iter__(self) -> Iterator[pd.DataFrame]:
        for number, frame in enumerate(frames_of(self._cars)[0]):
            check_columns(frame, required=("vin",))
            columns = [name for name in TARGETS if name in frame.columns]
            if ("brand" in columns) != ("model" in columns):
                raise MissingColumn(
                    "Expected brand and model together, since a model is known by both; found only "
                    f"{'brand' if 'brand' in columns else 'model'}."
                )
            if number and columns != self.columns:
                raise MissingColumn(
                    "Expected every frame to have the columns of the first, "
                    f"{', '.join(self.columns)}; found one with {', '.join(columns)}."
                )
            self.columns = columns
            yield frame
