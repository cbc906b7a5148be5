"""What a server or the system refused, as a named error that says what to do.

The messages are made of what is public (host, database, role, schema). What the driver said is
attached as the cause only where it shows nothing secret.
"""

import re

import psycopg2
from psycopg2 import errorcodes

from carlib._database_url import FORM, PERCENT_ENCODE, Target
from carlib.errors import ConnectionFailed

START_ONE = "Start it, or unset CARLIB_DATABASE_URL to use the embedded PostgreSQL."

# What the driver says, what that means, and what to do; the first that is found counts.
_MEANINGS = (
    (
        "authentication failed",
        "the password, or the role {user}, was refused",
        f"Check both in the database URL. {PERCENT_ENCODE}",
    ),
    (
        "no password supplied",
        "it wants a password, the URL has none",
        f"Write it into the database URL: {FORM}",
    ),
    (
        'database ".*" does not exist',
        "there is no such database",
        "Make it (CREATE DATABASE), or correct its name in the database URL.",
    ),
    (
        'role ".*" (does not exist|is not permitted to log in)',
        "there is no role {user}, or it may not log in",
        "Correct the user name in the database URL, or let the server's owner make the role.",
    ),
    (
        "no pg_hba.conf entry",
        "its pg_hba.conf lets nobody in from here as {user}",
        "Ask the server's owner for an entry, or add ?sslmode=require to the URL if it wants SSL.",
    ),
    (
        "could not translate host name",
        "no host of that name is known",
        "Correct the host in the database URL, or check the network.",
    ),
    (
        "Connection refused|No such file or directory",
        "nothing listens there",
        f"Check host and port in the database URL. {START_ONE}",
    ),
    (
        "timeout expired|timed out|No route to host|unreachable|Cannot assign",
        "the host does not answer",
        f"Check host and port in the database URL, network and firewall. {START_ONE}",
    ),
    (
        "too many (clients|connections)|remaining connection slots",
        "all its connections are taken",
        "Close connections that are not needed (engine.dispose(), idle kernels) and try again.",
    ),
    (
        "is (starting up|shutting down)|in recovery mode|not yet accepting",
        "it is starting or stopping",
        "Try again in a moment.",
    ),
)


def connection_failed(
    target: Target, error: psycopg2.Error
) -> tuple[ConnectionFailed, psycopg2.Error | None]:
    """The named error for a connection that did not come about, and the cause to attach to it."""
    driver_message = str(error).strip()
    secret = target.leaks_secret(driver_message)
    unknown = (
        "",
        "the driver's reason is not shown" if secret else driver_message,
        "Check the URL.",
    )
    known = (meaning for meaning in _MEANINGS if re.search(meaning[0], driver_message))
    _, reason, todo = next(known, unknown)
    message = f"No connection to {target.location} as {target.user}: "
    message += f"{reason.replace('{user}', target.user)}. {todo}"
    return ConnectionFailed(message), None if secret else error


def schema_failed(
    target: Target, schema: str, fresh: bool, error: psycopg2.Error | None
) -> ConnectionFailed:
    """The named error for a schema that could not be dropped, made or used."""
    place = f'The schema "{schema}" at {target.location}'
    role, quoted = f'"{target.user}"', f'"{schema}"'
    code = error.pgcode if error else None
    if error is None:
        reason = f"may not be used by {target.user}."
        todo = f"Let its owner GRANT USAGE, CREATE ON SCHEMA {quoted} TO {role}."
    elif code == errorcodes.INSUFFICIENT_PRIVILEGE and "must be owner" in str(error):
        reason = f"is to be dropped (fresh=True), which only its owner may, not {target.user}."
        todo = "Choose another schema, or let its owner drop it."
    elif code == errorcodes.INSUFFICIENT_PRIVILEGE:
        reason = f"is missing, and {target.user} may not make schemas in this database."
        todo = f"Let the database's owner GRANT CREATE ON DATABASE {target.url.database} TO {role}."
    elif code in (errorcodes.LOCK_NOT_AVAILABLE, errorcodes.DEADLOCK_DETECTED):
        doing = "dropped" if fresh else "made"
        reason = f"can't be {doing}: another session is using it."
        todo = "Close other kernels and engines that work in it, or choose another schema."
    else:
        reason = f"could not be made ready: {error}".strip()
        todo = "Mend that and try again."
    return ConnectionFailed(f"{place} {reason} {todo}")
