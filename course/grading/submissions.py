"""What learners hand in: folders, the notebooks in them, and the lessons these are copies of."""

import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import nbformat

from course.errors import NothingToGrade
from course.lessons import Lesson
from exercises import lessons as exercise_modules
from exercises.notebook import exercises_of

NOTEBOOK_BYTES = 50 * 2**20
_OPENED = re.compile(r"\bopen_lesson\(\s*\w+\s*,\s*[\"'](\w+)[\"']\s*\)")
_PART = re.compile(r"\d+_\w+")
_LAYOUT = ("notebooks", "workbook")  # folders of the workbook itself, never a learner's name


@dataclass(frozen=True)
class Assignment:
    """A lesson as it is set.

    Attributes:
        lesson: The lesson.
        module: The module of its exercises.
        exercises: Those that the lesson asks, in its order.
    """

    lesson: Lesson
    module: str
    exercises: tuple[str, ...]


@dataclass(frozen=True)
class Submission:
    """A notebook that was handed in, as far as it is used: the text of its code cells.

    Attributes:
        path: Where it was read; None where there is none.
        cells: The text of the code cells, in order.
        parameters_cell: How many of them come before the parameters are set.
        problem: Why it can't be executed; empty if it can.
    """

    path: Path | None = None
    cells: tuple[str, ...] = ()
    parameters_cell: int = 0
    problem: str = ""


@dataclass
class Learner:
    """Who handed in what.

    Attributes:
        name: The folder's name, with the class's in front where there are several.
        submissions: By the lesson's part and name.
        left_out: Notebooks that are not graded, each with the reason.
    """

    name: str
    submissions: dict[str, Submission] = field(default_factory=dict)
    left_out: list[str] = field(default_factory=list)


def key_of(lesson: Lesson) -> str:
    """What a lesson is called in reports: ``1_core/01_schema``."""
    return f"{lesson.part}/{lesson.name}"


def assignments(lessons: Sequence[Lesson]) -> list[Assignment]:
    """Read which exercises the lessons ask; lessons without any are left out."""
    found = []
    for lesson in lessons:
        text = "\n".join(cell.source for cell in lesson.notebook.cells if cell.cell_type == "code")
        opened = _OPENED.search(text)
        if opened and opened[1] in exercise_modules():
            known = [exercise.name for exercise in exercises_of(opened[1])]
            asked = tuple(name for name in known if re.search(rf"\.{name}\.check\(", text))
            found.append(Assignment(lesson, opened[1], asked))
    return found


def find_learners(
    folders: Sequence[Path], wanted: Sequence[Assignment], others: Collection[str] = ()
) -> list[Learner]:
    """Read all notebooks of all learners.

    Args:
        folders: Each of one learner, with notebooks in it or in folders as the workbook has them,
            or of a class, with a folder for each learner.
        wanted: The lessons to be graded.
        others: Names of lessons whose notebooks may be there and are not to be graded.

    Returns:
        The learners, each with a submission for every lesson that was found.

    Raises:
        NothingToGrade: A folder is not there, or holds no notebook of these lessons.
    """
    learners: list[Learner] = []
    for folder in folders:
        if not folder.is_dir():
            raise NothingToGrade(f"Expected a folder with notebooks to grade, found no {folder}.")
        found = [
            _learner(one, _name(one, folder, len(folders)), wanted, others)
            for one in _homes(folder)
        ]
        if not any(learner.submissions for learner in found):
            known = ", ".join(f"{one.lesson.name}.ipynb" for one in wanted)
            raise NothingToGrade(
                f"Expected notebooks of these lessons in {folder}, or in folders below it: {known}."
                " Found none. A notebook's file has the lesson's name, or it opens its exercises."
            )
        learners += found
    names = [learner.name for learner in learners]
    if twice := {name for name in names if names.count(name) > 1}:
        raise NothingToGrade(
            f"Expected learners of different names, found two folders {sorted(twice)[0]!r}. "
            "Rename one, or grade them one after the other."
        )
    return learners


def _homes(folder: Path) -> list[Path]:
    """The folders of learners: the folder itself, or those in it that have notebooks below."""
    if _is_home(folder):
        return [folder]
    inside = sorted(one for one in folder.iterdir() if one.is_dir() and one.name[:1] != ".")
    return [one for one in inside if _notebooks(one)]


def _is_home(folder: Path) -> bool:
    for path in _notebooks(folder):
        first = path.relative_to(folder).parts[0]
        if first == path.name or _PART.fullmatch(first) or first in _LAYOUT:
            return True
    return False


def _notebooks(folder: Path) -> list[Path]:
    hidden = (".ipynb_checkpoints", ".venv", ".git")
    return sorted(
        path
        for path in folder.rglob("*.ipynb")
        if path.is_file() and not any(part in hidden for part in path.relative_to(folder).parts)
    )


def _name(home: Path, folder: Path, folders: int) -> str:
    resolved = home.resolve().name
    return f"{folder.resolve().name}/{resolved}" if folders > 1 and home != folder else resolved


def _learner(
    home: Path, name: str, wanted: Sequence[Assignment], others: Collection[str]
) -> Learner:
    learner = Learner(name)
    candidates: dict[str, list[tuple[bool, Path, Submission]]] = {}
    for path in _notebooks(home):
        submission = _read(path)
        named = [one for one in wanted if path.stem == one.lesson.name]
        opened = [one for one in wanted if any(_opens(c, one.module) for c in submission.cells)]
        if fitting := named or opened:
            key = key_of(fitting[0].lesson)
            candidates.setdefault(key, []).append((bool(named), path, submission))
        elif path.stem not in others:
            learner.left_out.append(f"{path.relative_to(home)}: not one of the lessons to grade")
    for key, found in candidates.items():
        best = [one for one in found if one[0]] or found
        if len(best) > 1:
            paths = ", ".join(str(path.relative_to(home)) for _, path, _ in best)
            learner.submissions[key] = Submission(
                problem=f"Expected one notebook of this lesson, found {len(best)}: {paths}."
            )
        else:
            learner.submissions[key] = best[0][2]
        learner.left_out += [
            f"{path.relative_to(home)}: {'another' if len(best) == 1 else 'one more'} of {key}"
            for _, path, submission in found
            if submission is not learner.submissions[key]
        ]
    return learner


def _opens(cell: str, module: str) -> bool:
    return any(opened[1] == module for opened in _OPENED.finditer(cell))


def _read(path: Path) -> Submission:
    """Read a notebook that may be anything."""
    try:
        if path.stat().st_size > NOTEBOOK_BYTES:
            raise ValueError(f"it is larger than {NOTEBOOK_BYTES // 2**20} MB")
        cells = nbformat.read(path, as_version=4).cells
        code = [cell for cell in cells if cell.cell_type == "code"]
        tags = [set(cell.metadata.get("tags", [])) for cell in code]
        first = next((n for n, found in enumerate(tags, 1) if "parameters" in found), 0)
        return Submission(path, tuple(str(cell.source) for cell in code), first)
    except Exception as error:  # nbformat raises many kinds on files that are no notebooks
        said = str(error).strip().splitlines()[:1] or [type(error).__name__]
        return Submission(path, problem=f"It can't be read as a notebook: {said[0][:200]}")
