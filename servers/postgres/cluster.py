"""One PostgreSQL cluster on disk: made, started, stopped.

Nothing here knows who uses the server: `server` counts the users and holds the lock under which
all of this is called.
"""

from __future__ import annotations

import contextlib
import os
import secrets
import shutil
import time
from pathlib import Path

from servers.postgres.errors import ServerError
from servers.postgres.os_user import OSUser
from servers.postgres.postmaster import RECOVERY_SECONDS, Postmaster
from servers.postgres.programs import binaries, failure, run
from servers.postgres.settings import spare_socket_folder, write_settings

MAJOR_VERSION = "18"
LOG_BYTES = 5_000_000  # a longer log is put aside at the next start
RETRY_SECONDS = 60
# What passes by itself: the system frees a killed server's memory a little later, and another
# program may have taken the port that was free just now.
_PASSING = ("pre-existing shared memory block", "could not bind")


class Cluster:
    """The PostgreSQL of `folder`: its files in `data`, its messages in `server.log`.

    Of a `temporary` one, initdb does not wait until its files are on the disk.
    """

    def __init__(self, folder: Path, user: OSUser, tcp: bool, temporary: bool) -> None:
        self.folder = folder
        self.user = user
        self.tcp = tcp
        self.temporary = temporary
        self.data = folder / "data"
        self.log = folder / "server.log"
        self.password_file = folder / "password"
        self.postmaster = Postmaster(self.data, self.password_file)

    def ensure_running(self) -> None:
        """Start the server unless it answers; make the cluster first where there is none.

        Raises:
            ServerError: it could not be made or started.
        """
        for leftover in self.folder.glob("carlib-initdb-*"):
            shutil.rmtree(leftover, ignore_errors=True)
        if not self.data.exists():
            self._make()
        try:
            found = (self.data / "PG_VERSION").read_text(encoding="ascii").strip()
        except OSError as error:
            found = f"none ({error.strerror})"
        if found != MAJOR_VERSION:
            raise ServerError(
                f"Expected data of PostgreSQL version {MAJOR_VERSION} in {self.data}, found "
                f"{found}. Move that folder away, or set CARLIB_DATA_DIR to another one."
            )
        if not self.postmaster.wait_until_it_answers():
            self._start()
            if not self.postmaster.wait_until_it_answers():
                raise failure("The embedded PostgreSQL started and went away.", self._said(-4000))

    def stop(self) -> None:
        """Stop the server and wait until it is gone; nothing happens where none is alive.

        Raises:
            ServerError: it is still alive.
        """
        address = self.postmaster.address()
        said = ""
        for mode in ("fast", "immediate"):
            if self.postmaster.pid() is not None:
                _, said = self._run("pg_ctl", "stop", "-D", "data", "-m", mode, "-w", "-t", "60")
        if (pid := self.postmaster.pid()) is not None:
            raise failure(f"The embedded PostgreSQL (process {pid}) did not stop.", said)
        if (
            address
            and Path(address.socket_folder).name == spare_socket_folder(self.data, self.user).name
        ):
            shutil.rmtree(address.socket_folder, ignore_errors=True)

    def _make(self) -> None:
        """Run initdb under a temporary name, so that a killed initdb leaves no half cluster."""
        self.user.let_read(binaries().parent)
        new = self.folder / f"carlib-initdb-{secrets.token_hex(4)}"
        new.mkdir()
        try:
            self.user.let_through(new)
            password = secrets.token_urlsafe(24)
            _write_private(new / "password", password)
            self.user.own(new / "password")
            (new / "data").mkdir(mode=0o700)
            self.user.own(new / "data")
            # Sorting by code points: the same order on every system.
            code, said = self._run(
                *("initdb", "-D", f"{new.name}/data", "-U", "postgres", "--no-instructions"),
                *("--encoding=UTF8", "--locale-provider=builtin", "--builtin-locale=C.UTF-8"),
                *("--locale=C", "--auth=scram-sha-256", f"--pwfile={new.name}/password"),
                *(["--no-sync"] if self.temporary else []),
            )
            if code != 0:
                raise failure("PostgreSQL's initdb could not make a cluster.", said)
            with (new / "data" / "postgresql.conf").open("a", encoding="utf-8") as settings:
                settings.write("\ninclude_if_exists = 'carlib.conf'\n")
            _write_private(self.password_file, password)
            (new / "data").rename(self.data)
        finally:
            shutil.rmtree(new, ignore_errors=True)

    def _start(self) -> None:
        self.user.let_read(binaries().parent)
        if self.log.exists() and self.log.stat().st_size > LOG_BYTES:
            self.log.replace(self.log.with_name("server.log.old"))
        self.log.touch(mode=0o600)
        self.user.own(self.log)
        end = time.monotonic() + RETRY_SECONDS
        while True:
            self.postmaster.clear_after_a_kill()
            write_settings(self.data, self.user, self.tcp)
            log_size = self.log.stat().st_size
            code, said = self._run(
                *("pg_ctl", "start", "-D", "data", "-l", "server.log"),
                *("-w", "-t", str(RECOVERY_SECONDS)),
            )
            if code == 0:
                return
            said = self._said(log_size) or said
            if not any(sign in said for sign in _PASSING) or time.monotonic() > end:
                shutil.rmtree(spare_socket_folder(self.data, self.user), ignore_errors=True)
                raise failure("The embedded PostgreSQL did not start.", said)
            time.sleep(0.5)

    def _run(self, program: str, *arguments: str) -> tuple[int, str]:
        return run(program, *arguments, folder=self.folder, user=self.user)

    def _said(self, start: int) -> str:
        """The server's log from `start` on (from the end where negative)."""
        with contextlib.suppress(OSError):
            return self.log.read_bytes()[start:].decode(errors="replace")
        return ""


def _write_private(path: Path, text: str) -> None:
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w", encoding="ascii") as file:
        file.write(text)
