"""Archiving: old history moves from the table to Parquet files, month by month.

Where this is interrupted, at any moment, each row is in the table or in a file that the table
`history_archive` lists, never in neither. The next run goes on where the last one ended.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from os import PathLike
from pathlib import Path
from time import perf_counter

from sqlalchemy import Engine, text
from sqlalchemy.engine import Connection

from carlib.errors import BadArgument
from carlib.history.archive_files import ARCHIVE
from carlib.history.archive_month import KEPT, archive_month, remove_leftovers
from carlib.load_lock import require_instant
from carlib.tables import require_tables
from carlib.transactions import lock


@dataclass(frozen=True)
class ArchiveReport:
    """What an archiving did.

    Attributes:
        before: Rows whose values were replaced before this instant were to go.
        directory: Where the files are.
        rows: Rows that are in the files now and no longer in the table.
        kept: Rows that stayed in the table although they are older: the last one of each deleted
            car, by which a load recognizes the car if it comes back.
        files: The files that were added, as paths.
        months: The months of these rows, such as "2024-11", in UTC.
        bytes: The size of these files.
        seconds: How long it took.
    """

    before: datetime
    directory: Path
    rows: int
    kept: int
    files: tuple[Path, ...]
    months: tuple[str, ...]
    bytes: int
    seconds: float

    def __repr__(self) -> str:
        # No sizes, names and seconds: they differ from run to run.
        lines = [f"ArchiveReport of history before {self.before.isoformat(' ')}"]
        lines += [f"  {name:<7} {count:>11,}" for name, count in self._counts().items()]
        return "\n".join(lines)

    def _repr_html_(self) -> str:
        counts = self._counts()
        head = "".join(f"<th>{name}</th>" for name in ["before", *counts])
        body = "".join(f"<td>{count:,}</td>" for count in counts.values())
        return (
            f"<table><thead><tr>{head}</tr></thead>"
            f"<tbody><tr><td>{self.before.isoformat(' ')}</td>{body}</tr></tbody></table>"
        )

    def _counts(self) -> dict[str, int]:
        return {
            "rows": self.rows,
            "kept": self.kept,
            "files": len(self.files),
            "months": len(self.months),
        }


def archive_history(
    engine: Engine, before: datetime, directory: str | PathLike[str]
) -> ArchiveReport:
    """Move history from before an instant to Parquet files, each read back before rows go.

    The files are ``year=2024/month=11/<SHA-256 of the file>.parquet``, by the month (UTC) in which
    the values were replaced, compressed with zstd, with the columns of ``car_info_history``; brand
    and model are in them by the `model_id` alone. `car_history` and `cars_as_of` answer as before
    when they are told the directory; `price_changes` knows the table only.

    Loads are not kept waiting. A second archiving of the same schema waits for the first. Keep the
    directory for one schema.

    Args:
        engine: From `connect`, with the tables made by `create_tables`.
        before: Rows with a `timestamp` before this instant go, except for the last one of each
            deleted car. It has a time zone.
        directory: A folder, made if missing; the same one for every run.

    Returns:
        An `ArchiveReport`: how many rows went into which files.

    Raises:
        BadArgument: `before` has no time zone, or `directory` is a file.
        TablesMissing: The tables are not there; `create_tables` makes them.
        DamagedData: A file does not hold what the table holds. What it holds stays there.
    """
    before = require_instant("before", before)
    directory = Path(directory)
    if directory.exists() and not directory.is_dir():
        raise BadArgument(f"Expected directory to be a folder, found a file: {str(directory)!r}.")
    start = perf_counter()
    moved = []
    with _only_archiver(engine) as connection:
        with connection.begin():
            require_tables(connection)
            ARCHIVE.create(connection, checkfirst=True)
            months = connection.scalars(text(MONTHS), {"before": before}).all()
        remove_leftovers(connection, directory)
        for month in months:
            moved += archive_month(connection, month, before, directory)
        with connection.begin():
            kept = connection.scalar(text(KEPT_ROWS), {"before": before})
    return ArchiveReport(
        before=before,
        directory=directory,
        rows=sum(file.rows for file in moved),
        kept=kept,
        files=tuple(file.path for file in moved),
        months=tuple(sorted({file.month for file in moved})),
        bytes=sum(file.bytes for file in moved),
        seconds=perf_counter() - start,
    )


MONTHS = (
    "SELECT DISTINCT date_trunc('month', h.\"timestamp\" AT TIME ZONE 'UTC')"
    f' FROM car_info_history h WHERE h."timestamp" < :before AND NOT ({KEPT}) ORDER BY 1'
)
KEPT_ROWS = f'SELECT count(*) FROM car_info_history h WHERE h."timestamp" < :before AND {KEPT}'


@contextmanager
def _only_archiver(engine: Engine) -> Iterator[Connection]:
    """A connection of its own that holds the schema's archiving lock as long as it lives.

    All that changes the database goes through it: who loses the connection, and so the lock, can
    remove nothing any more.
    """
    held = None
    try:
        with engine.connect() as connection:
            held = connection.connection.dbapi_connection
            connection.detach()  # back in the pool, it would hold the lock for ever
            with connection.begin():
                lock(connection, "carlib.archive", whole_session=True)
            yield connection
    finally:
        if held is not None:  # a statement that is interrupted leaves a detached one open
            held.close()
