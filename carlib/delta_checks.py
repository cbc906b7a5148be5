"""What a delta load refuses, looked at in the staging table before anything is changed."""

from collections.abc import Sequence
from datetime import datetime

import pandas as pd
from sqlalchemy import text
from sqlalchemy.engine import Connection

from carlib.delta_sql import differs, source_query
from carlib.errors import LateChange, SnapshotRefused
from carlib.prepare import REQUIRED

LATE = "late: the car changed at or after this load's instant"
SHOWN = 5  # cars named in a message


def refuse_incomplete(connection: Connection, columns: Sequence[str]) -> pd.DataFrame:
    """Take new cars out of staging if the frame has no columns for what a new car needs."""
    lacking = [name for name in REQUIRED if name not in columns]
    if not lacking:
        return _taken(connection, columns, "false", {}, "")
    unknown = "NOT EXISTS (SELECT FROM car_info c WHERE c.vin = s.vin)"
    return _taken(connection, columns, unknown, {}, f"new car without {', '.join(lacking)}")


def refuse_late(
    connection: Connection,
    columns: Sequence[str],
    loaded_at: datetime,
    on_reject: str,
    *,
    delete_missing: bool,
) -> pd.DataFrame:
    """Take changes out of staging that would come before what is known already.

    That is a car whose present values hold since `loaded_at` or later and would change, and a
    deleted car that would come back before it was deleted.

    Raises:
        LateChange: There are such rows and `on_reject` is ``"raise"``, or a car that a snapshot
            does not mention changed at or after `loaded_at`.
    """
    when = {"loaded_at": loaded_at}
    if delete_missing:
        missing = connection.scalars(
            text(
                "SELECT c.vin FROM car_info c WHERE c.valid_from >= :loaded_at"
                " AND NOT EXISTS (SELECT FROM staging s WHERE s.vin = c.vin)"
                " AND NOT EXISTS (SELECT FROM kept k WHERE k.vin = c.vin) ORDER BY c.vin"
            ),
            when,
        ).all()
        if missing:
            raise _late(missing, loaded_at)
    if not connection.scalar(
        text(
            "SELECT EXISTS (SELECT FROM car_info WHERE valid_from >= :loaded_at)"
            ' OR EXISTS (SELECT FROM car_info_history WHERE "timestamp" > :loaded_at)'
        ),
        when,
    ):
        return _taken(connection, columns, "false", {}, "")
    # A model that the tables don't know yet is a change as well: hence the outer joins.
    source = source_query(columns).replace(" JOIN ", " LEFT JOIN ")
    late = (
        f"s.vin IN (SELECT c.vin FROM ({source}) s JOIN car_info c ON c.vin = s.vin"
        f" WHERE c.valid_from >= :loaded_at AND {differs(columns)}"
        " UNION ALL SELECT h.vin FROM car_info_history h"
        " WHERE h.operation = 'delete' AND h.\"timestamp\" > :loaded_at"
        " AND NOT EXISTS (SELECT FROM car_info c WHERE c.vin = h.vin))"
    )
    rejected = _taken(connection, columns, late, when, LATE)
    if len(rejected) and on_reject == "raise":
        raise _late(rejected["vin"].tolist(), loaded_at)
    return rejected


def keep_refused(connection: Connection, rejected: pd.DataFrame) -> None:
    """Note the VINs of refused rows: their cars were mentioned, so a snapshot keeps them."""
    connection.execute(text("CREATE TEMPORARY TABLE kept (vin text) ON COMMIT DROP"))
    vins = [vin.strip().upper() for vin in rejected.get("vin", []) if isinstance(vin, str)]
    usable = [{"vin": vin} for vin in vins if vin.isprintable()]
    if usable:
        connection.execute(text("INSERT INTO kept (vin) VALUES (:vin)"), usable)


def require_trusted_snapshot(connection: Connection, max_deleted: float) -> None:
    """Raise SnapshotRefused if a snapshot is empty or would delete too large a share."""
    cars, unmentioned = connection.execute(
        text(
            "SELECT count(*), count(*) FILTER (WHERE NOT EXISTS"
            " (SELECT FROM staging s WHERE s.vin = c.vin) AND NOT EXISTS"
            " (SELECT FROM kept k WHERE k.vin = c.vin)) FROM car_info c"
        )
    ).one()
    if unmentioned > max_deleted * cars:
        raise SnapshotRefused(
            f"Expected a full snapshot that deletes at most {max_deleted:.0%} of the cars; this "
            f"one would delete {unmentioned:,} of {cars:,}. If it is right, say so with "
            f"max_deleted=1; if the frame holds changes only, use missing='keep'."
        )


def revive(connection: Connection) -> None:
    """Give a deleted car that comes back the id that it had: its life goes on."""
    connection.execute(
        text(
            "UPDATE staging s SET car_id = h.car_id"
            " FROM (SELECT DISTINCT ON (vin) vin, car_id FROM car_info_history"
            "       WHERE operation = 'delete' ORDER BY vin, \"timestamp\" DESC) h"
            " WHERE s.vin = h.vin AND NOT EXISTS"
            " (SELECT FROM car_info c WHERE c.vin = h.vin OR c.car_id = h.car_id)"
        )
    )


def _taken(
    connection: Connection, columns: Sequence[str], condition: str, values: dict, reason: str
) -> pd.DataFrame:
    """Delete the staged rows that meet a condition, and return them with the reason."""
    deleted = connection.execute(
        text(f"DELETE FROM staging s WHERE {condition} RETURNING row, {', '.join(columns)}"),
        values,
    ).all()
    rejected = pd.DataFrame(deleted, columns=["row", *columns]).set_index("row").sort_index()
    return rejected.assign(reason=pd.Series(reason, index=rejected.index, dtype="str"))


def _late(vins: Sequence[str], loaded_at: datetime) -> LateChange:
    more = f" and {len(vins) - SHOWN:,} more" if len(vins) > SHOWN else ""
    return LateChange(
        f"Expected every change to come after the car's last one, but {', '.join(vins[:SHOWN])}"
        f"{more} changed at or after {loaded_at:%Y-%m-%d %H:%M:%S %Z}. History can't be written "
        "backwards: load with a later loaded_at, or with on_reject='report' without these rows."
    )
