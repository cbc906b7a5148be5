"""Roles on a server that a class shares: each learner's own, which can touch no one else's schema.

The SQL is in shared_server.sql and learner_role.sql, which psql takes as they are.
"""

from __future__ import annotations

import contextlib
import io
import os
import re
import secrets
import tempfile
from collections.abc import Iterator, Sequence
from importlib.resources import files
from pathlib import Path
from typing import TextIO, cast

import psycopg2
from psycopg2 import sql
from psycopg2.extensions import connection as Connection
from psycopg2.extensions import encrypt_password
from ruamel.yaml import YAML
from sqlalchemy import URL

from carlib._database_url import SECRET_PARAMETERS
from carlib.connection import connect
from course.class_file import Learner
from course.errors import RolesFailed

GROUP = "learners"
_VARIABLE = re.compile(r""":(["'])(\w+)\1""")


def make_roles(
    class_file: Path, learners: Sequence[Learner], output: Path, database_url: str | None = None
) -> list[str]:
    """Make a role for each learner that has no database URL yet, and write the URLs down.

    Everything is made in one transaction, or nothing. Who has a role but no URL gets a new
    password.

    Args:
        class_file: The file of the class.
        learners: What `read_class` found in it.
        output: Where to write the class's file with a `database_url`, password included, and a
            `schema` for each of them; readable for its owner alone. May be `class_file` itself.
        database_url: Of a superuser, as for `connect`; its database is the one to be shared.

    Returns:
        The roles' names: each learner's folder, which is the name of the schema too.

    Raises:
        ConnectionFailed: The server can't be reached.
        RolesFailed: A role of that name exists and is no learner's, or the server refuses.
    """
    with contextlib.redirect_stdout(io.StringIO()):
        engine = connect(database_url, schema="public")
    try:
        url = engine.url.difference_update_query(SECRET_PARAMETERS)
        connection = cast(Connection, engine.raw_connection().driver_connection)
        with contextlib.closing(connection), _written(output) as new, connection:
            _run(connection, "shared_server.sql")
            urls = {
                learner.name: _make_role(connection, learner, url)
                for learner in learners
                if learner.database_url is None
            }
            new.write(_with_urls(class_file, learners, urls))
            new.flush()
    except psycopg2.Error as error:
        raise RolesFailed(
            f"Expected a superuser of the database {url.database}, who may make roles and "
            f"extensions; the server says: {str(error).strip()}. Nothing was made."
        ) from None
    finally:
        engine.dispose()
    return [learner.folder for learner in learners if learner.name in urls]


def _make_role(connection: Connection, learner: Learner, url: URL) -> URL:
    role, password = learner.folder, secrets.token_urlsafe(18)
    # The server gets, and may log, a hash of it only.
    verifier = encrypt_password(password, role, connection, "scram-sha-256")
    with connection.cursor() as cursor:
        cursor.execute("SELECT FROM pg_roles WHERE rolname = %s", [role])
        if cursor.fetchone() is None:
            _run(connection, "learner_role.sql", role=role, password=verifier)
        else:
            cursor.execute(
                "SELECT FROM pg_auth_members WHERE roleid = to_regrole(%s) AND"
                " member = to_regrole(quote_ident(%s))",
                [GROUP, role],
            )
            if cursor.fetchone() is None:
                raise RolesFailed(
                    f"Expected the role {role!r} of the learner {learner.name!r} to be missing or "
                    f"a member of {GROUP}, found another one of that name. Give the learner "
                    "another name. Nothing was made."
                )
            again = sql.SQL("ALTER ROLE {} PASSWORD {}")
            cursor.execute(again.format(sql.Identifier(role), sql.Literal(verifier)))
    return url.set(username=role, password=password)


def _run(connection: Connection, name: str, **values: str) -> None:
    """Run a file of SQL, with psql's :"name" and :'name' in it."""
    text = files("course").joinpath(name).read_text(encoding="utf-8")

    def value(found: re.Match[str]) -> str:
        wrap = sql.Identifier if found[1] == '"' else sql.Literal
        return wrap(values[found[2]]).as_string(connection)

    with connection.cursor() as cursor:
        cursor.execute(_VARIABLE.sub(value, text))


def _with_urls(class_file: Path, learners: Sequence[Learner], urls: dict[str, URL]) -> str:
    """The class's file, comments included, with a URL and a schema for those who have got one."""
    yaml = YAML()  # keeps comments and order
    yaml.preserve_quotes = True
    yaml.width = 10_000
    yaml.indent(mapping=2, sequence=4, offset=2)
    content = yaml.load(class_file.read_text(encoding="utf-8-sig"))
    for learner, entry in zip(learners, content["learners"], strict=True):
        if learner.name in urls:
            entry["database_url"] = urls[learner.name].render_as_string(hide_password=False)
            entry["schema"] = learner.folder
    text = io.StringIO()
    yaml.dump(content, text)
    return text.getvalue()


@contextlib.contextmanager
def _written(path: Path) -> Iterator[TextIO]:
    """A file that takes its name only if all went well; nobody else can read it."""
    descriptor, name = tempfile.mkstemp(dir=path.resolve().parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            yield file
        Path(name).replace(path)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise
