"""The running server of one data folder: where it listens, whether it lives and answers.

The file postmaster.pid is only believed in where to ask. Whether a server runs is found out by
connecting to it, since after a kill its process id may be another program's.
"""

from __future__ import annotations

import contextlib
import time
from pathlib import Path
from typing import NamedTuple

import psutil
import psycopg2

from servers.postgres.errors import ServerError

RECOVERY_SECONDS = 600  # crash recovery after a large load may take minutes
SILENCE_SECONDS = 30  # a live server that says nothing at all for so long is stuck
ORPHAN_SECONDS = 5  # for a killed server's child to end when asked

# A server without a free place for us does accept connections.
_FULL = ("too many clients", "remaining connection slots")


class Address(NamedTuple):
    """Where the server listens: in a socket folder, or where that is "" on 127.0.0.1."""

    socket_folder: str
    port: int


class Postmaster:
    """The server of the data folder `data`; `password_file` holds the password for TCP."""

    def __init__(self, data: Path, password_file: Path) -> None:
        self.data = data
        self.password_file = password_file
        self.pid_file = data / "postmaster.pid"

    def address(self) -> Address | None:
        """Where the server listens, as its postmaster.pid says; None where there is none."""
        lines = self._pid_file_lines()
        if len(lines) < 6 or not lines[3].isdigit():
            return None
        return Address(lines[4].strip(), int(lines[3]))

    def pid(self) -> int | None:
        """The process id of the live server of this very folder, None where there is none."""
        lines = self._pid_file_lines()
        pid = int(lines[0]) if lines and lines[0].strip().isdigit() else 0
        return pid if pid and self._works_here(pid) else None

    def password(self) -> str:
        """The password of the role `postgres`, needed on TCP only.

        Raises:
            ServerError: the file that holds it can't be read.
        """
        try:
            return self.password_file.read_text(encoding="ascii").strip()
        except OSError as error:
            raise ServerError(
                f"Expected the server's password in {self.password_file}: {error.strerror}. "
                "Set CARLIB_DATA_DIR to another folder."
            ) from None

    def refusal(self) -> str | None:
        """Connect once: None where the server accepted, else what it or the system said."""
        address = self.address()
        if address is None:
            return "it has not said yet where it listens"
        try:
            connection = psycopg2.connect(
                host=address.socket_folder or "127.0.0.1",
                port=address.port,
                user="postgres",
                dbname="postgres",
                password="" if address.socket_folder else self.password(),
                sslmode="disable",
                connect_timeout=5,
            )
        except psycopg2.OperationalError as error:
            said = str(error).strip()
            return None if any(full in said for full in _FULL) else said
        with contextlib.closing(connection), connection.cursor() as cursor:
            if address.socket_folder:  # in a folder that is this server's alone
                return None
            cursor.execute("SHOW data_directory")
            there = Path(cursor.fetchall()[0][0])
        return None if _same_folder(there, self.data) else "another server listens on this port"

    def wait_until_it_answers(self) -> bool:
        """True once the server accepts connections; False where none is alive.

        Raises:
            ServerError: it is alive, but does not accept connections in time.
        """
        begin = spoke = time.monotonic()
        while (refusal := self.refusal()) is not None:
            pid = self.pid()
            if pid is None:
                return False
            now = time.monotonic()
            if "FATAL" in refusal:  # it talks: starting, recovering or stopping
                spoke = now
            if now - spoke > SILENCE_SECONDS or now - begin > RECOVERY_SECONDS:
                raise ServerError(
                    f"The embedded PostgreSQL (process {pid}) is alive, but does not accept "
                    f"connections: {refusal}. End that process and try again."
                )
            time.sleep(0.05)
        return True

    def clear_after_a_kill(self) -> None:
        """Remove what a killed server leaves behind: its pid file and its child processes.

        Call it only where the server itself is not alive.
        """
        self.pid_file.unlink(missing_ok=True)
        orphans = psutil.process_iter()
        for end in (psutil.Process.terminate, psutil.Process.kill):
            orphans = [orphan for orphan in orphans if self._works_here(orphan.pid)]
            for orphan in orphans:
                with contextlib.suppress(psutil.Error):
                    end(orphan)
            patience = time.monotonic() + ORPHAN_SECONDS
            while time.monotonic() < patience and any(self._works_here(p.pid) for p in orphans):
                time.sleep(0.02)

    def _works_here(self, pid: int) -> bool:
        """Whether `pid` is a live PostgreSQL process of this data folder."""
        try:
            process = psutil.Process(pid)
            return (
                process.name().lower().startswith("postgres")
                and process.status() != psutil.STATUS_ZOMBIE
                and _same_folder(Path(process.cwd()), self.data)
            )
        except (psutil.Error, OSError):
            return False

    def _pid_file_lines(self) -> list[str]:
        try:
            return self.pid_file.read_text(encoding="utf-8", errors="replace").split("\n")
        except OSError:
            return []


def _same_folder(one: Path, other: Path) -> bool:
    try:
        return one.samefile(other)
    except OSError:
        return False
