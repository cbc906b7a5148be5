"""Where answers run: on a connection of their own, in a transaction that is always rolled back.

An SQL answer is passed to the server as a value, which PL/pgSQL executes or opens as a cursor.
There the server itself refuses COMMIT, ROLLBACK and savepoints, also after a semicolon and inside
DO blocks ("Executing Dynamic Commands" and "Transaction Management" in the manual). A Python
function gets the connection itself: a deferred trigger makes every COMMIT fail, and outside the
one transaction the session can only read. At the end the connection is closed, and with it go
session locks and prepared statements, which a rollback would keep.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Self, cast

import psycopg2
from sqlalchemy import Connection, Engine

from exercises.errors import AnswerError
from exercises.results import Result, from_rows
from exercises.statements import transaction_control

MAX_ROWS = 20_000  # more than any exercise asks for, and few enough to fetch at once

_BEGIN = """SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ WRITE;
SET LOCAL statement_timeout = %s; SET LOCAL lock_timeout = %s"""
_OPEN = """DO $$ DECLARE answer refcursor := 'answer';
BEGIN OPEN answer FOR EXECUTE current_setting('exercises.answer'); END $$"""
_EXECUTE = "DO $$ BEGIN EXECUTE current_setting('exercises.answer'); END $$"

_OUTCOME = """
CREATE FUNCTION pg_temp.outcome(statement text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE touched bigint;
BEGIN
    EXECUTE statement;
    GET DIAGNOSTICS touched = ROW_COUNT;
    RETURN 'accepted, ' || touched || CASE touched WHEN 1 THEN ' row' ELSE ' rows' END;
EXCEPTION WHEN OTHERS THEN RETURN 'refused: ' || SQLERRM;
END $$
"""

_REFUSE_COMMIT = """
CREATE FUNCTION pg_temp.refuse_commit() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
    RAISE EXCEPTION 'the check holds this transaction: leave commit and rollback to it';
END $$;
CREATE TEMPORARY TABLE no_commit (reason text);
CREATE CONSTRAINT TRIGGER no_commit AFTER INSERT ON no_commit DEFERRABLE INITIALLY DEFERRED
    FOR EACH ROW EXECUTE FUNCTION pg_temp.refuse_commit();
INSERT INTO no_commit VALUES ('an answer is being checked');
"""


class Sandbox:
    """A transaction in which answers are run one after the other, each from the same start.

    Args:
        engine: From `connect`; its schema is the one that answers see. Nothing in it changes.
        seconds: How long one statement may take.
        lock_seconds: How long it may wait for a lock, such as that of a transaction left open.
    """

    def __init__(self, engine: Engine, seconds: float = 30.0, lock_seconds: float = 3.0):
        self._engine = engine
        self._milliseconds = (round(seconds * 1000), round(lock_seconds * 1000))

    def __enter__(self) -> Self:
        self._connection = self._engine.connect()
        self._driver = cast(Any, self._connection.connection.driver_connection)
        self._connection.detach()
        self._driver.rollback()
        # The driver's own settings come before those of the session, so they are put aside; an
        # engine in autocommit mode would have no transaction to roll back.
        self._driver.set_session("DEFAULT", "default", "default", autocommit=True)
        self._cursor = self._driver.cursor()
        self._run("SET default_transaction_read_only = on")
        self._driver.autocommit = False
        self._run(_BEGIN, self._milliseconds)
        return self

    def __exit__(self, *_: object) -> None:
        self._driver.close()  # nothing was committed, so the server rolls back
        if not self._connection.closed:
            self._connection.invalidate()
            self._connection.close()

    @property
    def usable(self) -> bool:
        """Whether the connection is still there; an answer may have ended it."""
        return not self._driver.closed

    @contextmanager
    def attempt(self, setup: str = "") -> Iterator[None]:
        """Run `setup` and then the block, and undo both, so that every attempt starts alike."""
        try:
            self._run(f"SAVEPOINT attempt; {setup}")
            yield
        finally:
            if self.usable and (lent := self._connection.get_transaction()):
                # A function may have ended the transaction, so the next attempt gets a new one.
                lent.close()
                self._driver.rollback()
                self._run(_BEGIN, self._milliseconds)
            elif self.usable:
                self._run("ROLLBACK TO SAVEPOINT attempt")

    def rows(self, sql: str) -> Result:
        """Run an answer that is one query and may only read; it may return `MAX_ROWS` rows."""
        self._run("SET LOCAL transaction_read_only = on")
        self._run_answer(sql, _OPEN)
        result = self._fetch(f"FETCH FORWARD {MAX_ROWS + 1} FROM answer")
        if len(result.rows) > MAX_ROWS:
            raise AnswerError(f"Expected at most {MAX_ROWS} rows, found more.")
        self._run("CLOSE answer")
        return result

    def execute(self, sql: str) -> None:
        """Run an answer that may change anything; deferred constraints are checked at once."""
        self._run_answer(sql, _EXECUTE)
        self._run("SET CONSTRAINTS ALL IMMEDIATE")

    def probe(self, sql: str) -> Result:
        """Run an exercise's own query, whose first column says what each row is about.

        It may call `pg_temp.outcome(statement)`, which tries the statement and returns what became
        of it: "accepted, 1 row", or "refused: " and the server's message.
        """
        self._run(_OUTCOME)
        return self._fetch(sql, keyed=True)

    def connection(self) -> Connection:
        """Return the connection for a function to work with; the transaction can't be committed."""
        self._run(_REFUSE_COMMIT)
        self._connection.begin()
        return self._connection

    def _run_answer(self, sql: str, how: str) -> None:
        self._run("SELECT set_config('exercises.answer', %s, true)", (sql.strip(),))
        try:
            self._run(how)
        except AnswerError as error:
            if control := transaction_control(sql):
                error.text = (
                    f"Expected an answer without transaction control, found {control}. The check "
                    "runs it in a transaction of its own and rolls that back. PostgreSQL says:"
                )
            raise

    def _fetch(self, sql: str, keyed: bool = False) -> Result:
        self._run(sql)
        columns = [column.name for column in self._cursor.description or ()]
        return from_rows(columns, self._cursor.fetchall(), keyed)

    def _run(self, sql: str, values: tuple | None = None) -> None:
        try:
            self._cursor.execute(sql, values)
        except (psycopg2.Error, ValueError) as error:  # psycopg2 itself refuses NUL characters
            raise AnswerError.of(error) from error
