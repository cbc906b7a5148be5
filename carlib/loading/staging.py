"""The staging table: where received rows wait, inside the load's transaction, to be looked at.

The rows travel by COPY, PostgreSQL's bulk protocol, a chunk at a time, so that the client never
holds more than one chunk. The table is temporary: it is private to the connection and gone with
the transaction, whatever happens.
"""

import io
import os
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from os import PathLike
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.csv
from sqlalchemy import text
from sqlalchemy.engine import Connection
from tqdm import tqdm

from carlib.cars import iter_cars
from carlib.connection import driver_cursor
from carlib.errors import BadArgument, WrongColumns
from carlib.loading.prepare import REQUIRED, TABLE_COLUMNS, CanonicalNames, prepare

CHUNK_ROWS = 100_000
REPEATED = "vin given more than once with different values"
KNOWN_NAMES = text(
    "SELECT b.name, m.name FROM car_brand b LEFT JOIN car_model m USING (brand_id)"
    " ORDER BY b.brand_id, m.model_id"
)
STEPS_PER_MILLISECOND = 4096  # what the 12 bits after a UUID's version can count

Cars = pd.DataFrame | Iterable[pd.DataFrame] | str | PathLike


class Staged(NamedTuple):
    """What came of filling the staging table."""

    received: int
    rejected: pd.DataFrame
    columns: list[str]  # those that came, in the order of a cars frame
    new_names: bool  # whether a brand or a model is among them that the tables don't have


def fill_staging(connection: Connection, cars: Cars, *, partial: bool = False) -> Staged:
    """Create the staging table and copy into it what can be loaded.

    The client's memory holds one chunk at a time, and all rejected rows. With `partial`, the frames
    may hold only some columns, `vin` and others, all of them the same.
    """
    types = ", ".join(f"{n} {c.type.compile(connection.dialect)}" for n, c in TABLE_COLUMNS.items())
    connection.execute(
        text(f"CREATE TEMPORARY TABLE staging (row bigint, car_id uuid, {types}) ON COMMIT DROP")
    )
    names, keys = CanonicalNames(known_names(connection)), UUID7Generator()
    received = 0
    columns: list[str] = []
    rejected: list[pd.DataFrame] = []
    required = ("vin",) if partial else REQUIRED
    total = len(cars) if isinstance(cars, pd.DataFrame) else None
    with progress(total, unit=" cars", unit_scale=True) as bar:
        for frame in _frames(cars):
            clean, refused = prepare(frame, names, first_row=received, required=required)
            came = [name for name in TABLE_COLUMNS if name in frame.columns]
            if partial and columns and came != columns:
                raise WrongColumns(
                    "Expected every frame to have the columns of the first, "
                    f"{', '.join(columns)}; found one with {', '.join(came)}."
                )
            columns = [name for name in TABLE_COLUMNS if name in {*columns, *came}]
            _copy(connection, clean.append_column("car_id", keys.batch(clean.num_rows)))
            rejected.append(refused)
            received += len(frame)
            bar.update(len(frame))
    # What is joined on; a sample of 3,000 rows tells the planner enough, ten times as fast.
    connection.execute(text("SET LOCAL default_statistics_target = 10"))
    connection.execute(text("ANALYZE staging (vin, brand, model)"))
    return Staged(received, join_rejected(rejected), columns or ["vin"], names.has_learned)


def _frames(cars: Cars) -> Iterator[pd.DataFrame]:
    """Cut what is to be loaded into frames of bounded size."""
    single = isinstance(cars, (pd.DataFrame, pd.Series, Mapping)) or not isinstance(cars, Iterable)
    pieces: Any = [cars] if single else cars
    if isinstance(cars, (str, PathLike)):
        pieces = iter_cars(cars, rows=CHUNK_ROWS)
    for frame in pieces:
        if not isinstance(frame, pd.DataFrame):
            inside = "" if single else f" with {type(frame).__name__} in it"
            raise BadArgument(
                "Expected cars as a pandas DataFrame, an iterator of frames, or the path of a file;"
                f" found {type(cars).__name__}{inside}. Rows as dictionaries become a frame by"
                " pd.DataFrame(rows)."
            )
        for start in range(0, len(frame) or 1, CHUNK_ROWS):
            yield frame.iloc[start : start + CHUNK_ROWS]


def refuse_repeated(connection: Connection, columns: Sequence[str]) -> tuple[int, pd.DataFrame]:
    """Settle VINs that were staged more than once.

    Where all rows of a VIN say the same, one stays. Where they differ, none does: nobody can know
    which is right. Returns how many exact repetitions were taken out, and the rejected rows.
    """
    query = "SELECT vin FROM staging GROUP BY vin HAVING count(*) > 1"
    create = text(f"CREATE TEMPORARY TABLE repeated ON COMMIT DROP AS {query}")
    if not connection.execute(create).rowcount:
        return 0, take_out(connection, columns, None, REPEATED)
    values = ", ".join(f"r.{name}" for name in TABLE_COLUMNS if name != "vin")
    differing = (
        "s.vin IN (SELECT vin FROM staging r JOIN repeated USING (vin)"
        f" GROUP BY vin HAVING count(DISTINCT ROW({values})) > 1)"
    )
    rejected = take_out(connection, columns, differing, REPEATED)
    delete = (
        "DELETE FROM staging s USING (SELECT vin, min(row) AS first FROM staging"
        " JOIN repeated USING (vin) GROUP BY vin) r WHERE s.vin = r.vin AND s.row > r.first"
    )
    return connection.execute(text(delete)).rowcount, rejected


def take_out(
    connection: Connection,
    columns: Sequence[str],
    condition: str | None,
    reason: str,
    values: Mapping[str, object] | None = None,
) -> pd.DataFrame:
    """Delete the staged rows `s` that meet a condition, and return their columns with the reason.

    The condition is SQL, with `values` for its parameters; None is met by no row.
    """
    rows: Sequence[Any] = ()
    if condition is not None:
        query = f"DELETE FROM staging s WHERE {condition} RETURNING row, {', '.join(columns)}"
        rows = connection.execute(text(query), values).all()
    rejected = pd.DataFrame(rows, columns=["row", *columns]).set_index("row").sort_index()
    numbers = [name for name in ("engine_size", "price") if name in columns]
    rejected = rejected.astype(dict.fromkeys(numbers, float))  # as frames have numbers
    return rejected.assign(reason=pd.Series(reason, index=rejected.index, dtype="str"))


def join_rejected(parts: Sequence[pd.DataFrame]) -> pd.DataFrame:
    """Put rejected rows together, in the order in which they came.

    Values stay what they are: a column in which the parts differ becomes one of objects.
    """
    came = dict.fromkeys(name for part in parts for name in part.columns if name != "reason")
    names = [*(came or TABLE_COLUMNS), "reason"]
    filled = [part for part in parts if len(part)] or list(parts[:1])
    if not filled:
        return pd.DataFrame(columns=names, index=pd.Index([], dtype="int64", name="row"))
    for name in names:
        if len({part[name].dtype for part in filled if name in part}) > 1:
            filled = [part.astype({name: object} if name in part else {}) for part in filled]
    return pd.concat(filled).sort_index().reindex(columns=names)


def known_names(connection: Connection) -> list[tuple[str, str | None]]:
    """The brands and models that the tables hold already, the oldest first."""
    return [tuple(row) for row in connection.execute(KNOWN_NAMES)]


def insert_names(
    connection: Connection, rows: str = "staging", values: Mapping[str, object] | None = None
) -> None:
    """Insert those brands and models of the rows that the tables don't hold yet."""
    brands = f"SELECT brand FROM {rows} AS s GROUP BY brand ORDER BY min(row)"
    models = (
        "SELECT b.brand_id, s.model"
        f" FROM (SELECT brand, model, min(row) AS first FROM {rows} AS r GROUP BY 1, 2) AS s"
        " JOIN car_brand AS b ON b.name = s.brand ORDER BY s.first"
    )
    for names, query in (("car_brand (name)", brands), ("car_model (brand_id, name)", models)):
        connection.execute(text(f"INSERT INTO {names} {query} ON CONFLICT DO NOTHING"), values)


def _copy(connection: Connection, rows: pa.Table) -> None:
    """Send rows by COPY, as CSV written by Arrow."""
    buffer = io.BytesIO()
    options = pyarrow.csv.WriteOptions(include_header=False, quoting_style="needed")
    pyarrow.csv.write_csv(rows, buffer, options)
    buffer.seek(0)
    columns = ", ".join(rows.column_names)
    copy = f"COPY staging ({columns}) FROM STDIN (FORMAT csv, ENCODING 'UTF8')"
    with driver_cursor(connection) as cursor:
        # Where the source took long, the server may have ended the session: hear what it said.
        cursor.connection.poll()
        cursor.copy_expert(copy, buffer)


def progress(total: int | None, **options: Any) -> tqdm:
    """Return a bar, to be used in a `with` block, that shows nothing before two seconds.

    It is one of text: tqdm's widgets for notebooks are made at once, however short the work.
    """
    return tqdm(total=total, delay=2, leave=False, **options)


class UUID7Generator:
    """Makes version 7 UUIDs by the hundred thousand, each greater than all it made before.

    The server's own `uuidv7()` asks the system for random bytes row by row, which took two thirds
    of the time of inserting a million cars. The keys are of the same kind: RFC 9562, section 5.7,
    with the fraction of the millisecond in `rand_a` (section 6.2, method 3).
    """

    def __init__(self) -> None:
        self._next = 0

    def batch(self, count: int) -> pa.Array:
        """Return `count` new keys in ascending order, each as 32 hexadecimal digits."""
        now = time.time_ns() * STEPS_PER_MILLISECOND // 1_000_000
        first = max(now, self._next)
        self._next = first + count
        step = np.arange(first, first + count, dtype=np.uint64)
        random = np.frombuffer(os.urandom(8 * count), dtype=np.uint64)
        halves = np.empty((count, 2), dtype=">u8")
        halves[:, 0] = (step >> 12 << 16) | 0x7000 | (step & 0xFFF)  # milliseconds, version, steps
        halves[:, 1] = (random >> 2) | (1 << 63)  # 2 bits of variant, 62 random bits
        digits = halves.tobytes().hex().encode()
        offsets = np.arange(0, 32 * count + 1, 32, dtype=np.int64)
        buffers = [None, pa.py_buffer(offsets), pa.py_buffer(digits)]
        return pa.Array.from_buffers(pa.large_string(), count, buffers)
