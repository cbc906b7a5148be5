"""The staging table: where received rows wait, inside the load's transaction, to be looked at.

The rows travel by COPY, PostgreSQL's bulk protocol, a chunk at a time, so that the client never
holds more than one chunk. The table is temporary: it is private to the connection and gone with
the transaction, whatever happens.
"""

import io
from collections.abc import Hashable, Iterable, Iterator, Sequence
from itertools import pairwise
from os import PathLike
from typing import Any, NamedTuple

import pandas as pd
import pyarrow as pa
import pyarrow.csv
from sqlalchemy import text
from sqlalchemy.engine import Connection

from carlib.cars import iter_cars
from carlib.connection import driver_cursor
from carlib.loading.keys import UUID7Generator
from carlib.loading.prepare import REQUIRED, TABLE_COLUMNS, CanonicalNames, check_columns, prepare
from carlib.loading.progress import progress
from carlib.models import CarBrand, CarModel

CHUNK_ROWS = 100_000
REPEATED = "vin given more than once with different values"


class Staged(NamedTuple):
    """What came of filling the staging table.

    Attributes:
        received: The number of rows that came in.
        rejected: Those that were refused, with the reason.
        new_names: Whether a brand or a model is among them that the tables don't have.
    """

    received: int
    rejected: pd.DataFrame
    new_names: bool


Cars = pd.DataFrame | Iterable[pd.DataFrame] | str | PathLike


def frames_of(cars: Cars) -> tuple[Iterator[pd.DataFrame], int | None]:
    """Cut what is to be loaded into frames of bounded size; also the number of rows, if known.

    Args:
        cars: A frame, an iterable of frames, or the path of a CSV or Parquet file.
    """
    if isinstance(cars, (str, PathLike)):
        return iter_cars(cars, rows=CHUNK_ROWS), None
    if isinstance(cars, pd.DataFrame):
        return _slices(cars), len(cars)
    if not isinstance(cars, Iterable):
        check_columns(cars)  # says what was expected
    return (piece for frame in cars for piece in _slices(frame)), None


def _slices(frame: pd.DataFrame) -> Iterator[pd.DataFrame]:
    if not isinstance(frame, pd.DataFrame) or len(frame) <= CHUNK_ROWS:
        yield frame
        return
    for start, stop in pairwise([*range(0, len(frame), CHUNK_ROWS), len(frame)]):
        yield frame.iloc[start:stop]


def fill_staging(
    connection: Connection,
    frames: Iterable[pd.DataFrame],
    total: int | None,
    required: Sequence[str] = REQUIRED,
) -> Staged:
    """Create the staging table and copy into it what can be loaded.

    A progress bar appears when it takes longer than two seconds. The client's memory holds one
    chunk at a time, and all rejected rows.

    Args:
        connection: The staging table is gone with its transaction.
        frames: Of bounded size, from `frames_of`.
        total: The number of all rows, if known, for the progress bar.
        required: The columns that must be there and filled.

    Returns:
        What came of it; the rejected rows have the columns that came.
    """
    columns = ", ".join(
        f"{name} {target.type.compile(connection.dialect)}"
        for name, target in TABLE_COLUMNS.items()
    )
    connection.execute(
        text(f"CREATE TEMPORARY TABLE staging (row bigint, car_id uuid, {columns}) ON COMMIT DROP")
    )
    names, keys = CanonicalNames(known_names(connection)), UUID7Generator()
    received = 0
    rejected: list[pd.DataFrame] = []
    columns_seen: dict[Hashable, None] = {}
    with progress(total, unit=" cars", unit_scale=True) as bar:
        for frame in frames:
            prepared = prepare(frame, names, first_row=received, required=required)
            clean = prepared.clean
            _copy(connection, clean.append_column("car_id", keys.batch(clean.num_rows)))
            rejected.append(prepared.rejected)
            columns_seen |= dict.fromkeys(frame.columns)
            received += len(frame)
            bar.update(len(frame))
    # What is joined on; a sample of 3,000 rows tells the planner enough, ten times as fast.
    connection.execute(text("SET LOCAL default_statistics_target = 10"))
    connection.execute(text("ANALYZE staging (vin, brand, model)"))
    refused = join_rejected(rejected, [*(columns_seen or TABLE_COLUMNS), "reason"])
    return Staged(received, refused, names.has_learned)


def refuse_repeated(connection: Connection) -> tuple[int, pd.DataFrame]:
    """Settle VINs that were staged more than once.

    Where all rows of a VIN say the same, one stays. Where they differ, none does: nobody can know
    which is right.

    Returns:
        The number of exact repetitions taken out, and the rejected rows, as they were cleaned.
    """
    repeated = connection.execute(
        text(
            "CREATE TEMPORARY TABLE repeated ON COMMIT DROP AS"
            " SELECT vin FROM staging GROUP BY vin HAVING count(*) > 1"
        )
    ).rowcount
    conflicting: Sequence[Any] = []
    copies = 0
    if repeated:
        values = ", ".join(f"s.{name}" for name in TABLE_COLUMNS if name != "vin")
        conflicting = connection.execute(
            text(
                "DELETE FROM staging WHERE vin IN"
                " (SELECT s.vin FROM staging s JOIN repeated USING (vin)"
                f" GROUP BY s.vin HAVING count(DISTINCT ROW({values})) > 1)"
                f" RETURNING row, {', '.join(TABLE_COLUMNS)}"
            )
        ).all()
        copies = connection.execute(
            text(
                "DELETE FROM staging s USING (SELECT vin, min(row) AS first FROM staging"
                " JOIN repeated USING (vin) GROUP BY vin) r WHERE s.vin = r.vin AND s.row > r.first"
            )
        ).rowcount
    rejected = (
        pd.DataFrame(conflicting, columns=["row", *TABLE_COLUMNS]).set_index("row").sort_index()
    )
    rejected = rejected.astype({"engine_size": float, "price": float})  # as frames have numbers
    return copies, rejected.assign(reason=REPEATED)


def join_rejected(
    parts: Sequence[pd.DataFrame], columns: list[Hashable] | None = None
) -> pd.DataFrame:
    """Put rejected rows together, in the order in which they came.

    Values stay what they are: a column in which the parts differ becomes one of objects.

    Args:
        parts: Frames of rejected rows.
        columns: The columns that the result has; by default those of the first part.
    """
    names = parts[0].columns if columns is None else columns
    filled = [part for part in parts if len(part)] or list(parts[:1])
    if not filled:
        return pd.DataFrame(columns=names, index=pd.Index([], dtype="int64", name="row"))
    for name in names:
        if len({part[name].dtype for part in filled if name in part}) > 1:
            filled = [part.astype({name: object} if name in part else {}) for part in filled]
    return pd.concat(filled).sort_index().reindex(columns=names)


def known_names(connection: Connection) -> list[tuple[str, str | None]]:
    """The brands and models that the tables hold already, the oldest first."""
    brand, model = CarBrand.__table__, CarModel.__table__
    query = (
        brand.outerjoin(model)
        .select()
        .with_only_columns(brand.c.name, model.c.name)
        .order_by(brand.c.brand_id, model.c.model_id)
    )
    return [tuple(row) for row in connection.execute(query)]


def _copy(connection: Connection, rows: pa.Table) -> None:
    """Send rows by COPY, as CSV written by Arrow."""
    buffer = io.BytesIO()
    options = pyarrow.csv.WriteOptions(include_header=False, quoting_style="needed")
    pyarrow.csv.write_csv(rows, buffer, options)
    buffer.seek(0)
    names = ", ".join(rows.column_names)
    with driver_cursor(connection) as cursor:
        cursor.copy_expert(
            f"COPY staging ({names}) FROM STDIN (FORMAT csv, ENCODING 'UTF8')", buffer
        )
