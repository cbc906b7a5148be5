"""The way out of the database: the rows of a query as Arrow tables, by COPY.

COPY sends rows as CSV, which Arrow parses many times faster than a driver builds Python objects,
and a piece at a time, so that a result may be larger than memory.
"""

import io
from collections.abc import Callable, Mapping

import pyarrow as pa
import pyarrow.csv
from sqlalchemy.engine import Connection

from carlib.connection import driver_cursor

BATCH_ROWS = 100_000


def query_to_arrow(
    connection: Connection, query: str, values: Mapping[str, object], schema: pa.Schema
) -> pa.Table:
    """Return all rows of a query; see `stream_query`."""
    tables = [schema.empty_table()]
    stream_query(connection, query, values, schema, tables.append)
    return pa.concat_tables(tables)


def stream_query(
    connection: Connection,
    query: str,
    values: Mapping[str, object],
    schema: pa.Schema,
    consume: Callable[[pa.Table], object],
) -> None:
    """Run a query and hand its rows on, `BATCH_ROWS` at a time.

    Args:
        connection: The query runs in its transaction.
        query: A SELECT with parameters in psycopg2's form, ``%(name)s``.
        values: The parameters. COPY takes none: the driver puts them in as quoted literals, as it
            does for every other statement.
        schema: The names and types of the result's columns, in their order.
        consume: Called with each piece, which is never empty.
    """
    with driver_cursor(connection) as cursor:
        select = cursor.mogrify(query, values).decode()
        pieces = _Pieces(schema, consume)
        cursor.copy_expert(f"COPY ({select}) TO STDOUT (FORMAT csv, ENCODING 'UTF8')", pieces)
        pieces.flush()


class _Pieces:
    """A file to COPY into. PostgreSQL's client library writes exactly one row at a time."""

    def __init__(self, schema: pa.Schema, consume: Callable[[pa.Table], object]) -> None:
        self._schema = schema
        self._consume = consume
        self._rows: list[bytes] = []

    def write(self, row: bytes) -> int:
        self._rows.append(row)
        if len(self._rows) == BATCH_ROWS:
            self.flush()
        return len(row)

    def flush(self) -> None:
        if self._rows:
            rows, self._rows = b"".join(self._rows), []
            self._consume(_parse(rows, self._schema))


def _parse(rows: bytes, schema: pa.Schema) -> pa.Table:
    return pyarrow.csv.read_csv(
        io.BytesIO(rows),
        read_options=pyarrow.csv.ReadOptions(column_names=schema.names),
        parse_options=pyarrow.csv.ParseOptions(newlines_in_values=True),
        convert_options=pyarrow.csv.ConvertOptions(
            column_types=schema,
            # PostgreSQL writes a missing value as nothing, an empty text as "".
            null_values=[""],
            strings_can_be_null=True,
            quoted_strings_can_be_null=False,
            true_values=["t"],
            false_values=["f"],
        ),
    )
