"""The lessons: which there are, which a person chose, what they let one change, how a run went."""

import ast
import re
import time
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import nbformat

from carlib.text import did_you_mean
from course.errors import (
    LessonFormError,
    LessonsNotFound,
    UnknownLesson,
    UnknownParameter,
    WrongParameterType,
)
from exercises.exercise import Exercise
from exercises.notebook import exercises_of

_FILE = re.compile(r"\d\d_\w+\.ipynb")
_TYPES = {bool: "true or false", int: "a whole number", float: "a number", str: "a text"}


@dataclass(frozen=True)
class Lesson:
    """One lesson's notebook, such as ``notebooks/1_core/01_schema.ipynb``, read when needed."""

    path: Path

    @property
    def name(self) -> str:
        """The file's name without its ending, ``01_schema``; it begins with the number."""
        return self.path.stem

    @property
    def part(self) -> str:
        """The folder, one part of the course: ``1_core``."""
        return self.path.parent.name

    def __str__(self) -> str:
        return f"{self.part}/{self.name}"

    @cached_property
    def notebook(self) -> nbformat.NotebookNode:
        """The notebook as nbformat reads it."""
        return nbformat.read(self.path, as_version=4)

    @cached_property
    def code(self) -> str:
        """The text of all code cells."""
        return "\n".join(c.source for c in self.notebook.cells if c.cell_type == "code")

    @cached_property
    def exercises(self) -> list[Exercise]:
        """The exercises that it asks, in the order of their module."""
        opened = re.search(r"open_lesson\(\s*\w+\s*,\s*[\"'](\w+)[\"']", self.code)
        module = exercises_of(opened[1]) if opened else ()
        return [exercise for exercise in module if f"ex.{exercise.name}.check(" in self.code]

    @cached_property
    def parameters(self) -> dict[str, object]:
        """The names and default values of the cell tagged ``parameters``, in its order."""
        for cell in self.notebook.cells:
            if "parameters" in cell.metadata.get("tags", []):
                return declared_parameters(cell.source, self.name)
        return {}

    @cached_property
    def title(self) -> str:
        """The first heading without Markdown's marks, or the name where there is none."""
        texts = "\n".join(c.source for c in self.notebook.cells if c.cell_type == "markdown")
        heading = re.search(r"^# +(.+)$", texts, re.MULTILINE)
        return re.sub(r"\[(.+?)\]\(.+?\)|[*`]", r"\1", heading[1]) if heading else self.name


@dataclass
class LessonRun:
    """What became of one lesson; its `status` is ``ok``, ``failed`` or ``not run``."""

    lesson: Lesson
    parameters: dict[str, object]  # the values that replace its defaults
    notebook: Path  # where the executed notebook is, or will be
    page: Path  # the same as HTML
    status: str = "not run"
    seconds: float = 0.0
    error: str = ""  # the failing cell and its error


@dataclass
class CourseRun:
    """What became of all lessons of one run, in their order."""

    lessons: list[LessonRun]
    index: Path  # the page that leads to all of them
    learner: str = ""  # whose run it is, where it is one of a class
    server: str = ""  # the version of the server they ran on
    started: float = field(default_factory=time.time)


def find_lessons(folder: Path | None = None) -> list[Lesson]:
    """List the lessons, the notebooks named ``<part>/NN_<name>.ipynb``, by part and number.

    Args:
        folder: The folder of the parts, by default ``notebooks`` in the checkout, or here.

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
    """Pick lessons by what a person types, each once, keeping the course's order.

    Args:
        lessons: All lessons, which are chosen where no name is given.
        names: Numbers (``02`` or ``2``), names (``02_initial_load`` or ``initial_load``), file
            names, paths, or parts (``1_core``); a part may stand in front (``1_core/02``).

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


def _spellings(lesson: Lesson) -> set[str]:
    number, name = lesson.name[:2], lesson.name
    short = {number, str(int(number)), name, name[3:], lesson.path.name}
    return {lesson.part, str(lesson.path), *short, *(f"{lesson.part}/{name}" for name in short)}


def _listing(lessons: Iterable[Lesson]) -> str:
    return ", ".join(map(str, lessons))


def declared_parameters(source: str, lesson: str) -> dict[str, object]:
    """Read the names and defaults out of the source of a ``parameters`` cell without running it.

    Raises:
        LessonFormError: A line is not ``name = literal``.
    """
    try:  # what is no assignment to a name has no such attributes
        statements: list[Any] = ast.parse(source).body
        pairs = [(*line.targets, line.value) for line in statements]
        return {target.id: ast.literal_eval(value) for target, value in pairs}
    except (AttributeError, SyntaxError, ValueError) as error:
        raise LessonFormError(
            f"The parameters cell of {lesson} should hold lines like `rows = 1000` only: {error}."
        ) from error


def assign_parameters(
    lessons: Sequence[Lesson], values: Mapping[str, object]
) -> list[dict[str, object]]:
    """Say which lesson gets which values; papermill itself accepts any name and any type.

    Args:
        lessons: The lessons to be run; each gets the values of the names that it declares.
        values: Name to value; a text is read as what the lesson's default is.

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


def convert(name: str, value: object, default: object) -> object:
    """Read a parameter's value as the type of its default; a default of None takes anything.

    Raises:
        WrongParameterType: `value` can't be read that way.
    """
    expected, read = type(default), value
    if isinstance(value, str) and expected is not str:
        with suppress(KeyError, ValueError, SyntaxError, TypeError):
            if expected is bool:
                read = {"true": True, "false": False}[value.strip().lower()]
            else:
                read = expected(value) if expected in (int, float) else ast.literal_eval(value)
    # By type, not isinstance: True is an int in Python, but no number of cars.
    fits = type(read) is expected or (expected is float and type(read) is int)
    words = _TYPES.get(expected, f"a {expected.__name__}")
    if expected is int and isinstance(default, int) and default > 0:  # a count, not a seed
        fits, words = fits and isinstance(read, int) and read > 0, f"{words}, 1 or more"
    if default is None or fits:
        return read
    raise WrongParameterType(
        f"The parameter {name!r} takes {words} (its default is {default!r}), found {value!r}."
    )
