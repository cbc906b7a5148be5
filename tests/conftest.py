"""The PostgreSQL server that the tests run on, and engines on fresh schemas of it.

Each pytest-xdist worker starts one server in a temporary folder; a learner's data is never touched.
Where CARLIB_TEST_DATABASE_URL is set (a service container in CI), the tests use that server.
"""

from __future__ import annotations

import os
import uuid
from collections.abc import Callable, Iterator

import pytest
from sqlalchemy import Engine, text

from carlib.connection import connect
from carlib.errors import CarlibError
from carlib.server import EmbeddedServer, temporary_server


@pytest.fixture(scope="session", autouse=True)
def _learners_data_untouched(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("CARLIB_DATA_DIR", str(tmp_path_factory.mktemp("carlib-data")))
        patch.delenv("CARLIB_DATABASE_URL", raising=False)
        yield


@pytest.fixture(scope="session")
def server(_learners_data_untouched: None) -> Iterator[EmbeddedServer]:
    """A running embedded server in a temporary folder, reached by a Unix socket."""
    with temporary_server() as running:
        yield running


@pytest.fixture(scope="session")
def database_url(_learners_data_untouched: None, request: pytest.FixtureRequest) -> str:
    """The URL of the server under test, with its password."""
    given = os.environ.get("CARLIB_TEST_DATABASE_URL")
    if given:
        return given
    try:
        running = request.getfixturevalue("server")
    except CarlibError as error:
        pytest.exit(f"No PostgreSQL to test on; set CARLIB_TEST_DATABASE_URL. {error}", 3)
    return running.url.render_as_string(hide_password=False)


@pytest.fixture
def schema_name() -> str:
    """A schema name that no other test uses."""
    return f"test_{uuid.uuid4().hex}"


@pytest.fixture
def make_engine(database_url: str) -> Iterator[Callable[..., Engine]]:
    """A function that makes an engine on the schema of that name (a fresh one by default).

    What it made is disposed of afterwards and the schemas are dropped.
    """
    engines: dict[str, list[Engine]] = {}

    def make(schema: str | None = None, fresh: bool = False) -> Engine:
        name = schema or f"test_{uuid.uuid4().hex}"
        engine = connect(database_url, schema=name, fresh=fresh)
        engines.setdefault(name, []).append(engine)
        return engine

    yield make
    for name, made in engines.items():
        with made[0].begin() as connection:
            quoted = connection.dialect.identifier_preparer.quote_identifier(name)
            connection.execute(text(f"DROP SCHEMA IF EXISTS {quoted} CASCADE"))
        for engine in made:
            engine.dispose()


@pytest.fixture
def engine(make_engine: Callable[..., Engine]) -> Engine:
    """An engine on a fresh schema of its own, dropped afterwards."""
    return make_engine()
