"""Where the embedded server lives, as whom it runs, and who can reach it."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import socket
import stat
import subprocess
import sys
import sysconfig
from pathlib import Path

import psutil
import psycopg2
import pytest
from sqlalchemy import create_engine
from user_process import eventually

import carlib
from carlib._embedded import os_user
from carlib.errors import ServerError
from carlib.server import EmbeddedServer, temporary_server

if sys.platform != "win32":
    import pwd

posix_only = pytest.mark.skipif(sys.platform == "win32", reason="POSIX sockets and modes")
root_only = pytest.mark.skipif(
    sys.platform == "win32" or os.geteuid() != 0, reason="only root runs it as another user"
)


def answer(server: EmbeddedServer) -> object:
    engine = create_engine(server.url)
    with engine.begin() as connection:
        found = connection.exec_driver_sql("SELECT 7").scalar_one()
    engine.dispose()
    return found


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


@pytest.mark.parametrize(
    "name",
    [
        "with  spaces, and commas",
        """quotes ' " and $HOME `whoami` \\ %41""",
        "Größe-車-🚗",
        "a-path-that-is-too-long-for-a-socket/" * 8,
    ],
    ids=["spaces", "quotes", "unicode", "long"],
)
@posix_only
def test_any_data_path_works(folder_for_servers: Path, name: str) -> None:
    with EmbeddedServer(folder_for_servers / name, temporary=True) as server:
        assert answer(server) == 7
        sockets = Path(server.url.query["host"])
        assert not sockets.is_relative_to(folder_for_servers)
        assert mode(sockets) == 0o700
        assert server.data_dir == folder_for_servers / name
    assert not sockets.exists()


def test_a_path_with_a_line_break_is_refused(folder_for_servers: Path) -> None:
    with pytest.raises(ServerError, match="plain text"):
        EmbeddedServer(folder_for_servers / "a\nb")


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
    process = psutil.Process(server.pid)
    assert [c for c in process.net_connections("inet") if c.status == psutil.CONN_LISTEN] == []
    assert Path(server.url.query["host"]) == server.data_dir / "data"
    assert mode(server.data_dir / "data") == 0o700
    assert mode(server.data_dir) & 0o077 in (0, stat.S_IXOTH)
    for name in ("password", "server.log"):
        assert mode(server.data_dir / name) == 0o600


@posix_only
def test_a_socket_folder_of_somebody_else_is_not_used(folder_for_servers: Path) -> None:
    data_dir = folder_for_servers / "a space"
    with EmbeddedServer(data_dir, temporary=True) as server:
        sockets = Path(server.url.query["host"])
    sockets.touch()
    try:
        with pytest.raises(ServerError, match="belongs to somebody else or is no folder"):
            EmbeddedServer(data_dir).start()
    finally:
        sockets.unlink(missing_ok=True)
    if os.geteuid() == 0:
        sockets.mkdir(mode=0o777)  # ours, but not carlib-postgres's
        try:
            with pytest.raises(ServerError, match="belongs to somebody else"):
                EmbeddedServer(data_dir).start()
        finally:
            sockets.rmdir()


# -- TCP, as on Windows


def test_tcp_asks_for_the_password(tcp_server: EmbeddedServer) -> None:
    url = tcp_server.url
    assert answer(tcp_server) == 7
    assert (url.host, len(url.password)) == ("127.0.0.1", 32)
    assert url.password not in f"{url} {url!r} {tcp_server!r}"
    for password in ("", "wrong"):
        with pytest.raises(psycopg2.OperationalError, match=r"no password|authentication failed"):
            psycopg2.connect(host=url.host, port=url.port, user="postgres", password=password)


@posix_only
def test_tcp_listens_on_this_machine_alone(tcp_server: EmbeddedServer) -> None:
    found = psutil.Process(tcp_server.pid).net_connections("inet")
    listening = {tuple(c.laddr) for c in found if c.status == psutil.CONN_LISTEN}
    assert listening == {("127.0.0.1", tcp_server.url.port)}
    assert not any((tcp_server.data_dir / "data").glob(".s.PGSQL*"))


def test_tcp_keeps_its_port_unless_somebody_took_it(folder_for_servers: Path) -> None:
    server = EmbeddedServer(folder_for_servers / "data", tcp=True, temporary=True)
    with server:
        port = server.url.port
    with server:
        assert server.url.port == port
    with socket.socket() as stranger:
        stranger.bind(("127.0.0.1", port))
        stranger.listen()
        with server:
            assert server.url.port != port
            assert answer(server) == 7


@posix_only
def test_a_killed_tcp_server_whose_port_a_stranger_took(folder_for_servers: Path) -> None:
    with (
        temporary_server(tcp=True) as stranger,
        EmbeddedServer(folder_for_servers, tcp=True, temporary=True) as mine,
    ):
        os.kill(mine.pid, signal.SIGKILL)
        assert eventually(lambda: mine.pid is None)
        pid_file = mine.data_dir / "data" / "postmaster.pid"
        lines = pid_file.read_text().split("\n")
        # Another PostgreSQL answers on the port that the pid file names, with the same password.
        lines[3] = str(stranger.url.port)
        pid_file.write_text("\n".join(lines))
        password = (stranger.data_dir / "password").read_text()
        own = (mine.data_dir / "password").read_text()
        (mine.data_dir / "password").write_text(password)
        try:
            assert mine._cluster.postmaster.refusal() == "another server listens on this port"
        finally:
            (mine.data_dir / "password").write_text(own)
        assert answer(mine.start()) == 7
        assert mine.url.port != stranger.url.port


def test_a_missing_password_file_is_named(folder_for_servers: Path) -> None:
    with EmbeddedServer(folder_for_servers / "data", tcp=True, temporary=True) as server:
        password = server.data_dir / "password"
        kept = password.rename(password.with_name("kept"))
        with pytest.raises(ServerError, match=r"Expected the server's password in .*password"):
            _ = server.url
        kept.rename(password)


# -- root, and an ordinary user


@root_only
def test_root_runs_it_as_a_user_that_may_pass_and_no_more(folder_for_servers: Path) -> None:
    above = folder_for_servers / "above"
    above.mkdir(mode=0o700)
    before = os.umask(0o077)
    try:
        with EmbeddedServer(above / "data", temporary=True) as server:
            assert psutil.Process(server.pid).username() == os_user.USER_NAME
            assert answer(server) == 7
    finally:
        os.umask(before)
    assert (mode(folder_for_servers), mode(above)) == (0o701, 0o701)
    assert (above / "data" / "data").owner() == os_user.USER_NAME
    assert (above / "data" / "password").owner() == "root"


@root_only
def test_root_without_a_user_to_run_it_is_told(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(os_user, "USER_NAME", "not a name: for a user")
    with pytest.raises(ServerError, match=r"does not run as root.*useradd: .*ordinary user"):
        EmbeddedServer(tmp_path)
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(ServerError, match=r"useradd does not run here.*CARLIB_DATABASE_URL"):
        EmbeddedServer(tmp_path)


def run_as(uid: int, program: str, home: Path) -> subprocess.CompletedProcess[str]:
    """Run a Python program as another user, who finds carlib and all that it needs."""
    paths = f"{Path(carlib.__file__).parents[1]}:{sysconfig.get_path('purelib')}"
    environment = {
        "PATH": os.environ["PATH"],
        "PYTHONPATH": paths,
        "CARLIB_DATA_DIR": f"{home}/a b",
    }
    options = {"user": uid, "group": uid, "extra_groups": [], "cwd": "/", "env": environment}
    # A Python in root's home can't be run by others; the system's of the same version stands in.
    other = shutil.which(f"python3.{sys.version_info.minor}", path="/usr/bin:/usr/local/bin")
    for python in filter(None, (sys.executable, other)):
        with contextlib.suppress(PermissionError):
            probe = [python, "-c", "import psycopg2, sqlalchemy, psutil"]
            if subprocess.run(probe, capture_output=True, **options).returncode == 0:
                command = [python, "-c", program]
                return subprocess.run(command, capture_output=True, text=True, **options)
    pytest.skip("no Python here that another user may run with these packages")


@root_only
def test_an_ordinary_user_runs_it_as_itself(folder_for_servers: Path) -> None:
    uid = pwd.getpwnam("nobody").pw_uid
    folder_for_servers.chmod(0o755)
    home = folder_for_servers / "home"
    home.mkdir(mode=0o700)
    os.chown(home, uid, uid)
    program = """
import os
from carlib.connection import connect
from carlib.server import embedded_server
engine = connect(schema="mine")
with engine.connect() as connection:
    print(connection.exec_driver_sql("SELECT current_schema()").scalar_one())
engine.dispose()
server = embedded_server()
print(os.stat(server.data_dir / "data").st_uid, os.stat(f"/proc/{server.pid}").st_uid)
"""
    done = run_as(uid, program, home)
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert lines[0].startswith("PostgreSQL 18.")
    assert lines[1:] == ["mine", f"{uid} {uid}"]
    assert not (home / "a b" / "data" / "postmaster.pid").exists()
    assert mode(home) == 0o700


@root_only
def test_a_user_without_a_name_is_told(folder_for_servers: Path) -> None:
    uid = 61234  # in no passwd file, as in containers run with --user
    folder_for_servers.chmod(0o755)
    home = folder_for_servers / "home"
    home.mkdir()
    os.chown(home, uid, uid)
    done = run_as(uid, "import carlib.server; carlib.server.embedded_server()", home)
    assert "ServerError: PostgreSQL's initdb could not make a cluster." in done.stderr
    assert "add this user id to /etc/passwd" in done.stderr
