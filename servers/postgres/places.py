"""Where a server's data is, and what the disk may refuse."""

from __future__ import annotations

import contextlib
import os
import unicodedata
from collections.abc import Iterator
from pathlib import Path

import platformdirs

from servers.postgres.errors import ServerError


def data_folder(given: str | Path | None) -> Path:
    """The folder given, else that of `$CARLIB_DATA_DIR`, else one among the user's data.

    Raises:
        ServerError: its name has control characters, which PostgreSQL's own files can't hold.
    """
    chosen = given or os.environ.get("CARLIB_DATA_DIR")
    folder = Path(chosen or platformdirs.user_data_path("carlib") / "postgresql-18")
    folder = folder.expanduser().resolve()
    if any(unicodedata.category(character) in ("Cc", "Cs") for character in str(folder)):
        raise ServerError(
            f"Expected a data folder named in plain text, found {str(folder)!r}. Set "
            "CARLIB_DATA_DIR to another folder."
        )
    return folder


@contextlib.contextmanager
def disk_errors(folder: Path) -> Iterator[None]:
    """Turn what the system refuses inside the `with` block into a ServerError about `folder`."""
    try:
        yield
    except OSError as error:
        raise ServerError(
            f"The embedded PostgreSQL can't use the folder {folder}: {error}. Make it writable "
            "for this user, free space on its disk, or set CARLIB_DATA_DIR to another folder."
        ) from error
