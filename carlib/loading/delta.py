"""The delta load: new cars are added, changed ones updated, and what they were is remembered."""

from collections.abc import Iterator, Sequence
from datetime import datetime
from itertools import chain, islice
from time import perf_counter
from typing import Literal, NamedTuple

import pandas as pd
from sqlalchemy import Engine, text
from sqlalchemy.engine import Connection

from carlib.errors import WrongColumns
from carlib.load_lock import announce, lock_for_load, read_clock, require_instant
from carlib.loading.delta_checks import (
    check_delta_arguments,
    delta_columns,
    note_refused_vins,
    refuse_incomplete,
    refuse_late,
    require_all_there,
    require_none_late,
    require_trusted_snapshot,
    revive,
)
from carlib.loading.delta_sql import merge_statement
from carlib.loading.initial import (
    OnReject,
    check_on_reject,
    insert_names,
    rejected_rows,
)
from carlib.loading.log import content_of_staging, log_load, was_loaded
from carlib.loading.prepare import REQUIRED
from carlib.loading.report import LoadReport
from carlib.loading.staging import (
    Cars,
    Staged,
    fill_staging,
    frames_of,
    join_rejected,
    refuse_repeated,
)
from carlib.tables import require_tables
from carlib.transactions import RETRYABLE_SQLSTATES, UNIQUE_VIOLATION, read_committed, retry

WORK_MEM = text("SET LOCAL work_mem = '64MB'")  # so that joins of a large delta stay in memory


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
            `cars` is a full snapshot. Cars of refused rows are kept, where their VIN can be read.
        max_deleted: The largest share of the cars that a snapshot may delete, from 0 to 1.
        dry_run: True to do all of it, and undo it: the report says what would come of the load.

    Returns:
        A `LoadReport`: how many rows came in, and what became of each.

    Raises:
        BadArgument: An argument is not of the expected kind or outside its range.
        TablesMissing: The tables are not there; `create_tables` makes them.
        WrongColumns, WrongColumns: The frame's columns are not those of a cars frame, `brand`
            comes without `model`, or the frames of an iterator differ in their columns.
        RejectedRows: Rows were refused and `on_reject` is ``"raise"``.
        LateChange: A car that would change did so at or after `loaded_at` already, and `on_reject`
            is ``"raise"``, or it is one that a snapshot does not mention.
        BatchConflict: A batch of that name was loaded before, with other content.
        SnapshotRefused: A snapshot has no rows, or would delete more than `max_deleted`.
        CarlibError: A trigger or the like on the tables swallowed some of the cars.
    """
    check_on_reject(on_reject)
    check_delta_arguments(batch, missing, max_deleted)
    if loaded_at is not None:
        loaded_at = require_instant("loaded_at", loaded_at)
    start = perf_counter()
    with read_committed(engine) as connection:
        announce(connection, loaded_at)
        lock_for_load(connection)
        connection.execute(WORK_MEM)
        require_tables(connection)
        started_at = read_clock(connection)
        stream = _UniformFrames(cars)
        required = [name for name in REQUIRED if name in stream.columns]
        staged = fill_staging(connection, stream, stream.total, required)
        content = content_of_staging(connection, stream.columns) if batch else None
        again = batch is not None and content is not None and was_loaded(connection, batch, content)
        task = _Task(
            columns=stream.columns,
            staged=staged,
            loaded_at=loaded_at,
            on_reject=on_reject,
            max_deleted=max_deleted if missing == "delete" else None,
            again=again,
        )

        def attempt() -> _Outcome:
            # A savepoint keeps the staged rows: a stream that was read can't be read again.
            with connection.begin_nested():
                return _apply(connection, task)

        # Someone without the load's lock may take a VIN under way: the next attempt sees it.
        outcome = retry(attempt, sqlstates=RETRYABLE_SQLSTATES | {UNIQUE_VIOLATION})
        report = LoadReport(
            received=staged.received,
            inserted=outcome.inserted,
            updated=outcome.updated,
            deleted=outcome.deleted,
            unchanged=staged.received - outcome.inserted - outcome.updated - len(outcome.rejected),
            rejected=outcome.rejected,
            seconds=perf_counter() - start,
            loaded_at=outcome.loaded_at,
            batch=batch,
            loaded_before=again,
        )
        if not again:
            log_load(connection, "delta", report, started_at, content)
        if dry_run:
            connection.rollback()
    return report


class _Task(NamedTuple):
    """What a load is to do with the staged rows."""

    columns: Sequence[str]
    staged: Staged
    loaded_at: datetime | None
    on_reject: OnReject
    max_deleted: float | None  # None: cars that are not mentioned are kept
    again: bool  # the batch was loaded before


class _Outcome(NamedTuple):
    """What became of the staged rows."""

    inserted: int
    updated: int
    deleted: int
    rejected: pd.DataFrame
    loaded_at: datetime


def _apply(connection: Connection, task: _Task) -> _Outcome:
    """Take out of staging what can't be loaded, and load the rest."""
    columns = task.columns
    # Under the lock: a load that waited must not be dated before the one it waited for. As late as
    # can be: someone without the lock may have written while the rows were on their way.
    loaded_at = task.loaded_at or read_clock(connection)
    _, repeated = refuse_repeated(connection)
    incomplete = refuse_incomplete(connection, columns)
    rejected = join_rejected([task.staged.rejected, repeated, incomplete])
    if task.again:
        return _Outcome(0, 0, 0, rejected, loaded_at)
    late = refuse_late(connection, columns, loaded_at, task.on_reject)
    rejected = join_rejected([rejected, late])
    if len(rejected) and task.on_reject == "raise":
        raise rejected_rows(rejected, task.staged.received)
    if task.max_deleted is not None:
        note_refused_vins(connection, rejected)
        require_trusted_snapshot(connection, task.staged.received, task.max_deleted)
        require_none_late(connection, loaded_at)
    if task.staged.new_names:
        insert_names(connection)
    complete = set(REQUIRED) <= set(columns)
    if complete:
        revive(connection)
    statement = merge_statement(
        columns, insert=complete, delete_missing=task.max_deleted is not None
    )
    done = connection.execute(text(statement), {"loaded_at": loaded_at})
    counts: dict[str, int] = {row[0]: row[1] for row in done}
    if complete:
        require_all_there(connection)
    inserted, updated, deleted = (counts.get(a, 0) for a in ("INSERT", "UPDATE", "DELETE"))
    return _Outcome(inserted, updated, deleted, rejected, loaded_at)


class _UniformFrames:
    """The frames of a load, handed on as long as all have the same columns."""

    def __init__(self, cars: Cars) -> None:
        frames, self.total = frames_of(cars)
        first = list(islice(frames, 1))
        self.columns = delta_columns(first[0]) if first else ["vin"]
        self._frames = chain(first, frames)

    def __iter__(self) -> Iterator[pd.DataFrame]:
        for frame in self._frames:
            columns = delta_columns(frame)
            if columns != self.columns:
                raise WrongColumns(
                    "Expected every frame to have the columns of the first, "
                    f"{', '.join(self.columns)}; found one with {', '.join(columns)}."
                )
            yield frame
