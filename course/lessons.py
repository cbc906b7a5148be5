"""Finding the lessons: which there are, what each is called, and which a person chose."""

import difflib
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import nbformat

import carlib
from course.errors import LessonsNotFound, UnknownLesson
from course.parameters import declared_parameters

_FILE = re.compile(r"(?P<number>\d\d)_\w+\.ipynb")


@dataclass(frozen=True)
class Lesson:
    """One lesson's notebook, read when something of it is asked for.

    Attributes:
        path: The notebook, for example ``notebooks/1_core/01_schema.ipynb``.
    """

    path: Path

    @property
    def name(self) -> str:
        """The file's name without its ending: ``01_schema``."""
        return self.path.stem

    @property
    def number(self) -> str:
        """The two digits in front: ``01``."""
        return self.path.stem[:2]

    @property
    def part(self) -> str:
        """The folder, one part of the course: ``1_core``."""
        return self.path.parent.name

    @cached_property
    def notebook(self) -> nbformat.NotebookNode:
        """The notebook as nbformat reads it."""
        return nbformat.read(self.path, as_version=4)

    @cached_property
    def parameters(self) -> dict[str, object]:
        """The names and default values of the cell tagged ``parameters``, in its order.

        Raises:
            LessonFormError: The cell holds something else than plain literals.
        """
        for cell in self.notebook.cells:
            if "parameters" in cell.metadata.get("tags", []):
                return declared_parameters(cell.source, self.name)
        return {}

    @cached_property
    def title(self) -> str:
        """The first heading, or the file's name where there is none."""
        headings = (re.search(r"^# +(.+)$", text, re.MULTILINE) for text in self._texts)
        return next((_plain(found[1]) for found in headings if found), self.name)

    @cached_property
    def summary(self) -> str:
        """The opening sentence: the first one below the title."""
        for text in self._texts:
            below = re.sub(r"^#.*$", "", text, flags=re.MULTILINE).strip()
            if below:
                paragraph = " ".join(below.split("\n\n")[0].split())
                return re.split(r"(?<=[.!?])\s", _plain(paragraph))[0]
        return ""

    @property
    def _texts(self) -> list[str]:
        return [cell.source for cell in self.notebook.cells if cell.cell_type == "markdown"]


def find_lessons(folder: Path | None = None) -> list[Lesson]:
    """List the lessons, in the order in which they are meant to be read.

    Args:
        folder: The folder of the parts. By default ``notebooks`` beside the package (a checkout),
            else ``notebooks`` in the working directory.

    Returns:
        The notebooks named ``<part>/NN_<name>.ipynb``, by part and number.

    Raises:
        LessonsNotFound: There is no such folder, or no lesson in it.
    """
    beside = Path(carlib.__file__).parents[1] / "notebooks"
    candidates = [folder] if folder else [beside, Path.cwd() / "notebooks"]
    for candidate in dict.fromkeys(candidates):
        lessons = [Lesson(path.resolve()) for path in candidate.glob("*/[0-9][0-9]_*.ipynb")]
        lessons = [lesson for lesson in lessons if _FILE.fullmatch(lesson.path.name)]
        if lessons:
            return sorted(lessons, key=lambda lesson: (lesson.part, lesson.name))
    places = " or ".join(str(candidate) for candidate in dict.fromkeys(candidates))
    raise LessonsNotFound(
        f"Expected lessons named <part>/NN_<name>.ipynb, found none in {places}. "
        "Run this inside a checkout of the workbook."
    )


def choose_lessons(lessons: Sequence[Lesson], wanted: Iterable[str]) -> list[Lesson]:
    """Pick lessons by what a person types, keeping the course's order.

    Args:
        lessons: All lessons.
        wanted: Numbers (``02`` or ``2``), names (``02_initial_load`` or ``initial_load``), paths,
            or parts (``1_core``); a part may stand in front (``1_core/02``). None of them: all.

    Returns:
        The chosen lessons, each once.

    Raises:
        UnknownLesson: One of `wanted` fits no lesson, or lessons of several parts.
    """
    chosen: set[Path] = set()
    for text in wanted:
        found = [lesson for lesson in lessons if text in _spellings(lesson)]
        if not found:
            known = {spelling for lesson in lessons for spelling in _spellings(lesson)}
            near = difflib.get_close_matches(text, known, n=1)
            hint = f" Did you mean {near[0]!r}?" if near else ""
            raise UnknownLesson(f"No lesson {text!r}.{hint} There are: {_listing(lessons)}.")
        if len(found) > 1 and text != found[0].part:
            raise UnknownLesson(f"{text!r} is more than one lesson: {_listing(found)}. Name one.")
        chosen.update(lesson.path for lesson in found)
    return [lesson for lesson in lessons if lesson.path in chosen or not chosen]


def _spellings(lesson: Lesson) -> set[str]:
    short = {lesson.number, str(int(lesson.number)), lesson.name, lesson.name[3:]}
    short.add(lesson.path.name)
    return {lesson.part, str(lesson.path), *short, *(f"{lesson.part}/{name}" for name in short)}


def _listing(lessons: Iterable[Lesson]) -> str:
    return ", ".join(f"{lesson.part}/{lesson.name}" for lesson in lessons)


def _plain(markdown: str) -> str:
    """Markdown's links, emphasis and code marks taken off."""
    unlinked = re.sub(r"\[(.+?)\]\(.+?\)", r"\1", markdown)
    return re.sub(r"\*\*|__|`|(?<!\w)[*_]|[*_](?!\w)", "", unlinked)
