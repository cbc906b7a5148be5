"""The file of a class: its learners, and what each gets. All of it is checked before anything runs.

defaults:                     # what holds for everyone who says nothing else
  rows: 5000
learners:
  - name: Ada Lovelace
    seed: 1
  - name: Group B
    seed: 2
    database_url: postgresql://group_b:${GROUP_B_PASSWORD}@db.example.org/course
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from carlib._database_url import Secret
from course.errors import UnknownParameter, WrongParameterType
from course.folders import folder_names
from course.lessons import Lesson
from course.located_yaml import Located, read_located
from course.parameters import did_you_mean, fits, takes
from course.references import resolve_url

NAME, URL = "name", "database_url"
Entry = Mapping[str, Located]


@dataclass(frozen=True)
class Learner:
    """One entry of a class: a learner, or a group of them.

    Attributes:
        name: As it is written in the file, white space made single blanks.
        folder: The name as a folder and as a schema, see `folder_names`.
        values: Parameter name to value, for all lessons that declare it.
        database_url: The server; None for the one that the run brings along.
    """

    name: str
    folder: str
    values: dict[str, object]
    database_url: Secret | None = None


def read_class(path: Path, lessons: Sequence[Lesson]) -> list[Learner]:
    """Read the file of a class and check all that it says.

    Args:
        path: The YAML file.
        lessons: All lessons whose parameters the file may set.

    Returns:
        The learners in the file's order, at least one. Each has a value for `schema`, by default
        the name of the folder.

    Raises:
        ClassFileError: It can't be read, a key or a name is there twice, a name is missing, a URL
            is none or refers to an environment variable that is not set.
        UnknownParameter: None of the lessons declares a key.
        WrongParameterType: A value is of another kind than the lesson's default.
    """
    top = read_located(path)
    keys = top.mapping("a class")
    for key, located in keys.items():
        if key not in ("defaults", "learners"):
            raise located.error(
                f"expected one of the keys defaults and learners, found {key!r}."
                f"{did_you_mean(key, ('defaults', 'learners'))}"
            )
    if "learners" not in keys:
        raise top.error("expected the key `learners` with an entry for each, found none.")
    defaults = keys["defaults"].mapping("the defaults") if "defaults" in keys else {}
    if NAME in defaults:
        raise defaults[NAME].error("a name belongs to one learner, and can't be a default.")
    _values(defaults, lessons)
    entries = [(item, item.mapping("a learner")) for item in keys["learners"].sequence("learners")]
    if not entries:
        raise keys["learners"].error("expected at least one learner, found none.")
    names = _names(entries)
    return [
        _learner(name, folder, {**defaults, **own}, lessons)
        for name, folder, (_, own) in zip(names, folder_names(names), entries, strict=True)
    ]


def _names(entries: Iterable[tuple[Located, Entry]]) -> list[str]:
    lines: dict[str, int] = {}
    for item, own in entries:
        if NAME not in own:
            raise item.error("expected a learner with a `name`, found none.")
        written = own[NAME]
        # One letter can be written in two ways that look the same.
        name = unicodedata.normalize("NFC", " ".join(written.text("a name").split()))
        if not name:
            raise written.error("expected a name, found an empty text.")
        if name in lines:
            raise written.error(
                f"the learner in line {lines[name]} has the name {name!r} too. Give each a name of "
                "its own."
            )
        lines[name] = written.line
    return list(lines)


def _learner(name: str, folder: str, keys: Entry, lessons: Sequence[Lesson]) -> Learner:
    url = resolve_url(keys[URL]) if URL in keys else None
    return Learner(name, folder, {"schema": folder} | _values(keys, lessons), url)


def _values(keys: Entry, lessons: Sequence[Lesson]) -> dict[str, object]:
    """The values of the keys that are lessons' parameters, each checked where it stands."""
    known = dict.fromkeys(name for lesson in lessons for name in lesson.parameters)
    values = {}
    for key, located in keys.items():
        if key in (NAME, URL):
            continue
        place = f"{located.file}, line {located.line}: "
        if key not in known:
            raise UnknownParameter(
                f"{place}expected {NAME}, {URL} or a lesson's parameter, found {key!r}."
                f"{did_you_mean(key, [NAME, URL, *known])} The lessons declare: {', '.join(known)}."
            )
        values[key] = located.value()
        for lesson in lessons:
            if key in lesson.parameters and not fits(values[key], lesson.parameters[key]):
                wanted = takes(key, lesson.parameters[key])
                raise WrongParameterType(f"{place}{wanted}, found {located.kind}.")
    return values
