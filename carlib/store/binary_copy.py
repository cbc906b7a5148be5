"""Bytes into and out of PostgreSQL by COPY in its binary form, a piece at a time.

As a parameter of a statement, psycopg2 sends bytes as hexadecimal text: twice the size, and several
copies in memory. COPY's binary form sends them as they are (PostgreSQL documentation, "COPY",
"Binary Format"). Here no more than a few megabytes are held beside the bytes themselves.
"""

import struct
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any

from sqlalchemy.engine import Connection

from carlib.connection import driver_cursor

PIECE = 1 << 20  # bytes that travel in one go
_HEADER = b"PGCOPY\n\xff\r\n\0" + struct.pack(">ii", 0, 0)
_TRAILER = struct.pack(">h", -1)

Field = bytes | memoryview | None


def copy_in(
    connection: Connection, table: str, columns: Sequence[str], rows: Iterable[Sequence[Field]]
) -> None:
    """Add rows to a table.

    Args:
        connection: The rows become part of its transaction.
        table: The table's name, from this package.
        columns: Names of its columns, from this package.
        rows: For each row the fields in PostgreSQL's binary form; None is NULL.
    """
    names = ", ".join(f'"{name}"' for name in columns)
    with driver_cursor(connection) as cursor:
        command = f"COPY {table} ({names}) FROM STDIN (FORMAT binary)"
        source: Any = _Source(_stream(rows))  # psycopg2's types ask for readline, COPY does not
        cursor.copy_expert(command, source, PIECE)


def copy_out(
    connection: Connection,
    query: str,
    values: Mapping[str, object],
    consume: Callable[[memoryview], object],
) -> None:
    """Run a query of one column that holds bytes, and hand each row's bytes on, in order.

    Args:
        connection: The query runs in its transaction.
        query: A SELECT with parameters in psycopg2's form, ``%(name)s``.
        values: The parameters. COPY takes none: the driver puts them in as quoted literals.
        consume: Called with the bytes of each row that is not NULL.
    """
    with driver_cursor(connection) as cursor:
        select = cursor.mogrify(query, values).decode()
        cursor.copy_expert(f"COPY ({select}) TO STDOUT (FORMAT binary)", _Sink(consume))


def _stream(rows: Iterable[Sequence[Field]]) -> Iterator[bytes | memoryview]:
    yield _HEADER
    for row in rows:
        yield struct.pack(">h", len(row))
        for field in row:
            if field is None:
                yield struct.pack(">i", -1)
            else:
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
