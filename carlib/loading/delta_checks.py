"""What a delta load refuses: arguments, and staged rows before anything is changed."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

import pandas as pd
from sqlalchemy import text
from sqlalchemy.engine import Connection

from carlib.errors import BadArgument, LateChange, SnapshotRefused
from carlib.loading.delta_sql import differs, source_query
from carlib.loading.prepare import REQUIRED
from carlib.loading.staging import take_out
from carlib.text import tidy_text, visible_text

LATE = "late: the car changed at or after this load's instant"
SHOWN = 5  # cars named in a message
CLOCK_BEHIND = (
    " No instant was given, so this one is the server's time: its clock may be behind. Look with"
    " SELECT clock_timestamp()."
)
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


def refuse_incomplete(connection: Connection, columns: Sequence[str]) -> pd.DataFrame:
    """Take new cars out of staging if the frame has no columns for what a new car needs."""
    lacking = [name for name in REQUIRED if name not in columns]
    unknown = "NOT EXISTS (SELECT FROM car_info c WHERE c.vin = s.vin)" if lacking else None
    return take_out(connection, columns, unknown, f"new car without {', '.join(lacking)}")


def refuse_late(
    connection: Connection, columns: Sequence[str], loaded_at: datetime
) -> pd.DataFrame:
    """Take changes out of staging that would come before what is known already.

    That is a car whose present values hold since `loaded_at` or later and would change, and a new
    one whose VIN some car had after `loaded_at`: it was deleted, or given another VIN.
    """
    when = {"loaded_at": loaded_at}
    known_later = connection.scalar(
        text(
            "SELECT EXISTS (SELECT FROM car_info WHERE valid_from >= :loaded_at)"
            ' OR EXISTS (SELECT FROM car_info_history WHERE "timestamp" > :loaded_at)'
        ),
        when,
    )
    # A model that the tables don't know yet is a change as well: hence the outer joins.
    late = (
        f"s.vin IN (SELECT c.vin FROM ({source_query(columns)}) s JOIN car_info c ON c.vin = s.vin"
        f" WHERE c.valid_from >= :loaded_at AND {differs(columns)}"
        " UNION ALL SELECT h.vin FROM car_info_history h"
        ' WHERE h."timestamp" > :loaded_at'
        " AND NOT EXISTS (SELECT FROM car_info c WHERE c.vin = h.vin))"
    )
    return take_out(connection, columns, late if known_later else None, LATE, when)


def late_in_snapshot(connection: Connection, loaded_at: datetime) -> Sequence[str]:
    """The VINs of cars that a snapshot would delete, and that changed at `loaded_at` or later."""
    query = f"SELECT c.vin FROM car_info c WHERE c.valid_from >= :loaded_at AND {NOT_IN_SNAPSHOT}"
    return connection.scalars(text(f"{query} ORDER BY c.vin"), {"loaded_at": loaded_at}).all()


def note_refused_vins(connection: Connection, rejected: pd.DataFrame) -> None:
    """Note the VINs of refused rows: their cars were mentioned, so a snapshot keeps them.

    What can't be seen in a VIN is left out: who reads the row takes it for that car's.
    """
    connection.execute(text("CREATE TEMPORARY TABLE refused_vin (vin text) ON COMMIT DROP"))
    texts = (visible_text(vin) for vin in rejected["vin"] if isinstance(vin, str))
    vins = sorted({tidy_text(vin, upper=True) for vin in texts})
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


def late_change(vins: Sequence[str], loaded_at: datetime, clock: bool) -> LateChange:
    """Say which cars changed too late; `clock` says that the instant is the server's own."""
    more = f" and {len(vins) - SHOWN:,} more" if len(vins) > SHOWN else ""
    return LateChange(
        f"Expected every change to come after the car's last one, but {', '.join(vins[:SHOWN])}"
        f"{more} changed at or after {loaded_at:%Y-%m-%d %H:%M:%S %Z}. History can't be written "
        "backwards: load with a later loaded_at, or with on_reject='report' without these rows."
        f"{CLOCK_BEHIND * clock}"
    )
