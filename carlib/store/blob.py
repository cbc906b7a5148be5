"""The store's tables, and the way of the bytes into them and out again.

`data` is stored EXTERNAL: out of line and as it is. The bytes are compressed by their format, so
TOAST would try in vain; and of bytes stored as they are, the server can hand out a part without
reading the rest (PostgreSQL documentation, "TOAST").

As a parameter of a statement, psycopg2 sends bytes as hexadecimal text: twice the size, and several
copies in memory. COPY's binary form sends them as they are (PostgreSQL documentation, "COPY",
"Binary Format"). Here no more than a few megabytes are held beside the bytes themselves.
"""

import struct
from collections.abc import Collection, Iterator, Mapping
from types import SimpleNamespace
from typing import Any

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
    """Create those of the store's tables that are missing, as `create_tables` does its own."""
    with read_committed(engine) as connection:
        if STORE in create_missing(connection, METADATA, "carlib.store"):
            external = "ALTER TABLE dataframe_store ALTER COLUMN data SET STORAGE EXTERNAL"
            connection.execute(sa.text(external))


def insert(connection: Connection, values: Mapping[str, str | int | bytes | memoryview]) -> None:
    """Add a row to `dataframe_store` by binary COPY, in the connection's transaction."""
    names = ", ".join(f'"{name}"' for name in values)
    command = f"COPY dataframe_store ({names}) FROM STDIN (FORMAT binary)"
    pieces = _binary_row(values.values())
    source: Any = SimpleNamespace(read=lambda size: bytes(next(pieces, b"")))
    with driver_cursor(connection) as cursor:
        cursor.copy_expert(command, source, PIECE)


def fetch(connection: Connection, row: Row, start: int, stop: int) -> memoryview:
    """Fetch the bytes of a blob from `start`, counted from 0, up to `stop`; fewer if it ends."""
    return _copy_out(connection, _RANGE, row, start=start, stop=stop, piece=OUT_PIECE)


def fetch_all(connection: Connection, row: Row) -> memoryview:
    """Fetch all bytes of a blob, or a document's text as the server gives it out."""
    if row.format == "jsonb":
        return _copy_out(connection, _DOCUMENT, row)
    return fetch(connection, row, 0, row.actual_bytes)


def _copy_out(connection: Connection, query: str, row: Row, **values: int) -> memoryview:
    """Join the only field of all rows; `row` is one that this transaction has found."""
    data = bytearray()

    def write(message: bytes) -> int:
        # The driver hands over one row at a time: the number of fields (2 bytes), the field's
        # length (4) and the field; the header before the first, and a trailer of 2 bytes at last.
        data.extend(memoryview(message.removeprefix(_HEADER))[6:])
        return len(message)

    sink: Any = SimpleNamespace(write=write)
    with driver_cursor(connection) as cursor:
        # COPY takes no parameters: the driver puts them in as quoted literals.
        select = cursor.mogrify(query, {"name": row.name, "version": row.version, **values})
        cursor.copy_expert(f"COPY ({select.decode()}) TO STDOUT (FORMAT binary)", sink)
    return memoryview(data)


def _binary_row(values: Collection[str | int | bytes | memoryview]) -> Iterator[bytes | memoryview]:
    yield _HEADER + struct.pack(">h", len(values))
    for value in values:
        field = struct.pack(">q", value) if isinstance(value, int) else value
        field = field.encode() if isinstance(field, str) else field
        yield struct.pack(">i", len(field))
        yield from (field[start : start + PIECE] for start in range(0, len(field), PIECE))
    yield struct.pack(">h", -1)
