"""The running server of one data folder: its process, its URL, whether it answers.

The file postmaster.pid says where to look and is not believed further: after a kill of the server,
its process id and its port may be another program's.
"""

import contextlib
import re
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import psutil
import psycopg2
from psycopg2.extensions import connection as Connection
from sqlalchemy import URL

from servers.postgres.errors import ServerError, disk_errors, failure
from servers.postgres.os_user import OSUser
from servers.postgres.surroundings import COMPLETE, without_libpq_variables

START_SECONDS = 120  # with recovery after a kill, which reads at most about 1 GB of WAL
ORPHAN_SECONDS = 5  # for a killed server's child processes to be gone

# A server without a free place for us does accept connections.
_FULL = "too many clients|remaining connection slots"
# What a server refuses only for a while.
_PASSING = "starting up|shutting down|in recovery mode|not yet accepting|not accepting connections"


class Postmaster:
    """The server of the data folder `data`, which `user` runs."""

    def __init__(self, data: Path, user: OSUser) -> None:
        self.data = data
        self.password_file = data.with_name("password")
        self.user = user
        self.pid_file = data / "postmaster.pid"

    def url(self) -> URL | None:
        """Return the URL of the database `postgres` there, None where no server has listened."""
        lines = self._pid_file_lines()
        if len(lines) < 6 or not lines[3].isdigit():
            return None
        folder, port = lines[4].strip(), int(lines[3])
        url = URL.create("postgresql+psycopg2", "postgres", database="postgres")
        if folder:  # an empty hostaddr, or that of PGHOSTADDR would win over the socket
            return url.set(query=COMPLETE | {"host": folder, "port": str(port), "hostaddr": ""})
        url = url.set(query=COMPLETE | {"hostaddr": "127.0.0.1"})
        return url.set(host="127.0.0.1", port=port, password=self.password())

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

    def connect(self, **options: Any) -> Connection:
        """Open a connection of the driver to this server and to no other.

        Raises:
            psycopg2.OperationalError: It does not listen, or it refuses.
            ServerError: Another server answered.
        """
        url = self.url()
        # After a kill another server may have the port; the socket's folder is this server's alone.
        if url is None or (url.host and self.pid() is None):
            raise psycopg2.OperationalError("no server listens")
        _, parameters = url.get_dialect()().create_connect_args(url)
        with without_libpq_variables(url):
            connection = psycopg2.connect(**{"connect_timeout": 5, **parameters, **options})
        with connection, connection.cursor() as cursor:
            cursor.execute("SELECT system_identifier FROM pg_catalog.pg_control_system()")
            ((identifier,),) = cursor.fetchall()
        control = (self.data / "global" / "pg_control").read_bytes()
        if control[:8] != identifier.to_bytes(8, sys.byteorder):
            connection.close()
            raise ServerError(
                f"Expected the embedded PostgreSQL of {self.data}, another server answered (system "
                f"{identifier}). Nothing was changed there. Try again."
            )
        return connection

    def connection_error(self) -> str | None:
        """Connect once: None where the server accepts, else the server's or the system's error."""
        try:
            self.connect().close()
        except psycopg2.OperationalError as error:
            message = str(error).strip()
            return None if re.search(_FULL, message) else message
        return None

    def wait_until_it_answers(self) -> bool:
        """Return True once the server accepts connections, False where none is alive.

        Raises:
            ServerError: It is alive and refuses connections, or does not answer in time.
        """
        deadline = time.monotonic() + START_SECONDS
        while (error := self.connection_error()) is not None:
            pid = self.pid()
            if pid is None:
                return False
            refused = "FATAL:" in error and not re.search(_PASSING, error)
            if refused or time.monotonic() > deadline:
                doing = "refuses connections" if refused else "is alive, but does not answer"
                message = f"The embedded PostgreSQL (process {pid}) {doing}."
                raise failure(message, error, self.data.parent)
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
