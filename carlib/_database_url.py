"""A database URL, taken apart without ever showing what is secret in it.

Tracebacks print the messages of all chained errors, and IPython's verbose ones print the variables
of every frame as well. So what is secret travels wrapped in a `Secret`, it is unwrapped only in
functions that give a problem back instead of raising it, and the driver's errors lose their frames.
"""

import os
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import psycopg2
from psycopg2.extensions import connection as Connection
from sqlalchemy import URL, make_url
from sqlalchemy.exc import ArgumentError

from carlib.errors import ConnectionFailed
from carlib.interrupts import InterruptibleCursor

CONNECT_SECONDS = 10
SECRET_PARAMETERS = frozenset({"password", "sslpassword", "oauth_client_secret"})
FORM = "postgresql://user:password@host:5432/database"
PERCENT_ENCODE = (
    "Percent-encode the special characters of the user name and the password "
    "(@ is %40, : is %3A, / is %2F, % is %25; urllib.parse.quote does it)."
)


class Secret:
    """Holds a value that no repr, log or traceback shows."""

    __slots__ = ("_value",)

    def __init__(self, value: Any) -> None:
        self._value = value

    def __repr__(self) -> str:
        return "Secret(***)"

    def reveal(self) -> Any:
        """Return the value itself."""
        return self._value


@dataclass(frozen=True)
class Target:
    """A database to connect to: `url` masks its password, `parameters` are the driver's."""

    url: URL
    parameters: Secret

    def open(self) -> Connection:
        """A new connection of the driver's own.

        Raises:
            psycopg2.Error: As the driver raised it, but without its frames, which hold the
                password.
        """
        opened = self._open()
        if isinstance(opened, Exception):
            try:
                raise opened
            finally:
                del opened  # an error that its own frame holds lives on
        return opened

    def _open(self) -> Connection | Exception:
        try:
            return psycopg2.connect(cursor_factory=InterruptibleCursor, **self.parameters.reveal())
        except psycopg2.Error as error:
            return error.with_traceback(None)
        except (TypeError, ValueError) as error:  # such as NUL; may hold all parameters
            return psycopg2.OperationalError(
                f"a part of the URL is unusable ({type(error).__name__})"
            )

    def leaks_secret(self, text: str) -> bool:
        """Whether `text` has a secret in it that isn't also a public part of the URL."""
        for public in (self.url.username, self.url.host, self.url.database):
            text = text.replace(public, "") if public else text
        return any(secret in text for secret in self._secrets())

    def _secrets(self) -> Iterator[str]:
        for name, value in self.parameters.reveal().items():
            if name in SECRET_PARAMETERS and value:
                yield str(value)

    @property
    def location(self) -> str:
        """The place as a person reads it: host, port and database, without any path."""
        host = self.url.host or self.url.query.get("host")
        port = self.url.port or self.url.query.get("port", "5432")
        host = host if isinstance(host, str) else ",".join(host or ())
        if not host or host.startswith("/"):
            return f"a local socket, database {self._database}"
        return f"{host}:{port}/{self._database}"

    @property
    def user(self) -> str:
        """The role to connect as, or the words for the operating system's."""
        return self.url.username or os.environ.get("PGUSER") or "the current system user"

    @property
    def _database(self) -> str:
        return self.url.database or os.environ.get("PGDATABASE") or self.user


def target(given: Secret, schema_options: str) -> Target:
    """Take a database URL apart.

    Args:
        given: The URL, a str or SQLAlchemy's.
        schema_options: What PostgreSQL's `options` start-up parameter is to hold besides the URL's.

    Raises:
        ConnectionFailed: It is no URL of a PostgreSQL over psycopg2.
    """
    found = _target(given, schema_options)
    if isinstance(found, str):
        raise ConnectionFailed(found)
    return found


def _target(given: Secret, schema_options: str) -> Target | str:
    value = given.reveal()
    if isinstance(value, str):
        if value.count("@") > 1:
            return (
                f"Expected one @ in the database URL, before the host; found more. {PERCENT_ENCODE}"
            )
        try:
            value = make_url(value)
        except (ArgumentError, ValueError):
            return f"Expected a database URL like {FORM}; this one can't be read. {PERCENT_ENCODE}"
    elif not isinstance(value, URL):
        return (
            f"Expected a database URL like {FORM}, found an object of type {type(value).__name__}."
        )
    if "@" in f"{value.host}{value.database}":
        return f"Expected one @ in the database URL, before the host; found more. {PERCENT_ENCODE}"
    if value.drivername not in ("postgresql", "postgres", "postgresql+psycopg2"):
        return (
            "Expected a URL that begins with postgresql:// or postgresql+psycopg2://, found "
            f"{value.drivername}://. carlib works on PostgreSQL through the driver psycopg2."
        )
    url = value.set(drivername="postgresql+psycopg2")
    try:
        _, parameters = url.get_dialect()().create_connect_args(url)
    except (ArgumentError, ValueError):
        return f"Expected a database URL like {FORM}; its hosts and ports can't be read."
    parameters["options"] = f"{_joined(parameters.get('options', ''))} {schema_options}".strip()
    parameters.setdefault("application_name", "carlib")
    parameters["client_encoding"] = "utf8"
    if "PGCONNECT_TIMEOUT" not in os.environ:
        parameters.setdefault("connect_timeout", CONNECT_SECONDS)
    if "password" in url.query:
        url = url.set(password=_joined(url.query["password"]))
    return Target(url.difference_update_query(SECRET_PARAMETERS), Secret(parameters))


def _joined(value: str | tuple[str, ...]) -> str:
    return value if isinstance(value, str) else " ".join(value)
