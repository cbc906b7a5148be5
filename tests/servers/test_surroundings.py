"""A server of our own takes nothing from the surroundings: libpq's variables and files."""

import os
import signal
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import psycopg2
import pytest
from filelock import FileLock
from server_probes import eventually, posix_only, scalar
from sqlalchemy import URL, Engine, create_engine

from carlib.connection import connect
from servers.postgres import EmbeddedServer, ServerError, temporary_server

# Every variable that libpq's manual names, and those of PostgreSQL's programs: values that are
# right somewhere, and absurd ones. The misleading ones are the `decoy_variables`.
VALUES: dict[str, tuple[str, ...]] = {
    "PGAPPNAME": ("elsewhere", "\u00e4" * 200),
    "PGCHANNELBINDING": ("require", "nonsense"),
    "PGCLIENTENCODING": ("LATIN1", "NOSUCH"),
    "PGCONNECT_TIMEOUT": ("1", "soon"),
    "PGCTLTIMEOUT": ("0", "soon"),
    "PGDATA": ("/nonexistent",),
    "PGDATABASE": ("elsewhere", "host=127.0.0.1 port=1"),
    "PGDATESTYLE": ("German", "nonsense"),
    "PGGEQO": ("off", "nonsense"),
    "PGGSSDELEGATION": ("1", "nonsense"),
    "PGGSSENCMODE": ("require", "nonsense"),
    "PGGSSLIB": ("gssapi", "nonsense"),
    "PGHOST": ("nowhere.invalid", "/nonexistent"),
    "PGHOSTADDR": ("127.0.0.1", "nonsense"),
    "PGKRBSRVNAME": ("postgres", ""),
    "PGLOADBALANCEHOSTS": ("random", "nonsense"),
    "PGLOCALEDIR": ("/nonexistent",),
    "PGMAXPROTOCOLVERSION": ("3.0", "2.0"),
    "PGMINPROTOCOLVERSION": ("latest", "9.9"),
    "PGOAUTHDEBUG": ("UNSAFE",),
    "PGOPTIONS": ("-c timezone=Asia/Tokyo", "-c foo", "-c default_transaction_read_only=on"),
    "PGPASSFILE": ("/nonexistent", "/"),
    "PGPASSWORD": ("elsewhere", ""),
    "PGPORT": ("1", "nonsense", "1,2"),
    "PGREQUIREAUTH": ("scram-sha-256", "nonsense"),
    "PGREQUIREPEER": ("nobody", ""),
    "PGREQUIRESSL": ("1", "nonsense"),
    "PGSERVICE": ("school", ""),
    "PGSERVICEFILE": ("/nonexistent", "/"),
    "PGSSLCERT": ("/nonexistent",),
    "PGSSLCERTMODE": ("require", "nonsense"),
    "PGSSLCOMPRESSION": ("1", "nonsense"),
    "PGSSLCRL": ("/nonexistent",),
    "PGSSLCRLDIR": ("/nonexistent",),
    "PGSSLKEY": ("/nonexistent", "engine:key"),
    "PGSSLMAXPROTOCOLVERSION": ("TLSv1", "nonsense"),
    "PGSSLMINPROTOCOLVERSION": ("TLSv1.3", "nonsense"),
    "PGSSLMODE": ("verify-full", "nonsense"),
    "PGSSLNEGOTIATION": ("direct", "nonsense"),
    "PGSSLROOTCERT": ("system", "/nonexistent"),
    "PGSSLSNI": ("0", "nonsense"),
    "PGSYSCONFDIR": ("/nonexistent",),
    "PGTARGETSESSIONATTRS": ("standby", "nonsense"),
    "PGTZ": ("Asia/Tokyo", "Foo/Bar"),
    "PGUSER": ("elsewhere", ""),
    "PG_COLOR": ("always",),
}


@pytest.fixture(scope="module")
def decoy() -> Iterator[EmbeddedServer]:
    """Another PostgreSQL, which notes each connection in its log."""
    with temporary_server(tcp=True, settings={"log_connections": "on"}) as server:
        yield server


@pytest.fixture(scope="module")
def own(decoy: EmbeddedServer) -> Iterator[EmbeddedServer]:
    """The server to reach; on a socket, where its port is the decoy's on TCP."""
    with temporary_server(settings={"port": str(decoy.url.port)}) as server:
        yield server


@pytest.fixture
def decoy_variables(
    decoy: EmbeddedServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> dict[str, str]:
    """Variables that lead to the decoy, beside files that do."""
    port, password = decoy.url.port, decoy.url.password
    service = (
        f"host=127.0.0.1\nhostaddr=127.0.0.1\nport={port}\nuser=postgres\npassword={password}\n"
    )
    for name in ("pg_service.conf", ".pg_service.conf"):
        (tmp_path / name).write_text(f"[school]\n{service}dbname=postgres\n")
    password_file = tmp_path / ".pgpass"
    password_file.write_text(f"*:*:*:*:{password}\n")
    password_file.chmod(0o644)  # libpq would warn
    monkeypatch.setenv("HOME", str(tmp_path))
    return {
        "PGHOST": "127.0.0.1",
        "PGHOSTADDR": "127.0.0.1",
        "PGPORT": str(port),
        "PGUSER": "postgres",
        "PGPASSWORD": password,
        "PGPASSFILE": str(password_file),
        "PGDATABASE": "postgres",
        "PGSYSCONFDIR": str(tmp_path),
        "PGSERVICEFILE": str(tmp_path / "pg_service.conf"),
        "PGSERVICE": "school",
    }


@pytest.fixture(autouse=True)
def unreached(decoy: EmbeddedServer, capfd: pytest.CaptureFixture[str]) -> Iterator[None]:
    """The decoy is not reached during a test, and libpq warns of nothing."""
    log = decoy.data_dir / "server.log"
    before = log.read_text().count("connection received")
    yield
    assert log.read_text().count("connection received") == before
    assert "WARNING" not in capfd.readouterr().err


def place(engine: Engine) -> tuple[str, str, str]:
    with engine.connect() as connection:
        query = """SELECT current_setting('data_directory'), current_setting('timezone'),
            current_setting('client_encoding')"""
        return tuple(connection.exec_driver_sql(query).one())


def environments(decoy_variables: dict[str, str]) -> Iterator[dict[str, str]]:
    """Each variable alone, then all at once."""
    for name, values in VALUES.items():
        yield from ({name: value} for value in values)
    yield from ({name: value} for name, value in decoy_variables.items())
    yield decoy_variables
    yield {name: values[0] for name, values in VALUES.items()} | decoy_variables
    yield {name: values[-1] for name, values in VALUES.items()}


def test_whatever_is_set_only_our_own_server_is_reached(
    own: EmbeddedServer, decoy_variables: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CARLIB_DATA_DIR", str(own.data_dir))
    expected = (str(own.data_dir / "data"), "UTC", "UTF8")
    text = own.url.render_as_string(hide_password=False)
    for environment in environments(decoy_variables):
        with monkeypatch.context() as patch:
            for name, value in environment.items():
                patch.setenv(name, value)
            for url in (None, text):  # as text: a kernel of another process
                engine = connect(url, schema="around", fresh=True)
                engine.dispose()  # and the connections of the pool
                assert place(engine) == expected, environment
                engine.dispose()
            assert environment.items() <= os.environ.items()


@pytest.mark.parametrize("which", ["misleading", "absurd"])
@pytest.mark.parametrize("tcp", [False, True], ids=["socket", "tcp"])
def test_whatever_is_set_a_server_starts_and_stops(
    data_dir: Path,
    decoy_variables: dict[str, str],
    monkeypatch: pytest.MonkeyPatch,
    which: str,
    tcp: bool,
) -> None:
    absurd = {name: values[-1] for name, values in VALUES.items()}
    for name, value in (decoy_variables if which == "misleading" else absurd).items():
        monkeypatch.setenv(name, value)
    with EmbeddedServer(data_dir, tcp=tcp, temporary=True) as server:
        with server.connect() as connection, connection.cursor() as cursor:
            cursor.execute("SHOW data_directory")
            assert cursor.fetchall() == [(str(data_dir / "data"),)]
        connection.close()
    assert server.pid is None


def test_the_url_alone_says_who_is_reached(
    own: EmbeddedServer, decoy_variables: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in decoy_variables.keys() - {"PGSERVICE"}:
        monkeypatch.setenv(name, decoy_variables[name])
    for name in ("PGSSLMODE", "PGGSSENCMODE", "PGCHANNELBINDING", "PGTARGETSESSIONATTRS"):
        monkeypatch.setenv(name, VALUES[name][0])
    engine = create_engine(own.url)
    assert place(engine)[0] == str(own.data_dir / "data")
    engine.dispose()


def test_a_session_on_any_server_is_in_utc(
    server: EmbeddedServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    socket = {"host": server.url.query["host"], "port": server.url.query["port"]}
    url = URL.create("postgresql", "postgres", database="postgres", query=socket)
    for value in ("Asia/Tokyo", "Foo/Bar"):
        monkeypatch.setenv("PGTZ", value)
        engine = connect(url, schema="public")
        assert place(engine)[1] == "UTC"
        engine.dispose()


def test_another_server_in_its_place_is_recognized(data_dir: Path) -> None:
    with (
        temporary_server(tcp=True) as other,
        EmbeddedServer(data_dir, tcp=True, temporary=True) as server,
    ):
        scalar(other, "CREATE TABLE kept AS SELECT 7 AS a; SELECT 1")
        pid_file, password_file = data_dir / "data" / "postmaster.pid", data_dir / "password"
        before, password = pid_file.read_text(), password_file.read_text()
        lines = before.split("\n")
        pid_file.write_text("\n".join([*lines[:3], str(other.url.port), *lines[4:]]))
        password_file.write_text(other.url.password)
        with pytest.raises(ServerError, match="another server answered"):
            server.connect()
        pid_file.write_text(before)
        password_file.write_text(password)
        assert scalar(other, "SELECT a FROM kept") == 7


@posix_only
def test_a_server_that_refuses_us_is_stopped_and_that_is_no_wait(data_dir: Path) -> None:
    server = EmbeddedServer(data_dir).start()
    (data_dir / "data" / "pg_hba.conf").write_text("local all all reject\n")
    os.kill(server.pid, signal.SIGHUP)
    assert eventually(lambda: not _lets_us_in(server))
    begun = time.monotonic()
    with pytest.raises(
        ServerError, match=r"(?s)refuses connections.*FATAL: .*pg_hba\.conf rejects"
    ):
        server.start()
    assert time.monotonic() - begun < 10
    assert server.pid is None
    assert scalar(server.start(), "SELECT 7") == 7


def _lets_us_in(server: EmbeddedServer) -> bool:
    try:
        server.connect().close()
    except psycopg2.OperationalError:
        return False
    return True


def test_what_takes_long_is_announced(
    server: EmbeddedServer, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("servers.postgres.surroundings.WAIT_SECONDS", 0.1)
    lock = FileLock(server.data_dir / "lock", thread_local=False)
    lock.acquire()
    threading.Timer(0.5, lock.release).start()
    EmbeddedServer(server.data_dir).start().close()
    waiting = "carlib: waiting for another process to start or stop the PostgreSQL in"
    assert capfd.readouterr().err.startswith(f"{waiting} {server.data_dir}\n")
