"""The store's tables, and the way of the bytes into them and out again.

`data` is stored EXTERNAL: out of line and as it is. The bytes are compressed by their format, so
TOAST would try in vain; and of bytes stored as they are, the server can hand out a part without
reading the rest (PostgreSQL documentation, "TOAST").

As a parameter of a statement, psycopg2 sends bytes as hexadecimal text: twice the size, and several
copies in memory. COPY's binary form sends them as they are (PostgreSQL documentation, "COPY",
"Binary Format"). Here no more than a few megabytes are held beside the bytes themselves.
"""

import struct
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import numpy as np
import sqlalchemy as sa
from sqlalchemy import BigInteger, Column, Text
from sqlalchemy.dialects.postgresql import JSON, JSONB
from sqlalchemy.engine import Connection, Row

from carlib.connection import driver_cursor
from carlib.models import NAMES
from carlib.tables import create_missing
from carlib.transactions import read_committed

# Not in Base.metadata: these tables are made by the first DataFrameStore of a schema.
METADATA = sa.MetaData(naming_convention=NAMES)

STORE = sa.Table(
    "dataframe_store",
    METADATA,
    Column("name", Text, primary_key=True),
    Column("version", BigInteger, primary_key=True, autoincrement=False),
    Column("format", Text, nullable=False),
    Column("compression", Text, nullable=False),
    *(Column(name, BigInteger, nullable=False) for name in ("rows", "columns", "bytes")),
    Column("sha256", Text, nullable=False),  # of the bytes, or of the document's text
    Column("schema", JSON),  # json, not jsonb: names of columns may hold NUL
    Column("created_at", sa.DateTime(timezone=True), nullable=False, server_default=sa.func.now()),
    Column("data", sa.LargeBinary),
    Column("document", JSONB),
)

# The last version that each name ever had. It stays when versions are deleted, so that no number
# is used twice; and its row is the lock for which a second writer of the same name waits.
LAST_VERSION = sa.Table(
    "dataframe_store_name",
    METADATA,
    Column("name", Text, primary_key=True),
    Column("last_version", BigInteger, nullable=False),
)

PIECE = 1 << 20  # bytes that travel in one go to the server
OUT_PIECE = 1 << 18  # and from it: it holds one row of COPY in memory at a time
_HEADER = b"PGCOPY\n\xff\r\n\0" + struct.pack(">ii", 0, 0)
_TRAILER = struct.pack(">h", -1)
_RANGE = """
SELECT substring(data FROM CAST(start AS integer) + 1
    FOR CAST(least(%(piece)s, %(stop)s - start) AS integer))
FROM dataframe_store, generate_series(%(start)s, %(stop)s - 1, %(piece)s) AS start
WHERE name = %(name)s AND version = %(version)s ORDER BY start
"""
_DOCUMENT = """
SELECT convert_to(CAST(document AS text), 'UTF8') FROM dataframe_store
WHERE name = %(name)s AND version = %(version)s
"""


def make_store_tables(engine: sa.Engine) -> None:
    """Create those of the store's tables that are missing in the engine's schema.

    Raises:
        TableMismatch: Something of a table's name exists, but it is no table or has other columns.
            Nothing is created then.
    """
    with read_committed(engine) as connection:
        if STORE in create_missing(connection, METADATA, "carlib.store"):
            external = "ALTER TABLE dataframe_store ALTER COLUMN data SET STORAGE EXTERNAL"
            connection.execute(sa.text(external))


def insert(connection: Connection, values: Mapping[str, Any]) -> None:
    """Add a row to `dataframe_store` by binary COPY.

    Args:
        connection: The row becomes part of its transaction.
        values: For each column a text, a whole number or bytes.
    """
    names = ", ".join(f'"{name}"' for name in values)
    source: Any = _Source(_stream(values))  # psycopg2's types ask for readline, COPY does not
    with driver_cursor(connection) as cursor:
        command = f"COPY dataframe_store ({names}) FROM STDIN (FORMAT binary)"
        cursor.copy_expert(command, source, PIECE)


def fetch(connection: Connection, row: Row, start: int, stop: int) -> memoryview:
    """Fetch the bytes of a blob from `start` up to `stop`; fewer where it has fewer.

    Args:
        connection: The transaction in which `row` was found.
        row: With the name and the version.
        start: The first byte, counted from 0.
        stop: The byte after the last one.
    """
    data, place = np.empty(stop - start, dtype=np.uint8).data, 0

    def add(piece: memoryview) -> None:
        nonlocal place
        data[place : place + len(piece)] = piece
        place += len(piece)

    _copy_out(connection, _RANGE, row, add, start=start, stop=stop, piece=OUT_PIECE)
    return data[:place]


def fetch_all(connection: Connection, row: Row) -> memoryview:
    """Fetch all bytes of a blob, or a document's text as the server gives it out."""
    if row.format != "jsonb":
        return fetch(connection, row, 0, row.actual_bytes)
    parts: list[bytes] = []
    _copy_out(connection, _DOCUMENT, row, lambda piece: parts.append(bytes(piece)))
    return memoryview(b"".join(parts))


def _copy_out(
    connection: Connection,
    query: str,
    row: Row,
    consume: Callable[[memoryview], object],
    **values: int,
) -> None:
    with driver_cursor(connection) as cursor:
        # COPY takes no parameters: the driver puts them in as quoted literals.
        values_of_row = {"name": row.name, "version": row.version}
        select = cursor.mogrify(query, values_of_row | values).decode()
        cursor.copy_expert(f"COPY ({select}) TO STDOUT (FORMAT binary)", _Sink(consume))


def _stream(values: Mapping[str, Any]) -> Iterator[bytes | memoryview]:
    yield _HEADER + struct.pack(">h", len(values))
    for value in values.values():
        field = struct.pack(">q", value) if isinstance(value, int) else value
        field = field.encode() if isinstance(field, str) else field
        yield struct.pack(">i", len(field))
        yield from (field[start : start + PIECE] for start in range(0, len(field), PIECE))
    yield _TRAILER


class _Source:
    """What COPY reads from: pieces, none larger than `PIECE`."""

    def __init__(self, pieces: Iterator[bytes | memoryview]) -> None:
        self._pieces = pieces

    def read(self, size: int) -> bytes:
        assert size >= PIECE
        return bytes(next(self._pieces, b""))


class _Sink:
    """What COPY writes to. PostgreSQL's client library writes exactly one row at a time."""

    def __init__(self, consume: Callable[[memoryview], object]) -> None:
        self._consume = consume
        self._begun = False

    def write(self, message: bytes) -> int:
        view = memoryview(message)
        if not self._begun:  # the header, alone or before the first row
            view, self._begun = view[len(_HEADER) :], True
        if len(view) > len(_TRAILER):
            _, length = struct.unpack_from(">hi", view)
            if length >= 0:
                self._consume(view[6 : 6 + length])
        return len(message)
