"""Query results as Arrow tables, by COPY TO: the server writes CSV text, which Arrow parses.

A frame that SQLAlchemy or the driver builds makes a Python object of every value first; this takes
a fraction of the time. The rows come in pieces, so a result may be larger than memory.
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
) -> int:
    """Run a query and hand its rows on, at most `BATCH_ROWS` at a time; returns their number.

    The query is a SELECT with parameters in psycopg2's form, ``%(name)s``. COPY takes none: the
    driver puts them in as quoted literals. No piece that `consume` is called with is empty.
    """
    pieces = _Pieces(schema, consume)
    with driver_cursor(connection) as cursor:
        select = cursor.mogrify(query, values).decode()
        cursor.copy_expert(f"COPY ({select}) TO STDOUT (FORMAT csv, ENCODING 'UTF8')", pieces)
        pieces.flush()
        return cursor.rowcount


class _Pieces:
    """A file to COPY into. PostgreSQL's client library writes exactly one row at a time."""

    def __init__(self, schema: pa.Schema, consume: Callable[[pa.Table], object]) -> None:
        self._schema, self._consume, self._rows = schema, consume, list[bytes]()

    def write(self, row: bytes) -> int:
        self._rows.append(row)
        if len(self._rows) == BATCH_ROWS:
            self.flush()
        return len(row)

    def flush(self) -> None:
        if not self._rows:
            return
        rows, self._rows = io.BytesIO(b"".join(self._rows)), []
        read = pyarrow.csv.ReadOptions(column_names=self._schema.names)
        parse = pyarrow.csv.ParseOptions(newlines_in_values=True)
        # PostgreSQL writes a missing value as nothing, an empty text as "".
        convert = pyarrow.csv.ConvertOptions(
            column_types=self._schema, null_values=[""], strings_can_be_null=True,
            quoted_strings_can_be_null=False, true_values=["t"], false_values=["f"],
        )  # fmt: skip
        self._consume(pyarrow.csv.read_csv(rows, read, parse, convert))
