"""The PostgreSQL server that the tests run on, and engines on schemas of their own.

Each pytest-xdist worker starts one server, in a temporary folder, which takes less than a second
and serves all tests whose subject is not the server itself.
Where CARLIB_TEST_DATABASE_URL is set (a service container in CI), the tests use that server.
A learner's data is never touched: connect() without a URL finds an empty temporary folder.

A property is tried on few examples, or on many where CARLIB_TEST_THOROUGH is 1.
"""

import os
import shutil
import tempfile
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from book_site import Site, build_site
from hypothesis import settings
from roles import COMMON, run
from sqlalchemy import Engine

from carlib.connection import connect
from carlib.errors import CarlibError
from servers.postgres import EmbeddedServer, temporary_server

settings.register_profile("core", max_examples=25, deadline=None, print_blob=True)
settings.register_profile("thorough", parent=settings.get_profile("core"), max_examples=300)
settings.load_profile("thorough" if os.environ.get("CARLIB_TEST_THOROUGH") == "1" else "core")


def pytest_configure(config: pytest.Config) -> None:
    """Set the environment before anything is collected: kernels of lessons inherit it too."""
    patch = pytest.MonkeyPatch()
    folder = Path(tempfile.mkdtemp(prefix="carlib-tests-"))
    patch.setenv("CARLIB_DATA_DIR", str(folder))
    patch.delenv("CARLIB_DATABASE_URL", raising=False)

    def clean_up() -> None:
        EmbeddedServer(folder, temporary=True).close()
        patch.undo()
        shutil.rmtree(folder, ignore_errors=True)

    config.add_cleanup(clean_up)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """List the seconds that each lesson took, whether its test passed or failed."""
    reports = [*terminalreporter.getreports("passed"), *terminalreporter.getreports("failed")]
    properties = [item for report in reports for item in report.user_properties]
    if lines := sorted(line for name, line in properties if name == "lesson_seconds"):
        terminalreporter.section("seconds of the lessons")
        terminalreporter.write_line("\n".join(lines))


@pytest.fixture(scope="session")
def server() -> Iterator[EmbeddedServer]:
    """An embedded server in a temporary folder, reached through a Unix socket."""
    with temporary_server() as running:
        yield running


@pytest.fixture(scope="session")
def tcp_server() -> Iterator[EmbeddedServer]:
    """An embedded server in a temporary folder, reached through TCP with a password."""
    with temporary_server(tcp=True) as running:
        yield running


@pytest.fixture(scope="module")
def owner(tcp_server: EmbeddedServer) -> Iterator[Engine]:
    """An engine of `tcp_server`'s owner, and on the server a role `learner` without any rights."""
    engine = connect(tcp_server.url, schema="public")
    run(engine, f"CREATE ROLE learner LOGIN PASSWORD '{COMMON}'")
    yield engine
    run(engine, "DROP ROLE learner")
    engine.dispose()


@pytest.fixture
def folder_for_servers() -> Iterator[Path]:
    """A temporary folder to have servers in.

    Not `tmp_path`: each pytest session closes /tmp/pytest-of-root to others anew, which takes the
    data away from the user that a server of root runs as.
    """
    folder = Path(tempfile.mkdtemp(prefix="carlib-test-")).resolve()
    yield folder
    shutil.rmtree(folder)


@pytest.fixture
def data_dir(folder_for_servers: Path) -> Iterator[Path]:
    """A data folder, yet to be made, whose server is gone after the test, whatever that did."""
    folder = folder_for_servers / "data of a learner"
    yield folder
    EmbeddedServer(folder, temporary=True).close()


@pytest.fixture(scope="session")
def database_url(request: pytest.FixtureRequest) -> str:
    """The URL of the server under test, with its password where it has one."""
    given = os.environ.get("CARLIB_TEST_DATABASE_URL")
    try:
        url = given or request.getfixturevalue("server").url.render_as_string(hide_password=False)
        connect(url, schema="public").dispose()
    except CarlibError as error:
        reason = f"No PostgreSQL for the tests. {str(error).splitlines()[0]}"
        request.session.shouldstop = f"{reason} Or set CARLIB_TEST_DATABASE_URL to another one."
        raise pytest.fail.Exception(reason, pytrace=False) from None
    return url


@pytest.fixture
def schema_name() -> str:
    """A schema name that no other test uses; whoever makes the schema drops it."""
    return f"test_{uuid.uuid4().hex}"


@pytest.fixture
def make_engine(database_url: str) -> Iterator[Callable[..., Engine]]:
    """A function that makes an engine on the schema of a name, else on one of a new name.

    The engines are disposed of afterwards, their schemas dropped.
    """
    made: list[tuple[str, Engine]] = []

    def make(schema: str | None = None, fresh: bool = False) -> Engine:
        name = schema or f"test_{uuid.uuid4().hex}"
        engine = connect(database_url, schema=name, fresh=fresh)
        made.append((name, engine))
        return engine

    yield make
    for _, engine in made:
        engine.dispose()
    for name, engine in made:
        quoted = engine.dialect.identifier_preparer.quote_identifier(name).replace("%", "%%")
        with engine.begin() as connection:
            connection.exec_driver_sql(f"DROP SCHEMA IF EXISTS {quoted} CASCADE")
        engine.dispose()


@pytest.fixture
def engine(make_engine: Callable[..., Engine]) -> Engine:
    """An engine on an empty schema of its own, dropped afterwards."""
    return make_engine()


@pytest.fixture(scope="session")
def site(tmp_path_factory: pytest.TempPathFactory) -> Site:
    """The book of a copy of this checkout, with one lesson more."""
    return build_site(tmp_path_factory.mktemp("checkout"))
