"""The settings a server starts with: where it listens, and whom it lets in."""

from __future__ import annotations

import contextlib
import hashlib
import os
import re
import socket
import sys
import tempfile
from pathlib import Path

from servers.postgres.os_user import OSUser

PORT = 5432  # on a Unix socket it only names the file
SOCKET_PATH_BYTES = 103  # on macOS; Linux allows 107


def write_settings(data: Path, user: OSUser, tcp: bool) -> None:
    """Write carlib.conf, which postgresql.conf includes, and pg_hba.conf into the folder `data`.

    With `tcp` the server listens on 127.0.0.1 and asks for a password. Otherwise it listens on a
    Unix socket alone, in a folder that nobody else can enter, so that it need not ask.

    Raises:
        ServerError: the socket's folder is somebody else's.
    """
    if tcp:
        listen, sockets, port = "127.0.0.1", "", _free_port(data)
        who = "host all all 127.0.0.1/32 scram-sha-256"
    else:
        folder = _socket_folder(data, user)
        # A killed server's: its lock names a process id that may be another's by now.
        for name in (f".s.PGSQL.{PORT}", f".s.PGSQL.{PORT}.lock"):
            (folder / name).unlink(missing_ok=True)
        listen, sockets, port = "", str(folder), PORT
        who = "local all all trust"
    settings = {
        "listen_addresses": listen,
        "port": port,
        "unix_socket_directories": sockets,
        "cluster_name": "carlib-embedded",
        "timezone": "UTC",
        "log_timezone": "UTC",
    }
    text = "".join(f"{name} = '{value}'\n" for name, value in settings.items())
    for name, content in (("carlib.conf", text), ("pg_hba.conf", f"{who}\n")):
        path = data / name
        path.write_text(content, encoding="ascii")
        user.own(path)


def spare_socket_folder(data: Path, user: OSUser) -> Path:
    """The folder for the socket of data whose own path won't do: named from user and path."""
    mark = hashlib.sha256(os.fsencode(data)).hexdigest()[:16]
    folder = Path(tempfile.gettempdir()) / f"carlib-{user.uid}-{mark}"
    return folder if _fits_a_socket(folder) else Path("/tmp") / folder.name


def _socket_folder(data: Path, user: OSUser) -> Path:
    data.chmod(0o700)
    if _fits_a_socket(data):
        return data
    folder = spare_socket_folder(data, user)
    user.let_through(folder.parent)
    user.private_folder(folder)
    return folder


def _fits_a_socket(folder: Path) -> bool:
    """Whether PostgreSQL and the system take `folder` as a socket's: short, and plain ASCII."""
    path = f"{folder}/.s.PGSQL.{PORT}"
    return len(path) <= SOCKET_PATH_BYTES and re.fullmatch(r"[A-Za-z0-9/._-]+", path) is not None


def _free_port(data: Path) -> int:
    """The port of the last start where it is free, so that open engines find the server again."""
    with contextlib.suppress(OSError):
        text = (data / "carlib.conf").read_text(encoding="ascii")
        last = re.search(r"listen_addresses = '127.0.0.1'\nport = '(\d+)'", text)
        if last:
            return _bindable(int(last[1]))
    return _bindable(0)


def _bindable(port: int) -> int:
    with socket.socket() as probe:
        if sys.platform != "win32":  # there it would take a port that is in use
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        probe.bind(("127.0.0.1", port))
        return probe.getsockname()[1]
