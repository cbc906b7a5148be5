"""The error of the servers, and how the system's and PostgreSQL's own errors become one."""

import contextlib
from collections.abc import Iterator
from pathlib import Path

from filelock import Timeout


class ServerError(Exception):
    """A server could not be initialized, started or stopped; the message says what to do."""


def failure(message: str, output: str) -> ServerError:
    """Make a ServerError that shows the last lines of PostgreSQL's output."""
    lines = [f"    {line}" for line in output.strip().splitlines()[-10:]]
    advice = (
        "Correct what it names, or set CARLIB_DATA_DIR to another folder to begin with an empty "
        "server, or CARLIB_DATABASE_URL to a PostgreSQL 18 server of your own."
    )
    return ServerError("\n".join([message, *lines, advice]))


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
        raise ServerError(
            f"The embedded PostgreSQL can't use the folder {folder}: {error}. Make it writable "
            "for this user, free space on its disk, or set CARLIB_DATA_DIR to another folder."
        ) from error
