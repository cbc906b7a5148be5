"""One PostgreSQL cluster on disk: made, started, stopped.

Nothing here knows who uses the server: `server` counts the users and holds the lock under which
all of this is called.
"""

import secrets
import shutil
from collections.abc import Mapping
from pathlib import Path

from servers.postgres.errors import ServerError, failure
from servers.postgres.os_user import OSUser
from servers.postgres.postmaster import START_SECONDS, Postmaster
from servers.postgres.programs import binaries, run
from servers.postgres.settings import remove_socket_folder, write_settings

MAJOR_VERSION = "18"


class Cluster:
    """The PostgreSQL of `folder`: its files in `data`, its messages in `server.log`.

    `temporary`, `tcp` and `settings` are those of `EmbeddedServer`.
    """

    def __init__(
        self, folder: Path, user: OSUser, tcp: bool, temporary: bool, settings: Mapping[str, str]
    ) -> None:
        self.folder = folder
        self.user = user
        self.tcp = tcp
        self.temporary = temporary
        self.settings = settings
        self.data = folder / "data"
        self.log = folder / "server.log"
        self.postmaster = Postmaster(self.data, user)

    def ensure_running(self) -> None:
        """Start the server unless it answers; make the cluster first where there is none.

        Raises:
            ServerError: It could not be made or started.
        """
        for leftover in self.folder.glob("carlib-initdb-*"):
            shutil.rmtree(leftover, ignore_errors=True)
        self.user.allow_read(binaries().parent)
        if not self.data.exists():
            self._make()
        version_file = self.data / "PG_VERSION"
        version = version_file.read_text("ascii").strip() if version_file.exists() else "none"
        if version != MAJOR_VERSION:
            raise ServerError(
                f"Expected data of PostgreSQL version {MAJOR_VERSION} in {self.data}, found "
                f"{version}. Move that folder away, or set CARLIB_DATA_DIR to another one."
            )
        if not self.postmaster.wait_until_it_answers():
            self._start()

    def stop(self) -> None:
        """Stop the server and wait until it is gone; nothing happens where none is alive.

        Raises:
            ServerError: It is still alive.
        """
        output = ""
        for mode in ("fast", "immediate"):
            if self.postmaster.pid() is not None:
                _, output = self._run("pg_ctl", "stop", "-D", "data", "-m", mode, "-w", "-t", "60")
        if (pid := self.postmaster.pid()) is not None:
            raise failure(
                f"The embedded PostgreSQL (process {pid}) did not stop.", output, self.folder
            )
        remove_socket_folder(self.data)

    def _make(self) -> None:
        """Run initdb under a temporary name, so that a killed initdb leaves no half cluster."""
        new = self.folder / f"carlib-initdb-{secrets.token_hex(4)}"
        new.mkdir()
        try:
            self.user.allow_traverse(new)
            password = new / "password"
            password.touch(mode=0o600)
            password.write_text(secrets.token_urlsafe(24), encoding="ascii")
            self.user.chown(password)
            (new / "data").mkdir(mode=0o700)
            self.user.chown(new / "data")
            # Sorting by code points: the same order on every system.
            code, output = self._run(
                *("initdb", "-D", f"{new.name}/data", "-U", "postgres", "--no-instructions"),
                *("--encoding=UTF8", "--locale-provider=builtin", "--builtin-locale=C.UTF-8"),
                *("--locale=C", "--auth=scram-sha-256", f"--pwfile={new.name}/password"),
                *(["--no-sync"] if self.temporary else []),
            )
            if code != 0:
                raise failure("PostgreSQL's initdb could not make a cluster.", output, self.folder)
            with (new / "data" / "postgresql.conf").open("a", encoding="utf-8") as config:
                config.write("\ninclude_if_exists = 'carlib.conf'\n")
            password.replace(self.postmaster.password_file)
            (new / "data").rename(self.data)
        finally:
            shutil.rmtree(new, ignore_errors=True)

    def _start(self) -> None:
        self.log.touch(mode=0o600)
        self.user.chown(self.log)
        log_size = self.log.stat().st_size
        self.postmaster.clear_after_a_kill()
        write_settings(self.data, self.user, self.tcp, self.settings)
        wait = ["-w", "-t", str(START_SECONDS)]
        code, output = self._run("pg_ctl", "start", "-D", "data", "-l", "server.log", *wait)
        if code != 0 or not self.postmaster.wait_until_it_answers():
            log = self.log.read_bytes()[log_size:].decode(errors="replace")
            raise failure("The embedded PostgreSQL did not start.", log or output, self.folder)

    def _run(self, program: str, *arguments: str) -> tuple[int, str]:
        return run(program, *arguments, folder=self.folder, user=self.user)
