"""The operating-system user that PostgreSQL's programs run as.

PostgreSQL refuses to run as root. Under root (in containers, in some classrooms) a system user
made for the purpose runs the programs; any other user runs them itself.
"""

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


@dataclass(frozen=True)
class OSUser:
    """Who owns the data and runs the programs; `switched` is true where that is not ourselves."""

    uid: int = 0
    gid: int = 0
    switched: bool = False

    def subprocess_options(self) -> dict[str, Any]:
        """Return the arguments with which `subprocess.run` starts a program as this user."""
        if not self.switched:
            return {}
        return {"user": self.uid, "group": self.gid, "extra_groups": []}

    def chown(self, path: Path) -> None:
        """Make this user the owner of `path`."""
        if self.switched:
            os.chown(path, self.uid, self.gid)

    def allow_traverse(self, folder: Path) -> None:
        """Let this user pass through `folder` and all above it, without listing them."""
        if self.switched:
            for step in [folder, *folder.parents]:
                mode = stat.S_IMODE(step.stat().st_mode)
                if not mode & stat.S_IXOTH:
                    step.chmod(mode | stat.S_IXOTH)

    def allow_read(self, folder: Path) -> None:
        """Let this user read and run everything in `folder` (PostgreSQL's public programs)."""
        if self.switched:
            self.allow_traverse(folder)
            # Where nothing had to change, a read-only disk's error does not matter.
            subprocess.run(["chmod", "-R", "o+rX", str(folder)], capture_output=True)


def server_user() -> OSUser:
    """Return the user to run PostgreSQL as: ourselves, or for root a system user, made if missing.

    Raises:
        ServerError: We are root, and the system user is missing and can't be made.
    """
    if sys.platform == "win32" or os.geteuid() != 0:
        return OSUser()
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
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=60)
        # The name is taken where another process was faster.
        problem = "" if done.returncode in (0, NAME_IS_TAKEN) else done.stderr.strip()
    except (OSError, subprocess.TimeoutExpired) as error:
        problem = f"useradd does not run here: {error}."
    if problem:
        raise ServerError(
            f"PostgreSQL does not run as root, and its system user {USER_NAME!r} can't be made: "
            f"{problem} Run as an ordinary user, or set CARLIB_DATABASE_URL to a PostgreSQL 18 "
            "server."
        )
