"""Reading the history: the life of one car, the fleet as of an instant, the changes of prices.

A version of a car holds from `valid_from` until just before `valid_to`. Past versions are in
``car_info_history``, the present one in ``car_info``; each question is one statement over both, so
nothing falls between them. Rows that `archive_history` moved to files are read from there.

In these frames `engine_size` and `price` are float64, which holds every ``numeric(12, 2)`` to the
cent; instants are ``datetime64[us, UTC]``.
"""

import warnings
from datetime import datetime
from os import PathLike
from pathlib import Path
from typing import Any
from uuid import UUID

import pandas as pd
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
_NAMES_QUERY = "SELECT model_id, b.name, m.name FROM car_model m JOIN car_brand b USING (brand_id)"


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
    versions, complete = _versions(engine, HISTORY_QUERY, {"car_id": key}, directory, of_car)
    frame = _frame(versions, HISTORY_COLUMNS, ["valid_from"])
    operation = frame["operation"].astype(object)
    frame["operation"] = operation.where(operation.notna(), None)
    frame.attrs["complete"] = complete
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
        IncompleteAnswer: The answer is not final, or not complete.

    Raises:
        BadArgument: `when` has no time zone, or `directory` can't be a folder.
        TablesMissing: The tables are not there; `create_tables` makes them.
        DamagedData: An archived file is missing, or is not as it was written.
    """
    when = require_instant("when", when)
    with engine.connect() as connection:
        final = when < final_before(connection)
    then = pa.scalar(when, INSTANT)
    stood = (pc.field("valid_from") <= then) & (pc.field("timestamp") > then)
    versions, complete = _versions(engine, FLEET_QUERY, {"when": when}, directory, stood)
    frame = _frame(versions, FLEET_COLUMNS, ["vin", "car_id"])
    frame.attrs |= {"final": final, "complete": complete}
    fleet = f"The fleet as of {when.isoformat(' ')}"
    if not final:
        message = f"{fleet} can still change: a load is under way that may write this instant, or "
        message += "it is yet to come. Ask again later."
        warnings.warn(message, IncompleteAnswer, stacklevel=2)
    if not complete:
        message = f"{fleet} may lack cars: history of that instant was archived. Pass the "
        message += "directory that archive_history wrote."
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
    since = None if since is None else require_instant("since", since)
    until = None if until is None else require_instant("until", until)
    if since is not None and until is not None and since > until:
        raise BadArgument(f"Expected since to come before until, found {since!r} and {until!r}.")
    period = {"since": since, "until": until}
    with engine.connect() as connection:
        require_tables(connection)
        changes = query_to_arrow(connection, PRICES_QUERY, period, _schema(PRICE_CHANGE_COLUMNS))
    frame = _frame(changes, PRICE_CHANGE_COLUMNS, ["changed_at", "vin", "car_id"])
    frame["percent"] = 100 * frame["difference"] / frame["old_price"].where(frame["old_price"] > 0)
    return frame


def _versions(
    engine: Engine,
    query: str,
    values: dict[str, Any],
    directory: str | PathLike[str] | None,
    condition: pc.Expression,
) -> tuple[pa.Table, bool]:
    """Return the versions that a query finds in the tables, and a condition in archived files.

    A version is there once, even where somebody put archived rows back into the table: no car has
    two versions that begin at one instant. The second value is False if files were left out.
    """
    folder = None if directory is None else archive_folder(directory)
    # In this isolation level, all statements see the same moment.
    connection = engine.connect().execution_options(isolation_level="REPEATABLE READ")
    with connection, connection.begin():
        require_tables(connection)
        files = _listed_files(connection, values.get("when"))
        versions = query_to_arrow(connection, query, values, VERSION)
        if folder is None or not files:
            return versions, not files
        names = query_to_arrow(
            connection, _NAMES_QUERY, {}, _schema(["model_id", "brand", "model"])
        )
    rows = pa.concat_tables([_read_archived(folder, file, condition) for file in files])
    for name in ("engine_size", "price"):
        # By way of text: Arrow's own cast from decimal to float is off in the last bit at times.
        exact = rows[name].cast(pa.string()).cast(pa.float64())
        rows = rows.set_column(SCHEMA.get_field_index(name), name, exact)
    rows = rows.join(names, "model_id").rename_columns({"timestamp": "valid_to"})
    both = pa.concat_tables([versions, rows.select(VERSION.names).cast(VERSION)])
    both = both.append_column("row", pa.array(range(len(both)), pa.int64()))
    first = both.group_by(["car_id", "valid_from"]).aggregate([("row", "min")])["row_min"]
    return both.take(first), True


def _listed_files(connection: Connection, when: datetime | None) -> list[Row]:
    """The rows of `history_archive`; with an instant, of the files whose versions may hold then."""
    if connection.scalar(text("SELECT to_regclass(:name)"), {"name": ARCHIVE.name}) is None:
        return []  # nothing was ever archived
    files = select(ARCHIVE).order_by(ARCHIVE.c.file)
    if when is not None:
        files = files.where(ARCHIVE.c.first_valid_from <= when, ARCHIVE.c.last_timestamp > when)
    return list(connection.execute(files))


def _read_archived(folder: Path, file: Row, condition: pc.Expression) -> pa.Table:
    """Read the rows of an archived file that meet a condition, after checking its bytes."""
    path = folder / file.file
    try:
        if checksum(path) != path.stem:
            raise OSError("other bytes than were written")
        return pq.read_table(path, filters=condition, partitioning=None)
    except (OSError, pa.ArrowException) as error:
        raise DamagedData(
            f"Expected the archived file {file.file} in {str(folder)!r} as it was written, found: "
            f"{error}. Its rows are no longer in car_info_history, so there is no answer without "
            "them: pass the directory that archive_history wrote, or restore the file from a copy."
        ) from error


def _frame(rows: pa.Table, columns: list[str], order: list[str]) -> pd.DataFrame:
    rows = rows.sort_by([(name, "ascending") for name in order])
    frame = rows.select(columns).to_pandas()
    if "car_id" in columns:  # as get_car gives it
        frame["car_id"] = pd.Series([UUID(key) for key in rows["car_id"].to_pylist()], dtype=object)
    return frame
