"""The table of a class: a CSV file with a row for each learner, or each group.

    name,seed,rows,database_url_env
    Ada Lovelace,1,5000,ADA_URL

Only `name` is required. The other columns are parameters of the lessons, where an empty field
leaves the lesson's own value, and the NAME of an environment variable with the learner's URL.
"""

import csv
import difflib
import re
import unicodedata
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path

from course.errors import ClassFileError

NAME, URL_VARIABLE = "name", "database_url_env"
# Schemas that PostgreSQL or the lessons have, and what Windows takes for a device.
_RESERVED = re.compile(r"pg_.*|public|extensions|information_schema|con|prn|aux|nul|(com|lpt)\d")
_SLUG_BYTES = 48  # leaves room for a suffix in the 63 bytes of a PostgreSQL name


@dataclass(frozen=True)
class Learner:
    """A row of the table.

    Attributes:
        name: In Unicode's form NFC, with single blanks and without invisible characters.
        slug: The name as a folder, a schema and a role, see `slug`.
        values: Parameter name to value, both as text; empty fields are left out.
        url_variable: The environment variable for the database URL, or "".
        place: The file and line, to begin an error's message with.
    """

    name: str
    slug: str
    values: dict[str, str]
    url_variable: str
    place: str


def read_class(class_file: Path, parameters: Collection[str] | None = None) -> list[Learner]:
    """Read the table of a class and check it as a whole.

    Args:
        class_file: CSV in UTF-8, separated by commas; the first line names the columns.
        parameters: The columns allowed besides `name` and `database_url_env`; None allows any.

    Returns:
        The learners in the file's order, at least one, no two with the same slug.

    Raises:
        ClassFileError: The file can't be read, a column is unknown, or a row has a mistake.
    """
    learners: dict[str, Learner] = {}
    try:
        with class_file.open(encoding="utf-8-sig", newline="") as file:
            reader = csv.reader(file, skipinitialspace=True)
            columns = [column.strip() for column in next(reader, [])]
            _check_columns(f"{class_file}, line 1", columns, parameters)
            for row in reader:
                if any(map(str.strip, row)):
                    learner = _learner(f"{class_file}, line {reader.line_num}", columns, row)
                    if other := learners.get(learner.slug):
                        raise ClassFileError(
                            f"{learner.place}: {learner.name!r} would share the folder and schema "
                            f"{learner.slug!r} with {other.name!r} ({other.place}). Let the names "
                            "differ in a letter or digit near the beginning."
                        )
                    learners[learner.slug] = learner
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise ClassFileError(f"Expected {class_file} to be CSV in UTF-8: {error}.") from None
    if not learners:
        raise ClassFileError(f"{class_file}: expected a row for each learner, found none.")
    return list(learners.values())


def _check_columns(place: str, columns: list[str], parameters: Collection[str] | None) -> None:
    # Before anything of the line is repeated: without a heading, it may be a learner's row.
    if NAME not in columns:
        raise ClassFileError(
            f"{place}: expected the names of the columns, separated by commas, with `{NAME}` among "
            "them; found no such column."
        )
    known = [NAME, URL_VARIABLE, *(columns if parameters is None else sorted(parameters))]
    for column in columns:
        if columns.count(column) > 1:
            raise ClassFileError(f"{place}: there are two columns {column!r}. Remove one.")
        if column not in known:
            near = difflib.get_close_matches(column, known, n=1)
            hint = f" Did you mean {near[0]!r}?" if near else ""
            raise ClassFileError(
                f"{place}: expected columns among {', '.join(known)}; found {column!r}.{hint}"
            )


def _learner(place: str, columns: list[str], row: list[str]) -> Learner:
    if len(row) != len(columns):
        raise ClassFileError(
            f"{place}: expected {len(columns)} fields, found {len(row)}. Put a text with a comma "
            "in double quotes."
        )
    fields = dict(zip(columns, map(str.strip, row), strict=True))
    visible = "".join(c for c in fields.pop(NAME) if c.isprintable() or c.isspace())
    name = unicodedata.normalize("NFC", " ".join(visible.split()))
    if not slug(name):
        raise ClassFileError(f"{place}: expected a name with a letter or digit, found {name!r}.")
    variable = fields.pop(URL_VARIABLE, "")
    if variable and not re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]*", variable):
        raise ClassFileError(  # without the field, which may be a URL with its password
            f"{place}: expected {URL_VARIABLE} to be the name of an environment variable, such as "
            "ADA_URL, found something else. Put the URL itself in that variable."
        )
    return Learner(name, slug(name), {k: v for k, v in fields.items() if v}, variable, place)


def slug(name: str) -> str:
    """Return a name as a folder, a schema and a role can have it: ``Zoë K.`` is ``zoe_k``.

    Returns:
        Lowercase letters of any script, digits and ``_``, at most 48 bytes of UTF-8; empty where
        the name has no letter or digit.
    """
    decomposed = unicodedata.normalize("NFKD", name).casefold()
    base = "".join(c for c in decomposed if not unicodedata.combining(c))
    text = unicodedata.normalize("NFC", re.sub(r"\W+", "_", base).strip("_"))
    text = f"learner_{text}" if _RESERVED.fullmatch(text) else text
    return text.encode()[:_SLUG_BYTES].decode(errors="ignore").strip("_")
