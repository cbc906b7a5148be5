"""The running server of one data folder: its process, its address, whether it answers.

The file postmaster.pid says where to look and is not believed further: after a kill of the server,
its process id and its port may be another program's.
"""

import contextlib
import subprocess
import time
from pathlib import Path

import psutil
import psycopg2

from servers.postgres.errors import ServerError, disk_errors
from servers.postgres.os_user import OSUser

START_SECONDS = 120  # with recovery after a kill, which reads at most about 1 GB of WAL
ORPHAN_SECONDS = 5  # for a killed server's child processes to be gone

# A server without a free place for us does accept connections.
_FULL = ("too many clients", "remaining connection slots")


class Postmaster:
    """The server of the data folder `data`, which `user` runs."""

    def __init__(self, data: Path, user: OSUser) -> None:
        self.data = data
        self.password_file = data.with_name("password")
        self.user = user
        self.pid_file = data / "postmaster.pid"

    def address(self) -> tuple[str, int] | None:
        """Return the socket's folder ("" on 127.0.0.1) and the port, None without a pid file."""
        lines = self._pid_file_lines()
        if len(lines) < 6 or not lines[3].isdigit():
            return None
        return lines[4].strip(), int(lines[3])

    def pid(self) -> int | None:
        """Return the process id of the live server of this very folder, None without one."""
        lines = self._pid_file_lines()
        pid = int(lines[0]) if lines and lines[0].strip().isdigit() else 0
        return pid if pid and self._is_our_process(pid) else None

    def password(self) -> str:
        """Return the password of the role `postgres`, needed on TCP only.

        Raises:
            ServerError: The file that holds it can't be read.
        """
        with disk_errors(self.password_file.parent):
            return self.password_file.read_text(encoding="ascii").strip()

    def connection_error(self) -> str | None:
        """Connect once: None where the server accepts, else the server's or the system's error."""
        address = self.address()
        # After a kill another server may have the port; the socket's folder is this server's alone.
        if address is None or (not address[0] and self.pid() is None):
            return "no server listens"
        socket_folder, port = address
        try:
            psycopg2.connect(
                host=socket_folder or "127.0.0.1",
                port=port,
                user="postgres",
                dbname="postgres",
                password="" if socket_folder else self.password(),
                sslmode="disable",
                connect_timeout=5,
            ).close()
        except psycopg2.OperationalError as error:
            message = str(error).strip()
            return None if any(full in message for full in _FULL) else message
        return None

    def wait_until_it_answers(self) -> bool:
        """Return True once the server accepts connections, False where none is alive.

        Raises:
            ServerError: It is alive, but does not accept connections in time.
        """
        deadline = time.monotonic() + START_SECONDS
        while (error := self.connection_error()) is not None:
            pid = self.pid()
            if pid is None:
                return False
            if time.monotonic() > deadline:
                raise ServerError(
                    f"The embedded PostgreSQL (process {pid}) is alive, but does not accept "
                    f"connections: {error}. End that process and try again."
                )
            time.sleep(0.05)
        return True

    def clear_after_a_kill(self) -> None:
        """Remove the pid file and the child processes of a server that is not alive itself."""
        self.pid_file.unlink(missing_ok=True)
        orphans = [p for p in psutil.process_iter() if self._is_our_process(p.pid)]
        for orphan in orphans:
            with contextlib.suppress(psutil.Error):
                orphan.kill()
        deadline = time.monotonic() + ORPHAN_SECONDS
        while any(self._is_our_process(p.pid) for p in orphans) and time.monotonic() < deadline:
            time.sleep(0.02)

    def _is_our_process(self, pid: int) -> bool:
        """Whether `pid` is a live PostgreSQL process of this data folder."""
        try:
            process = psutil.Process(pid)
            return (
                process.name().lower().startswith("postgres")
                and process.status() != psutil.STATUS_ZOMBIE
                and self.data.samefile(self._working_folder(process))
            )
        except (psutil.Error, OSError):
            return False

    def _working_folder(self, process: psutil.Process) -> str:
        try:
            return process.cwd()
        except psutil.AccessDenied:
            # In a container even root may not look into another user's process: that user may.
            command = ["readlink", f"/proc/{process.pid}/cwd"]
            options = self.user.subprocess_options()
            return subprocess.run(command, capture_output=True, text=True, **options).stdout[:-1]

    def _pid_file_lines(self) -> list[str]:
        try:
            return self.pid_file.read_text(encoding="utf-8", errors="replace").split("\n")
        except OSError:
            return []
