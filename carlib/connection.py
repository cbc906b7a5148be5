"""connect(): from a database URL, or from nothing at all, to an engine on one schema.

Each schema is a world of its own: a lesson, a learner or a test works in its schema and sees no
other. The search path is set while a connection is opened, so no ROLLBACK can take it back.
"""

import contextlib
import os
from typing import cast

import psycopg2
import psycopg2.extensions
import sqlalchemy.engine
from psycopg2 import sql
from psycopg2.extensions import connection as Connection
from sqlalchemy import URL, Engine, create_engine
from sqlalchemy.exc import DBAPIError

from carlib import _database_url
from carlib._database_url import Secret, Target
from carlib.connection_errors import connection_failed, schema_failed
from carlib.errors import BadArgument, ConnectionFailed, ServerError

OLDEST_VERSION = 180000
NAME_BYTES = 63
LOCK_SECONDS = 20  # how long others may keep a schema that is to be dropped or made


def connect(
    database_url: str | URL | None = None,
    schema: str = "workbook",
    fresh: bool = False,
    *,
    announce: bool = False,
) -> Engine:
    """Connect to PostgreSQL and work in one schema, which is made if it is missing.

    Args:
        database_url: `postgresql://user:password@host:5432/database`, as text or SQLAlchemy's URL;
            None or "" is `$CARLIB_DATABASE_URL`, and where that is empty too, an embedded
            PostgreSQL that starts by itself and stops with the last process that uses it.
        schema: The schema, as it is (`Cars` and `cars` are two); at most 63 bytes of UTF-8.
        fresh: True to drop the schema, with everything that is in it, and make it anew. Nothing
            outside of it is touched, except what depends on it.
        announce: True to print one line that says where the work is done: the server's version,
            its place and the schema.

    Returns:
        An engine whose connections see this schema alone, with the session's time zone UTC. An
        interrupt (Ctrl-C, or that of a notebook) ends what the server does for them.

    Raises:
        BadArgument: PostgreSQL can't have a schema of that name, or it is `public` and is to
            be dropped.
        ConnectionFailed: The URL can't be used, the server does not answer or refuses, or the
            right to make, use or drop the schema is missing.
        ConnectionFailed: The server is older than PostgreSQL 18, or the database is not in UTF-8.
        ServerError: The embedded server does not start.
    """
    # Wrapped before anything can fail: a verbose traceback prints the arguments of a function.
    given = Secret(database_url or os.environ.get("CARLIB_DATABASE_URL", "").strip())
    database_url = None
    _check_name(schema, fresh)
    options = f"-c search_path={_escaped(_quoted(schema))} -c timezone=UTC"

    def resolve_target() -> Target:
        return _database_url.target(given if given.reveal() else Secret(_embedded_url()), options)

    target = resolve_target()
    with _opened(target) as connection:
        version = _check_server(connection, target)
        _make_schema(connection, target, schema, fresh)
        if announce:
            print(_place(connection, target, version, schema))

    def open_connection() -> Connection:
        try:
            return target.open()
        except psycopg2.OperationalError:
            if given.reveal():
                raise
        return resolve_target().open()  # an embedded server that was killed starts again

    return create_engine(target.url, creator=open_connection, pool_pre_ping=True)


def _embedded_url() -> URL:
    # Imported here: with a URL of its own, carlib needs no server that starts by itself.
    from servers import postgres

    try:
        return postgres.embedded_server().url
    except postgres.ServerError as error:
        raise ServerError(str(error)) from error


def _check_name(schema: str, fresh: bool) -> None:
    try:
        size = len(schema.encode())
    except (AttributeError, UnicodeEncodeError):
        size = 0
    # PostgreSQL reads "$user" in a search path as the user's name, even quoted.
    reserved = str(schema).startswith("pg_") or schema in ("information_schema", "$user")
    if not 1 <= size <= NAME_BYTES or "\0" in schema or reserved:
        raise BadArgument(
            f"Expected the name of a schema, 1 to {NAME_BYTES} bytes of UTF-8 without NUL that do "
            f"not begin with pg_ and are neither information_schema nor $user; found {schema!r}. "
            "Choose another name."
        )
    if fresh and schema == "public":
        raise BadArgument(
            'Expected a schema of one\'s own for fresh=True, found "public", where others keep '
            'their tables too: it is not dropped. Choose another name, like "lesson_01".'
        )


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


def _escaped(value: str) -> str:
    """A value as the start-up parameter `options` wants it: it is split at ASCII white space."""
    return "".join(f"\\{c}" if c in " \t\n\v\f\r\\" else c for c in value)


def _opened(target: Target) -> contextlib.closing[Connection]:
    try:
        return contextlib.closing(target.open())
    except psycopg2.Error as error:
        failure, cause = connection_failed(target, error)
    raise failure from cause


def _check_server(connection: Connection, target: Target) -> str:
    number = connection.info.server_version
    version = f"{number // 10000}.{number % 10000}"
    if number < OLDEST_VERSION:
        raise ConnectionFailed(
            f"Expected PostgreSQL 18 or newer at {target.location}, found {version}. Upgrade it, "
            "or unset CARLIB_DATABASE_URL to use the embedded PostgreSQL."
        )
    encoding = connection.info.parameter_status("server_encoding")
    if encoding != "UTF8":
        raise ConnectionFailed(
            f"Expected a database in UTF8 at {target.location}, found {encoding}. Make one: CREATE "
            "DATABASE course TEMPLATE template0 ENCODING 'UTF8'."
        )
    return version


def _make_schema(connection: Connection, target: Target, schema: str, fresh: bool) -> None:
    """Drop the schema if it is to be fresh, make it if it is missing, and see that it is used."""
    name = sql.Identifier(schema)
    try:
        with connection, connection.cursor() as cursor:
            cursor.execute("SELECT set_config('lock_timeout', %s, true)", [f"{LOCK_SECONDS}s"])
            # Two processes at once: CREATE SCHEMA IF NOT EXISTS alone may fail for one of them.
            cursor.execute("SELECT pg_advisory_xact_lock(hashtextextended(%s, 18))", [schema])
            if fresh:
                cursor.execute(sql.SQL("DROP SCHEMA IF EXISTS {} CASCADE").format(name))
            # Asked first, since IF NOT EXISTS needs the right to create even where it exists.
            cursor.execute("SELECT 1 FROM pg_namespace WHERE nspname = %s", [schema])
            if cursor.fetchone() is None:
                cursor.execute(sql.SQL("CREATE SCHEMA IF NOT EXISTS {}").format(name))
            cursor.execute("SELECT current_schema(), has_schema_privilege(%s, 'USAGE')", [schema])
            ((current, usable),) = cursor.fetchall()
    except psycopg2.Error as error:
        raise schema_failed(target, schema, fresh, error) from error
    if not usable:
        raise schema_failed(target, schema, False, None)
    if current != schema:
        raise ConnectionFailed(
            f'Expected the search path "{schema}" at {target.location}, found "{current}": what '
            "stands between us and the server (a connection pooler?) dropped the start-up options. "
            "Connect to the server itself."
        )


def _place(connection: Connection, target: Target, version: str, schema: str) -> str:
    with connection, connection.cursor() as cursor:
        cursor.execute("SELECT current_setting('cluster_name')")
        embedded = cursor.fetchall()[0][0] == "carlib-embedded"
    place = ", embedded" if embedded else f" at {target.location} as {target.user}"
    return f'PostgreSQL {version}{place}, schema "{schema}"'


def driver_cursor(connection: sqlalchemy.engine.Connection) -> psycopg2.extensions.cursor:
    """Open a cursor of psycopg2, which can COPY, in the transaction of SQLAlchemy's connection."""
    return cast(psycopg2.extensions.cursor, connection.connection.cursor())


def driver_error(error: DBAPIError) -> psycopg2.Error:
    """Return the error of psycopg2, which has what the server said, that SQLAlchemy wrapped."""
    return cast(psycopg2.Error, error.orig)
