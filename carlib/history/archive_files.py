"""The Parquet files of archived history: their form, their names, and reading them back.

A file is named after its bytes, by their SHA-256: the name is the checksum, the same rows written
again give the same file, and different rows never one of the same name. A file never changes. Which
files there are, the table `history_archive` says; it is written in the transaction that removes the
rows, so rows are either in the table or in a listed file, for every reader at every moment.
"""

import hashlib
from collections.abc import Iterable
from datetime import datetime
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from sqlalchemy import BigInteger, Column, DateTime, MetaData, String, Table, func, select, text
from sqlalchemy.engine import Connection, Row
from sqlalchemy.types import Numeric, TypeEngine

from carlib.errors import DamagedData
from carlib.models import NAMES, CarInfoHistory

# Not in Base.metadata: the first archiving makes it.
ARCHIVE = Table(
    "history_archive",
    MetaData(naming_convention=NAMES),
    Column("file", String(200), primary_key=True),  # below the directory, with forward slashes
    Column("rows", BigInteger, nullable=False),
    Column("bytes", BigInteger, nullable=False),
    Column("first_valid_from", DateTime(timezone=True), nullable=False),
    Column("last_timestamp", DateTime(timezone=True), nullable=False),
    Column(
        "archived_at",
        DateTime(timezone=True),
        nullable=False,
        server_default=func.clock_timestamp(),
    ),
)


def _arrow_type(kind: TypeEngine) -> pa.DataType:
    """The type in Parquet of a column in PostgreSQL; keys are text, which every reader shows."""
    if kind.python_type is bool:
        return pa.bool_()
    if kind.python_type is datetime:
        return pa.timestamp("us", "UTC")
    if isinstance(kind, Numeric) and kind.precision:
        return pa.decimal128(kind.precision, kind.scale)
    return pa.string()


SCHEMA = pa.schema(
    [
        pa.field(column.name, _arrow_type(column.type))
        for column in CarInfoHistory.__table__.columns
        if column.computed is None
    ]
)
"""The columns of a file: those of ``car_info_history`` that hold something of their own."""


def listed_files(connection: Connection) -> list[Row]:
    """The rows of `history_archive`; none where nothing was ever archived."""
    if connection.scalar(text("SELECT to_regclass(:name)"), {"name": ARCHIVE.name}) is None:
        return []
    return list(connection.execute(select(ARCHIVE).order_by(ARCHIVE.c.file)))


def checksum(path: Path) -> str:
    """The SHA-256 of a file's bytes, as 64 hexadecimal digits."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def read_archived(directory: Path, files: Iterable[str], condition: pc.Expression) -> pa.Table:
    """Read the rows that meet a condition, after making sure that the files are whole.

    Args:
        directory: What `archive_history` was given.
        files: Names as in `history_archive`.
        condition: On the columns of `SCHEMA`.

    Raises:
        DamagedData: A file is missing, or its bytes are not those that were written.
    """
    tables = [SCHEMA.empty_table()]
    for name in files:
        path = directory / name
        try:
            if checksum(path) != path.stem:
                raise _damaged(directory, name, "other bytes than were written")
            tables.append(pq.read_table(path, filters=condition, partitioning=None))
        except FileNotFoundError as error:
            raise _damaged(directory, name, "nothing there") from error
        except (OSError, pa.ArrowException) as error:
            raise _damaged(directory, name, f"that it can't be read ({error})") from error
    return pa.concat_tables(tables)


def _damaged(directory: Path, name: str, found: str) -> DamagedData:
    return DamagedData(
        f"Expected the archived file {name} in {str(directory)!r}, as it was written; found "
        f"{found}. Its rows are no longer in car_info_history, so no answer is given without "
        "them: pass the directory that archive_history wrote, or bring the file back from a copy."
    )
