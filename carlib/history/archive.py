"""Archiving: old history moves from the table to Parquet files, one a month.

The files are written under temporary names, synced to the disk and read back. One transaction then
removes the rows, comparing each with what was read, renames the files and lists them in the table
`history_archive`. Readers trust listed files alone, so whenever this is interrupted, each row is in
the table or in a listed file, never in both or in neither. What an interruption leaves in the
folder, other files or one named ``.unfinished-…``, does no harm and may be deleted.
"""

import hashlib
import io
import os
from dataclasses import dataclass
from datetime import datetime
from os import PathLike
from pathlib import Path
from tempfile import TemporaryDirectory
from time import perf_counter

import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet as pq
from sqlalchemy import BigInteger, Column, DateTime, Engine, MetaData, String, Table, text
from sqlalchemy.engine import Connection

from carlib.connection import driver_cursor
from carlib.errors import BadArgument, DamagedData, WriteFailed
from carlib.history.copy import BATCH_ROWS, INSTANT, stream_query
from carlib.load_lock import require_instant
from carlib.models import NAMES
from carlib.tables import require_tables
from carlib.transactions import lock, read_committed

# Not in Base.metadata: the first archiving makes it.
ARCHIVE = Table(
    "history_archive",
    MetaData(naming_convention=NAMES),
    Column("file", String(200), primary_key=True),  # below the directory, with forward slashes
    Column("rows", BigInteger, nullable=False),
    Column("bytes", BigInteger, nullable=False),
    Column("first_valid_from", DateTime(timezone=True), nullable=False),
    Column("last_timestamp", DateTime(timezone=True), nullable=False),
    Column("archived_at", DateTime(timezone=True), server_default=text("clock_timestamp()")),
)

_TEXT = pa.string()
# The columns of a file: those of car_info_history that are not generated. Keys are text there.
SCHEMA = pa.schema(
    {
        "history_id": _TEXT, "car_id": _TEXT, "model_id": _TEXT,
        "engine_size": pa.decimal128(4, 2), "vin": _TEXT, "color": _TEXT,
        "price": pa.decimal128(12, 2), "status": pa.bool_(),
        "valid_from": INSTANT, "timestamp": INSTANT, "operation": _TEXT,
    }
)  # fmt: skip
_COLUMNS = ", ".join(f'"{name}"' for name in SCHEMA.names)

# By its last row, a deleted car that comes back is given its id again (`carlib.loading`).
_LAST_OF_DELETED = """h.operation = 'delete'
  AND NOT EXISTS (SELECT FROM car_info c WHERE c.car_id = h.car_id)
  AND NOT EXISTS (SELECT FROM car_info_history l
                  WHERE l.car_id = h.car_id AND l."timestamp" > h."timestamp")"""
_OLD = 'FROM car_info_history h WHERE h."timestamp" < %(before)s::timestamptz'
_MONTHS = f"""
SELECT DISTINCT date_trunc('month', h."timestamp", 'UTC') {_OLD} AND NOT ({_LAST_OF_DELETED})
ORDER BY 1"""
_KEPT = f"SELECT count(*) {_OLD} AND {_LAST_OF_DELETED}"
ROWS_OF_MONTH = f"""
SELECT {_COLUMNS} {_OLD} AND NOT ({_LAST_OF_DELETED})
  AND h."timestamp" >= %(month)s::timestamptz
  AND h."timestamp" < %(month)s::timestamptz + interval '1 month'
ORDER BY h.car_id, h."timestamp\""""
_STAGE = (
    "CREATE TEMPORARY TABLE archived (LIKE car_info_history INCLUDING GENERATED) ON COMMIT DROP"
)
REMOVE = """DELETE FROM car_info_history h USING archived a
WHERE h.car_id = a.car_id AND h."timestamp" = a."timestamp"
  AND ROW(h.*) IS NOT DISTINCT FROM ROW(a.*)"""
# Rows that somebody put back from a file and archives again make that same file again.
_LIST = """INSERT INTO history_archive (file, rows, bytes, first_valid_from, last_timestamp)
SELECT :file, count(*), :bytes, min(valid_from), max("timestamp") FROM archived
ON CONFLICT DO NOTHING"""


@dataclass(frozen=True)
class ArchiveReport:
    """What an archiving did.

    Attributes:
        before: Rows whose values were replaced before this instant were to go.
        directory: Where the files are.
        rows: How many rows are in the files now and no longer in the table.
        kept: How many older rows stayed in the table: the last one of each deleted car.
        files: The files that were added.
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
        lines = [f"\n  {name:<7} {count:>11,}" for name, count in self._counts().items()]
        return f"ArchiveReport of history before {self.before.isoformat(' ')}{''.join(lines)}"

    def _repr_html_(self) -> str:
        head = "".join(f"<th>{name}</th>" for name in ("before", *self._counts()))
        body = "".join(f"<td>{count:,}</td>" for count in self._counts().values())
        return (
            f"<table><thead><tr>{head}</tr></thead>"
            f"<tbody><tr><td>{self.before.isoformat(' ')}</td>{body}</tr></tbody></table>"
        )

    def _counts(self) -> dict[str, int]:
        files, months = len(self.files), len(self.months)
        return {"rows": self.rows, "kept": self.kept, "files": files, "months": months}


def archive_history(
    engine: Engine, before: datetime, directory: str | PathLike[str]
) -> ArchiveReport:
    """Move history from before an instant to Parquet files, each read back before rows go.

    The files are ``year=2024/month=11/<SHA-256 of the file>.parquet``, by the month (UTC) in which
    the values were replaced, with the columns of ``car_info_history``. `car_history` and
    `cars_as_of` answer as before when they are told the directory; `price_changes` knows the table
    only. All goes in one transaction: where it fails, nothing was archived. Loads need not wait.

    Args:
        engine: From `connect`, with the tables made by `create_tables`.
        before: Rows with a `timestamp` before this instant, with a time zone, go; but the last one
            of each deleted car stays: by it a load recognizes the car if it comes back.
        directory: A folder, made if missing; the same one for every run. ``~`` is your home.

    Returns:
        How many rows went into which files.

    Raises:
        BadArgument: `before` has no time zone, or `directory` can't be that of a folder.
        TablesMissing: The tables are not there; `create_tables` makes them.
        DamagedData: A file does not hold what the table holds.
        WriteFailed: A disk is full, the folder is read-only or can't be made, or the session was
            ended.
    """
    before, directory = require_instant("before", before), archive_folder(directory)
    start = perf_counter()
    moved: dict[Path, tuple[Path, int]] = {}  # from the unfinished file to its path and its rows
    try:
        with read_committed(engine) as connection:
            lock(connection, "carlib.archive")
            require_tables(connection)
            ARCHIVE.create(connection, checkfirst=True)
            months = connection.exec_driver_sql(_MONTHS, {"before": before}).scalars().all()
            directory.mkdir(parents=True, exist_ok=True)
            with TemporaryDirectory(prefix=".unfinished-", dir=directory) as folder:
                for month in months:
                    unfinished = Path(folder, month.isoformat()[:7])
                    if rows := _write(connection, {"month": month, "before": before}, unfinished):
                        moved[unfinished] = _remove(connection, unfinished, rows, directory), rows
                kept = connection.exec_driver_sql(_KEPT, {"before": before}).scalar_one()
                for unfinished, (path, _) in moved.items():
                    path.parent.mkdir(parents=True, exist_ok=True)
                    unfinished.replace(path)
                    for parent in (path.parent, path.parent.parent, directory):
                        _sync(parent)
    except OSError as error:
        raise WriteFailed(
            f"Expected to move history to files in {str(directory)!r}, found: {error}. Every row "
            "is in the table, or in a file that the table history_archive lists. Make room, or "
            "name a folder that you may write to; then archive again."
        ) from error
    files = tuple(path for path, _ in moved.values())
    return ArchiveReport(
        before=before,
        directory=directory,
        rows=sum(rows for _, rows in moved.values()),
        kept=kept,
        files=files,
        months=tuple(unfinished.name for unfinished in moved),
        bytes=sum(path.stat().st_size for path in files),
        seconds=perf_counter() - start,
    )


def archive_folder(directory: str | PathLike[str]) -> Path:
    """Return an archive's folder, which need not exist; raises BadArgument if it can't be one."""
    try:
        path = Path(directory).expanduser()
        no_path = "://" in str(directory) or "\0" in str(directory)
        if no_path or (path.exists() and not path.is_dir()):
            raise NotADirectoryError(str(directory))
    except (TypeError, OSError, RuntimeError) as error:  # RuntimeError: nobody has that home
        raise BadArgument(
            "Expected directory to be a folder on this computer, made if missing; found "
            f"{directory!r}, which can't be one."
        ) from error
    return path


def _write(connection: Connection, period: dict[str, datetime], path: Path) -> int:
    """Write a month's rows to a new file and see that it is on the disk; returns their number."""
    with path.open("xb") as file:
        with pq.ParquetWriter(file, SCHEMA, compression="zstd") as writer:
            rows = stream_query(connection, ROWS_OF_MONTH, period, SCHEMA, writer.write_table)
        file.flush()
        os.fsync(file.fileno())
    return rows


def _sync(folder: Path) -> None:
    """See that a folder's names are on the disk, before the rows of its files go."""
    if os.name != "nt":  # where a folder can't be opened
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)


def _remove(connection: Connection, path: Path, rows: int, directory: Path) -> Path:
    """Read a month's file back, remove the rows that it holds, and list it; returns its path to be.

    Raises DamagedData where they are not exactly the table's, or not as many as were written.
    """
    year, month = path.name.split("-")
    name = f"year={year}/month={month}/{checksum(path)}.parquet"
    connection.execute(text(_STAGE))
    with pq.ParquetFile(path) as file, driver_cursor(connection) as cursor:
        read_back = file.metadata.num_rows
        for batch in file.iter_batches(BATCH_ROWS):
            buffer = io.BytesIO()
            pyarrow.csv.write_csv(batch, buffer, pyarrow.csv.WriteOptions(include_header=False))
            buffer.seek(0)
            cursor.copy_expert(f"COPY archived ({_COLUMNS}) FROM STDIN (FORMAT csv)", buffer)
    connection.execute(text("ANALYZE archived"))
    if not connection.execute(text(REMOVE)).rowcount == read_back == rows:
        raise DamagedData(
            f"Expected each of the {rows:,} rows of a file for {path.name} in car_info_history as "
            "it was written, but some have changed or gone since, or were not read back as they "
            "are. No row was removed: find out who writes there, then archive again."
        )
    connection.execute(text(_LIST), {"file": name, "bytes": path.stat().st_size})
    connection.execute(text("DROP TABLE archived"))
    return directory / name


def checksum(path: Path) -> str:
    """The SHA-256 of a file's bytes in hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
