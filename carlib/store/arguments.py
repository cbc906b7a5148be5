"""What a caller of the store may ask for, checked."""

from collections.abc import Sequence
from numbers import Integral
from typing import Any

from sqlalchemy.engine import Row

from carlib.errors import BadArgument, DamagedData, PickleNotAllowed
from carlib.store.formats import COMPRESSIONS
from carlib.store.seal import called

NAME_BYTES = 1000  # an entry of an index in PostgreSQL has room for 2,704 bytes


def check_name(name: Any) -> None:
    """Raise BadArgument unless a frame can have that name."""
    try:
        fits = "\0" not in name and len(name.encode()) <= NAME_BYTES
    except (AttributeError, TypeError, UnicodeEncodeError):
        fits = False
    if not fits:
        raise BadArgument(
            f"name is a text of at most {NAME_BYTES:,} bytes of UTF-8 without NUL; found {name!r}."
        )


def check_version(version: Any) -> None:
    """Raise BadArgument unless it is a version, or None."""
    whole = isinstance(version, Integral) and not isinstance(version, bool)
    if version is not None and not (whole and 1 <= version < 2**31):
        raise BadArgument(f"version is a whole number from 1, or None; found {version!r}.")


def positions_of(row: Row, labels: list, columns: Sequence[object]) -> list[int]:
    """Where the wanted columns stand."""
    if isinstance(columns, str) or len(set(columns)) < len(columns):
        raise BadArgument(f"columns is a list of names, each once; found {columns!r}.")
    places = {label: place for place, label in enumerate(labels)}
    unknown = [name for name in columns if name not in places]
    if unknown:
        some = ", ".join(map(repr, labels[:20]))
        raise BadArgument(f"{called(row)} has no column {unknown[0]!r}. It has {some}.")
    return [places[name] for name in columns]


def check_readable(row: Row, allow_pickle: bool) -> None:
    """Raise unless the row is of a format that can be read, and may be."""
    if row.compression not in COMPRESSIONS.get(row.format, ()):
        raise DamagedData(
            f"Expected {called(row)} in a format of this carlib ({', '.join(COMPRESSIONS)}); found "
            f"{row.format!r} with compression {row.compression!r}. Update carlib."
        )
    if row.format == "pickle" and allow_pickle is not True:
        raise PickleNotAllowed(
            f"Expected allow_pickle=True for {called(row)}. A pickle is a program that runs when "
            "it is loaded, with all your rights, and the database can't tell who wrote it. Pass "
            "allow_pickle=True if you trust everybody who can write to this table."
        )
