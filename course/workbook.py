"""The learner's own copy of the lessons: made once, never overwritten.

Answers written into the originals would stand in the way of every newer version of the workbook.
So learners work in `workbook/` beside `notebooks/`, which git ignores. A lesson that is new is
added to it; a file that is there is never touched.
"""

import hashlib
import json
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from course.errors import CopyFailed
from course.lessons import Lesson

FOLDER = "workbook"
RECORD = ".originals.json"  # of each copy, the checksum of the original it was made from


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
        lines = [f"Your copy of the lessons is {self.folder}; newer versions leave it alone."]
        if self.added:
            lines.append(f"Added to it: {', '.join(_name(one) for one in self.added)}.")
        for one in self.changed:
            copy = self.copy_of(one).path
            lines.append(
                f"The original of {_name(one)} has changed since it was copied. To get the new "
                f"one, rename {copy} and start again; your answers stay in the renamed file."
            )
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
    made = WorkbookCopy(lessons[0].path.parents[2] / FOLDER)
    try:
        record = _read(made.folder / RECORD)
        for lesson in lessons:
            target, original = made.copy_of(lesson).path, lesson.path.read_bytes()
            key, checksum = _name(lesson), hashlib.sha256(original).hexdigest()
            target.parent.mkdir(parents=True, exist_ok=True)
            if _write_new(target, original):
                made.added.append(lesson)
                record[key] = checksum
            elif record.get(key, checksum) != checksum:
                made.changed.append(lesson)
        if made.added:
            text = json.dumps(record, indent=2, sort_keys=True)
            (made.folder / RECORD).write_text(f"{text}\n", encoding="utf-8")
    except OSError as error:
        raise CopyFailed(
            f"Expected to write your copy of the lessons to {made.folder}, but: {error}. Move away "
            "what is there, or make the folder above it writable."
        ) from error
    return made


def _read(path: Path) -> dict[str, str]:
    """The record; what can't be read as one is none, and tells of no change."""
    with suppress(FileNotFoundError, ValueError):
        found = json.loads(path.read_text(encoding="utf-8"))
        if isinstance(found, dict):
            return found
    return {}


def _write_new(path: Path, content: bytes) -> bool:
    """Write a file unless something of its name is there, even if that came this very moment."""
    try:
        stream = path.open("xb")
    except FileExistsError:
        return False
    try:
        with stream:
            stream.write(content)
    except BaseException:  # half a lesson would never be replaced
        path.unlink()
        raise
    return True


def _name(lesson: Lesson) -> str:
    return f"{lesson.part}/{lesson.name}"
