"""The store's tables, their rows, and the way of the bytes into them and out again.

`data` is stored EXTERNAL: out of line and as it is. The bytes are compressed by their format, so
TOAST would try in vain; and of bytes stored as they are, the server can hand out a part without
reading the rest (PostgreSQL documentation, "TOAST").

As a parameter of a statement, psycopg2 sends bytes as hexadecimal text: twice the size, and several
copies in memory. COPY's binary form sends them as they are (PostgreSQL documentation, "COPY",
"Binary Format"). Here no more than a few megabytes are held beside the bytes themselves.
"""

import hashlib
import struct
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from types import SimpleNamespace
from typing import Any

import sqlalchemy as sa
from sqlalchemy import BigInteger, Column, Text, text
from sqlalchemy.dialects.postgresql import JSON, JSONB
from sqlalchemy.engine import Connection, Row

from carlib.connection import driver_cursor
from carlib.errors import NotFound
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

# A row that another tool has inserted counts as well.
NEXT_VERSION = text("""
INSERT INTO dataframe_store_name AS n (name, last_version)
SELECT :name, coalesce(max(version), 0) + 1 FROM dataframe_store WHERE name = :name
ON CONFLICT (name) DO UPDATE SET last_version = greatest(n.last_version + 1, excluded.last_version)
RETURNING last_version
""")
# The columns of a StoredFrame, and what reading needs: the row without its bytes and its document.
FIND = text("""
SELECT name, version, format, compression, "rows", columns, bytes, sha256, created_at,
    coalesce(schema, '{}') AS schema, coalesce(octet_length(data), 0) AS actual_bytes
FROM dataframe_store WHERE name = :name AND version = coalesce(:version, version)
ORDER BY version DESC LIMIT 1
""")
DELETE = text("""
DELETE FROM dataframe_store WHERE name = :name AND version = coalesce(:version, version)
""")
# The sizes of values stored out of line are in their pointers: no byte of them is read.
LIST = text("""
SELECT name, version, format, compression, "rows", columns, bytes,
    coalesce(pg_column_size(data), 0) + coalesce(pg_column_size(document), 0) AS stored_bytes,
    created_at
FROM dataframe_store ORDER BY name COLLATE "C", version
""")

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
            connection.execute(text(external))


def insert(connection: Connection, values: Mapping[str, Any], data: memoryview) -> Row:
    """Add a frame's row, with the next version of its name, by binary COPY; return it as `find`."""
    row = {
        **values, "version": connection.scalar(NEXT_VERSION, {"name": values["name"]}),
        "bytes": len(data), "sha256": hashlib.sha256(data).hexdigest(), "data": data,
    }  # fmt: skip
    if values["format"] == "jsonb":
        row["document"] = memoryview(b"\1" + row.pop("data"))  # the version of its binary form
    names = ", ".join(f'"{name}"' for name in row)
    pieces = _binary_row(row.values())
    source: Any = SimpleNamespace(read=lambda size: bytes(next(pieces, b"")))
    with driver_cursor(connection) as cursor:
        command = f"COPY dataframe_store ({names}) FROM STDIN (FORMAT binary)"
        cursor.copy_expert(command, source, PIECE)
    return find(connection, values["name"], row["version"])


@contextmanager
def one_snapshot(engine: sa.Engine) -> Iterator[Connection]:
    """A transaction in which a row and its bytes belong together, whoever deletes meanwhile."""
    options = {"isolation_level": "REPEATABLE READ", "postgresql_readonly": True}
    with engine.connect().execution_options(**options) as connection, connection.begin():
        yield connection


def find(connection: Connection, name: str, version: int | None) -> Row:
    """Find a version, by default the newest one, or raise NotFound."""
    row = connection.execute(FIND, {"name": name, "version": version}).one_or_none()
    if row is None:
        raise _not_found(name, version)
    return row


def delete(connection: Connection, name: str, version: int | None) -> int:
    """Delete a version, by default all, and return how many that were, or raise NotFound."""
    count = connection.execute(DELETE, {"name": name, "version": version}).rowcount
    if not count:
        raise _not_found(name, version)
    return count


def _not_found(name: str, version: int | None) -> NotFound:
    which = "" if version is None else f" in version {version}"
    wanted = f"Expected a frame stored as {name!r}{which}; found none."
    return NotFound(f"{wanted} The store's list() shows what is there.")


def fetch(connection: Connection, row: Row, start: int, stop: int) -> memoryview:
    """Fetch the bytes of a blob from `start`, counted from 0, up to `stop`; fewer if it ends."""
    return _copy_out(connection, _RANGE, row, start=start, stop=stop, piece=OUT_PIECE)


def fetch_all(connection: Connection, row: Row) -> memoryview:
    """Fetch all bytes of a blob, or a document's text as the server gives it out; check them."""
    if row.format == "jsonb":
        data = _copy_out(connection, _DOCUMENT, row)
    else:
        data = fetch(connection, row, 0, row.actual_bytes)
    if hashlib.sha256(data).hexdigest() != row.sha256:
        raise ValueError("another checksum of its bytes")
    return data


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
