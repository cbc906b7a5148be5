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
from sqlalchemy import Engine, inspect, select
from sqlalchemy.engine import Row

from carlib.errors import BadArgument, DamagedData, IncompleteAnswer
from carlib.history.archive import ARCHIVE, SCHEMA, archive_folder, checksum
from carlib.history.copy import INSTANT, query_to_arrow
from carlib.load_lock import final_before, require_instant
from carlib.lookup import as_uuid
from carlib.tables import require_tables

_VERSIONS = """
SELECT v.car_id, b.name AS brand, m.name AS model, v.vin, v.engine_size, v.color, v.price, v.status,
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
SELECT h.car_id, h.vin, b.name AS brand, m.name AS model, h."timestamp" AS changed_at,
       h.price AS old_price, coalesce(n.price, c.price) AS new_price,
       coalesce(n.price, c.price) - h.price AS difference
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
SELECT model_id, b.name AS brand, m.name AS model
FROM car_model m JOIN car_brand b USING (brand_id)
"""


def car_history(
    engine: Engine, car_id: UUID | str, directory: str | PathLike[str] | None = None
) -> pd.DataFrame:
    """Return the whole life of one car.

    Args:
        engine: From `connect`.
        car_id: The key of the car, as a UUID or as its text.
        directory: Where `archive_history` wrote; None to look at the tables alone.

    Returns:
        One row a version, the oldest first: brand, model (both missing where the model was
        deleted), vin, engine_size (litres), color, price, status, valid_from, valid_to, operation:
        what ended the version, ``"update"`` or ``"delete"``. For the present one it is None and
        valid_to is NaT. No rows if there never was such a car.

        ``attrs["complete"]`` is False if history is archived and no directory was given.

    Raises:
        BadArgument: `car_id` is no UUID, or `directory` can't be a folder.
        TablesMissing: The tables are not there; `create_tables` makes them.
        DamagedData: An archived file is missing, or is not as it was written.
    """
    key = str(as_uuid(car_id))
    of_car = pc.field("car_id") == key
    versions, complete = _versions(engine, HISTORY_QUERY, {"car_id": key}, directory, of_car)
    frame = _frame(versions, ["valid_from"]).drop(columns="car_id")
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

        ``attrs["final"]`` is False if a load under way, or one to come, could still change the
        answer; ``attrs["complete"]`` if history of this instant is archived and no directory was
        given.

    Warns:
        IncompleteAnswer: One of the two is False.

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
    frame = _frame(versions.drop_columns("operation"), ["vin", "car_id"])
    frame.attrs |= {"final": final, "complete": complete}
    doubts = {
        "final": "can still change: a load is under way that may write this instant, or it is yet "
        "to come. Ask again later.",
        "complete": "may lack cars: history of that instant was archived. Pass the directory that "
        "archive_history wrote.",
    }
    for name, doubt in doubts.items():
        if not frame.attrs[name]:
            message = f"The fleet as of {when.isoformat(' ')} {doubt}"
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
        One row a change, ordered by changed_at and vin: car_id, vin, brand, model (as they were
        before it), changed_at, old_price, new_price, difference (new less old) and percent (of the
        old price; NaN where that is 0).

    Raises:
        BadArgument: `since` or `until` has no time zone, or `since` comes after `until`.
        TablesMissing: The tables are not there; `create_tables` makes them.
    """
    period = {
        name: None if instant is None else require_instant(name, instant)
        for name, instant in {"since": since, "until": until}.items()
    }
    if since is not None and until is not None and since > until:
        raise BadArgument(f"Expected since to come before until, found {since!r} and {until!r}.")
    with engine.connect() as connection:
        require_tables(connection)
        changes = query_to_arrow(connection, PRICES_QUERY, period)
    frame = _frame(changes, ["changed_at", "vin", "car_id"])
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

    The second value is False if files were left out.
    """
    folder = None if directory is None else archive_folder(directory)
    listed = select(ARCHIVE).order_by(ARCHIVE.c.file)
    if when := values.get("when"):  # only the files whose versions may have held then
        listed = listed.where(ARCHIVE.c.first_valid_from <= when, ARCHIVE.c.last_timestamp > when)
    # In this isolation level, all statements see the same moment.
    connection = engine.connect().execution_options(isolation_level="REPEATABLE READ")
    with connection, connection.begin():
        require_tables(connection)
        ever_archived = inspect(connection).has_table(ARCHIVE.name)
        files = connection.execute(listed).all() if ever_archived else []
        versions = query_to_arrow(connection, query, values)
        if folder is None or not files:
            return versions, not files
        names = query_to_arrow(connection, NAMES_QUERY, {})
    rows = pa.concat_tables([_read_archived(folder, file, condition) for file in files])
    for name in ("engine_size", "price"):
        # By way of text: Arrow's cast from decimal to float is off in the last bit at times.
        exact = rows[name].cast(pa.string()).cast(pa.float64())
        rows = rows.set_column(SCHEMA.get_field_index(name), name, exact)
    rows = rows.join(names, "model_id").rename_columns({"timestamp": "valid_to"})
    both = pa.concat_tables([versions, rows.select(versions.schema.names).cast(versions.schema)])
    # Somebody may have put archived rows back into the table.
    distinct = both.select(["car_id", "valid_from"]).to_pandas().drop_duplicates().index
    return both.take(pa.array(distinct)), True


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
            f"{error}. Its rows are nowhere else: pass the directory that archive_history wrote, "
            "or restore the file from a copy."
        ) from error


def _frame(rows: pa.Table, order: list[str]) -> pd.DataFrame:
    rows = rows.sort_by([(name, "ascending") for name in order])
    frame = rows.to_pandas()
    keys = [UUID(key) for key in rows["car_id"].to_pylist()]  # as get_car gives it
    frame["car_id"] = pd.Series(keys, dtype=object)
    if "operation" in frame:  # None where there is none; pandas' own texts would have NaN
        frame["operation"] = pd.Series(rows["operation"].to_pylist(), dtype=object)
    return frame
