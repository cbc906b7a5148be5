"""One month of history: to a file, back from it, compared, listed, and only then removed."""

import io
import os
import secrets
import zlib
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet as pq
from sqlalchemy import text
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.engine import Connection, Row

from carlib.connection import driver_cursor
from carlib.errors import DamagedData
from carlib.history.archive_files import ARCHIVE, SCHEMA, checksum, listed_files
from carlib.history.copy import BATCH_ROWS, stream_query

# By its last row, a deleted car that comes back is given its id again (`delta_checks.revive`).
KEPT = (
    "h.operation = 'delete' AND NOT EXISTS (SELECT FROM car_info c WHERE c.car_id = h.car_id)"
    " AND NOT EXISTS (SELECT FROM car_info_history l"
    ' WHERE l.car_id = h.car_id AND l."timestamp" > h."timestamp")'
)
_COLUMNS = ", ".join(f'"{name}"' for name in SCHEMA.names)
_ROWS = f"""
SELECT {_COLUMNS} FROM car_info_history h
WHERE h."timestamp" >= %(month)s::timestamp AT TIME ZONE 'UTC'
  AND h."timestamp" < (%(month)s::timestamp + interval '1 month') AT TIME ZONE 'UTC'
  AND h."timestamp" < %(before)s::timestamptz
  AND NOT ({KEPT})
ORDER BY h.car_id, h."timestamp"
"""
_ALL = {alias: ", ".join(f'{alias}."{name}"' for name in SCHEMA.names) for alias in "ha"}
_EQUAL = (
    'h.car_id = a.car_id AND h."timestamp" = a."timestamp"'
    f" AND ROW({_ALL['h']}) IS NOT DISTINCT FROM ROW({_ALL['a']})"
)
_COMPARED = text(
    "SELECT count(*) AS rows, count(h.car_id) AS equal, min(a.valid_from) AS first_valid_from,"
    ' max(a."timestamp") AS last_timestamp FROM archived a'
    f" LEFT JOIN car_info_history h ON {_EQUAL}"
)
_REMOVED = text(f"DELETE FROM car_info_history h USING archived a WHERE {_EQUAL}")


@dataclass(frozen=True)
class ArchivedFile:
    """A file whose rows are no longer in the table."""

    path: Path
    month: str
    rows: int
    bytes: int


def archive_month(
    connection: Connection, month: datetime, before: datetime, directory: Path
) -> list[ArchivedFile]:
    """Move the rows of one month; returns the files that hold them.

    Args:
        connection: Holds the archiving lock; is in no transaction.
        month: Its first instant in UTC, without a time zone.
        before: Rows replaced at this instant or later stay.
        directory: Where the months' folders are.
    """
    folder = directory / f"year={month.year:04}" / f"month={month.month:02}"
    _make_folder(folder)
    with connection.begin():
        listed = {directory / row.file for row in listed_files(connection)}
    done = []
    for path in sorted(set(folder.glob("*.parquet")) - listed):
        # A run that ended between the file's renaming and its listing left it: nothing to rewrite.
        done.append(_take_over(connection, path, directory, before))
    path = folder / f"{_prefix(connection)}{secrets.token_hex(8)}.tmp"
    try:
        if rows := _write(connection, {"month": month, "before": before}, path):
            done.append(_finish(connection, path, directory, rows))
    finally:
        path.unlink(missing_ok=True)
    return [file for file in done if file is not None]


def remove_leftovers(connection: Connection, directory: Path) -> None:
    """Remove what runs of this schema were writing when they were interrupted."""
    for path in directory.glob(f"year=*/month=*/{_prefix(connection)}*.tmp"):
        path.unlink()


def _write(connection: Connection, period: dict[str, datetime], path: Path) -> int:
    """Write a month's rows to a new file and see that it is on the disk; returns their number."""
    rows = 0

    def add(piece: pa.Table) -> None:
        nonlocal rows
        rows += len(piece)
        writer.write_table(piece)

    with path.open("xb") as file:
        with connection.begin(), pq.ParquetWriter(file, SCHEMA, compression="zstd") as writer:
            stream_query(connection, _ROWS, period, SCHEMA, add)
        file.flush()
        os.fsync(file.fileno())
        if hasattr(os, "posix_fadvise"):  # forget it, so that reading it back asks the disk
            os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
    return rows


def _take_over(
    connection: Connection, path: Path, directory: Path, before: datetime
) -> ArchivedFile | None:
    """List a finished file of an earlier run, if all that it holds is in the table and to go."""
    if checksum(path) != path.stem:
        return None
    with connection.begin():
        found = _compare(connection, path)
        if found.equal < found.rows or not found.rows or found.last_timestamp >= before:
            connection.execute(text("DROP TABLE archived"))
            return None
        return _remove(connection, path, directory, found)


def _finish(connection: Connection, path: Path, directory: Path, rows: int) -> ArchivedFile:
    """Compare the file just written with the table, and give it its name.

    Raises:
        DamagedData: The table does not hold what the file holds; nothing was removed.
    """
    final = path.with_name(f"{checksum(path)}.parquet")
    with connection.begin():
        found = _compare(connection, path)
        if not found.equal == found.rows == rows:
            raise _mismatch(final, rows)
        os.replace(path, final)
        _sync_folder(final.parent)
        return _remove(connection, final, directory, found)


def _remove(connection: Connection, path: Path, directory: Path, found: Row) -> ArchivedFile:
    """Remove the rows of a file that was compared, comparing them once more, and list it."""
    if connection.execute(_REMOVED).rowcount != found.rows:
        raise _mismatch(path, found.rows)
    size = path.stat().st_size
    # Rows that somebody put back from a file and archives again make that same file again.
    connection.execute(
        insert(ARCHIVE).on_conflict_do_nothing(),
        {
            "file": path.relative_to(directory).as_posix(),
            "rows": found.rows,
            "bytes": size,
            "first_valid_from": found.first_valid_from,
            "last_timestamp": found.last_timestamp,
        },
    )
    return ArchivedFile(path, _month(path), found.rows, size)


def _mismatch(path: Path, rows: int) -> DamagedData:
    return DamagedData(
        f"Expected each of the {rows:,} rows of a file for {_month(path)} in car_info_history as "
        "it was written, but some have changed or gone since, or were not read back as they are. "
        "No row of this month was removed: find out who writes there, then archive again."
    )


def _compare(connection: Connection, path: Path) -> Row:
    """How many rows a file has, and how many of them the table has just so."""
    _stage(connection, path)
    return connection.execute(_COMPARED).one()


def _stage(connection: Connection, path: Path) -> None:
    """Read a file into a temporary table of the same types, a piece at a time."""
    connection.execute(
        text(
            "CREATE TEMPORARY TABLE archived ON COMMIT DROP AS"
            f" SELECT {_COLUMNS} FROM car_info_history WITH NO DATA"
        )
    )
    options = pyarrow.csv.WriteOptions(include_header=False)
    with pq.ParquetFile(path) as file, driver_cursor(connection) as cursor:
        for batch in file.iter_batches(BATCH_ROWS):
            buffer = io.BytesIO()
            pyarrow.csv.write_csv(batch, buffer, options)
            buffer.seek(0)
            cursor.copy_expert(f"COPY archived ({_COLUMNS}) FROM STDIN (FORMAT csv)", buffer)
    connection.execute(text("ANALYZE archived"))


def _prefix(connection: Connection) -> str:
    """How the unfinished files of this schema begin: another schema's are not ours to remove."""
    with connection.begin():
        schema = connection.scalar(text("SELECT current_schema()"))
    return f".{zlib.crc32(schema.encode()):08x}-"


def _month(path: Path) -> str:
    year, month = (part.partition("=")[2] for part in path.parts[-3:-1])
    return f"{year}-{month}"


def _make_folder(folder: Path) -> None:
    for path in reversed([folder, *folder.parents]):
        if not path.exists():
            path.mkdir(exist_ok=True)
            _sync_folder(path.parent)


def _sync_folder(folder: Path) -> None:
    """See that the names in a folder are on the disk. Windows has no such call, and needs none."""
    if os.name == "posix":
        number = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(number)
        finally:
            os.close(number)
