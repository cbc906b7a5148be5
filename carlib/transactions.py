"""Transactions of writers: what they see, what they wait for, and when they are tried again."""

from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from typing import TypeVar

from sqlalchemy import Engine, text
from sqlalchemy.engine import Connection
from sqlalchemy.exc import DBAPIError

from carlib.connection import driver_error

# A deadlock and a serialization failure: the next attempt may succeed (PostgreSQL manual,
# "Serialization Failure Handling").
RETRYABLE_SQLSTATES = frozenset({"40P01", "40001"})
UNIQUE_VIOLATION = "23505"
ATTEMPTS = 4

Result = TypeVar("Result")


@contextmanager
def read_committed(engine: Engine) -> Iterator[Connection]:
    """Begin a transaction in which each statement sees what others committed before it.

    That is PostgreSQL's default, and what waiting for a lock and then looking again needs; the
    engine may have been made with another isolation level.
    """
    connection = engine.connect().execution_options(isolation_level="READ COMMITTED")
    with connection, connection.begin():
        yield connection


def lock(connection: Connection, purpose: str, *, whole_session: bool = False) -> None:
    """Wait until nobody else in this schema holds the lock of that name, and hold it.

    Of this schema only: other learners of the same database are not kept waiting.

    Args:
        connection: The lock ends with its transaction.
        purpose: The name of the lock, such as ``carlib.load``.
        whole_session: True for a lock that ends with the connection instead.
    """
    function = "pg_advisory_lock" if whole_session else "pg_advisory_xact_lock"
    connection.execute(
        text(f"SELECT {function}(hashtext(:purpose), hashtext(current_schema()))"),
        {"purpose": purpose},
    )


def retry(
    attempt: Callable[[], Result],
    *,
    sqlstates: Collection[str] = RETRYABLE_SQLSTATES,
    errors: tuple[type[Exception], ...] = (),
) -> Result:
    """Call a function that begins and ends a transaction, or a savepoint, until it succeeds.

    Args:
        attempt: What to call, `ATTEMPTS` times at most.
        sqlstates: The errors of the database after which it is called again.
        errors: Other errors after which it is called again.

    Raises:
        Exception: What the last attempt raised, or any error that is none of these.
    """
    for _ in range(ATTEMPTS - 1):
        try:
            return attempt()
        except errors:
            continue
        except DBAPIError as error:
            if driver_error(error).pgcode not in sqlstates:
                raise
    return attempt()
