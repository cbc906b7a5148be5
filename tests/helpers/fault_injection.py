"""Something happens before each statement that an engine sends, COPY and COMMIT included."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import psycopg2.extensions
from sqlalchemy import Engine, event


@contextmanager
def before_each_statement(engine: Engine, action: Callable[[str, int], None]) -> Iterator[None]:
    """Call `action` with each statement, before it is sent, and the server process it goes to."""

    class Cursor(psycopg2.extensions.cursor):
        def execute(self, sql, *arguments):
            action(str(sql), self.connection.info.backend_pid)
            return super().execute(sql, *arguments)

        def copy_expert(self, sql, *arguments):
            action(str(sql), self.connection.info.backend_pid)
            return super().copy_expert(sql, *arguments)

    def checkout(connection, record, proxy):
        connection.cursor_factory = Cursor

    def commit(connection):
        action("COMMIT", connection.connection.dbapi_connection.info.backend_pid)

    event.listen(engine, "checkout", checkout)
    event.listen(engine, "commit", commit)
    try:
        yield
    finally:
        event.remove(engine, "checkout", checkout)
        event.remove(engine, "commit", commit)
        engine.dispose()


def holds(sql: str, word: str) -> bool:
    """Whether a statement holds a word; COMMIT is the one that commits, not an ON COMMIT DROP."""
    return sql == word if word == "COMMIT" else word in sql
