"""Query results as Arrow tables, by COPY TO: the server writes CSV text, which Arrow parses.

A frame that SQLAlchemy or the driver builds makes a Python object of every value first; this takes
a fraction of the time. Queries have parameters in psycopg2's form, ``%(name)s``.
"""

import io
from collections.abc import Callable, Mapping
from types import SimpleNamespace

import pyarrow as pa
import pyarrow.csv
from sqlalchemy.engine import Connection

from carlib.connection import driver_cursor

BATCH_ROWS = 100_000
INSTANT = pa.timestamp("us", "UTC")
# By the type's number in pg_type: boolean, timestamptz, numeric. All others are text.
_TYPES = {16: pa.bool_(), 1184: INSTANT, 1700: pa.float64()}


def query_to_arrow(connection: Connection, query: str, values: Mapping[str, object]) -> pa.Table:
    """Return all rows of a query, with the columns that it names."""
    with driver_cursor(connection) as cursor:
        cursor.execute(f"SELECT * FROM ({query}) q LIMIT 0", values)
        columns = [(c.name, _TYPES.get(c.type_code, pa.string())) for c in cursor.description or ()]
    tables = [pa.schema(columns).empty_table()]
    stream_query(connection, query, values, tables[0].schema, tables.append)
    return pa.concat_tables(tables)


def stream_query(
    connection: Connection,
    query: str,
    values: Mapping[str, object],
    schema: pa.Schema,
    consume: Callable[[pa.Table], object],
) -> int:
    """Hand a query's rows on, at most `BATCH_ROWS` at a time; returns their number."""
    read = pyarrow.csv.ReadOptions(column_names=schema.names)
    parse = pyarrow.csv.ParseOptions(newlines_in_values=True)
    # PostgreSQL writes a missing value as nothing, an empty text as "".
    convert = pyarrow.csv.ConvertOptions(
        column_types=schema, null_values=[""], strings_can_be_null=True,
        quoted_strings_can_be_null=False, true_values=["t"], false_values=["f"],
    )  # fmt: skip
    lines: list[bytes] = []

    def write(line: bytes) -> None:
        lines.append(line)  # PostgreSQL's client library hands over one row at a time
        if len(lines) == BATCH_ROWS:
            hand_on()

    def hand_on() -> None:
        if lines:
            consume(pyarrow.csv.read_csv(io.BytesIO(b"".join(lines)), read, parse, convert))
            lines.clear()

    with driver_cursor(connection) as cursor:
        select = cursor.mogrify(query, values).decode()  # COPY itself takes no parameters
        copy = f"COPY ({select}) TO STDOUT (FORMAT csv, ENCODING 'UTF8')"
        cursor.copy_expert(copy, SimpleNamespace(write=write))
        hand_on()
        return cursor.rowcount
