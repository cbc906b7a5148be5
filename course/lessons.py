"""The lessons: which there are, which a person chose, and what became of them in a run."""

import re
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

import nbformat

from carlib.text import did_you_mean
from course.errors import LessonsNotFound, UnknownLesson, UnknownParameter
from course.parameters import convert, declared_parameters

_FILE = re.compile(r"\d\d_\w+\.ipynb")


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

    @property
    def part_title(self) -> str:
        """The part as a person reads it: ``Part 1, core``."""
        number, _, name = self.part.partition("_")
        return f"Part {number}, {name.replace('_', ' ')}" if number.isdigit() else self.part

    def __str__(self) -> str:
        return f"{self.part}/{self.name}"

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
        return next((_plain(heading[1]) for heading in headings if heading), self.name)

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


@dataclass
class LessonRun:
    """What became of one lesson.

    Attributes:
        lesson: The lesson.
        parameters: The values that replaced its defaults.
        notebook: Where the executed notebook is, or will be.
        page: The same as an HTML page.
        status: ``ok``, ``failed`` or ``not run``.
        seconds: How long it took; 0 when it was not run.
        error: The failing cell and its error, when it failed.
    """

    lesson: Lesson
    parameters: dict[str, object]
    notebook: Path
    page: Path
    status: str = "not run"
    seconds: float = 0.0
    error: str = ""


@dataclass
class CourseRun:
    """What became of all lessons of one run.

    Attributes:
        lessons: In the order in which they run.
        index: The page that leads to all of them.
        learner: Whose run it is, where it is one of a class.
        server: The version of the server they ran on.
        started: When, as `time.time` counts.
    """

    lessons: list[LessonRun]
    index: Path
    learner: str = ""
    server: str = ""
    started: float = field(default_factory=time.time)


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
    beside = Path(__file__).parents[1] / "notebooks"
    candidates = [folder] if folder else [beside, Path.cwd() / "notebooks"]
    for candidate in candidates:
        paths = [path.resolve() for path in candidate.glob("*/*.ipynb")]
        if lessons := [Lesson(path) for path in paths if _FILE.fullmatch(path.name)]:
            return sorted(lessons, key=str)
    places = " or ".join(str(candidate) for candidate in dict.fromkeys(candidates))
    raise LessonsNotFound(
        f"Expected lessons named <part>/NN_<name>.ipynb, found none in {places}. "
        "Run this inside a checkout of the workbook."
    )


def choose_lessons(lessons: Sequence[Lesson], names: Iterable[str]) -> list[Lesson]:
    """Pick lessons by what a person types, keeping the course's order.

    Args:
        lessons: All lessons.
        names: Numbers (``02`` or ``2``), names (``02_initial_load`` or ``initial_load``), file
            names, paths, or parts (``1_core``); a part may stand in front (``1_core/02``). None of
            them: all lessons.

    Returns:
        The chosen lessons, each once.

    Raises:
        UnknownLesson: One of `names` fits no lesson, or lessons of several parts.
    """
    chosen: set[Path] = set()
    for name in names:
        matches = [lesson for lesson in lessons if name in _spellings(lesson)]
        if not matches:
            hint = did_you_mean(name, {each for lesson in lessons for each in _spellings(lesson)})
            raise UnknownLesson(f"No lesson {name!r}.{hint} There are: {_listing(lessons)}.")
        if len(matches) > 1 and name != matches[0].part:
            raise UnknownLesson(f"{name!r} is more than one lesson: {_listing(matches)}. Name one.")
        chosen.update(lesson.path for lesson in matches)
    return [lesson for lesson in lessons if lesson.path in chosen or not chosen]


def assign_parameters(
    lessons: Sequence[Lesson], values: Mapping[str, object]
) -> list[dict[str, object]]:
    """Say which lesson gets which values.

    Args:
        lessons: The lessons to be run.
        values: Name to value; a text is read as what the lesson's default is.

    Returns:
        For each lesson the values of those names that it declares.

    Raises:
        UnknownParameter: No lesson declares one of the names.
        WrongParameterType: A value is of another type than a lesson's default.
    """
    known = {name: None for lesson in lessons for name in lesson.parameters}
    for name in values:
        if name not in known:
            raise UnknownParameter(
                f"None of the lessons to be run declares a parameter {name!r}."
                f"{did_you_mean(name, known)} They declare: {', '.join(known) or 'none'}."
            )
    return [
        {
            name: convert(name, value, lesson.parameters[name])
            for name, value in values.items()
            if name in lesson.parameters
        }
        for lesson in lessons
    ]


def _spellings(lesson: Lesson) -> set[str]:
    short = {lesson.number, str(int(lesson.number)), lesson.name, lesson.name[3:]}
    short.add(lesson.path.name)
    return {lesson.part, str(lesson.path), *short, *(f"{lesson.part}/{name}" for name in short)}


def _listing(lessons: Iterable[Lesson]) -> str:
    return ", ".join(map(str, lessons))


def _plain(markdown: str) -> str:
    """Take off Markdown's links, emphasis and code marks."""
    unlinked = re.sub(r"\[(.+?)\]\(.+?\)", r"\1", markdown)
    return re.sub(r"\*\*|__|`|(?<!\w)[*_]|[*_](?!\w)", "", unlinked)
