"""As whom the embedded server runs: for root as a user of its own, else as ourselves."""

import contextlib
import os
import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path

import psutil
import pytest
from server_probes import is_alive, mode, root_only, scalar, without_waiting

import servers
from servers.postgres import EmbeddedServer, ServerError, os_user

pytestmark = root_only


def test_root_runs_it_as_a_user_that_may_pass_and_no_more(folder_for_servers: Path) -> None:
    above = folder_for_servers / "above"
    above.mkdir(mode=0o700)
    before = os.umask(0o077)
    try:
        with EmbeddedServer(above / "data", temporary=True) as server:
            assert psutil.Process(server.pid).username() == os_user.USER_NAME
            assert scalar(server, "SELECT 7") == 7
    finally:
        os.umask(before)
    assert (mode(folder_for_servers), mode(above)) == (0o701, 0o701)
    assert (above / "data" / "data").owner() == os_user.USER_NAME


def test_root_of_a_container_finds_and_stops_its_server(folder_for_servers: Path) -> None:
    # Docker takes from root the right to look into other users' processes.
    program = """
import sys
from servers.postgres import EmbeddedServer
with EmbeddedServer(sys.argv[1], temporary=True) as server:
    print(server.pid)
"""
    command = ["setpriv", "--bounding-set=-sys_ptrace", "--inh-caps=-sys_ptrace"]
    command += [sys.executable, "-W", "error", "-c", program, str(folder_for_servers)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert without_waiting(done.stderr) == ""
    assert not is_alive(int(done.stdout))


def test_root_without_a_user_to_run_it_is_told(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(os_user, "USER_NAME", "not a name: for a user")
    with pytest.raises(ServerError, match=r"does not run as root.*useradd: .*ordinary user"):
        EmbeddedServer(tmp_path)
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(ServerError, match=r"useradd does not run here.*CARLIB_DATABASE_URL"):
        EmbeddedServer(tmp_path)


def test_an_ordinary_user_runs_it_as_itself(folder_for_servers: Path) -> None:
    import pwd  # not on Windows

    uid = pwd.getpwnam("nobody").pw_uid
    done, home = _start_as(uid, folder_for_servers)
    assert (done.stdout, without_waiting(done.stderr)) == (f"{uid} {uid}\n", "")
    assert not (home / "a b" / "data" / "postmaster.pid").exists()
    assert mode(home) == 0o700


def test_a_user_without_a_name_is_told(folder_for_servers: Path) -> None:
    uid = 61234  # in no passwd file, as in containers run with --user
    done, _ = _start_as(uid, folder_for_servers)
    assert "ServerError: PostgreSQL's initdb could not make a cluster." in done.stderr
    assert f"could not look up effective user ID {uid}" in done.stderr


def _start_as(uid: int, folder: Path) -> tuple[subprocess.CompletedProcess[str], Path]:
    """Start a server as another user; print who owns its data and who runs it."""
    folder.chmod(0o755)
    home = folder / "home"
    home.mkdir(mode=0o700)
    os.chown(home, uid, uid)
    program = """
import os
from servers.postgres import embedded_server
server = embedded_server()
print(os.stat(server.data_dir / "data").st_uid, os.stat(f"/proc/{server.pid}").st_uid)
"""
    environment = {
        "PATH": os.environ["PATH"],
        "PYTHONPATH": f"{Path(servers.__file__).parents[1]}:{sysconfig.get_path('purelib')}",
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
                return subprocess.run(command, capture_output=True, text=True, **options), home
    pytest.skip("no Python here that another user may run with these packages")
