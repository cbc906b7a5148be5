"""The embedded server's life: who starts it, shares it, kills it, and when it stops."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import psutil
from server_probes import eventually, is_alive, kill_server, posix_only, scalar
from user_process import UserProcess

from servers.postgres import EmbeddedServer, embedded_server


def test_two_processes_share_a_server_that_stops_with_the_last(data_dir: Path) -> None:
    with UserProcess(data_dir) as one, UserProcess(data_dir) as other:
        pid = EmbeddedServer(data_dir).pid
        one.ask("CREATE TABLE t AS SELECT 7 AS a")
        assert other.ask("SELECT a FROM t") == "7"
        one.exit()
        assert EmbeddedServer(data_dir).pid == pid
        assert other.ask("SELECT a FROM t") == "7"
        other.exit()
        assert EmbeddedServer(data_dir).pid is None
        assert list((data_dir / "users").iterdir()) == []


def test_two_first_starts_at_once_make_one_cluster(data_dir: Path) -> None:
    with UserProcess(data_dir, wait=False) as one, UserProcess(data_dir, wait=False) as other:
        one.wait_until_ready()
        other.wait_until_ready()
        one.ask("CREATE TABLE t AS SELECT 7 AS a")
        assert other.ask("SELECT a FROM t") == "7"
    assert list(data_dir.glob("carlib-initdb-*")) == []


@posix_only
def test_a_killed_server_comes_back_with_all_that_was_committed(data_dir: Path) -> None:
    with UserProcess(data_dir) as one:
        one.ask("CREATE TABLE t AS SELECT n FROM generate_series(1, 1000) n")
        killed = kill_server(data_dir)
        assert one.ask("SELECT count(*) FROM t") == "1000"  # its open engine starts it
        assert EmbeddedServer(data_dir).pid not in (None, killed)
        kill_server(data_dir)
        assert one.ask("connect") == "connected"
        assert one.ask("SELECT count(*) FROM t") == "1000"
        kill_server(data_dir)
        with EmbeddedServer(data_dir) as mine:  # another process starts it
            assert scalar(mine, "SELECT count(*) FROM shared.t") == 1000
        assert one.ask("SELECT count(*) FROM t") == "1000"


@posix_only
def test_a_killed_user_neither_stops_nor_keeps_the_server(data_dir: Path) -> None:
    with EmbeddedServer(data_dir, temporary=True) as mine:
        pid = mine.pid
        with UserProcess(data_dir) as one:
            one.kill()
        assert scalar(mine, "SELECT 7") == 7
    assert not is_alive(pid)
    with UserProcess(data_dir) as last:
        last.kill()
    assert (left := EmbeddedServer(data_dir).pid) is not None  # nobody was there to stop it
    with EmbeddedServer(data_dir) as mine:
        assert mine.pid == left
    assert not is_alive(left)


@posix_only
def test_a_killed_first_start_leaves_no_half_cluster(data_dir: Path) -> None:
    with UserProcess(data_dir, wait=False) as killed:
        assert eventually(lambda: any(data_dir.glob("carlib-initdb-*/data/*")))
        killed.kill()
    assert not (data_dir / "data").exists()
    mine = EmbeddedServer(data_dir)
    with mine:
        assert scalar(mine, "SELECT 7") == 7

    def restarted_without_leftovers() -> bool:  # once the initdb that was left alone has ended
        with mine:
            return not list(data_dir.glob("carlib-initdb-*"))

    assert eventually(restarted_without_leftovers)


@posix_only
def test_a_pid_file_that_names_a_strangers_process_is_not_believed(
    data_dir: Path, server: EmbeddedServer
) -> None:
    server_pid = server.pid
    mine = EmbeddedServer(data_dir, temporary=True).start()
    pid_file = data_dir / "data" / "postmaster.pid"
    lines = pid_file.read_text().split("\n")
    # At work in the data folder, but no PostgreSQL; and `server` is one, but at work elsewhere.
    with subprocess.Popen(
        [sys.executable, "-c", "input()"], stdin=subprocess.PIPE, cwd=data_dir / "data"
    ) as stranger:
        for pid in (stranger.pid, server_pid, os.getpid()):
            kill_server(data_dir)
            pid_file.write_text("\n".join([str(pid), *lines[1:]]))
            assert EmbeddedServer(data_dir).pid is None
            mine.start()
            assert mine.pid != pid
            assert scalar(mine, "SELECT 7") == 7
            assert is_alive(pid)
        kill_server(data_dir)
        pid_file.write_text("\n".join([str(stranger.pid), *lines[1:]]))
        mine.close(force=True)  # nor is the stranger sent the signal to stop
        assert stranger.poll() is None
        stranger.communicate(b"\n")


@posix_only
def test_what_a_killed_server_was_doing_does_not_hinder_the_next(data_dir: Path) -> None:
    with UserProcess(data_dir) as one:
        busy = int(one.ask("SELECT pg_backend_pid()"))
        one.process.stdin.write("SELECT count(*) FROM generate_series(1, 1000000000000)\n")
        one.process.stdin.flush()
        assert eventually(lambda: psutil.Process(busy).cpu_times().user > 0.1)
        kill_server(data_dir, busy=busy)
        assert is_alive(busy)
        with EmbeddedServer(data_dir) as mine:
            assert scalar(mine, "SELECT 7") == 7
        assert not is_alive(busy)


@posix_only
def test_a_forked_child_that_ends_does_not_stop_its_parents_server(data_dir: Path) -> None:
    program = """
import os, sys
from servers.postgres import EmbeddedServer
server = EmbeddedServer(sys.argv[1]).start()
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
    assert (done.stdout, done.stderr) == ("1 True\n2\n1 True\n1 True\n", "")
    assert EmbeddedServer(data_dir).pid is None


def test_calls_in_one_process_share_one_handle(data_dir: Path) -> None:
    first = embedded_server(data_dir)
    assert embedded_server(str(data_dir)) is first
    assert len(list((data_dir / "users").iterdir())) == 1
    first.close()
    assert first.pid is None
    assert embedded_server(data_dir).pid is not None
    first.close()


def test_the_cluster_is_durable_and_sorts_alike_everywhere(server: EmbeddedServer) -> None:
    settings = {
        name: scalar(server, f"SELECT current_setting('{name}')")
        for name in ("fsync", "synchronous_commit", "full_page_writes", "data_checksums")
    }
    assert set(settings.values()) == {"on"}
    assert scalar(server, "SELECT current_setting('server_encoding')") == "UTF8"
    assert scalar(server, "SELECT current_setting('log_timezone')") == "UTC"
    provider = (
        "SELECT datlocprovider::text || datlocale FROM pg_database WHERE datname = 'postgres'"
    )
    assert scalar(server, provider) == "bC.UTF-8"
    assert scalar(server, "SELECT 'Z' < 'a' AND 'z' < 'ä' AND lower('Ä') = 'ä'")
