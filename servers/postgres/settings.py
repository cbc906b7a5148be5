"""The settings a server starts with: where it listens, and who may connect."""

import contextlib
import re
import shutil
import socket
import tempfile
from collections.abc import Mapping
from pathlib import Path

from servers.postgres.os_user import OSUser

PORT = 5432  # on a Unix socket it only names the file
SOCKET_PATH_BYTES = 103  # on macOS; Linux allows 107
SOCKET_FOLDER_PREFIX = "carlib-socket-"


def write_settings(data: Path, user: OSUser, tcp: bool, extra: Mapping[str, str]) -> None:
    """Write carlib.conf, which postgresql.conf includes, and pg_hba.conf; no server runs.

    With `tcp`, it will listen on 127.0.0.1 and ask for a password; else only on a Unix socket, in
    a folder that nobody else can enter, and need not ask. The `extra` settings win.
    """
    remove_socket_folder(data)
    if tcp:
        listen, sockets, port = "127.0.0.1", "", _free_port()
        access = "host all all 127.0.0.1/32 scram-sha-256"
    else:
        listen, sockets, port = "", str(_socket_folder(data, user)), PORT
        access = "local all all trust"
    settings = {
        "listen_addresses": listen,
        "port": str(port),
        "unix_socket_directories": sockets,
        "cluster_name": "carlib-embedded",
        "timezone": "UTC",
        "log_timezone": "UTC",
        **extra,
    }
    quoted = {name: value.replace("'", "''") for name, value in settings.items()}
    text = "".join(f"{name} = '{value}'\n" for name, value in quoted.items())
    for name, content in (("carlib.conf", text), ("pg_hba.conf", f"{access}\n")):
        path = data / name
        path.write_text(content, encoding="utf-8")
        user.chown(path)


def remove_socket_folder(data: Path) -> None:
    """Remove the folder that was made for the last server's socket, if there was one."""
    with contextlib.suppress(OSError):
        text = (data / "carlib.conf").read_text(encoding="utf-8")
        if folder := re.search(rf"'(/.*/{SOCKET_FOLDER_PREFIX}\w+)'", text):
            shutil.rmtree(folder[1])


def _socket_folder(data: Path, user: OSUser) -> Path:
    data.chmod(0o700)
    if _fits_a_socket(data):
        # A killed server's lock names a process id that may be another program's by now.
        for name in (f".s.PGSQL.{PORT}", f".s.PGSQL.{PORT}.lock"):
            (data / name).unlink(missing_ok=True)
        return data
    parent = Path(tempfile.gettempdir()).resolve()
    if not _fits_a_socket(parent / f"{SOCKET_FOLDER_PREFIX}12345678"):
        parent = Path("/tmp")
    folder = Path(tempfile.mkdtemp(prefix=SOCKET_FOLDER_PREFIX, dir=parent))
    user.allow_traverse(parent)
    user.chown(folder)
    return folder


def _fits_a_socket(folder: Path) -> bool:
    """Whether a socket can be in `folder` for PostgreSQL and the system: short, plain ASCII."""
    path = f"{folder}/.s.PGSQL.{PORT}"
    return len(path) <= SOCKET_PATH_BYTES and re.fullmatch(r"[A-Za-z0-9/._-]+", path) is not None


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        return probe.getsockname()[1]
