"""What a delta load refuses: arguments, frames, and staged rows before anything is changed."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

import pandas as pd
from sqlalchemy import text
from sqlalchemy.engine import Connection

from carlib.errors import BadArgument, CarlibError, LateChange, SnapshotRefused, WrongColumns
from carlib.loading.columns import SURROGATE, tidy_text
from carlib.loading.delta_sql import differs, source_query
from carlib.loading.prepare import REQUIRED, TABLE_COLUMNS, check_columns

LATE = "late: the car changed at or after this load's instant"
SHOWN = 5  # cars named in a message
NOT_IN_SNAPSHOT = (
    "NOT EXISTS (SELECT FROM staging s WHERE s.vin = c.vin)"
    " AND NOT EXISTS (SELECT FROM refused_vin r WHERE r.vin = c.vin)"
)


def check_delta_arguments(batch: object, missing: object, max_deleted: Any) -> None:
    """Raise BadArgument unless the arguments that only a delta load has can be used."""
    if missing not in ("keep", "delete"):
        raise BadArgument(f"Expected missing to be 'keep' or 'delete', found {missing!r}.")
    if batch is not None and not (
        isinstance(batch, str)
        and batch.isprintable()
        and 0 < len(batch.strip()) <= len(batch) <= 200
    ):
        raise BadArgument(
            f"Expected batch to be a name of 1 to 200 printable characters, found {batch!r}."
        )
    is_number = isinstance(max_deleted, (int, float)) and not isinstance(max_deleted, bool)
    if not (is_number and 0 <= max_deleted <= 1):
        raise BadArgument(f"Expected max_deleted to be from 0 to 1, found {max_deleted!r}.")


def delta_columns(frame: pd.DataFrame) -> list[str]:
    """The columns of a frame, in the order of a cars frame, if a delta may have them.

    Raises:
        BadArgument, WrongColumns, WrongColumns: It is no frame, or not one of cars.
    """
    check_columns(frame, required=("vin",))
    columns = [name for name in TABLE_COLUMNS if name in frame.columns]
    if ("brand" in columns) != ("model" in columns):
        raise WrongColumns(
            "Expected brand and model together, since a model is known by both; found only "
            f"{'brand' if 'brand' in columns else 'model'}."
        )
    return columns


def refuse_incomplete(connection: Connection, columns: Sequence[str]) -> pd.DataFrame:
    """Take new cars out of staging if the frame has no columns for what a new car needs."""
    lacking = [name for name in REQUIRED if name not in columns]
    if not lacking:
        return _reject(connection, columns, "false", {}, "")
    unknown = "NOT EXISTS (SELECT FROM car_info c WHERE c.vin = s.vin)"
    return _reject(connection, columns, unknown, {}, f"new car without {', '.join(lacking)}")


def refuse_late(
    connection: Connection,
    columns: Sequence[str],
    loaded_at: datetime,
    on_reject: str,
) -> pd.DataFrame:
    """Take changes out of staging that would come before what is known already.

    That is a car whose present values hold since `loaded_at` or later and would change, and a new
    one whose VIN some car had after `loaded_at`: it was deleted, or given another VIN.

    Raises:
        LateChange: There are such rows and `on_reject` is ``"raise"``.
    """
    when = {"loaded_at": loaded_at}
    if not connection.scalar(
        text(
            "SELECT EXISTS (SELECT FROM car_info WHERE valid_from >= :loaded_at)"
            ' OR EXISTS (SELECT FROM car_info_history WHERE "timestamp" > :loaded_at)'
        ),
        when,
    ):
        return _reject(connection, columns, "false", {}, "")
    # A model that the tables don't know yet is a change as well: hence the outer joins.
    source = source_query(columns)
    late = (
        f"s.vin IN (SELECT c.vin FROM ({source}) s JOIN car_info c ON c.vin = s.vin"
        f" WHERE c.valid_from >= :loaded_at AND {differs(columns)}"
        " UNION ALL SELECT h.vin FROM car_info_history h"
        ' WHERE h."timestamp" > :loaded_at'
        " AND NOT EXISTS (SELECT FROM car_info c WHERE c.vin = h.vin))"
    )
    rejected = _reject(connection, columns, late, when, LATE)
    if len(rejected) and on_reject == "raise":
        raise _late(rejected["vin"].tolist(), loaded_at)
    return rejected


def require_none_late(connection: Connection, loaded_at: datetime) -> None:
    """Raise LateChange if a snapshot would delete a car that changed at `loaded_at` or later."""
    query = f"SELECT c.vin FROM car_info c WHERE c.valid_from >= :loaded_at AND {NOT_IN_SNAPSHOT}"
    late = connection.scalars(text(f"{query} ORDER BY c.vin"), {"loaded_at": loaded_at}).all()
    if late:
        raise _late(late, loaded_at)


def note_refused_vins(connection: Connection, rejected: pd.DataFrame) -> None:
    """Note the VINs of refused rows: their cars were mentioned, so a snapshot keeps them."""
    connection.execute(text("CREATE TEMPORARY TABLE refused_vin (vin text) ON COMMIT DROP"))
    texts = {v for v in rejected["vin"] if isinstance(v, str) and not SURROGATE.search(v)}
    vins = sorted({tidy_text(v, upper=True) for v in texts if "\0" not in v})
    if vins:
        connection.execute(
            text("INSERT INTO refused_vin (vin) SELECT unnest(CAST(:vins AS text[]))"),
            {"vins": vins},
        )


def require_trusted_snapshot(connection: Connection, received: int, max_deleted: float) -> None:
    """Raise SnapshotRefused if a snapshot has no rows or would delete too large a share."""
    if not received:
        raise SnapshotRefused(
            "Expected a full snapshot of the cars, found no rows. If there are to be no cars any "
            "more, delete them one by one: delete_car(engine, car_id)."
        )
    cars, unmentioned = connection.execute(
        text(f"SELECT count(*), count(*) FILTER (WHERE {NOT_IN_SNAPSHOT}) FROM car_info c")
    ).one()
    if unmentioned > max_deleted * cars:
        raise SnapshotRefused(
            f"Expected a full snapshot that deletes at most {max_deleted:.0%} of the cars; this "
            f"one would delete {unmentioned:,} of {cars:,}. If it is right, say so with "
            f"max_deleted=1; if the frame holds changes only, use missing='keep'."
        )


def revive(connection: Connection) -> None:
    """Give a deleted car that comes back the id that it had: its life goes on.

    Only the VIN under which a car was deleted last brings it back; one that it had in an earlier
    life may come at the same time, as another car.
    """
    connection.execute(
        text(
            "UPDATE staging s SET car_id = h.car_id"
            " FROM (SELECT DISTINCT ON (vin) vin, car_id FROM car_info_history d"
            "       WHERE operation = 'delete' AND NOT EXISTS"
            "       (SELECT FROM car_info_history later WHERE later.car_id = d.car_id"
            '        AND later."timestamp" > d."timestamp")'
            '       ORDER BY vin, "timestamp" DESC) h'
            " WHERE s.vin = h.vin AND NOT EXISTS"
            " (SELECT FROM car_info c WHERE c.vin = h.vin OR c.car_id = h.car_id)"
        )
    )


def require_all_there(connection: Connection) -> None:
    """Raise CarlibError unless each staged car is in the table now."""
    lost = connection.scalar(
        text(
            "SELECT count(*) FROM staging s"
            " WHERE NOT EXISTS (SELECT FROM car_info c WHERE c.vin = s.vin)"
        )
    )
    if lost:
        raise CarlibError(
            f"Expected all cars of the delta in the table, but {lost:,} did not arrive, so nothing "
            "was loaded. Something on the tables changes or drops rows: look for triggers, rules "
            "and policies."
        )


def _reject(
    connection: Connection, columns: Sequence[str], condition: str, values: dict, reason: str
) -> pd.DataFrame:
    """Delete the staged rows that meet a condition, and return them with the reason."""
    deleted = connection.execute(
        text(f"DELETE FROM staging s WHERE {condition} RETURNING row, {', '.join(columns)}"),
        values,
    ).all()
    rejected = pd.DataFrame(deleted, columns=["row", *columns]).set_index("row").sort_index()
    numbers = [name for name in ("engine_size", "price") if name in columns]
    rejected = rejected.astype(dict.fromkeys(numbers, float))  # as frames have numbers
    return rejected.assign(reason=pd.Series(reason, index=rejected.index, dtype="str"))


def _late(vins: Sequence[str], loaded_at: datetime) -> LateChange:
    more = f" and {len(vins) - SHOWN:,} more" if len(vins) > SHOWN else ""
    return LateChange(
        f"Expected every change to come after the car's last one, but {', '.join(vins[:SHOWN])}"
        f"{more} changed at or after {loaded_at:%Y-%m-%d %H:%M:%S %Z}. History can't be written "
        "backwards: load with a later loaded_at, or with on_reject='report' without these rows."
    )
