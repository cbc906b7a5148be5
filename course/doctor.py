"""Looks whether everything the lessons need is there, and says what to do where it is not.

Nothing outside the standard library is imported before it is needed: a doctor that falls over the
missing package it is asked about helps nobody.
"""

import os
import platform
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from importlib import metadata
from pathlib import Path
from typing import NamedTuple

NEEDED_BYTES = 2 * 10**9  # the lessons' tables, their write-ahead log, and room to play
INSTALL = "install the locked set again, with `make run` or as the README says"


class Check(NamedTuple):
    """One requirement: what was found, and what to do, which is empty where it is met."""

    found: str
    to_do: str = ""

    def __str__(self) -> str:
        line = f"NO  {self.found}: {self.to_do}" if self.to_do else f"ok  {self.found}"
        return line[:4] + " ".join(line[4:].split())


def run_checks(database_url: str | None = None) -> int:
    """Check each requirement, the server for real, and print a line for each.

    Returns:
        The exit status: 0 when every requirement is met, else 1.
    """
    unmet = 0
    for check in _checks(database_url or os.environ.get("CARLIB_DATABASE_URL")):
        print(check, flush=True)  # at once: the last one waits for a server
        unmet += bool(check.to_do)
    if unmet:
        verb = "says" if unmet == 1 else "say"
        print(f"\nNot ready: {unmet} of the lines above {verb} NO and what to do.")
    return 1 if unmet else 0


def _checks(url: str | None) -> Iterator[Check]:
    yield from packages()
    if not url:
        yield from data_folder()
    yield notebooks_folder()
    yield server(url)


def packages() -> Iterator[Check]:
    """Check Python, and have pip check each package that carlib needs."""
    yield Check(f"Python {platform.python_version()}")
    command = [sys.executable, "-m", "pip", "check"]
    output = subprocess.run(command, capture_output=True, text=True).stdout.splitlines()
    try:
        problems = [line for line in output if line.startswith("carlib ")]
        if metadata.version("carlib") and not problems:
            yield Check("each package that carlib needs")
        yield from (Check(problem.rstrip("."), INSTALL) for problem in problems)
    except metadata.PackageNotFoundError as error:
        yield Check(f"carlib is not installed as a package ({error})", INSTALL)


def data_folder() -> Iterator[Check]:
    """Check that there is room where the embedded server keeps its data, and a right to write."""
    try:
        from servers.postgres import EmbeddedServer
    except ImportError:
        return  # the package that is missing has a line already
    folder = EmbeddedServer().data_dir
    free = shutil.disk_usage(_nearest_existing(folder)).free
    enough = f"the lessons need {NEEDED_BYTES / 1e9:.0f} GB; free some, or set CARLIB_DATA_DIR"
    text = f"free disk {free / 1e9:.1f} GB in {folder}"
    yield Check(text, "" if free >= NEEDED_BYTES else enough)
    yield write_access("data folder", folder, "choose another with CARLIB_DATA_DIR")


def notebooks_folder() -> Check:
    """Check that the lessons are there, and that learners can save what they try in them."""
    try:
        from course.lessons import find_lessons

        folder = find_lessons()[0].path.parents[1]
    except Exception as error:  # a missing package, or no lessons
        return Check("notebooks", str(error))
    return write_access("notebooks folder", folder, "clone the workbook where you may write")


def server(database_url: str | None) -> Check:
    """Start or reach the server as a lesson does, and make and drop a schema on it."""
    where = "the server at your URL" if database_url else "embedded"
    try:
        from course.database import server_version

        return Check(f"{server_version(database_url)}, {where}", "")
    except ImportError as error:
        return Check(f"PostgreSQL, {where} ({error})", INSTALL)
    except Exception as error:  # whatever it is, the reader needs a line and no traceback
        return Check(f"PostgreSQL, {where} ({type(error).__name__})", str(error))


def write_access(what: str, folder: Path, otherwise: str) -> Check:
    """Write a file in `folder`, or in the folder in which it would be made."""
    try:
        with tempfile.TemporaryFile(dir=_nearest_existing(folder)) as file:
            file.write(b"carlib")
    except OSError as error:
        return Check(f"{what} {folder} ({error.strerror})", f"make it writable, or {otherwise}")
    return Check(f"write access to the {what} {folder}", "")


def _nearest_existing(folder: Path) -> Path:
    return next(path for path in [folder, *folder.parents] if path.exists())
