"""Where the tables of a run go: to the server that was named, or to one of the run's own."""

import contextlib
import secrets
from collections.abc import Iterator

from sqlalchemy import URL

from carlib.connection import connect
from servers.postgres import temporary_server


@contextlib.contextmanager
def run_database(database_url: str | None = None) -> Iterator[tuple[dict[str, str], str]]:
    """Provide a server while lessons run: the one that is named, else a temporary one.

    Yields:
        What to add to the kernels' environment so that `connect` finds it, and its version.

    Raises:
        CarlibError: It can't be reached or used.
        ServerError: It can't be started.
    """
    if database_url:
        yield {"CARLIB_DATABASE_URL": database_url}, server_version(database_url)
        return
    with temporary_server() as server:
        version = server_version(server.url)
        # The kernels find it as a learner's kernel does, and print what a learner's prints.
        environment = {"CARLIB_DATABASE_URL": "", "CARLIB_DATA_DIR": str(server.data_dir)}
        yield environment, f"{version}, embedded"


def server_version(database_url: str | URL | None = None) -> str:
    """Connect as lessons do, make a schema, drop it, and return ``PostgreSQL 18.6`` or the like.

    Raises:
        CarlibError: As `connect` does.
    """
    schema = f"carlib_check_{secrets.token_hex(4)}"
    engine = connect(database_url, schema=schema)
    try:
        with engine.begin() as connection:
            connection.exec_driver_sql(f'DROP SCHEMA "{schema}"')
            # A distribution's own build adds its name: "18.6 (Debian 18.6-1)".
            version = connection.exec_driver_sql("SHOW server_version").scalar_one().split()[0]
    finally:
        engine.dispose()
    return f"PostgreSQL {version}"
