"""Which processes use a server: one locked file for each.

The lock is the operating system's, so it is free again whatever ended the process, a kill too. All
but `joined` is called while the server's main lock is held.
"""

import contextlib
import os
import secrets
from pathlib import Path

from filelock import FileLock, Timeout


class Users:
    """The files in `folder`, and this process's own among them."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._mine: FileLock | None = None
        self._process = os.getpid()

    def joined(self) -> bool:
        """Whether this process is a user; a forked child is none until it joins itself."""
        if self._process != os.getpid():
            self._mine, self._process = None, os.getpid()
        return self._mine is not None and Path(self._mine.lock_file).exists()

    def join(self) -> None:
        """Make this process a user, until it leaves or ends."""
        if not self.joined():
            path = self.folder / f"{os.getpid()}-{secrets.token_hex(4)}"
            self._mine = FileLock(path, thread_local=False)
            self._mine.acquire(timeout=0)

    def leave(self) -> None:
        """End this process's use."""
        if self._process == os.getpid() and self._mine is not None:
            self._mine.release()
            _remove(Path(self._mine.lock_file))
            self._mine = None

    def any(self) -> bool:
        """Whether a live process is a user; the files that dead ones left are removed."""
        used = False
        for path in list(self.folder.iterdir()):
            lock = FileLock(path, timeout=0)
            try:
                lock.acquire()
            except Timeout:
                used = True
            else:
                lock.release()
                _remove(path)
        return used


def _remove(path: Path) -> None:
    with contextlib.suppress(OSError):  # Windows keeps a file that somebody is about to lock
        path.unlink()
