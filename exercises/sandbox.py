"""Where answers run: on a connection of their own, in a transaction that is always rolled back.

An SQL answer reaches the server as a value and is run by PL/pgSQL's EXECUTE, or opened as one of
its cursors. There the server itself refuses COMMIT, ROLLBACK and savepoints, also behind a
semicolon and inside DO blocks ("Executing Dynamic Commands" and "Transaction Management" in the
PL/pgSQL chapter of the manual). A Python function gets the connection itself: for it a deferred
trigger makes every COMMIT fail, and outside the one transaction the session can only read.
Afterwards the connection is closed, and with it go session locks and prepared statements, which
a rollback would keep.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import cast

import psycopg2
import psycopg2.extensions
from sqlalchemy import Connection, Engine
from sqlalchemy.exc import SQLAlchemyError

from exercises.failure import Failure
from exercises.statements import transaction_control
from exercises.tables import Table, from_rows

MAX_ROWS = 20_000  # more than any exercise asks for, and few enough to fetch at once

_OPEN = """DO $$ DECLARE answer refcursor := 'answer';
BEGIN OPEN answer FOR EXECUTE current_setting('carlib.answer'); END $$"""
_EXECUTE = "DO $$ BEGIN EXECUTE current_setting('carlib.answer'); END $$"

_OUTCOME = """
CREATE FUNCTION pg_temp.outcome(statement text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
    said text; touched bigint;
BEGIN
    EXECUTE statement;
    GET DIAGNOSTICS touched = ROW_COUNT;
    RETURN 'accepted, ' || touched || CASE touched WHEN 1 THEN ' row' ELSE ' rows' END;
EXCEPTION WHEN OTHERS THEN
    GET STACKED DIAGNOSTICS said = MESSAGE_TEXT;
    RETURN 'refused: ' || said;
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
    """A transaction in which answers are tried one after the other, each from the same start.

    Args:
        engine: From `connect`; its schema is the one that answers see. Nothing in it changes.
        seconds: How long one statement may take.
        lock_seconds: How long it may wait for what another transaction has locked, such as one
            left open in the notebook.
    """

    def __init__(self, engine: Engine, seconds: float = 30.0, lock_seconds: float = 3.0):
        self._engine = engine
        self._milliseconds = (round(seconds * 1000), round(lock_seconds * 1000))

    def __enter__(self) -> Sandbox:
        try:
            self._connection = self._engine.connect()
        except (SQLAlchemyError, psycopg2.Error):
            raise
        except Exception as error:  # whatever the engine's own way to connect raises
            raise Failure(f"{error}") from error
        driver = self._connection.connection.driver_connection
        self._driver = cast(psycopg2.extensions.connection, driver)
        self._connection.detach()
        self._driver.rollback()
        # The driver's own settings come before those of the session, so they are put aside; an
        # engine in autocommit mode would have no transaction to roll back.
        self._driver.set_session("DEFAULT", "default", "default", autocommit=True)
        self._cursor = self._driver.cursor()
        self._run("SET default_transaction_read_only = on")
        self._driver.autocommit = False
        self._begin()
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
    def trial(self, setup: str = "") -> Iterator[None]:
        """Run `setup` and then the block, and undo both, so that every trial starts alike."""
        self._run("SAVEPOINT trial")
        try:
            if setup:
                self._run(setup)
            yield
        finally:
            self._undo()

    def rows(self, sql: str) -> Table:
        """Run an answer that is one query and may only read; at most `MAX_ROWS` are fetched."""
        self._run("SET LOCAL transaction_read_only = on")
        self._run_answer(sql, _OPEN)
        table = self._fetch(f"FETCH FORWARD {MAX_ROWS + 1} FROM answer")
        self._run("CLOSE answer")
        return table

    def execute(self, sql: str) -> None:
        """Run an answer that may change anything; deferred constraints are checked at once."""
        self._run_answer(sql, _EXECUTE)
        self._run("SET CONSTRAINTS ALL IMMEDIATE")

    def probe(self, sql: str) -> Table:
        """Run an exercise's own query, whose first column says what each row is about.

        It may call `pg_temp.outcome(statement)`, which tries the statement and says what became of
        it: "accepted, 1 row", or "refused: " and the server's message.
        """
        self._run(_OUTCOME)
        return replace(self._fetch(sql), keyed=True)

    def connection(self) -> Connection:
        """Return the connection for a function to work with; the transaction can't be committed."""
        self._run(_REFUSE_COMMIT)
        self._connection.begin()
        return self._connection

    def _begin(self) -> None:
        self._run("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ WRITE")
        self._run(
            "SET LOCAL statement_timeout = %s; SET LOCAL lock_timeout = %s", self._milliseconds
        )

    def _undo(self) -> None:
        if not self.usable:
            return
        lent = self._connection.get_transaction()
        if lent is None:
            self._run("ROLLBACK TO SAVEPOINT trial")
        else:  # a function may have ended the transaction, so the next trial gets a new one
            lent.close()
            self._driver.rollback()
            self._begin()

    def _run_answer(self, sql: str, how: str) -> None:
        self._run("SELECT set_config('carlib.answer', %s, true)", (sql.strip(),))
        try:
            self._run(how)
        except Failure as failure:
            if word := transaction_control(sql):
                raise Failure(
                    f"Expected an answer without transaction control, found {word}. The check runs "
                    "it in a transaction of its own and rolls that back. PostgreSQL says:",
                    failure.code,
                ) from failure
            raise

    def _fetch(self, sql: str) -> Table:
        self._run(sql)
        try:
            rows = self._cursor.fetchall()
        except psycopg2.Error as error:
            raise Failure.of_database(error) from error
        columns = [column.name for column in self._cursor.description or ()]
        return from_rows(columns, rows[:MAX_ROWS], cut=len(rows) > MAX_ROWS)

    def _run(self, sql: str, values: tuple | None = None) -> None:
        try:
            self._cursor.execute(sql, values)
        except psycopg2.Error as error:
            raise Failure.of_database(error) from error
        except ValueError as error:  # psycopg2 refuses NUL characters before the server can
            raise Failure(f"{error}") from error
