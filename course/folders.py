"""A folder for each learner: a name that every system takes, whatever the learner is called."""

import hashlib
import re
import unicodedata
from collections import Counter
from collections.abc import Sequence

_LONGEST = 32
# Windows takes these for devices; the last ones are schemas that PostgreSQL or carlib has.
_RESERVED = {"con", "prn", "aux", "nul", "public", "extensions", "information_schema"}
_DEVICE = re.compile(r"(com|lpt)\d")


def folder_names(names: Sequence[str]) -> list[str]:
    """Make a folder name of each learner's name, which also serves as the name of a schema.

    A folder name has 1 to 45 characters of a-z, 0-9 and _, and no two are equal, also where
    capitals don't count. ``Zoë Kravitz`` becomes ``zoe_kravitz``; where two names would become the
    same, or nothing is left of one, the beginning of a SHA-256 of the name is added.

    Args:
        names: All names of a class, no two equal.
    """
    short = [_ascii(name) for name in names]
    often = Counter(short)
    plain = [often[one] == 1 and _is_free(one) for one in short]
    marked = [f"{one or 'learner'}_{_mark(name)}" for one, name in zip(short, names, strict=True)]
    chosen = [one if ok else other for one, other, ok in zip(short, marked, plain, strict=True)]
    # Someone may be called what another's marked name is.
    return chosen if len(set(chosen)) == len(chosen) else marked


def _ascii(name: str) -> str:
    """What can be written of the name in a-z, 0-9 and _."""
    plain = unicodedata.normalize("NFKD", name).encode("ascii", "ignore").decode().lower()
    short = re.sub(r"[^a-z0-9]+", "_", plain).strip("_")[:_LONGEST].strip("_")
    # PostgreSQL keeps names with pg_ to itself.
    return f"learner_{short}"[:_LONGEST].strip("_") if short.startswith("pg_") else short


def _is_free(short: str) -> bool:
    return bool(short) and short not in _RESERVED and not _DEVICE.fullmatch(short)


def _mark(name: str) -> str:
    return hashlib.sha256(name.encode("utf-8", "surrogatepass")).hexdigest()[:12]
