"""connect(): which server, which schema, and what it says."""

import os
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from psycopg2.extensions import connection as Connection
from psycopg2.extensions import cursor
from sqlalchemy import Engine, inspect, make_url
from sqlalchemy.exc import ProgrammingError

from carlib import connection as room
from carlib import interrupts
from carlib.connection import connect
from carlib.errors import BadArgument, ConnectionFailed
from servers.postgres import EmbeddedServer, temporary_server

names = (
    st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), min_size=1)
    .filter(lambda name: len(name.encode()) <= 63 and not name.startswith("pg_"))
    .filter(lambda name: name not in ("$user", "information_schema", "public"))
)


def scalar(engine: Engine, sql: str) -> object:
    with engine.begin() as connection:
        return connection.exec_driver_sql(sql).scalar_one()


def test_a_session_sees_its_schema_alone_in_utc(engine: Engine) -> None:
    settings = {
        name: scalar(engine, f"SELECT current_setting('{name}')")
        for name in ("timezone", "application_name", "client_encoding", "search_path")
    }
    schema = scalar(engine, "SELECT current_schema()")
    assert settings == {
        "timezone": "UTC",
        "application_name": "carlib",
        "client_encoding": "UTF8",
        "search_path": f'"{schema}"',
    }
    assert engine.driver == "psycopg2"


def test_a_rollback_does_not_take_the_schema_back(engine: Engine) -> None:
    schema = scalar(engine, "SELECT current_schema()")
    with engine.connect() as connection:
        connection.exec_driver_sql("SELECT 1")
        connection.rollback()
        assert connection.exec_driver_sql("SELECT current_schema()").scalar_one() == schema
    with engine.connect() as connection, pytest.raises(ProgrammingError):
        connection.exec_driver_sql("SELECT nothing")
    assert scalar(engine, "SELECT current_schema()") == schema


def test_fresh_empties_exactly_that_schema(make_engine: Callable[..., Engine]) -> None:
    one, other = make_engine("test_fresh"), make_engine("test_Fresh")
    for engine in (one, other):
        scalar(engine, "CREATE TABLE t AS SELECT 1 AS a; SELECT 1")
        engine.dispose()
    again = make_engine("test_fresh", fresh=True)
    assert inspect(again).get_table_names() == []
    assert inspect(make_engine("test_Fresh")).get_table_names() == ["t"]
    assert inspect(make_engine("test_fresh", fresh=True)).get_table_names() == []  # twice


@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(name=names)
@example(name="a\"b\\c d\t\n'%s :x -c timezone=EST {}")
@example(name=" ")
@example(name="PG_upper")
@example(name="ä" * 31 + "x")
@example(name="$user ")
def test_a_schema_may_have_any_name(database_url: str, name: str) -> None:
    engine = connect(database_url, schema=name, fresh=True)
    try:
        assert scalar(engine, "SELECT current_schema()") == name
        assert scalar(engine, "SELECT current_setting('timezone')") == "UTC"
        scalar(engine, "CREATE TABLE t AS SELECT 1 AS a; SELECT 1")
        assert inspect(engine).get_table_names(schema=name) == ["t"]
    finally:
        with engine.begin() as connection:
            quoted = '"' + name.replace('"', '""').replace("%", "%%") + '"'
            connection.exec_driver_sql(f"DROP SCHEMA {quoted} CASCADE")
        engine.dispose()


RESERVED = ["pg_cars", "pg_", "information_schema", "$user"]


@pytest.mark.parametrize("name", ["", "a" * 64, "ä" * 32, "a\0b", "\ud800", None, *RESERVED])
def test_names_that_postgresql_cannot_have_are_refused(database_url: str, name: str) -> None:
    with pytest.raises(BadArgument, match=r"Expected the name of a schema.*Choose another"):
        connect(database_url, schema=name)


def test_public_is_used_but_never_dropped(database_url: str) -> None:
    with pytest.raises(BadArgument, match="it is not dropped"):
        connect(database_url, schema="public", fresh=True)
    engine = connect(database_url, schema="public")
    assert scalar(engine, "SELECT current_schema()") == "public"
    engine.dispose()


def test_it_says_where_it_is_only_when_asked(
    tcp_server: EmbeddedServer, capsys: pytest.CaptureFixture[str], schema_name: str
) -> None:
    connect(tcp_server.url, schema=schema_name).dispose()
    assert capsys.readouterr() == ("", "")
    connect(tcp_server.url, schema=schema_name, announce=True).dispose()
    expected = rf'PostgreSQL 18\.\d+, embedded, schema "{schema_name}"\n'
    assert re.fullmatch(expected, capsys.readouterr().out)


def test_of_another_server_it_says_host_database_and_role(
    capsys: pytest.CaptureFixture[str],
) -> None:
    with temporary_server(tcp=True) as server:
        engine = connect(server.url, schema="public")
        with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
            connection.exec_driver_sql("ALTER SYSTEM SET cluster_name = 'a course''s own'")
        engine.dispose()
        server.close()
        server.start()
        connect(server.url, schema="public", announce=True).dispose()
        said, port = capsys.readouterr().out, server.url.port
    expected = rf'PostgreSQL 18\.\d+ at 127\.0\.0\.1:{port}/postgres as postgres, schema "public"\n'
    assert re.fullmatch(expected, said)


def test_options_of_the_url_are_kept(database_url: str, schema_name: str) -> None:
    url = make_url(database_url).update_query_dict(
        {"options": "-c work_mem=5MB", "application_name": "mine"}
    )
    engine = connect(url, schema=schema_name)
    assert scalar(engine, "SELECT current_setting('work_mem')") == "5MB"
    assert scalar(engine, "SELECT current_setting('application_name')") == "mine"
    assert scalar(engine, "SELECT current_schema()") == schema_name
    scalar(engine, f"DROP SCHEMA {schema_name}; SELECT 1")
    engine.dispose()


@pytest.mark.parametrize("prefix", ["postgresql", "postgres", "postgresql+psycopg2"])
def test_the_usual_beginnings_of_a_url_work(database_url: str, prefix: str) -> None:
    url = f"{prefix}://{database_url.split('://')[1]}"
    engine = connect(url, schema="public")
    assert (engine.dialect.name, engine.driver) == ("postgresql", "psycopg2")
    engine.dispose()


def test_the_environment_names_the_server_where_no_argument_does(
    database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CARLIB_DATABASE_URL", database_url)
    for nothing in (None, ""):
        engine = connect(nothing, schema="public")
        assert engine.url == make_url(database_url).set(drivername="postgresql+psycopg2")
        engine.dispose()
    monkeypatch.setenv("CARLIB_DATABASE_URL", "postgresql://nowhere.invalid/x")
    connect(database_url, schema="public").dispose()
    with pytest.raises(ConnectionFailed, match=r"nowhere\.invalid"):
        connect(schema="public")


def test_two_processes_make_one_schema_at_once(database_url: str, schema_name: str) -> None:
    program = f"""
import sys
from carlib.connection import connect
print("ready", flush=True)
sys.stdin.readline()
for fresh in [False] + [True] * 20:
    connect(schema={schema_name!r}, fresh=fresh).dispose()
"""
    processes = [
        subprocess.Popen(
            [sys.executable, "-W", "error", "-c", program],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env={**os.environ, "CARLIB_DATABASE_URL": database_url},
        )
        for _ in range(2)
    ]
    for process in processes:
        assert process.stdout.readline() == "ready\n"
    for process in processes:
        process.stdin.write("go\n")
        process.stdin.flush()
    assert [process.communicate(timeout=60)[1] for process in processes] == ["", ""]
    engine = connect(database_url, schema=schema_name)
    scalar(engine, f"DROP SCHEMA {schema_name}; SELECT 1")
    engine.dispose()


def test_a_fresh_schema_waits_for_others_says_so_and_gives_up(
    make_engine: Callable[..., Engine],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    schema_name: str,
) -> None:
    monkeypatch.setattr(room, "LOCK_SECONDS", 1)
    monkeypatch.setattr(room, "SILENT_SECONDS", 0.2)
    engine = make_engine(schema_name)
    scalar(engine, "CREATE TABLE t AS SELECT 1 AS a; SELECT 1")
    with engine.connect() as connection:
        pid = connection.exec_driver_sql("SELECT pg_backend_pid() FROM t").scalar_one()
        with pytest.raises(ConnectionFailed, match="another session is using it"):
            make_engine(schema_name, fresh=True)
        assert capsys.readouterr().err == (
            f'carlib: waiting at most 1 s for the schema "{schema_name}", used by process {pid} of '
            "postgres carlib idle in transaction\n"
        )
        release = threading.Timer(0.3, connection.rollback)
        release.start()
        again = make_engine(schema_name, fresh=True)
        release.join()
    assert inspect(again).get_table_names() == []


def test_an_interrupt_that_comes_before_its_statement_begins_ends_it(engine: Engine) -> None:
    """Between taking over interrupts and sending the statement, there is nothing to cancel yet."""

    def interrupted_too_early(driver: Connection, plain: cursor) -> None:
        with interrupts._interruptible(driver):
            signal.raise_signal(signal.SIGINT)
            time.sleep(0.05)
            plain.execute("SELECT pg_sleep(8)")

    before = signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell may ignore it
    try:
        with engine.connect() as connection:
            driver = connection.connection.driver_connection
            started = time.monotonic()
            with driver.cursor(cursor_factory=cursor) as plain, pytest.raises(KeyboardInterrupt):
                interrupted_too_early(driver, plain)
            assert time.monotonic() - started < 5
    finally:
        signal.signal(signal.SIGINT, before)
