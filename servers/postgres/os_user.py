"""The operating-system user that PostgreSQL's programs run as.

PostgreSQL refuses to run as root. Where carlib runs as root (in containers, in some classrooms), a
system user of its own runs the programs; everybody else runs them as themselves.
"""

from __future__ import annotations

import os
import stat
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from servers.postgres.errors import ServerError

USER_NAME = "carlib-postgres"
NAME_IS_TAKEN = 9  # useradd's exit code
INSTEAD = "Run as an ordinary user, or set CARLIB_DATABASE_URL to a PostgreSQL 18 server."


@dataclass(frozen=True)
class OSUser:
    """Who owns the data and runs the programs; `switched` is true where that is not ourselves."""

    uid: int
    gid: int
    switched: bool

    def subprocess_options(self) -> dict[str, Any]:
        """The arguments with which `subprocess.run` starts a program as this user."""
        if not self.switched:
            return {}
        return {"user": self.uid, "group": self.gid, "extra_groups": []}

    def own(self, path: Path) -> None:
        """Give `path` to this user."""
        if self.switched:
            os.chown(path, self.uid, self.gid)

    def let_through(self, folder: Path) -> None:
        """Let this user pass `folder` and all above it, without letting it list them."""
        if self.switched:
            for step in [folder, *folder.parents]:
                _add_mode(step, stat.S_IXOTH)

    def let_read(self, folder: Path) -> None:
        """Let this user read and run everything in `folder` (PostgreSQL's public programs)."""
        if not self.switched:
            return
        self.let_through(folder)
        for path in [folder, *folder.rglob("*")]:
            if not path.is_symlink():
                runs = path.stat().st_mode & stat.S_IXUSR
                _add_mode(path, stat.S_IROTH | (stat.S_IXOTH if runs else 0))

    def private_folder(self, folder: Path) -> None:
        """Make `folder` this user's alone; where it is there already, see that it is.

        Raises:
            ServerError: it belongs to somebody else, or is no folder.
        """
        try:
            folder.mkdir(mode=0o700)
            self.own(folder)
        except FileExistsError:
            found = folder.lstat()
            if not stat.S_ISDIR(found.st_mode) or found.st_uid != self.uid:
                raise ServerError(
                    f"Expected {folder} to be a folder of this user, for the server's socket; it "
                    "belongs to somebody else or is no folder. Remove it, or set TMPDIR to "
                    "another folder."
                ) from None
            folder.chmod(0o700)


def server_user() -> OSUser:
    """The user to run PostgreSQL as: ourselves, or for root a system user, made if missing.

    Raises:
        ServerError: we are root, and the system user is missing and can't be made.
    """
    if sys.platform == "win32":
        return OSUser(0, 0, switched=False)
    if os.geteuid() != 0:
        return OSUser(os.geteuid(), os.getegid(), switched=False)
    import pwd

    try:
        entry = pwd.getpwnam(USER_NAME)
    except KeyError:
        _make_user()
        entry = pwd.getpwnam(USER_NAME)
    return OSUser(entry.pw_uid, entry.pw_gid, switched=True)


def _make_user() -> None:
    command = ["useradd", "--system", "--user-group", "--no-create-home"]
    command += ["--home-dir", "/nonexistent", "--shell", "/usr/sbin/nologin", USER_NAME]
    need = f"PostgreSQL does not run as root, and its system user {USER_NAME!r} can't be made"
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    except (OSError, subprocess.TimeoutExpired) as error:
        raise ServerError(f"{need}: useradd does not run here ({error}). {INSTEAD}") from error
    # Another process may have been faster.
    if done.returncode not in (0, NAME_IS_TAKEN):
        raise ServerError(f"{need}: {done.stderr.strip()} {INSTEAD}")


def _add_mode(path: Path, bits: int) -> None:
    mode = stat.S_IMODE(path.stat().st_mode)
    if mode | bits != mode:
        path.chmod(mode | bits)
