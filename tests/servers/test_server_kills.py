"""kill -9 of the server, of its users and of initdb."""

import os
import subprocess
import sys
from pathlib import Path

import psutil
import pytest
from server_probes import eventually, is_alive, kill_server, posix_only, scalar
from user_process import UserProcess

from servers.postgres import EmbeddedServer, temporary_server

pytestmark = [pytest.mark.slow, posix_only]


def test_a_killed_server_comes_back_with_all_that_was_committed(data_dir: Path) -> None:
    with UserProcess(data_dir) as one:
        one.ask("CREATE TABLE t AS SELECT n FROM generate_series(1, 1000) n")
        killed = kill_server(data_dir)
        assert one.ask("SELECT count(*) FROM t") == "1000"  # its open engine starts it
        assert EmbeddedServer(data_dir).pid not in (None, killed)
        kill_server(data_dir)
        with EmbeddedServer(data_dir) as mine:  # another process starts it
            assert scalar(mine, "SELECT count(*) FROM shared.t") == 1000
        assert one.ask("SELECT count(*) FROM t") == "1000"


def test_a_killed_server_comes_back_wherever_it_listened(
    folder_for_servers: Path, server: EmbeddedServer
) -> None:
    for name, tcp in (("plain", False), ("a space", False), ("tcp", True)):
        with EmbeddedServer(folder_for_servers / name, tcp=tcp, temporary=True) as mine:
            first = mine.url
            kill_server(mine.data_dir)
            for lock in mine.data_dir.glob("data/.s.PGSQL.*.lock"):
                lock.write_text(f"{server.pid}\n")  # its process id may be another's by now
            assert scalar(mine.start(), "SELECT 7") == 7
            assert (mine.url == first) == (name == "plain")
            assert name != "a space" or not Path(first.query["host"]).exists()


def test_a_killed_user_neither_stops_nor_keeps_the_server(data_dir: Path) -> None:
    with EmbeddedServer(data_dir) as mine:
        pid = mine.pid
        with UserProcess(data_dir) as one:
            one.ask("SELECT 7")
            one.kill()
        assert scalar(mine, "SELECT 7") == 7
    assert not is_alive(pid)
    with UserProcess(data_dir) as last:
        last.ask("SELECT 7")
        last.kill()
    assert (left := EmbeddedServer(data_dir).pid) is not None  # nobody was there to stop it
    with EmbeddedServer(data_dir) as mine:
        assert mine.pid == left
    assert not is_alive(left)


def test_a_killed_first_start_leaves_no_half_cluster(data_dir: Path) -> None:
    with UserProcess(data_dir) as killed:
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


def test_a_pid_file_that_names_another_process_is_not_believed(data_dir: Path) -> None:
    mine = EmbeddedServer(data_dir, tcp=True).start()
    pid_file = data_dir / "data" / "postmaster.pid"
    lines, command = pid_file.read_text().split("\n"), [sys.executable, "-c", "input()"]
    # At work in the data folder, but no PostgreSQL; and one that is at work elsewhere, where it
    # answers at the port of the pid file and takes our password.
    with (
        temporary_server(tcp=True) as elsewhere,
        subprocess.Popen(command, stdin=subprocess.PIPE, cwd=data_dir / "data") as stranger,
    ):
        scalar(elsewhere, f"ALTER ROLE postgres PASSWORD '{mine.url.password}'; SELECT 1")
        for other, port in ((stranger, lines[3]), (elsewhere, elsewhere.url.port)):
            kill_server(data_dir)
            pid_file.write_text("\n".join([str(other.pid), *lines[1:3], str(port), *lines[4:]]))
            assert EmbeddedServer(data_dir).pid is None
            mine.start()
            assert scalar(mine, "SELECT current_setting('data_directory')") == str(
                data_dir / "data"
            )
        kill_server(data_dir)
        pid_file.write_text("\n".join([str(stranger.pid), *lines[1:]]))
        mine.close()  # nor is the stranger sent the signal to stop
        assert stranger.poll() is None
        stranger.communicate(b"\n")


def test_what_a_killed_server_was_doing_does_not_hinder_the_next(data_dir: Path) -> None:
    with UserProcess(data_dir) as one:
        busy = int(one.ask("SELECT pg_backend_pid()"))
        one.send("SELECT count(*) FROM generate_series(1, 1000000000000)")
        assert eventually(lambda: psutil.Process(busy).cpu_times().user > 0.1)
        kill_server(data_dir, busy=busy)
        assert is_alive(busy)
        with EmbeddedServer(data_dir) as mine:
            assert scalar(mine, "SELECT 7") == 7
        assert not is_alive(busy)


def test_a_killed_process_leaves_its_temporary_server_to_a_later_call(
    folder_for_servers: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    program = """
from servers.postgres import temporary_server
with temporary_server() as server:
    print(server.data_dir, server.pid, flush=True)
    input()
"""
    monkeypatch.setenv("TMPDIR", str(folder_for_servers))
    monkeypatch.setattr("tempfile.tempdir", None)  # Python remembers it otherwise
    command = [sys.executable, "-W", "error", "-c", program]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as killed:
        folder, pid = killed.stdout.readline().split()
        os.utime(folder, (0, 0))  # as if it had started long ago
        with temporary_server():
            assert is_alive(int(pid))  # it has a user
        killed.kill()
        killed.wait()
    with temporary_server():
        assert not is_alive(int(pid))
