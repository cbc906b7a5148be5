"""Looks whether everything the lessons need is there, and says what to do where it is not.

Nothing outside the standard library is imported before it is needed: a doctor that falls over the
missing package it is asked about helps nobody.
"""

import os
import platform
import shutil
import tempfile
from collections.abc import Iterator
from importlib import metadata
from pathlib import Path
from typing import NamedTuple

NEEDED_BYTES = 2 * 10**9  # the lessons' tables, their write-ahead log, and room to play
_INSTALL = "install the locked set again: pip install -r requirements.lock, or `make run`"


class Check(NamedTuple):
    """One requirement: what was found, and what to do (empty when it is met)."""

    found: str
    to_do: str = ""

    @property
    def ok(self) -> bool:
        """Whether the requirement is met."""
        return not self.to_do

    def __str__(self) -> str:
        line = f"{self.found}: {self.to_do}" if self.to_do else self.found
        return f"{'ok' if self.ok else 'NO':4}{' '.join(line.split())}"


def examine(database_url: str | None = None) -> Iterator[Check]:
    """Check each requirement in turn; the server is started and asked for real.

    Args:
        database_url: The server to ask; by default that of ``CARLIB_DATABASE_URL``, else the
            embedded one.

    Yields:
        One check after the other, as soon as it is done.
    """
    url = database_url or os.environ.get("CARLIB_DATABASE_URL")
    yield python_version()
    yield from dependencies()
    data = _data_folder()
    if not url and data:
        yield free_disk(data)
        yield write_access("data folder", data, "choose another with CARLIB_DATA_DIR")
    yield notebooks_folder()
    yield server(url)
    yield ports(url)


def python_version() -> Check:
    """Compare this Python with the one that carlib's own metadata asks for."""
    version = platform.python_version()
    try:
        from packaging.specifiers import SpecifierSet

        needed = metadata.metadata("carlib")["Requires-Python"]
        fits = SpecifierSet(needed).contains(version, prereleases=True)
    except (ImportError, metadata.PackageNotFoundError):
        return Check(f"Python {version}")  # what is missing has its own line
    if fits:
        return Check(f"Python {version}")
    return Check(f"Python {version}", f"{needed} is needed, from python.org, conda or uv")


def dependencies() -> Iterator[Check]:
    """Check that each package carlib declares is installed, in a version it can work with."""
    try:
        from packaging.requirements import Requirement

        declared = [Requirement(line) for line in metadata.requires("carlib") or []]
    except metadata.PackageNotFoundError:
        yield Check("carlib is not installed as a package", _INSTALL)
        return
    except ImportError:
        yield Check("packaging is not installed", _INSTALL)
        return
    for requirement in declared:
        if requirement.marker and not requirement.marker.evaluate({"extra": ""}):
            continue
        try:
            version = metadata.version(requirement.name)
        except metadata.PackageNotFoundError:
            yield Check(f"{requirement.name} is not installed", _INSTALL)
            continue
        found = f"{requirement.name} {version}"
        if requirement.specifier.contains(version, prereleases=True):
            yield Check(found)
        else:
            yield Check(found, f"{requirement.specifier} is needed; {_INSTALL}")


def free_disk(folder: Path) -> Check:
    """Compare the free space where the server's data lies with what the lessons take."""
    free = shutil.disk_usage(_nearest_existing(folder)).free
    found = f"free disk {free / 1e9:.1f} GB in {folder}"
    if free < NEEDED_BYTES:
        return Check(
            found,
            f"the lessons need {NEEDED_BYTES / 1e9:.0f} GB; free some, or move the data with "
            "CARLIB_DATA_DIR",
        )
    return Check(found)


def write_access(what: str, folder: Path, otherwise: str) -> Check:
    """Write a file in `folder`, or in the folder in which it would be made."""
    try:
        with tempfile.TemporaryFile(dir=_nearest_existing(folder)) as file:
            file.write(b"carlib")
    except OSError as error:
        return Check(f"{what} {folder} ({error.strerror})", f"make it writable, or {otherwise}")
    return Check(f"write access to the {what} {folder}")


def notebooks_folder() -> Check:
    """Check that the lessons are there, and that learners can save what they try in them."""
    from course.errors import LessonsNotFound

    try:
        from course.lessons import find_lessons

        folder = find_lessons()[0].path.parents[1]
    except ImportError as error:
        return Check(f"notebooks ({error})", _INSTALL)
    except LessonsNotFound as error:
        return Check("notebooks", str(error))
    return write_access("notebooks folder", folder, "clone the workbook where you may write")


def server(database_url: str | None) -> Check:
    """Start or reach the server as a lesson does, and make and drop a schema on it."""
    where = "the server at your URL" if database_url else "embedded"
    try:
        from course.database import server_version

        return Check(f"{server_version(database_url)}, {where}")
    except ImportError as error:
        return Check(f"PostgreSQL, {where} ({error})", _INSTALL)
    except Exception as error:  # whatever it is, the remaining checks are worth their line
        return Check(f"PostgreSQL, {where} ({type(error).__name__})", str(error))


def ports(database_url: str | None) -> Check:
    """Say which network ports the set-up opens."""
    if database_url:
        return Check("ports: none opened here, the server has its own")
    if os.name == "nt":
        return Check("ports: one on 127.0.0.1, chosen by Windows")
    return Check("ports: none needed, the server listens on a Unix socket")


def _data_folder() -> Path | None:
    try:
        from servers.postgres import EmbeddedServer
    except ImportError:
        return None  # the dependency that is missing has a line already
    return EmbeddedServer().data_dir


def _nearest_existing(folder: Path) -> Path:
    return next(path for path in [folder, *folder.parents] if path.exists())
