"""The delta load: new cars are added, changed ones updated, and what they were is remembered."""

from datetime import datetime
from time import perf_counter
from typing import Any, Literal

from sqlalchemy import Engine, text
from sqlalchemy.engine import Connection

from carlib.errors import WriteFailed
from carlib.load_lock import change_in_order, read_clock, require_instant
from carlib.loading.delta_checks import (
    check_delta_arguments,
    late_change,
    late_in_snapshot,
    note_refused_vins,
    refuse_incomplete,
    refuse_late,
    require_trusted_snapshot,
)
from carlib.loading.delta_sql import merge_statement
from carlib.loading.initial import OnReject, check_on_reject, insert_names
from carlib.loading.prepare import REQUIRED
from carlib.loading.report import (
    LoadReport,
    content_of_staging,
    log_load,
    rejected_rows,
    was_loaded,
)
from carlib.loading.staging import Cars, Staged, fill_staging, join_rejected, refuse_repeated
from carlib.transactions import retry

WORK_MEM = text("SET LOCAL work_mem = '64MB'")  # so that joins of a large delta stay in memory

# A deleted car that comes back gets the id that it had: its life goes on. Only the VIN under which
# it was deleted last brings it back; one that it had in an earlier life may come at the same time,
# as another car.
REVIVE = text(
    "UPDATE staging s SET car_id = h.car_id"
    " FROM (SELECT DISTINCT ON (vin) vin, car_id FROM car_info_history d"
    "       WHERE operation = 'delete' AND NOT EXISTS"
    "       (SELECT FROM car_info_history later WHERE later.car_id = d.car_id"
    '        AND later."timestamp" > d."timestamp")'
    '       ORDER BY vin, "timestamp" DESC) h'
    " WHERE s.vin = h.vin AND NOT EXISTS"
    " (SELECT FROM car_info c WHERE c.vin = h.vin OR c.car_id = h.car_id)"
)
LOST = text(
    "SELECT count(*) FROM staging s WHERE NOT EXISTS (SELECT FROM car_info c WHERE c.vin = s.vin)"
)


def delta_load(
    engine: Engine,
    cars: Cars,
    *,
    loaded_at: datetime | None = None,
    on_reject: OnReject = "raise",
    batch: str | None = None,
    missing: Literal["keep", "delete"] = "keep",
    max_deleted: float = 0.5,
    dry_run: bool = False,
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
        batch: A name for what is loaded. The same rows under that name again change nothing, in
            whatever order they come.
        missing: What happens to cars that are not mentioned: ``"keep"``, or ``"delete"`` when
            `cars` is a full snapshot. Cars of refused rows are kept, where their VIN can be read
            (what is invisible in it left out).
        max_deleted: The largest share of the cars that a snapshot may delete, from 0 to 1.
        dry_run: True to do all of it, and undo it: the report says what would come of the load.

    Returns:
        A `LoadReport`: how many rows came in, and what became of each.

    Raises:
        BadArgument: An argument is not of the expected kind or outside its range.
        TablesMissing: The tables are not there; `create_tables` makes them.
        WrongColumns: The frame's columns are not those of a cars frame, `brand` comes without
            `model`, or the frames of an iterator differ in their columns.
        RejectedRows: Rows were refused and `on_reject` is ``"raise"``.
        LateChange: A car that would change did so at or after `loaded_at` already, and `on_reject`
            is ``"raise"``, or it is one that a snapshot does not mention.
        BatchConflict: A batch of that name was loaded before, with other content.
        SnapshotRefused: A snapshot has no rows, or would delete more than `max_deleted`.
        WriteFailed: As for `initial_load`: a trigger, a lock that others hold for more than
            `carlib.transactions.LOCK_SECONDS`, a full disk, or a session that was ended.
    """
    check_on_reject(on_reject)
    check_delta_arguments(batch, missing, max_deleted)
    if loaded_at is not None:
        loaded_at = require_instant("loaded_at", loaded_at)
    start = perf_counter()
    with change_in_order(engine, loaded_at) as connection:
        connection.execute(WORK_MEM)
        started_at = read_clock(connection)
        staged = fill_staging(connection, cars, partial=True)
        content = content_of_staging(connection, staged.columns) if batch else None
        again = batch is not None and content is not None and was_loaded(connection, batch, content)

        def attempt() -> dict[str, Any]:
            # A savepoint keeps the staged rows: a stream that was read can't be read again.
            with connection.begin_nested():
                most = max_deleted if missing == "delete" else None
                return _apply(connection, staged, loaded_at, on_reject, most, again)

        # Someone without the load's lock may take a VIN under way: the next attempt sees it.
        outcome = retry(attempt)
        seconds = perf_counter() - start
        report = LoadReport(**outcome, seconds=seconds, batch=batch, loaded_before=again)
        if not again:
            log_load(connection, "delta", report, started_at, content)
        if dry_run:
            connection.rollback()
    return report


def _apply(
    connection: Connection,
    staged: Staged,
    given: datetime | None,
    on_reject: OnReject,
    max_deleted: float | None,
    again: bool,
) -> dict[str, Any]:
    """Take out of staging what can't be loaded, load the rest, and return what became of it.

    Args:
        connection: In whose savepoint all of it happens.
        staged: What came of filling the staging table.
        given: The instant of the change; None to read the clock.
        on_reject: As in `delta_load`.
        max_deleted: The largest share of the cars that may be deleted; None: what is not mentioned
            is kept.
        again: Whether the batch was loaded before, so that nothing is to be done.
    """
    columns = staged.columns
    # Under the lock: a load that waited must not be dated before the one it waited for. As late as
    # can be: someone without the lock may have written while the rows were on their way.
    loaded_at = given or read_clock(connection)
    _, repeated = refuse_repeated(connection, columns)
    rejected = join_rejected([staged.rejected, repeated, refuse_incomplete(connection, columns)])
    counts: dict[str, int] = {}
    if not again:
        late = refuse_late(connection, columns, loaded_at)
        if len(late) and on_reject == "raise":
            raise late_change(late["vin"].tolist(), loaded_at, given is None)
        rejected = join_rejected([rejected, late])
        if len(rejected) and on_reject == "raise":
            raise rejected_rows(rejected, staged.received)
        if max_deleted is not None:
            note_refused_vins(connection, rejected)
            require_trusted_snapshot(connection, staged.received, max_deleted)
            if unmentioned := late_in_snapshot(connection, loaded_at):
                raise late_change(unmentioned, loaded_at, given is None)
        counts = _merge(connection, staged, loaded_at, max_deleted is not None)
    inserted, updated = counts.get("INSERT", 0), counts.get("UPDATE", 0)
    return {
        "received": staged.received,
        "inserted": inserted,
        "updated": updated,
        "deleted": counts.get("DELETE", 0),
        "unchanged": staged.received - inserted - updated - len(rejected),
        "rejected": rejected,
        "loaded_at": loaded_at,
    }


def _merge(
    connection: Connection, staged: Staged, loaded_at: datetime, delete_missing: bool
) -> dict[str, int]:
    """Load the staged rows, and count the cars for each action of MERGE."""
    if staged.new_names:
        insert_names(connection)
    complete = set(REQUIRED) <= set(staged.columns)
    if complete:
        connection.execute(REVIVE)
    statement = merge_statement(staged.columns, insert=complete, delete_missing=delete_missing)
    done = connection.execute(text(statement), {"loaded_at": loaded_at})
    counts: dict[str, int] = {row[0]: row[1] for row in done}
    if complete and (lost := connection.scalar(LOST)):
        raise WriteFailed(
            f"Expected all cars of the delta in the table, but {lost:,} did not arrive, so nothing "
            "was loaded. Something on the tables changes or drops rows: look for triggers, rules "
            "and policies."
        )
    return counts
