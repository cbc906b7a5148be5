"""Where answers are graded: a schema of the grader's own, for a role that owns nothing else."""

import contextlib
import io
import secrets
from collections.abc import Iterator

from sqlalchemy import Engine

from carlib.cars import generate_cars
from carlib.connection import connect
from carlib.history_models import EXTENSION
from carlib.loading.initial import initial_load
from carlib.tables import create_tables
from servers.postgres import EmbeddedServer

ROLE = "examinee"
ROWS = 300  # cars; the exercises bring the rows that tell right from wrong
SEED = 20241110  # not the lessons' own: results written down there are not those to be found here


def examinee_url(server: EmbeddedServer) -> str:
    """Make the role on a server of ours, and return the URL with which it connects.

    The role may make schemas. It is no superuser: SQL that runs as it reads no file, starts no
    program, installs nothing and sees no other schema.
    """
    password = secrets.token_urlsafe(24)
    with quiet():
        engine = connect(server.url, schema="public")
    try:
        with engine.begin() as connection:
            run = connection.exec_driver_sql
            run("CREATE SCHEMA extensions")
            run("GRANT USAGE ON SCHEMA extensions TO PUBLIC")
            run(f"CREATE EXTENSION {EXTENSION} SCHEMA extensions")
            run(f"CREATE ROLE {ROLE} LOGIN PASSWORD '{password}'")  # only letters, digits, - and _
            run(f"ALTER ROLE {ROLE} SET temp_file_limit = '1GB'")
            run(f'GRANT CREATE ON DATABASE "{server.url.database}" TO {ROLE}')
            run("REVOKE ALL ON SCHEMA public FROM PUBLIC")
    finally:
        engine.dispose()
    url = server.url.set(username=ROLE, password=password)
    return url.render_as_string(hide_password=False)


@contextlib.contextmanager
def clean_schema(url: str) -> Iterator[Engine]:
    """Lend an engine on a new schema with the workbook's tables and some cars; drop it after."""
    schema = f"grading_{secrets.token_hex(8)}"
    with quiet():
        engine = connect(url, schema=schema, fresh=True)
    try:
        create_tables(engine)
        initial_load(engine, generate_cars(ROWS, seed=SEED))
        yield engine
    finally:
        engine.dispose()
        with contextlib.suppress(Exception), engine.begin() as connection:
            connection.exec_driver_sql(f'DROP SCHEMA "{schema}" CASCADE')
        engine.dispose()


def quiet() -> contextlib.AbstractContextManager[object]:
    """Keep the line that `connect` prints to itself."""
    return contextlib.redirect_stdout(io.StringIO())
