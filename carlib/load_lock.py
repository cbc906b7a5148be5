"""Instants and their order: the lock that puts changes in a row, and when answers are final.

Whoever changes cars announces the earliest instant that may be written, then waits for the lock,
and only then reads the clock: so what committed later is never dated earlier. Until it commits,
what was true at that instant or later can still change: `final_before` looks at what is announced.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime

import pandas as pd
from sqlalchemy import Engine, text
from sqlalchemy.engine import Connection

from carlib.errors import BadArgument
from carlib.tables import require_tables
from carlib.transactions import lock, read_committed

LOAD_LOCK = "carlib.load"
ANNOUNCED = "carlib load "  # the application name of a load's connection begins like this
CLOCK_BEHIND = (
    " No instant was given, so this one is the server's time: its clock may be behind. Look with"
    " SELECT clock_timestamp()."
)

ANNOUNCE = text(
    "SELECT set_config('application_name', :announced || to_char("
    " coalesce(CAST(:instant AS timestamptz), clock_timestamp()) AT TIME ZONE 'UTC',"
    " 'YYYY-MM-DD\"T\"HH24:MI:SS.US'), true)"
)
# now() is the transaction's start: read before anybody could get the lock unseen. Whoever takes the
# lock and announces nothing is taken to write no instant before the start of the transaction; where
# that is hidden from us too, nothing is known.
FINAL_BEFORE = text(
    "SELECT least(now(), min(CASE WHEN starts_with(a.application_name, :announced)"
    " AND pg_input_is_valid(announced, 'timestamp')"
    " THEN CAST(announced AS timestamp) AT TIME ZONE 'UTC'"
    " ELSE coalesce(a.xact_start, '0001-01-02 00:00+00') END))"
    " FROM pg_locks l JOIN pg_stat_activity a USING (pid),"
    " substr(a.application_name, length(:announced) + 1) AS announced"
    " WHERE l.locktype = 'advisory' AND l.objsubid = 2"
    " AND l.database = (SELECT oid FROM pg_database WHERE datname = current_database())"
    " AND l.classid = CAST(hashtext(:purpose) AS oid)"
    " AND l.objid = CAST(hashtext(current_schema()) AS oid) AND l.pid <> pg_backend_pid()"
)


def require_instant(name: str, value: object) -> datetime:
    """Return an instant in UTC, cut to PostgreSQL's microseconds, or raise BadArgument."""
    if not isinstance(value, datetime) or pd.isna(value) or value.utcoffset() is None:
        raise BadArgument(
            f"Expected {name} to be a datetime with a time zone, found {value!r}. Without a zone "
            "the instant would be a guess: write datetime(2024, 11, 10, 10, tzinfo=UTC)."
        )
    if isinstance(value, pd.Timestamp):
        value = value.to_pydatetime(warn=False)
    try:
        return value.astimezone(UTC)
    except OverflowError as error:
        raise BadArgument(
            f"Expected {name} to be in the years 1 to 9999 of UTC, found {value!r}."
        ) from error


@contextmanager
def change_in_order(engine: Engine, instant: datetime | None) -> Iterator[Connection]:
    """Begin the transaction of a load or a change, after all those before it.

    Raises TablesMissing, and WriteFailed as `read_committed` does; `instant` is as for `announce`.
    """
    with read_committed(engine) as connection:
        announce(connection, instant)
        lock_for_load(connection)
        require_tables(connection)
        yield connection


def announce(connection: Connection, instant: datetime | None) -> None:
    """Let others see the earliest instant that this transaction may write, None for the clock's.

    The application name carries it: everyone may read it in `pg_stat_activity`, it appears before
    the transaction commits, and it goes back to what it was at the transaction's end.
    """
    connection.execute(ANNOUNCE, {"announced": ANNOUNCED, "instant": instant})


def lock_for_load(connection: Connection) -> None:
    """Wait until no other load or change is under way in this schema, and keep others waiting."""
    lock(connection, LOAD_LOCK)


def read_clock(connection: Connection) -> datetime:
    """Return the server's time; `now()` would be the transaction's start, before the lock."""
    return connection.scalar(text("SELECT clock_timestamp()"))


def final_before(connection: Connection) -> datetime:
    """Return the instant before which no open load and no later one without a date can write.

    Only that: a load that begins later may still be told an earlier instant. What is asked next has
    to be asked in another transaction: this one's snapshot may be older than the commit of a load
    which it no longer finds.
    """
    return connection.scalar(FINAL_BEFORE, {"purpose": LOAD_LOCK, "announced": ANNOUNCED})
