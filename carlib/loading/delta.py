"""The delta load: new cars are added, changed ones updated, and what they were is remembered."""

from collections.abc import Sequence
from datetime import datetime
from time import perf_counter
from typing import Any, Literal

import pandas as pd
from sqlalchemy import Engine, text
from sqlalchemy.engine import Connection

from carlib.errors import BadArgument, LateChange, SnapshotRefused, WriteFailed
from carlib.load_lock import CLOCK_BEHIND, change_in_order, read_clock, require_instant
from carlib.loading import staging
from carlib.loading.delta_sql import differs, merge_statement, source_query
from carlib.loading.initial import OnReject, check_on_reject
from carlib.loading.prepare import REQUIRED
from carlib.loading.report import (
    LoadReport,
    content_of_staging,
    log_load,
    rejected_rows,
    was_loaded,
)
from carlib.text import tidy_text, visible_text
from carlib.transactions import retry

SHOWN = 5  # cars named in a message
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
NEW = "NOT EXISTS (SELECT FROM car_info c WHERE c.vin = s.vin)"
NOT_IN_SNAPSHOT = (
    "NOT EXISTS (SELECT FROM staging s WHERE s.vin = c.vin)"
    " AND NOT EXISTS (SELECT FROM refused_vin r WHERE r.vin = c.vin)"
)
ANYTHING_LATER = text(
    "SELECT EXISTS (SELECT FROM car_info WHERE valid_from >= :loaded_at)"
    ' OR EXISTS (SELECT FROM car_info_history WHERE "timestamp" > :loaded_at)'
)


def delta_load(
    engine: Engine,
    cars: staging.Cars,
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
        cars: As for `initial_load`, with the same columns in all frames of an iterator. Only `vin`
            must be there: what a frame has no column for stays as it is.
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
        BadArgument, TablesMissing, UnreadableFile, RejectedRows, WriteFailed: See `initial_load`.
        WrongColumns: The frame's columns are not those of a cars frame, `brand` comes without
            `model`, or the frames of an iterator differ in their columns.
        LateChange: A car that would change did so at or after `loaded_at` already, and `on_reject`
            is ``"raise"``, or it is one that a snapshot does not mention.
        BatchConflict: A batch of that name was loaded before, with other content.
        SnapshotRefused: A snapshot has no rows, or would delete more than `max_deleted`.
    """
    check_on_reject(on_reject)
    _check_arguments(batch, missing, max_deleted)
    if loaded_at is not None:
        loaded_at = require_instant("loaded_at", loaded_at)
    start = perf_counter()
    with change_in_order(engine, loaded_at) as connection:
        connection.execute(WORK_MEM)
        started_at = read_clock(connection)
        staged = staging.fill_staging(connection, cars, partial=True)
        content = content_of_staging(connection, staged.columns) if batch else None
        again = batch is not None and content is not None and was_loaded(connection, batch, content)
        most = max_deleted if missing == "delete" else None

        def attempt() -> dict[str, Any]:
            # A savepoint keeps the staged rows: a stream that was read can't be read again.
            with connection.begin_nested():
                return _apply(connection, staged, loaded_at, on_reject, most, again)

        # Someone without the load's lock may take a VIN under way: the next attempt sees it.
        outcome = retry(attempt) | {"seconds": perf_counter() - start}
        report = LoadReport(**outcome, batch=batch, loaded_before=again)
        if not again:
            log_load(connection, "delta", report, started_at, content)
        if dry_run:
            connection.rollback()
    return report


def _check_arguments(batch: Any, missing: object, max_deleted: Any) -> None:
    if missing not in ("keep", "delete"):
        raise BadArgument(f"Expected missing to be 'keep' or 'delete', found {missing!r}.")
    a_name = isinstance(batch, str) and batch.isprintable() and batch.strip() and len(batch) <= 200
    if batch is not None and not a_name:
        raise BadArgument(
            f"Expected batch to be a name of 1 to 200 printable characters, found {batch!r}."
        )
    is_number = isinstance(max_deleted, (int, float)) and not isinstance(max_deleted, bool)
    if not (is_number and 0 <= max_deleted <= 1):
        raise BadArgument(f"Expected max_deleted to be from 0 to 1, found {max_deleted!r}.")


def _apply(
    connection: Connection,
    staged: staging.Staged,
    given: datetime | None,
    on_reject: OnReject,
    max_deleted: float | None,
    again: bool,
) -> dict[str, Any]:
    """Take out of staging what can't be loaded, load the rest, and return what became of it.

    Where `given` is None, the clock is read; where `max_deleted` is None, what is not mentioned is
    kept; `again` says that the batch was loaded before, so that nothing is to be done.
    """
    columns = staged.columns
    # Under the lock: a load that waited must not be dated before the one it waited for. As late as
    # can be: someone without the lock may have written while the rows were on their way.
    loaded_at = given or read_clock(connection)
    clock = given is None
    _, repeated = staging.refuse_repeated(connection, columns)
    lacking = ", ".join(name for name in REQUIRED if name not in columns)
    reason = f"new car without {lacking}"
    incomplete = staging.take_out(connection, columns, NEW if lacking else None, reason)
    rejected = staging.join_rejected([staged.rejected, repeated, incomplete])
    counts: dict[str, int] = {}
    if not again:
        late = _refuse_late(connection, columns, loaded_at)
        if len(late) and on_reject == "raise":
            raise _late_change(late["vin"].tolist(), loaded_at, clock)
        rejected = staging.join_rejected([rejected, late])
        if len(rejected) and on_reject == "raise":
            raise rejected_rows(rejected, staged.received)
        if max_deleted is not None:
            _check_snapshot(connection, staged.received, rejected, max_deleted, loaded_at, clock)
        counts = _merge(connection, staged, loaded_at, max_deleted is not None)
    inserted, updated = counts.get("INSERT", 0), counts.get("UPDATE", 0)
    unchanged = staged.received - inserted - updated - len(rejected)
    outcome = {"received": staged.received, "inserted": inserted, "updated": updated}
    outcome |= {"deleted": counts.get("DELETE", 0), "unchanged": unchanged}
    return {**outcome, "rejected": rejected, "loaded_at": loaded_at}


def _refuse_late(
    connection: Connection, columns: Sequence[str], loaded_at: datetime
) -> pd.DataFrame:
    """Take changes out of staging that would come before what is known already.

    That is a car whose present values hold since `loaded_at` or later and would change, and a new
    one whose VIN some car had after `loaded_at`: it was deleted, or given another VIN.
    """
    when = {"loaded_at": loaded_at}
    # A model that the tables don't know yet is a change as well: hence the source's outer joins.
    late = (
        f"s.vin IN (SELECT c.vin FROM ({source_query(columns)}) s JOIN car_info c ON c.vin = s.vin"
        f" WHERE c.valid_from >= :loaded_at AND {differs(columns)}"
        f' UNION ALL SELECT s.vin FROM car_info_history s WHERE "timestamp" > :loaded_at AND {NEW})'
    )
    condition = late if connection.scalar(ANYTHING_LATER, when) else None
    reason = "late: the car changed at or after this load's instant"
    return staging.take_out(connection, columns, condition, reason, when)


def _check_snapshot(
    connection: Connection,
    received: int,
    rejected: pd.DataFrame,
    max_deleted: float,
    loaded_at: datetime,
    clock: bool,
) -> None:
    """Raise SnapshotRefused or LateChange if what a snapshot does not mention can't be deleted."""
    if not received:
        raise SnapshotRefused(
            "Expected a full snapshot of the cars, found no rows. If there are to be no cars any "
            "more, delete them one by one: delete_car(engine, car_id)."
        )
    # Cars of refused rows were mentioned. What can't be seen in a VIN is left out: who reads the
    # row takes it for that car's.
    texts = (visible_text(vin) for vin in rejected["vin"] if isinstance(vin, str))
    vins = sorted({tidy_text(vin, upper=True) for vin in texts})
    connection.execute(text("CREATE TEMPORARY TABLE refused_vin (vin text) ON COMMIT DROP"))
    note = "INSERT INTO refused_vin SELECT unnest(CAST(:vins AS text[]))"
    connection.execute(text(note), {"vins": vins})
    query = f"SELECT count(*), count(*) FILTER (WHERE {NOT_IN_SNAPSHOT}) FROM car_info c"
    cars, unmentioned = connection.execute(text(query)).one()
    if unmentioned > max_deleted * cars:
        raise SnapshotRefused(
            f"Expected a full snapshot that deletes at most {max_deleted:.0%} of the cars; this "
            f"one would delete {unmentioned:,} of {cars:,}. If it is right, say so with "
            f"max_deleted=1; if the frame holds changes only, use missing='keep'."
        )
    query = f"SELECT c.vin FROM car_info c WHERE c.valid_from >= :loaded_at AND {NOT_IN_SNAPSHOT}"
    late = connection.scalars(text(f"{query} ORDER BY c.vin"), {"loaded_at": loaded_at}).all()
    if late:
        raise _late_change(late, loaded_at, clock)


def _late_change(vins: Sequence[str], loaded_at: datetime, clock: bool) -> LateChange:
    more = f" and {len(vins) - SHOWN:,} more" if len(vins) > SHOWN else ""
    return LateChange(
        f"Expected every change to come after the car's last one, but {', '.join(vins[:SHOWN])}"
        f"{more} changed at or after {loaded_at:%Y-%m-%d %H:%M:%S %Z}. History can't be written "
        "backwards: load with a later loaded_at, or with on_reject='report' without these rows."
        f"{CLOCK_BEHIND * clock}"
    )


def _merge(
    connection: Connection, staged: staging.Staged, loaded_at: datetime, delete_missing: bool
) -> dict[str, int]:
    """Load the staged rows, and count the cars for each action of MERGE."""
    if staged.new_names:
        staging.insert_names(connection)
    complete = set(REQUIRED) <= set(staged.columns)
    if complete:
        connection.execute(REVIVE)
    statement = merge_statement(staged.columns, insert=complete, delete_missing=delete_missing)
    done = connection.execute(text(statement), {"loaded_at": loaded_at})
    counts: dict[str, int] = {row[0]: row[1] for row in done}
    lost = f"SELECT count(*) FROM staging s WHERE {NEW}"
    if complete and (number := connection.scalar(text(lost))):
        raise WriteFailed(
            f"Expected all cars of the delta in the table, but {number:,} did not arrive, so "
            "nothing was loaded. Something on the tables changes or drops rows: look for triggers, "
            "rules and policies."
        )
    return counts
