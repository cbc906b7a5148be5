"""What a server or the system refused, as a named error that says what to do.

The messages are made of what is public: host, database, role, schema. No password is shown.
"""

import os
import re

import psycopg2
from sqlalchemy import URL

from carlib.errors import ConnectionFailed

SECRETS = ("password", "sslpassword", "oauth_client_secret")
FORM = "postgresql://user:password@host:5432/database"
PERCENT_ENCODE = (
    "Percent-encode the special characters of the user name and the password "
    "(@ is %40, : is %3A, / is %2F, % is %25; urllib.parse.quote does it)."
)
_START = "Start it, or unset CARLIB_DATABASE_URL to use the embedded PostgreSQL."

# A sign in the driver's message, what it means and what to do; the first that is found counts.
_MEANINGS = {
    "55P03|40P01": (  # LOCK_NOT_AVAILABLE, DEADLOCK_DETECTED
        "another session is using it. Close other kernels and engines that work in it, or choose "
        "another schema."
    ),
    "authentication failed": f"the role or its password was refused. Check both. {PERCENT_ENCODE}",
    "no password supplied": f"it wants a password. Write it into the database URL: {FORM}",
    'database ".*" does not exist': "there is no such database. Make it: CREATE DATABASE.",
    'role ".*" (does|is) not': "that role is missing or may not log in. Ask the server's owner.",
    "no pg_hba.conf entry": "its pg_hba.conf does not let you in. Ask its owner, or use SSL.",
    "could not translate host": "no such host is known. Correct the URL, or check the network.",
    "refused|No such file": f"nothing listens there. Check host and port in the URL. {_START}",
    "timeout expired|timed out|No route|unreachable|Cannot assign": (
        f"the host does not answer. Check host and port in the URL, network and firewall. {_START}"
    ),
    "too many (clients|conn)|connection slots": (
        "all its connections are taken. Close some: engine.dispose(), kernels that are not needed."
    ),
    "is (starting|shutting)|recovery|not yet": "it is starting or stopping. Try again in a moment.",
    "must be owner": "only its owner may drop it, not {role}. Choose another schema.",
    "denied for database": 'let its owner GRANT CREATE ON DATABASE {database} TO "{role}".',
    "denied for schema": 'let its owner GRANT USAGE, CREATE ON SCHEMA "{schema}" TO "{role}".',
}


def place(url: URL) -> str:
    """The place as a person reads it: host, port and database, without any path."""
    host = url.host or url.query.get("host", os.environ.get("PGHOST", ""))
    host = host if isinstance(host, str) else ",".join(host)
    database = url.database or os.environ.get("PGDATABASE") or role(url)
    if not host or host.startswith("/"):
        return f"a local socket, database {database}"
    return f"{host}:{url.port or url.query.get('port', '5432')}/{database}"


def role(url: URL) -> str:
    """The role to connect as, or the words for the operating system's user."""
    return url.username or os.environ.get("PGUSER") or "the current system user"


def without_secrets(url: URL, error: Exception) -> psycopg2.Error:
    """The driver's error, or another in its place if it shows a secret or all parameters."""
    shown = str(error)
    for public in filter(None, (url.username, url.host, url.database)):
        shown = shown.replace(public, "")
    secrets = filter(None, [url.password, *(url.query.get(name) for name in SECRETS)])
    if isinstance(error, psycopg2.Error) and not any(str(secret) in shown for secret in secrets):
        return error
    return psycopg2.OperationalError(_meaning(str(error)) or "the driver's reason is not shown")


def refused(what: str, url: URL, error: object, schema: str = "") -> ConnectionFailed:
    """The named error for what the server, or the driver, refused with that error."""
    message = f"{getattr(error, 'pgcode', None) or ''} {error}".strip()
    text = _meaning(message) or f"{message}. Check the URL."
    for name, value in (("role", role(url)), ("database", url.database), ("schema", schema)):
        text = text.replace(f"{{{name}}}", str(value))
    return ConnectionFailed(f"{what} {place(url)} as {role(url)}: {text}")


def _meaning(message: str) -> str:
    meanings = _MEANINGS.items()
    return next((m for sign, m in meanings if m == message or re.search(sign, message)), "")
