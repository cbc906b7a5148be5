"""The error of the servers, and how the system's and PostgreSQL's own errors become one."""

import contextlib
import re
import tempfile
from collections.abc import Iterator
from pathlib import Path

from filelock import Timeout

TEMPORARY_PREFIX = "carlib-temporary-"

_OTHERWISE = (
    "Correct what it names, or set {variable} to another folder to begin with an empty server, or "
    "CARLIB_DATABASE_URL to a PostgreSQL 18 server of your own."
)
# A sign in what the programs or the system say, and what to do; the first that is found counts.
_ADVICE = {
    "file descriptors|Too many open files": "Raise the limit of open files: ulimit -n 1024",
    "File too large|File size limit": "Lift the limit on the size of files: ulimit -f unlimited",
    "shmget": "Remove shared memory that nobody uses (ipcs -m, ipcrm), or raise kernel.shmmni.",
    "resize shared memory segment.*No space left|/dev/shm": (
        "Free shared memory (/dev/shm); give a container more of it: docker run --shm-size=256m"
    ),
    "Cannot allocate memory|[Oo]ut of memory|Resource temporarily unavailable": (
        "Close other programs, or lift the limits: ulimit -v unlimited; ulimit -u unlimited"
    ),
    "No space left on device|[Qq]uota exceeded|Check free disk space": (
        "The disk is full: free some space, or set {variable} to a folder on another disk."
    ),
    "invalid permissions|wrong ownership|could not change permissions": (
        "Its disk does not keep permissions, as network and Windows drives may not: set {variable} "
        "to a folder on a disk of this machine."
    ),
    "Permission denied|Read-only file system": (
        "Make that writable for this user, or set {variable} to another folder."
    ),
    'invalid locale|parameter "lc_': (
        "This system lacks that locale: install it, or write C in its place in postgresql.conf."
    ),
}


class ServerError(Exception):
    """A server could not be initialized, started or stopped; the message says what to do."""


def failure(message: str, output: str, folder: Path) -> ServerError:
    """Make a ServerError of a server's folder, with the last lines of `output` and what to do."""
    lines = [f"    {line}" for line in output.strip().splitlines()[-10:]]
    cure = next((cure for sign, cure in _ADVICE.items() if re.search(sign, output)), _OTHERWISE)
    temporary = folder == Path(tempfile.gettempdir()) or folder.name.startswith(TEMPORARY_PREFIX)
    cure = cure.replace("{variable}", "TMPDIR" if temporary else "CARLIB_DATA_DIR")
    return ServerError("\n".join([message, *lines, cure]))


@contextlib.contextmanager
def disk_errors(folder: Path) -> Iterator[None]:
    """Turn what the system refuses inside the `with` block into a ServerError about `folder`."""
    try:
        yield
    except Timeout as error:
        raise ServerError(
            f"Another process has long been starting or stopping the server: it holds the lock "
            f"{error.lock_file}. End it and try again."
        ) from None
    except OSError as error:
        message = f"The embedded PostgreSQL can't use the folder {folder}."
        raise failure(message, str(error), folder) from error
