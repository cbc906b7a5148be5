"""The table of a class: a CSV file with a row for each learner, or each group.

    name,seed,rows,database_url_env
    Ada Lovelace,1,5000,ADA_URL

Only `name` is required. The other columns are parameters of the lessons, where an empty field
leaves the lesson's own value, and the NAME of an environment variable with the learner's URL.
"""

import csv
import re
import unicodedata
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

from carlib.text import did_you_mean
from course.errors import ClassFileError

NAME, URL_VARIABLE = "name", "database_url_env"
# Schemas that PostgreSQL or the lessons have, and what Windows takes for a device.
_RESERVED = re.compile(r"pg_.*|public|extensions|information_schema|con|prn|aux|nul|(com|lpt)\d")


class Learner(NamedTuple):
    """A row of the table."""

    name: str  # in Unicode's form NFC, with single blanks and without invisible characters
    slug: str  # the name as a folder, a schema and a role, see `slug`
    values: dict[str, str]  # parameter to value, both as text; empty fields are left out
    url_variable: str  # the environment variable for the database URL, or ""
    place: str  # the file and line, to begin an error's message with


def read_class(class_file: Path, parameters: Iterable[str] | None = None) -> list[Learner]:
    """Read the table of a class and check it as a whole.

    Args:
        class_file: CSV in UTF-8, separated by commas; the first line names the columns.
        parameters: The columns allowed besides `name` and `database_url_env`; None allows any.

    Returns:
        The learners in the file's order, at least one, no two with the same slug.

    Raises:
        ClassFileError: The file can't be read, a column is unknown, or a row has a mistake.
    """
    try:
        with class_file.open(encoding="utf-8-sig", newline="") as file:
            reader = csv.reader(file, skipinitialspace=True)
            lines = [(reader.line_num, [field.strip() for field in row]) for row in reader]
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise ClassFileError(f"Expected {class_file} to be CSV in UTF-8: {error}.") from None
    (_, columns), *rows = lines or [(1, [])]
    expected = f"{class_file}, line 1: expected"
    if NAME not in columns:  # The line is not repeated: it may be a learner's row, with a URL.
        raise ClassFileError(f"{expected} {NAME!r} and other columns, separated by commas.")
    known = [NAME, URL_VARIABLE, *(columns if parameters is None else sorted(parameters))]
    for column in columns:
        if columns.count(column) > 1:
            raise ClassFileError(f"{expected} each column once, found {column!r} again.")
        if column not in known:
            hint = did_you_mean(column, known)
            raise ClassFileError(f"{expected} {', '.join(known)}; found {column!r}.{hint}")
    learners = [_learner(f"{class_file}, line {n}", columns, row) for n, row in rows if any(row)]
    if not learners:
        raise ClassFileError(f"{class_file}: expected a row for each learner, found none.")
    by_slug: dict[str, Learner] = {}
    for learner in learners:
        if (other := by_slug.setdefault(learner.slug, learner)) is not learner:
            raise ClassFileError(
                f"{learner.place}: {learner.name!r} would share the folder and schema "
                f"{learner.slug!r} with {other.name!r} ({other.place}). Change a name's beginning."
            )
    return learners


def _learner(place: str, columns: list[str], row: list[str]) -> Learner:
    if (found := len(row)) != (count := len(columns)):
        hint = "Put a text with a comma in double quotes."
        raise ClassFileError(f"{place}: expected {count} fields, found {found}. {hint}")
    fields = dict(zip(columns, row, strict=True))
    visible = "".join(c for c in fields.pop(NAME) if c.isprintable() or c.isspace())
    name = unicodedata.normalize("NFC", " ".join(visible.split()))
    if not slug(name):
        raise ClassFileError(f"{place}: expected a name with a letter or digit, found {name!r}.")
    variable = fields.pop(URL_VARIABLE, "")
    if variable and not re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]*", variable):
        raise ClassFileError(  # without the field, which may be a URL with its password
            f"{place}: expected {URL_VARIABLE} to be the name of an environment variable for the "
            "URL, such as ADA_URL; found something else."
        )
    return Learner(name, slug(name), {k: v for k, v in fields.items() if v}, variable, place)


def slug(name: str) -> str:
    """Return a name as at most 48 bytes of lowercase letters, digits and ``_``: ``zoe_k``."""
    decomposed = unicodedata.normalize("NFKD", name).casefold()
    base = "".join(c for c in decomposed if not unicodedata.combining(c))
    text = unicodedata.normalize("NFC", re.sub(r"\W+", "_", base).strip("_"))
    text = f"learner_{text}" if _RESERVED.fullmatch(text) else text
    return text.encode()[:48].decode(errors="ignore").strip("_")  # 63 less a suffix
