"""connect(): from a database URL, or from nothing at all, to an engine on one schema.

Each schema is a world of its own: a lesson, a learner or a test works in its schema and sees no
other. The search path is set while a connection is opened, so no ROLLBACK can take it back. What a
server refuses becomes a named error, made of what is public: host, database, role, schema.
"""

import contextlib
import os
import re
import sys
import threading
from collections.abc import Callable
from functools import partial
from typing import Any, cast

import psycopg2
import psycopg2.extensions
import sqlalchemy.engine
from psycopg2 import sql
from psycopg2.extensions import connection as Connection
from sqlalchemy import URL, Engine, create_engine, make_url
from sqlalchemy.exc import ArgumentError, DBAPIError

from carlib.errors import BadArgument, ConnectionFailed, ServerError
from carlib.interrupts import InterruptibleCursor

OLDEST_VERSION = 180000
NAME_BYTES = 63
CONNECT_SECONDS = 10
LOCK_SECONDS = 20  # how long others may keep a schema that is to be dropped or made
SILENT_SECONDS = 2  # of these, how many pass without a word

STATE = """SELECT current_schema(), has_schema_privilege(%s, 'USAGE'),
    current_setting('cluster_name') = 'carlib-embedded'"""
SECRETS = ("password", "sslpassword", "oauth_client_secret")
FORM = "postgresql://user:password@host:5432/database"
PERCENT_ENCODE = (
    "Percent-encode the special characters of the user name and the password "
    "(@ is %40, : is %3A, / is %2F, % is %25; urllib.parse.quote does it)."
)
_START = "Start it, or unset CARLIB_DATABASE_URL to use the embedded PostgreSQL."

# A sign in the driver's message, what it means and what to do; the first that is found counts.
_MEANINGS = {
    "55P03|40P01": "another session is using it. Close other kernels and engines that work in it, "
    "or choose another schema.",  # LOCK_NOT_AVAILABLE, DEADLOCK_DETECTED
    "authentication failed": f"the role or its password was refused. Check both. {PERCENT_ENCODE}",
    "no password supplied": f"it wants a password. Write it into the database URL: {FORM}",
    'database ".*" does not exist': "there is no such database. Make it: CREATE DATABASE.",
    'role ".*" (does|is) not': "that role is missing or may not log in. Ask the server's owner.",
    "no pg_hba.conf entry": "its pg_hba.conf does not let you in. Ask its owner, or use SSL.",
    "could not translate host": "no such host is known. Correct the URL, or check the network.",
    "refused|No such file": f"nothing listens there. Check host and port in the URL. {_START}",
    "timeout expired|timed out|No route|unreachable|Cannot assign": "the host does not answer. "
    f"Check host and port in the URL, network and firewall. {_START}",
    "too many (clients|conn)|connection slots": "all its connections are taken. Close some: "
    "engine.dispose(), kernels that are not needed.",
    "is (starting|shutting)|recovery|not yet": "it is starting or stopping. Try again in a moment.",
    "must be owner": "only its owner may drop it, not {role}. Choose another schema.",
    "denied for database": 'let its owner GRANT CREATE ON DATABASE {database} TO "{role}".',
    "denied for schema": 'let its owner GRANT USAGE, CREATE ON SCHEMA "{schema}" TO "{role}".',
}

Open = Callable[[], Connection]


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
            PostgreSQL that starts by itself and stops with the last process that uses it. No
            other server is reached then, whatever libpq's variables (`PGHOST`) and files say.
        schema: The schema, as it is (`Cars` and `cars` are two); at most 63 bytes of UTF-8.
        fresh: True to drop the schema, with everything that is in it or depends on it, and make it
            anew. It waits at most 20 seconds for a session that uses the schema, and after 2
            seconds it prints on stderr which one.
        announce: True to print one line: the server's version, its place and the schema.

    Returns:
        An engine whose connections see this schema alone, with the session's time zone UTC. An
        interrupt (Ctrl-C, or that of a notebook) ends what the server does for them.

    Raises:
        BadArgument: PostgreSQL can't have a schema of that name, or it may not be dropped.
        ConnectionFailed: The URL can't be used, the server does not answer, refuses or is older
            than PostgreSQL 18, the database is not in UTF-8, or a right on the schema is missing.
        ServerError: The embedded server does not start.
    """
    _check_name(schema, fresh)
    given = database_url or os.environ.get("CARLIB_DATABASE_URL", "").strip()
    url, open_connection = _target(given, schema)
    try:
        opened = open_connection()
    except psycopg2.Error as error:
        raise _refused("No connection to", url, error) from error
    with contextlib.closing(opened) as connection:
        version = _check_server(connection, url)
        embedded = _make_schema(connection, open_connection, url, schema, fresh)
        if announce:
            place = ", embedded" if embedded else f" at {_place(url)} as {_role(url)}"
            print(f'PostgreSQL {version}{place}, schema "{schema}"')
    masked = url.difference_update_query(SECRETS)
    return create_engine(masked, creator=open_connection, pool_pre_ping=True)


def _check_name(schema: str, fresh: bool) -> None:
    # PostgreSQL reads "$user" in a search path as the user's name, even quoted.
    allowed = r"(?!pg_|(information_schema|\$user)\Z)[^\0\ud800-\udfff]+"
    sound = isinstance(schema, str) and re.fullmatch(allowed, schema)
    if not sound or len(schema.encode()) > NAME_BYTES:
        raise BadArgument(
            f"Expected the name of a schema, 1 to {NAME_BYTES} bytes of UTF-8 without NUL, not "
            f"pg_..., information_schema or $user; found {schema!r}. Choose another name."
        )
    if fresh and schema == "public":
        raise BadArgument(
            'Expected a schema other than "public" for fresh=True: others keep their tables there '
            'too, it is not dropped. Choose another name, like "lesson_01".'
        )


def _target(given: str | URL, schema: str) -> tuple[URL, Open]:
    """The URL, and a function that opens a connection there: ours where no URL is given."""
    # Imported here: whoever only reads files with carlib needs no server.
    from servers import postgres

    def embedded(use: Callable[[postgres.EmbeddedServer], Any]) -> Any:
        try:
            return use(postgres.embedded_server())  # started again if it was killed
        except postgres.ServerError as error:
            raise ServerError(str(error)) from error

    def open_given() -> Connection:
        try:
            waiting = f"{_place(url)} to answer"
            with postgres.without_libpq_variables(url), postgres.announced(waiting):
                return psycopg2.connect(**parameters)
        except (psycopg2.Error, TypeError, ValueError) as error:
            shown = _without_secrets(url, error)
        raise shown

    url, parameters = _read_url(given) if given else (embedded(lambda server: server.url), {})
    # The start-up parameter `options` is split at ASCII white space.
    quoted = '"' + schema.replace('"', '""') + '"'
    escaped = re.sub(r"[ \t\n\v\f\r\\]", r"\\\g<0>", quoted)
    options = f"{parameters.get('options', '')} -c search_path={escaped} -c timezone=UTC"
    parameters = {"application_name": "carlib", "connect_timeout": CONNECT_SECONDS} | parameters
    parameters |= {"options": options, "client_encoding": "utf8"}
    parameters |= {"cursor_factory": InterruptibleCursor}
    connect_embedded = partial(embedded, lambda server: server.connect(**parameters))
    return url, open_given if given else connect_embedded


def _read_url(given: str | URL) -> tuple[URL, dict[str, Any]]:
    """The URL and the driver's parameters."""
    one_at = "with one @, before the host; found more"
    problem = one_at if str(given).count("@") > 1 else "this one can't be read"
    # Suppressed, then raised: the errors in this block may show pieces of a password.
    with contextlib.suppress(ArgumentError, ValueError):
        url = make_url(given)
        if "@" in f"{url.host}{url.database}":
            problem = one_at
        elif url.drivername not in ("postgresql", "postgres", "postgresql+psycopg2"):
            problem = f"for the driver psycopg2; found {url.drivername}://"
        elif problem != one_at:
            url = url.set(drivername="postgresql+psycopg2")
            problem = "its hosts and ports can't be read"
            return url, dict(url.get_dialect()().create_connect_args(url)[1])
    raise ConnectionFailed(f"Expected a database URL like {FORM}, {problem}. {PERCENT_ENCODE}")


def _check_server(connection: Connection, url: URL) -> str:
    """Return the server's version."""
    version = "{}.{}".format(*divmod(connection.info.server_version, 10000))
    encoding = connection.info.parameter_status("server_encoding")
    if connection.info.server_version < OLDEST_VERSION or encoding != "UTF8":
        raise ConnectionFailed(
            f"Expected PostgreSQL 18 or newer, with a database in UTF8, at {_place(url)}; "
            f"found {version} with {encoding}. Upgrade it, make a database (CREATE DATABASE course "
            "TEMPLATE template0 ENCODING 'UTF8'), or unset CARLIB_DATABASE_URL."
        )
    return version


def _make_schema(
    connection: Connection, open_connection: Open, url: URL, schema: str, fresh: bool
) -> bool:
    """Drop the schema if it is to be fresh, make it if it is missing, and see that it is used.

    Returns whether the server is an embedded one.
    """
    name = sql.Identifier(schema)
    blocked = (connection.info.backend_pid, open_connection, schema)
    watcher = threading.Timer(SILENT_SECONDS, _print_blockers, blocked)
    watcher.daemon = True
    watcher.start()
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
            cursor.execute(STATE, [schema])
            ((current, usable, embedded),) = cursor.fetchall()
    except psycopg2.Error as error:
        raise _refused(f'No schema "{schema}" at', url, error, schema) from error
    finally:
        watcher.cancel()
    if not usable:
        raise _refused(f'No schema "{schema}" at', url, "permission denied for schema", schema)
    if current != schema:
        raise ConnectionFailed(
            f'Expected the search path "{schema}" at {_place(url)}, found "{current}": a '
            "connection pooler drops the start-up options. Connect to the server itself."
        )
    return embedded


def _print_blockers(pid: int, open_connection: Open, schema: str) -> None:
    query = """SELECT string_agg(concat_ws(' ', 'process', pid, 'of', usename, application_name,
        state), ', ') FROM pg_stat_activity WHERE pid = ANY (pg_blocking_pids(%s))"""
    with contextlib.suppress(psycopg2.Error), contextlib.closing(open_connection()) as connection:
        with connection.cursor() as cursor:
            cursor.execute(query, [pid])
            ((blockers,),) = cursor.fetchall()
        if blockers:
            waiting = f'carlib: waiting at most {LOCK_SECONDS} s for the schema "{schema}"'
            print(f"{waiting}, used by {blockers}", file=sys.stderr, flush=True)


def _place(url: URL) -> str:
    """The place as a person reads it: host, port and database, without any path."""
    host = url.host or url.query.get("host", os.environ.get("PGHOST", ""))
    host = host if isinstance(host, str) else ",".join(host)
    database = url.database or os.environ.get("PGDATABASE") or _role(url)
    if not host or host.startswith("/"):
        return f"a local socket, database {database}"
    return f"{host}:{url.port or url.query.get('port', '5432')}/{database}"


def _role(url: URL) -> str:
    return url.username or os.environ.get("PGUSER") or "the current system user"


def _without_secrets(url: URL, error: Exception) -> psycopg2.Error:
    """The driver's error, or another in its place if it shows a secret or all parameters."""
    shown = str(error)
    for public in filter(None, (url.username, url.host, url.database)):
        shown = shown.replace(public, "")
    secrets = filter(None, [url.password, *(url.query.get(name) for name in SECRETS)])
    if isinstance(error, psycopg2.Error) and not any(str(secret) in shown for secret in secrets):
        return error
    return psycopg2.OperationalError(_meaning(str(error)) or "the driver's reason is not shown")


def _refused(what: str, url: URL, error: object, schema: str = "") -> ConnectionFailed:
    """The named error for what the server, or the driver, refused with that error."""
    message = f"{getattr(error, 'pgcode', None) or ''} {error}".strip()
    names = {"role": _role(url), "database": url.database, "schema": schema}
    text = _meaning(message).format(**names) or f"{message}. Check the URL."
    return ConnectionFailed(f"{what} {_place(url)} as {_role(url)}: {text}")


def _meaning(message: str) -> str:
    meanings = _MEANINGS.items()
    return next((m for sign, m in meanings if m == message or re.search(sign, message)), "")


def driver_cursor(connection: sqlalchemy.engine.Connection) -> psycopg2.extensions.cursor:
    """Open a cursor of psycopg2, which can COPY, in the transaction of SQLAlchemy's connection."""
    return cast(psycopg2.extensions.cursor, connection.connection.cursor())


def driver_error(error: DBAPIError) -> psycopg2.Error:
    """Return the error of psycopg2, which has what the server said, that SQLAlchemy wrapped."""
    return cast(psycopg2.Error, error.orig)
