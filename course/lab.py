"""Opens JupyterLab on a lesson, or on a learner's own copy of it.

Answers written into the originals would stand in the way of every newer version of the workbook.
So learners work in `workbook/` beside `notebooks/`, which git ignores. A lesson that is new is
added to it; a file that is there is never touched.
"""

import hashlib
import json
import os
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any
from urllib.parse import quote

from course.errors import CourseError
from course.lessons import Lesson

FOLDER = "workbook"
RECORD = ".originals.json"  # of each copy, the checksum of the original it was made from
_ANNOUNCEMENTS = "@jupyterlab/apputils-extension:announcements"


def copy_of(lesson: Lesson) -> Lesson:
    """Return the learner's copy of a lesson: as deep as the original, so that its links hold."""
    return Lesson(lesson.path.parents[2] / FOLDER / lesson.part / lesson.path.name)


def copy_lessons(lessons: Sequence[Lesson]) -> list[str]:
    """Copy the lessons that are not yet in the learner's copy; change nothing that is.

    Returns:
        What the learner should know, in lines: where the copy is, what was added to it, and which
        original has changed since it was copied.

    Raises:
        CourseError: The folder can't be written to, or something else has its name.
    """
    folder = copy_of(lessons[0]).path.parents[1]
    told = [f"Your copy of the lessons is {folder}: work there. Newer versions leave it alone."]
    added = []
    try:
        record = _read_record(folder / RECORD)
        for lesson in lessons:
            target, original = copy_of(lesson).path, lesson.path.read_bytes()
            checksum = hashlib.sha256(original).hexdigest()
            if not target.exists():
                target.parent.mkdir(parents=True, exist_ok=True)
                partial = target.with_suffix(".part")  # half a lesson would never be replaced
                partial.write_bytes(original)
                partial.rename(target)
                added.append(str(lesson))
                record[str(lesson)] = checksum
            elif record.get(str(lesson), checksum) != checksum:
                told.append(
                    f"The original of {lesson} has changed since it was copied. To get the new one,"
                    f" rename {target} and start again; your answers stay in the renamed file."
                )
        if added:
            told.insert(1, f"Added to it: {', '.join(added)}.")
            text = json.dumps(record, indent=2, sort_keys=True)
            (folder / RECORD).write_text(f"{text}\n", encoding="utf-8")
    except OSError as error:
        raise CourseError(
            f"Expected to write your copy of the lessons to {folder}, but: {error}. Move away what "
            "is there, or make the folder above it writable."
        ) from error
    return told


def _read_record(path: Path) -> dict[str, str]:
    """The record; what can't be read as one is none, and tells of no change."""
    with suppress(FileNotFoundError, ValueError):
        record = json.loads(path.read_text(encoding="utf-8"))
        if isinstance(record, dict):
            return record
    return {}


def open_lab(lesson: Lesson, options: Sequence[str] = ()) -> None:
    """Serve JupyterLab, opened on `lesson`, until it is stopped with Ctrl-C.

    It listens on this machine only, keeps the random token without which it answers nobody, and
    asks nothing of other machines. `options` go to JupyterLab, for example ``--no-browser``.
    """
    from jupyterlab.labapp import LabApp  # slow

    root = lesson.path.parents[2]  # what the file browser shows, with the README
    place = quote(lesson.path.relative_to(root).as_posix())
    os.environ["JUPYTER_PREFER_ENV_PATH"] = "1"  # this Python's kernel before others of its name
    arguments = [
        f"--ServerApp.root_dir={root}",
        f"--LabApp.default_url=/lab/tree/{place}",  # also part of the address that is printed
        "--ServerApp.ip=127.0.0.1",
        *options,
    ]
    hook = {"page_config_hook": _without_announcements}
    LabApp.initialize_server(arguments, tornado_settings=hook).start()


def _without_announcements(_handler: object, page: dict[str, Any]) -> dict[str, Any]:
    """Take out what asks the internet for JupyterLab's news, and for newer versions of it."""
    return page | {"disabledExtensions": [*page["disabledExtensions"], _ANNOUNCEMENTS]}
