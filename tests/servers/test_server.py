"""The embedded server's life: who shares it, where it is, whom it lets in, when it stops."""

import subprocess
import sys
from pathlib import Path

import psutil
import psycopg2
import pytest
from filelock import FileLock
from server_probes import is_alive, mode, posix_only, scalar, without_waiting
from user_process import UserProcess

from servers.postgres import EmbeddedServer, ServerError, embedded_server, temporary_server


def test_two_processes_share_a_server_that_stops_with_the_last(data_dir: Path) -> None:
    with UserProcess(data_dir) as one, UserProcess(data_dir) as other:  # both make the cluster
        one.ask("CREATE TABLE t AS SELECT 7 AS a")
        assert other.ask("SELECT a FROM t") == "7"
        assert list(data_dir.glob("carlib-initdb-*")) == []
        pid = EmbeddedServer(data_dir).pid
        one.exit()
        assert EmbeddedServer(data_dir).pid == pid
        assert other.ask("SELECT a FROM t") == "7"
        other.exit()
        assert EmbeddedServer(data_dir).pid is None
        assert list((data_dir / "users").iterdir()) == []


def test_calls_in_one_process_share_one_object(data_dir: Path) -> None:
    first = embedded_server(data_dir)
    assert embedded_server(str(data_dir)) is first
    assert len(list((data_dir / "users").iterdir())) == 1
    first.close()
    assert first.pid is None
    assert embedded_server(data_dir).pid is not None
    first.close()


@posix_only
def test_a_forked_child_that_ends_does_not_stop_its_parents_server(data_dir: Path) -> None:
    program = """
import os, sys
from servers.postgres import EmbeddedServer
server = EmbeddedServer(sys.argv[1], temporary=True).start()
users = lambda: len(list((server.data_dir / "users").iterdir()))
for starts in (False, True):
    if (child := os.fork()) == 0:
        if starts:
            server.start()
            print(users(), flush=True)
        sys.exit(0)  # with all that runs at exit
    os.waitpid(child, 0)
    print(users(), server.pid is not None, flush=True)
EmbeddedServer(sys.argv[1]).start().close()  # the parent still counts as a user
print(users(), server.pid is not None)
"""
    command = [sys.executable, "-W", "error", "-c", program, str(data_dir)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert (done.stdout, without_waiting(done.stderr)) == ("1 True\n2\n1 True\n1 True\n", "")
    assert EmbeddedServer(data_dir).pid is None


def test_a_temporary_server_has_its_settings_and_leaves_nothing_behind() -> None:
    with temporary_server(
        settings={"max_connections": "42", "cluster_name": "it's mine"}
    ) as server:
        folder, pid = server.data_dir, server.pid
        assert scalar(server, "SELECT current_setting('max_connections')") == "42"
        assert scalar(server, "SELECT current_setting('cluster_name')") == "it's mine"
        other = EmbeddedServer(folder).start()  # does not keep it
    assert not folder.exists()
    assert not is_alive(pid)
    other.close()


def test_the_cluster_is_durable_and_sorts_alike_everywhere(server: EmbeddedServer) -> None:
    for name in ("fsync", "synchronous_commit", "full_page_writes", "data_checksums"):
        assert scalar(server, f"SELECT current_setting('{name}')") == "on"
    assert scalar(server, "SELECT current_setting('server_encoding')") == "UTF8"
    assert scalar(server, "SELECT current_setting('log_timezone')") == "UTC"
    provider = (
        "SELECT datlocprovider::text || datlocale FROM pg_database WHERE datname = 'postgres'"
    )
    assert scalar(server, provider) == "bC.UTF-8"
    assert scalar(server, "SELECT 'Z' < 'a' AND 'z' < 'ä' AND lower('Ä') = 'ä'")


@posix_only
@pytest.mark.parametrize(
    "name",
    [
        """spaces,  commas, quotes ' " and $HOME `whoami` \\ %41""",
        "Größe-車-🚗",
        "a-path-that-is-too-long-for-a-socket/" * 8,
    ],
    ids=["quotes", "unicode", "long"],
)
def test_any_data_path_works(folder_for_servers: Path, name: str) -> None:
    with EmbeddedServer(folder_for_servers / name, temporary=True) as server:
        assert scalar(server, "SELECT 7") == 7
        sockets = Path(server.url.query["host"])
        assert not sockets.is_relative_to(folder_for_servers)
        assert mode(sockets) == 0o700
        assert server.data_dir == folder_for_servers / name
    assert not sockets.exists()


def test_the_data_folder_is_the_environments_else_the_users(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("CARLIB_DATA_DIR", str(tmp_path / "elsewhere"))
    assert EmbeddedServer().data_dir == tmp_path / "elsewhere"
    assert EmbeddedServer(tmp_path / "given").data_dir == tmp_path / "given"
    monkeypatch.setenv("CARLIB_DATA_DIR", "")
    monkeypatch.setattr("platformdirs.user_data_path", lambda name: tmp_path / "user" / name)
    assert EmbeddedServer().data_dir == tmp_path / "user" / "carlib" / "postgresql-18"


@posix_only
def test_a_socket_server_has_no_port_and_no_door_for_others(server: EmbeddedServer) -> None:
    assert _listening(server) == set()
    assert Path(server.url.query["host"]) == server.data_dir / "data"
    assert mode(server.data_dir / "data") == 0o700
    assert mode(server.data_dir) & 0o077 in (0, 0o001)  # root lets its server pass
    for name in ("password", "server.log"):
        assert mode(server.data_dir / name) == 0o600


def test_tcp_is_for_this_machine_alone_and_asks_for_the_password(
    tcp_server: EmbeddedServer,
) -> None:
    url = tcp_server.url
    assert scalar(tcp_server, "SELECT 7") == 7
    assert _listening(tcp_server) == {("127.0.0.1", url.port)}
    assert not any((tcp_server.data_dir / "data").glob(".s.PGSQL*"))
    assert len(url.password) == 32
    assert url.password not in f"{url} {url!r} {tcp_server!r}"
    for password in ("", "wrong"):
        with pytest.raises(psycopg2.OperationalError, match=r"no password|authentication failed"):
            psycopg2.connect(host=url.host, port=url.port, user="postgres", password=password)


def _listening(server: EmbeddedServer) -> set[tuple[str, int]]:
    connections = psutil.Process(server.pid).net_connections("inet")
    return {tuple(c.laddr) for c in connections if c.status == psutil.CONN_LISTEN}


def test_a_server_that_cannot_start_shows_its_log_and_what_to_do(data_dir: Path) -> None:
    with pytest.raises(ServerError) as error:
        EmbeddedServer(data_dir, settings={"max_connections": "many"}).start()
    assert 'invalid value for parameter "max_connections": "many"' in str(error.value)
    assert "carlib.conf" in str(error.value)
    assert "Correct what it names, or set CARLIB_DATA_DIR to another folder" in str(error.value)
    assert list((data_dir / "users").iterdir()) == []


def test_data_of_another_version_is_refused(data_dir: Path) -> None:
    (data_dir / "data").mkdir(parents=True)
    with pytest.raises(ServerError, match=r"Expected data of PostgreSQL version 18 .* found none"):
        EmbeddedServer(data_dir).start()
    (data_dir / "data" / "PG_VERSION").write_text("17\n")
    with pytest.raises(ServerError, match=r"found 17\. Move that folder away"):
        EmbeddedServer(data_dir).start()
    assert [path.name for path in (data_dir / "data").iterdir()] == ["PG_VERSION"]


def test_a_data_folder_that_cannot_be_made_is_named(folder_for_servers: Path) -> None:
    (folder_for_servers / "file").touch()
    with pytest.raises(ServerError, match=r"(?s)can't use the folder .*file/data.*CARLIB_DATA_DIR"):
        EmbeddedServer(folder_for_servers / "file" / "data").start()


def test_a_lock_that_is_never_released_is_named(
    server: EmbeddedServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("servers.postgres.server.LOCK_SECONDS", 0.1)
    with (
        FileLock(server.data_dir / "lock"),
        pytest.raises(ServerError, match=r"holds the lock .*lock\. End it"),
    ):
        EmbeddedServer(server.data_dir).start()
