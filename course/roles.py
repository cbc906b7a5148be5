"""Roles on a server that a class shares: each learner's own, which can touch no one else's schema.

The SQL is in shared_server.sql and learner_role.sql, which psql takes as they are.
"""

import contextlib
import os
import re
import secrets
from collections import Counter
from collections.abc import Iterator
from importlib.resources import files
from pathlib import Path
from typing import TextIO, cast

import psycopg2
from psycopg2 import sql
from psycopg2.extensions import connection as Connection
from psycopg2.extensions import encrypt_password
from sqlalchemy import URL

from carlib.connection import connect
from course.class_file import URL_VARIABLE, Learner, read_class
from course.errors import ClassFileError, RolesFailed, UsageError

GROUP = "learners"


def make_roles(class_file: Path, output: Path, database_url: str | None = None) -> list[str]:
    """Make a role and a schema for each learner whose `database_url_env` is not set yet.

    All are made in one transaction, or none. A learner who has a role already, but whose variable
    is not set, gets a new password.

    Args:
        class_file: The table, see `read_class`.
        output: A new file of lines ``NAME='postgresql://...'`` for a shell, readable by its owner
            alone. It is written only if a role is made.
        database_url: Of a superuser, as for `connect`; its database is the one to be shared.

    Returns:
        The names of the roles, which are those of the schemas too: each learner's slug.

    Raises:
        UsageError: The table has a mistake, no server is named, or the file can't be made.
        ConnectionFailed: The server can't be reached.
        RolesFailed: A role of that name exists and is no learner's, or the server refuses.
    """
    if not (database_url or os.environ.get("CARLIB_DATABASE_URL", "").strip()):
        raise UsageError(
            "Expected the URL of a superuser in CARLIB_DATABASE_URL, found none. The embedded "
            "PostgreSQL serves one person alone, so it can't be shared."
        )
    learners = _with_own_variables(read_class(class_file))
    new = [learner for learner in learners if not os.environ.get(learner.url_variable)]
    if not new:
        return []
    engine = connect(database_url, schema="public")
    try:
        connection = cast(Connection, engine.raw_connection().driver_connection)
        with contextlib.closing(connection), _new_private_file(output) as file, connection:
            _run_file(connection, "shared_server.sql")
            for learner in new:
                url = _make_role(connection, learner, engine.url)
                address = url.render_as_string(hide_password=False)  # percent-encodes quotes
                file.write(f"{learner.url_variable}='{address}'\n")
            file.flush()
    except psycopg2.Error as error:
        raise RolesFailed(
            f"Expected a superuser of the database {engine.url.database}, who may make roles and "
            f"extensions; the server says: {str(error).strip()}. Nothing was made."
        ) from None
    finally:
        engine.dispose()
    return [learner.slug for learner in new]


def _with_own_variables(learners: list[Learner]) -> list[Learner]:
    """The same, where each names a variable that nobody else names."""
    counts = Counter(learner.url_variable for learner in learners)
    for learner in learners:
        if not learner.url_variable or counts[learner.url_variable] > 1:
            found = f"{learner.url_variable} more than once" if learner.url_variable else "none"
            raise ClassFileError(
                f"{learner.place}: expected in the column {URL_VARIABLE} the name of a variable "
                f"for the URL of {learner.name} alone, found {found}. Write one, such as ADA_URL."
            )
    return learners


def _make_role(connection: Connection, learner: Learner, url: URL) -> URL:
    role, password = learner.slug, secrets.token_urlsafe(18)
    # The server gets, and may log, a hash of it only.
    verifier = encrypt_password(password, role, connection, "scram-sha-256")
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT EXISTS (SELECT FROM pg_auth_members WHERE member = pg_roles.oid AND"
            " roleid = to_regrole(%s)) FROM pg_roles WHERE rolname = %s",
            [GROUP, role],
        )
        existing = cursor.fetchone()
        if existing is None:
            _run_file(connection, "learner_role.sql", role=role, password=verifier)
        elif existing[0]:
            again = sql.SQL("ALTER ROLE {} PASSWORD {}")
            cursor.execute(again.format(sql.Identifier(role), sql.Literal(verifier)))
        else:
            raise RolesFailed(
                f"{learner.place}: expected no role {role!r} yet, or one that belongs to {GROUP}; "
                f"found another one. Give {learner.name} another name. Nothing was made."
            )
    return url.set(username=role, password=password)


def _run_file(connection: Connection, name: str, **values: str) -> None:
    """Run a file of SQL, with psql's :"name" and :'name' in it."""

    def value(match: re.Match[str]) -> str:
        wrap = sql.Identifier if match[1] == '"' else sql.Literal
        return wrap(values[match[2]]).as_string(connection)

    text = files("course").joinpath(name).read_text(encoding="utf-8")
    with connection.cursor() as cursor:
        cursor.execute(re.sub(r""":(["'])(\w+)\1""", value, text))


@contextlib.contextmanager
def _new_private_file(path: Path) -> Iterator[TextIO]:
    """A new file that nobody else can read, and that goes if what is done with it fails."""
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except OSError as error:
        raise UsageError(f"Expected to make the new file {path}: {error.strerror}.") from None
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8", newline="\n") as file:
            yield file
    except BaseException:
        path.unlink()
        raise
