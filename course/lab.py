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
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import quote

from course.errors import CopyFailed
from course.lessons import Lesson

FOLDER = "workbook"
RECORD = ".originals.json"  # of each copy, the checksum of the original it was made from
_ANNOUNCEMENTS = "@jupyterlab/apputils-extension:announcements"


@dataclass
class WorkbookCopy:
    """A learner's copy of the lessons.

    Attributes:
        folder: Where it is.
        added: The lessons copied just now.
        changed: Those whose original is another one than when the copy was made.
    """

    folder: Path
    added: list[Lesson] = field(default_factory=list)
    changed: list[Lesson] = field(default_factory=list)

    def copy_of(self, lesson: Lesson) -> Lesson:
        """The copy of a lesson."""
        return Lesson(self.folder / lesson.part / lesson.path.name)

    def __str__(self) -> str:
        lines = [
            f"Your copy of the lessons is {self.folder}: work there. Newer versions leave it alone "
            "and replace what is in notebooks."
        ]
        if self.added:
            lines.append(f"Added to it: {', '.join(map(str, self.added))}.")
        lines += [
            f"The original of {lesson} has changed since it was copied. To get the new one, rename "
            f"{self.copy_of(lesson).path} and start again; your answers stay in the renamed file."
            for lesson in self.changed
        ]
        return "\n".join(lines)


def copy_lessons(lessons: Sequence[Lesson]) -> WorkbookCopy:
    """Copy the lessons that are not yet in the learner's copy; change nothing that is.

    The copy lies beside the folder of the originals and has the same depth, so that a lesson's
    links to other lessons and to the README lead to the copies and to the README.

    Args:
        lessons: All lessons, from `find_lessons`.

    Raises:
        CopyFailed: The folder can't be written to, or something else has its name.
    """
    copy = WorkbookCopy(lessons[0].path.parents[2] / FOLDER)
    try:
        record = _read_record(copy.folder / RECORD)
        for lesson in lessons:
            target, original = copy.copy_of(lesson).path, lesson.path.read_bytes()
            checksum = hashlib.sha256(original).hexdigest()
            if not target.exists():
                target.parent.mkdir(parents=True, exist_ok=True)
                partial = target.with_suffix(".part")  # half a lesson would never be replaced
                partial.write_bytes(original)
                partial.rename(target)
                copy.added.append(lesson)
                record[str(lesson)] = checksum
            elif record.get(str(lesson), checksum) != checksum:
                copy.changed.append(lesson)
        if copy.added:
            text = json.dumps(record, indent=2, sort_keys=True)
            (copy.folder / RECORD).write_text(f"{text}\n", encoding="utf-8")
    except OSError as error:
        raise CopyFailed(
            f"Expected to write your copy of the lessons to {copy.folder}, but: {error}. Move away "
            "what is there, or make the folder above it writable."
        ) from error
    return copy


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
    asks nothing of other machines.

    Args:
        lesson: The lesson to open; the file browser shows the folder two above its own, with the
            README.
        options: More options of JupyterLab's own, for example ``--no-browser``.
    """
    from jupyterlab.labapp import LabApp  # slow

    root = lesson.path.parents[2]
    place = quote(lesson.path.relative_to(root).as_posix())
    os.environ["JUPYTER_PREFER_ENV_PATH"] = "1"  # this Python's kernel before others of its name
    server = LabApp.initialize_server(
        [
            f"--ServerApp.root_dir={root}",
            # Also part of the address that JupyterLab prints, for who opens it by hand.
            f"--LabApp.default_url=/lab/tree/{place}",
            "--ServerApp.ip=127.0.0.1",
            *options,
        ],
        tornado_settings={"page_config_hook": _without_announcements},
    )
    server.start()


def _without_announcements(_handler: object, page: dict[str, Any]) -> dict[str, Any]:
    """Take out what asks the internet for JupyterLab's news, and for newer versions of it."""
    return page | {"disabledExtensions": [*page["disabledExtensions"], _ANNOUNCEMENTS]}
