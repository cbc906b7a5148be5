"""Roles on a server that a class shares: each learner's own, which can touch no one else's schema.

The SQL is in shared_server.sql and learner_role.sql, which psql takes as they are.
"""

import contextlib
import os
import secrets
from collections.abc import Iterator
from pathlib import Path
from typing import TextIO, cast

import psycopg2
from psycopg2 import extensions, sql
from sqlalchemy import URL

from carlib.connection import connect
from course.class_file import URL_VARIABLE, Learner, read_class
from course.errors import ClassFileError, RolesFailed, UsageError


def make_roles(class_file: Path, output: Path, database_url: str | None = None) -> list[str]:
    """Make a role and a schema for each learner whose `database_url_env` is not set yet.

    All are made in one transaction, or none. A learner with a role already gets a new password.

    Args:
        class_file: The table, see `read_class`.
        output: A new file, private to its owner: lines ``NAME='postgresql://...'`` for a shell.
        database_url: Of a superuser, as for `connect`; its database is the one to be shared.

    Returns:
        The names of the roles and of their schemas: each learner's slug.

    Raises:
        UsageError: The table has a mistake, no server is named, or the file can't be made.
        ConnectionFailed: The server can't be reached.
        RolesFailed: A role of that name exists and is no learner's, or the server refuses.
    """
    if not (database_url or os.environ.get("CARLIB_DATABASE_URL", "").strip()):
        raise UsageError("Expected the URL of a superuser in CARLIB_DATABASE_URL, found none.")
    learners = read_class(class_file)
    variables = [learner.url_variable for learner in learners]
    for learner in learners:
        if not (name := learner.url_variable) or variables.count(name) > 1:
            raise ClassFileError(
                f"{learner.place}: expected in {URL_VARIABLE} a variable for {learner.name} alone, "
                f"such as ADA_URL; found {name or 'none'} in {variables.count(name)} of the rows."
            )
    new = [learner for learner in learners if not os.environ.get(learner.url_variable)]
    if not new:
        return []
    engine = connect(database_url, schema="public")
    try:
        db = cast(extensions.connection, engine.raw_connection().driver_connection)
        with contextlib.closing(db), _new_private_file(output) as file, db, db.cursor() as cursor:
            _execute(cursor, Path(__file__).with_name("shared_server.sql").read_text("utf-8"))
            file.writelines([_make_role(cursor, learner, engine.url) for learner in new])
            file.flush()
    except psycopg2.Error as error:
        raise RolesFailed(
            f"Expected a superuser of the database {engine.url.database}; the server says: "
            f"{str(error).strip()}. Nothing was made."
        ) from None
    finally:
        engine.dispose()
    return [learner.slug for learner in new]


def _make_role(cursor: extensions.cursor, learner: Learner, url: URL) -> str:
    """Make a role, or give it a new password; returns the file's line for it."""
    role, password = learner.slug, secrets.token_urlsafe(18)
    # The server gets, and may log, a hash of it only.
    verifier = extensions.encrypt_password(password, role, cursor.connection, "scram-sha-256")
    learners = "SELECT member FROM pg_auth_members WHERE roleid = to_regrole('learners')"
    cursor.execute(f"SELECT oid IN ({learners}) FROM pg_roles WHERE rolname = %s", [role])
    existing = cursor.fetchone()
    if existing == (False,):
        raise RolesFailed(f"{learner.place}: expected no role {role!r} yet, found another one.")
    again = "ALTER ROLE :\"role\" PASSWORD :'password'"
    text = again if existing else Path(__file__).with_name("learner_role.sql").read_text("utf-8")
    _execute(cursor, text, role=role, password=verifier)
    address = url.set(username=role, password=password)  # percent-encodes quotes
    return f"{learner.url_variable}='{address.render_as_string(hide_password=False)}'\n"


def _execute(cursor: extensions.cursor, text: str, **values: str) -> None:
    """Execute SQL with psql's :"name" and :'name' in it."""
    for name, value in values.items():  # A slug or a hash, so no value has such quotes in it.
        text = text.replace(f':"{name}"', sql.Identifier(value).as_string(cursor))
        text = text.replace(f":'{name}'", sql.Literal(value).as_string(cursor))
    cursor.execute(text)


@contextlib.contextmanager
def _new_private_file(path: Path) -> Iterator[TextIO]:
    """Open a new file that only its owner can read, and that goes if its block fails."""
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
