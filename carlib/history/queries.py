"""Reading the history: the life of one car, the fleet as of an instant, the changes of prices.

A version of a car holds from `valid_from` until just before `valid_to`. Past versions are in
``car_info_history``, the present one in ``car_info``; each question is one statement over both, so
nothing falls between them. Rows that `archive_history` moved to files are read from there.

In these frames `engine_size` and `price` are float64, which holds every ``numeric(12, 2)`` to the
cent; instants are ``datetime64[us, UTC]``.
"""

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from os import PathLike
from pathlib import Path
from uuid import UUID

import pandas as pd
import psycopg2.errors
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from sqlalchemy import Engine, select, text
from sqlalchemy.engine import Connection, Row

from carlib.errors import BadArgument, DamagedData, IncompleteAnswer
from carlib.history.archive import ARCHIVE, INSTANT, SCHEMA, archive_folder, checksum
from carlib.history.copy import query_to_arrow
from carlib.load_lock import final_before, require_instant
from carlib.lookup import as_uuid
from carlib.tables import require_tables

_VALUES = ["vin", "engine_size", "color", "price", "status", "valid_from", "valid_to"]
HISTORY_COLUMNS = ["brand", "model", *_VALUES, "operation"]
FLEET_COLUMNS = ["car_id", "brand", "model", *_VALUES]
_PRICES = ["old_price", "new_price", "difference"]
PRICE_CHANGE_COLUMNS = ["car_id", "vin", "brand", "model", "changed_at", *_PRICES]
_TYPES = {
    **dict.fromkeys(["engine_size", "price", *_PRICES], pa.float64()),
    **dict.fromkeys(["valid_from", "valid_to", "changed_at"], INSTANT),
    "status": pa.bool_(),
}


def _schema(columns: list[str]) -> pa.Schema:
    """The Arrow schema of a query's result; columns of no other type are text."""
    return pa.schema([(name, _TYPES.get(name, pa.string())) for name in columns])


# The queries' parameters are in psycopg2's form, since the answers come by COPY.
VERSION = _schema([*FLEET_COLUMNS, "operation"])
_VERSIONS = """
SELECT v.car_id, b.name, m.name, v.vin, v.engine_size, v.color, v.price, v.status,
       v.valid_from, v.valid_to, v.operation
FROM (
  SELECT car_id, model_id, vin, engine_size, color, price, status,
         valid_from, "timestamp" AS valid_to, operation
  FROM car_info_history WHERE {past}
  UNION ALL
  SELECT car_id, model_id, vin, engine_size, color, price, status, valid_from, NULL, NULL
  FROM car_info WHERE {present}
) v
LEFT JOIN car_model m USING (model_id) LEFT JOIN car_brand b USING (brand_id)
"""
_OF_CAR = "car_id = %(car_id)s::uuid"
HISTORY_QUERY = _VERSIONS.format(past=_OF_CAR, present=_OF_CAR)
FLEET_QUERY = _VERSIONS.format(
    past="valid @> %(when)s::timestamptz", present="valid_from <= %(when)s::timestamptz"
)
# The version that follows begins when its predecessor ends. It is asked for twice: `=` lets many
# changes be joined by a hash, `@>` lets few be looked up in the key. A deletion has no follower:
# neither it nor a return is a change of price.
PRICES_QUERY = """
SELECT h.car_id, h.vin, b.name, m.name, h."timestamp", h.price, coalesce(n.price, c.price),
       coalesce(n.price, c.price) - h.price
FROM car_info_history h
LEFT JOIN car_info_history n ON n.car_id = h.car_id
  AND n.valid_from = h."timestamp" AND n.valid @> h."timestamp"
LEFT JOIN car_info c ON c.car_id = h.car_id AND c.valid_from = h."timestamp"
LEFT JOIN car_model m ON m.model_id = h.model_id LEFT JOIN car_brand b USING (brand_id)
WHERE h.operation = 'update' AND coalesce(n.price, c.price) <> h.price
  AND (%(since)s::timestamptz IS NULL OR h."timestamp" >= %(since)s::timestamptz)
  AND (%(until)s::timestamptz IS NULL OR h."timestamp" < %(until)s::timestamptz)
"""
NAMES_QUERY = """
SELECT m.model_id, b.name, m.name FROM car_model m JOIN car_brand b USING (brand_id)
WHERE m.model_id = ANY (%(model_ids)s::uuid[])
"""


def car_history(
    engine: Engine, car_id: UUID | str, directory: str | PathLike[str] | None = None
) -> pd.DataFrame:
    """Return the whole life of one car, every version that it had.

    Args:
        engine: From `connect`.
        car_id: The key of the car, as a UUID or as its text.
        directory: Where `archive_history` wrote; None to look at the tables alone.

    Returns:
        One row a version, the oldest first: brand, model, vin, engine_size (litres), color, price,
        status, valid_from, valid_to, operation. The operation says what ended the version,
        ``"update"`` or ``"delete"``; for the present one it is None and valid_to is NaT. Where a
        deleted car came back, valid_from comes after the valid_to before it. No rows if there
        never was such a car. Brand and model are missing where the model itself was deleted.

        ``attrs["complete"]`` is False if history is archived and no directory was given.

    Raises:
        BadArgument: `car_id` is no UUID, or `directory` can't be a folder.
        TablesMissing: The tables are not there; `create_tables` makes them.
        DamagedData: An archived file is missing, or is not as it was written.
    """
    key = str(as_uuid(car_id))
    of_car = pc.field("car_id") == key
    with _snapshot(engine) as connection:
        files = _listed_files(connection)
        versions = query_to_arrow(connection, HISTORY_QUERY, {"car_id": key}, VERSION)
        versions = _with_archived(connection, versions, directory, files, of_car)
    frame = _frame(versions.sort_by("valid_from"), HISTORY_COLUMNS)
    operation = frame["operation"].astype(object)
    frame["operation"] = operation.where(operation.notna(), None)
    frame.attrs["complete"] = directory is not None or not files
    return frame


def cars_as_of(
    engine: Engine, when: datetime, directory: str | PathLike[str] | None = None
) -> pd.DataFrame:
    """Return the fleet as it stood at an instant, cars included that were deleted since.

    Args:
        engine: From `connect`.
        when: The instant, with a time zone.
        directory: Where `archive_history` wrote; None to look at the tables alone.

    Returns:
        One row a car, ordered by VIN (by code points): car_id, brand, model, vin, engine_size
        (litres), color, price, status, valid_from, valid_to (NaT: since then nothing changed).

        ``attrs["final"]`` is False if a load that is under way, or one yet to come, could still
        change the answer. ``attrs["complete"]`` is False if an archived file has history of this
        instant and no directory was given.

    Warns:
        IncompleteAnswer: The answer is not final.
        IncompleteAnswer: The answer is not complete.

    Raises:
        BadArgument: `when` has no time zone, or `directory` can't be a folder.
        TablesMissing: The tables are not there; `create_tables` makes them.
        DamagedData: An archived file is missing, or is not as it was written.
    """
    when = require_instant("when", when)
    then = pa.scalar(when, INSTANT)
    stood = (pc.field("valid_from") <= then) & (pc.field("timestamp") > then)
    with engine.connect() as connection:
        final = when < final_before(connection)
    with _snapshot(engine) as connection:
        files = [
            file
            for file in _listed_files(connection)
            if file.first_valid_from <= when < file.last_timestamp
        ]
        versions = query_to_arrow(connection, FLEET_QUERY, {"when": when}, VERSION)
        versions = _with_archived(connection, versions, directory, files, stood)
    frame = _frame(versions.sort_by([("vin", "ascending"), ("car_id", "ascending")]), FLEET_COLUMNS)
    frame.attrs |= {"final": final, "complete": directory is not None or not files}
    fleet = f"The fleet as of {when.isoformat(' ')}"
    if not final:
        soon = "a load is under way that may write this instant, or it is yet to come"
        message = f"{fleet} can still change: {soon}. Ask again later."
        warnings.warn(message, IncompleteAnswer, stacklevel=2)
    if not frame.attrs["complete"]:
        message = f"{fleet} may lack cars: history of that instant was archived."
        message += " Pass the directory that archive_history wrote."
        warnings.warn(message, IncompleteAnswer, stacklevel=2)
    return frame


def price_changes(
    engine: Engine, since: datetime | None = None, until: datetime | None = None
) -> pd.DataFrame:
    """Return the changes of prices in a period, as far as they are in the tables.

    A deletion is no change of price, and neither is a return at another price.

    Args:
        engine: From `connect`.
        since: The first instant of the period, with a time zone; None for all that came before.
        until: The instant just after it; None for all that came later.

    Returns:
        One row a change, ordered by changed_at and vin: car_id, vin, brand, model (the three as
        they were before it), changed_at, old_price, new_price, difference (new less old) and
        percent (of the old price; NaN where that is 0).

    Raises:
        BadArgument: `since` or `until` has no time zone, or `since` comes after `until`.
        TablesMissing: The tables are not there; `create_tables` makes them.
    """
    period = {
        name: None if instant is None else require_instant(name, instant)
        for name, instant in {"since": since, "until": until}.items()
    }
    first, end = period["since"], period["until"]
    if first is not None and end is not None and first > end:
        raise BadArgument(f"Expected since to come before until, found {since!r} and {until!r}.")
    with _snapshot(engine) as connection:
        changes = query_to_arrow(connection, PRICES_QUERY, period, _schema(PRICE_CHANGE_COLUMNS))
    order = [(name, "ascending") for name in ("changed_at", "vin", "car_id")]
    frame = _frame(changes.sort_by(order), PRICE_CHANGE_COLUMNS)
    frame["percent"] = 100 * frame["difference"] / frame["old_price"].where(frame["old_price"] > 0)
    return frame


@contextmanager
def _snapshot(engine: Engine) -> Iterator[Connection]:
    """A transaction in which every statement sees the same moment."""
    connection = engine.connect().execution_options(isolation_level="REPEATABLE READ")
    try:
        with connection, connection.begin():
            yield connection
    except psycopg2.errors.UndefinedTable:
        with engine.connect() as another:
            require_tables(another)
        raise


def _listed_files(connection: Connection) -> list[Row]:
    """The rows of `history_archive`; none where nothing was ever archived."""
    if connection.scalar(text("SELECT to_regclass(:name)"), {"name": ARCHIVE.name}) is None:
        return []
    return list(connection.execute(select(ARCHIVE).order_by(ARCHIVE.c.file)))


def _with_archived(
    connection: Connection,
    versions: pa.Table,
    directory: str | PathLike[str] | None,
    files: list[Row],
    condition: pc.Expression,
) -> pa.Table:
    """Add the versions in archived files, with the names that the tables have for their models.

    A version is there once, even where somebody put archived rows back into the table: no car has
    two versions that begin at one instant.
    """
    if directory is None:
        return versions
    folder = archive_folder(directory)
    tables = [_read_archived(folder, file.file, condition) for file in files]
    rows = pa.concat_tables([SCHEMA.empty_table(), *tables])
    for name in ("engine_size", "price"):
        # By way of text: Arrow's own cast from decimal to float is off in the last bit at times.
        exact = rows[name].cast(pa.string()).cast(pa.float64())
        rows = rows.set_column(rows.column_names.index(name), name, exact)
    models = {"model_ids": rows["model_id"].unique().to_pylist()}
    names = _schema(["model_id", "brand", "model"])
    rows = rows.join(query_to_arrow(connection, NAMES_QUERY, models, names), "model_id")
    rows = rows.rename_columns({"timestamp": "valid_to"})
    both = pa.concat_tables([versions, rows.select(VERSION.names).cast(VERSION)])
    both = both.append_column("row", pa.array(range(len(both)), pa.int64()))
    first = both.group_by(["car_id", "valid_from"]).aggregate([("row", "min")])["row_min"]
    return both.take(first).drop_columns(["row"])


def _read_archived(folder: Path, name: str, condition: pc.Expression) -> pa.Table:
    """Read the rows of an archived file that meet a condition, after checking its bytes."""
    path = folder / name
    try:
        if checksum(path) != path.stem:
            raise OSError("other bytes than were written")
        return pq.read_table(path, filters=condition, partitioning=None)
    except (OSError, pa.ArrowException) as error:
        raise DamagedData(
            f"Expected the archived file {name} in {str(folder)!r}, as it was written; found: "
            f"{error}. Its rows are no longer in car_info_history, so no answer is given without "
            "them: pass the directory that archive_history wrote, or bring the file back from a "
            "copy."
        ) from error


def _frame(rows: pa.Table, columns: list[str]) -> pd.DataFrame:
    frame = rows.select(columns).to_pandas()
    if "car_id" in columns:  # as get_car gives it
        frame["car_id"] = pd.Series([UUID(key) for key in rows["car_id"].to_pylist()], dtype=object)
    return frame
