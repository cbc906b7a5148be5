"""Transactions of writers: what they see, for whom they wait, and when they are tried again."""

import sys
import textwrap
import threading
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from typing import TypeVar

import psycopg2
from sqlalchemy import Engine, text
from sqlalchemy.engine import Connection
from sqlalchemy.exc import DBAPIError, SQLAlchemyError

from carlib.connection import driver_error
from carlib.errors import WriteFailed
from carlib.text import printable

LOCK_SECONDS = 300.0  # how long a writer waits for a lock that others hold, before it gives up
SILENT_SECONDS = 2.0  # how long it waits without saying for whom

# A deadlock, a serialization failure, a key that another transaction inserted under way: the next
# attempt may succeed (PostgreSQL manual, "Serialization Failure Handling").
RETRYABLE_SQLSTATES = frozenset({"40P01", "40001", "23505"})
ATTEMPTS = 4
LOCK_NOT_AVAILABLE = "55P03"
# No fault of the statement: connection lost, resources, operator, system, time limits of a session.
ENDED = ("08", "53", "57", "58", "25P03", "25P04", LOCK_NOT_AVAILABLE)
ADVICE: dict[str | None, str] = {
    LOCK_NOT_AVAILABLE: "Commit or roll back there, or SELECT pg_terminate_backend(pid).",
    "53100": "Free space on the disk that has the server's data.",
    None: "The session was ended, or the server stopped: look whether it answers, and at the time"
    " limits of your role (SHOW transaction_timeout, SHOW idle_in_transaction_session_timeout).",
}
BLOCKING = """
    SELECT coalesce(nullif(a.application_name, ''), 'a session without a name'), b.pid,
           coalesce(a.state, 'unknown'), coalesce(a.query, 'hidden'),
           coalesce(' for ' || date_trunc('second', clock_timestamp() - a.state_change), '')
    FROM pg_locks AS l CROSS JOIN unnest(pg_blocking_pids(l.pid)) AS b (pid)
    LEFT JOIN pg_stat_activity AS a ON a.pid = b.pid
    WHERE l.pid = %s AND l.waitstart < clock_timestamp() - make_interval(secs => %s)
    LIMIT 1
"""

DatabaseError = DBAPIError | psycopg2.Error
Result = TypeVar("Result")


@contextmanager
def read_committed(engine: Engine) -> Iterator[Connection]:
    """Begin a transaction in which each statement sees what others committed before it.

    That is PostgreSQL's default, and what waiting for a lock and then looking again needs; the
    engine may have been made with another isolation level. Where it waits for a lock, it says for
    whom after `SILENT_SECONDS`, and gives up after `LOCK_SECONDS`.

    Raises:
        WriteFailed: The lock was not to be had, the disk is full, or the session was ended.
    """
    holders: list[str] = []
    driver_connection = None
    first: DatabaseError | None = None
    committing = False
    try:
        connection = engine.connect().execution_options(isolation_level="READ COMMITTED")
        driver_connection = connection.connection.dbapi_connection
        with connection, _watch_locks(connection, holders), connection.begin():
            connection.execute(text(f"SET LOCAL lock_timeout = {1000 * LOCK_SECONDS:.0f}"))
            try:
                yield connection
            except (DBAPIError, psycopg2.Error) as error:
                first = error  # what comes after it, when the transaction ends, may hide it
                raise
            committing = True
    except (DBAPIError, psycopg2.Error) as last:
        cause = first or last
        if not _was_ended(_driver_error(cause)):
            raise
        notices = getattr(driver_connection, "notices", [])
        raise _write_failed(_driver_error(cause), notices, holders, committing) from cause


@contextmanager
def _watch_locks(connection: Connection, holders: list[str]) -> Iterator[None]:
    """Say on stderr, once, for whom the connection waits if it waits for a lock for long.

    A thread looks, through a connection of its own, which is opened after `SILENT_SECONDS`.
    `holders` gets a description of the session that holds the lock.
    """
    ended = threading.Event()
    pid = connection.connection.dbapi_connection.info.backend_pid  # type: ignore[union-attr]
    arguments = (connection.engine, pid, ended, holders)
    thread = threading.Thread(target=_watch, args=arguments, name="carlib locks", daemon=True)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join(1)


def _watch(engine: Engine, pid: int, ended: threading.Event, holders: list[str]) -> None:
    if ended.wait(SILENT_SECONDS):
        return
    pool = engine.pool.recreate()  # of its own: the engine's may have no connection left to give
    with suppress(psycopg2.Error, SQLAlchemyError), closing(pool.connect()) as connection:
        cursor = connection.cursor()
        while not holders and not ended.wait(0.2):
            cursor.execute(BLOCKING, [pid, SILENT_SECONDS])
            for name, holder, state, query, since in cursor.fetchall():
                last = textwrap.shorten(printable(" ".join(query.split())), 80)
                holders.append(
                    f"{name} (pid {holder}) holds: it is {state}{since}, its last statement is"
                    f" {last!r}"
                )
                print(f"Waiting for a lock that {holders[0]}.", file=sys.stderr, flush=True)
            connection.rollback()
    pool.dispose()


def _driver_error(error: DatabaseError) -> psycopg2.Error:
    return driver_error(error) if isinstance(error, DBAPIError) else error


def _was_ended(error: psycopg2.Error) -> bool:
    """Whether the session or its surroundings failed, and not a statement."""
    if error.pgcode is None:
        return isinstance(error, (psycopg2.OperationalError, psycopg2.InterfaceError))
    return error.pgcode.startswith(ENDED)


def _write_failed(
    error: psycopg2.Error, notices: list[str], holders: list[str], committing: bool
) -> WriteFailed:
    sentence = error.diag.message_primary or " ".join(str(error).split())
    outcome, advice = "Nothing was changed.", ADVICE.get(error.pgcode, "Mend that.")
    if error.pgcode == LOCK_NOT_AVAILABLE:
        holder = holders[0] if holders else "another session holds"
        outcome += f" It waited {LOCK_SECONDS:g} seconds for a lock that {holder}."
    elif error.pgcode is None:
        # What the server said when it ended an idle session is a mere notice to the driver.
        sentence = "; ".join([n.strip() for n in notices if n.startswith("FATAL")] or [sentence])
        if committing:
            outcome = "It happened at the very end: look whether the change is there."
    return WriteFailed(
        f"Expected PostgreSQL to make the change, but it ended the work: {sentence.rstrip('.')}."
        f" {outcome} {advice} Then try again."
    )


def lock(connection: Connection, purpose: str) -> None:
    """Wait until nobody else in this schema holds the lock of that name; keep it to the end.

    Of this schema only: other learners of the same database are not kept waiting.
    """
    query = "SELECT pg_advisory_xact_lock(hashtext(:purpose), hashtext(current_schema()))"
    connection.execute(text(query), {"purpose": purpose})


def retry(attempt: Callable[[], Result]) -> Result:
    """Call a function that makes a transaction, or a savepoint, until it succeeds.

    It is called `ATTEMPTS` times at most, as long as the database's errors are ones that pass.
    """
    for _ in range(ATTEMPTS - 1):
        try:
            return attempt()
        except DBAPIError as error:
            if driver_error(error).pgcode not in RETRYABLE_SQLSTATES:
                raise
    return attempt()
