"""The operating-system user that PostgreSQL's programs run as.

PostgreSQL refuses to run as root. Where carlib runs as root (containers, some classrooms), its
programs run as a system user of our own; an ordinary user runs them as itself.
"""

from __future__ import annotations

import os
import stat
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from carlib.errors import ServerError

USER_NAME = "carlib-postgres"


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
        """Let this user pass through `folder` and all above it, without letting it list them."""
        if not self.switched:
            return
        for step in [folder, *folder.parents]:
            mode = stat.S_IMODE(step.stat().st_mode)
            if not mode & stat.S_IXOTH:
                step.chmod(mode | stat.S_IXOTH)

    def let_read(self, folder: Path) -> None:
        """Let this user read and run what is in `folder` (PostgreSQL's own, public programs)."""
        if not self.switched:
            return
        self.let_through(folder)
        for path in [folder, *folder.rglob("*")]:
            if path.is_symlink():
                continue
            mode = stat.S_IMODE(path.stat().st_mode)
            run = stat.S_IXOTH if mode & stat.S_IXUSR else 0
            wanted = mode | stat.S_IROTH | run
            if wanted != mode:
                path.chmod(wanted)


def server_user() -> OSUser:
    """The user to run PostgreSQL as: ourselves, or for root a system user, made if missing.

    Raises:
        ServerError: we are root and the system user can't be made.
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
        try:
            entry = pwd.getpwnam(USER_NAME)
        except KeyError as error:
            raise ServerError(
                f"PostgreSQL does not run as root, so carlib needs the system user {USER_NAME!r}; "
                "useradd did not make it. Make it by hand "
                f"(useradd --system {USER_NAME}), or run as an ordinary user."
            ) from error
    return OSUser(entry.pw_uid, entry.pw_gid, switched=True)


def _make_user() -> None:
    command = ["useradd", "--system", "--user-group", "--no-create-home"]
    command += ["--home-dir", "/nonexistent", "--shell", "/usr/sbin/nologin", USER_NAME]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    except (OSError, subprocess.TimeoutExpired) as error:
        raise ServerError(
            f"PostgreSQL does not run as root, and useradd, which would make the system user "
            f"{USER_NAME!r} for it, does not run here ({error}). Run as an ordinary user, or set "
            "CARLIB_DATABASE_URL to a PostgreSQL 18 server."
        ) from error
    # 9: the name exists; another process was faster.
    if done.returncode not in (0, 9):
        raise ServerError(
            f"PostgreSQL does not run as root, and useradd could not make the system user "
            f"{USER_NAME!r} for it: {done.stderr.strip()}. Run as an ordinary user, or set "
            "CARLIB_DATABASE_URL to a PostgreSQL 18 server."
        )
