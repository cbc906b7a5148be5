"""What a lesson's notebook touches: `open_lesson`, and the exercises it opens."""

from html import escape
from importlib import import_module
from pathlib import Path

from sqlalchemy import Engine

from exercises.checking import check
from exercises.errors import UnknownLesson
from exercises.exercise import Exercise
from exercises.feedback import Feedback, Outcome, as_html

# The module of each lesson with exercises: ``lesson_01`` is in ``part_1``.
_MODULES = {
    path.stem: f"exercises.{path.parent.name}.{path.stem}"
    for path in sorted(Path(__file__).parent.glob("part_*/lesson_*.py"))
}


class OpenExercise:
    """An exercise in a notebook; at the end of a cell it shows its question."""

    def __init__(self, exercise: Exercise, engine: Engine):
        self._exercise = exercise
        self._engine = engine
        self._hints_given = 0

    def check(self, answer: object = None) -> Feedback:
        """Grade an answer; nothing in the database changes, and no error escapes."""
        return check(self._exercise, answer, self._engine)

    def hint(self) -> Feedback:
        """Give the next hint; after the last one, that one again."""
        exercise, count = self._exercise, len(self._exercise.hints)
        self._hints_given = min(self._hints_given + 1, count)
        last = "\nThis is the last hint; `solution()` shows one way."
        text = exercise.hints[self._hints_given - 1] + last * (self._hints_given == count)
        number = f"{self._hints_given} of {count}"
        return Feedback(Outcome.HINT, exercise.name, text, number=number)

    def solution(self) -> Feedback:
        """Show one right answer."""
        return Feedback(Outcome.SOLUTION, self._exercise.name, code=self._exercise.shown_solution)

    def question(self) -> Feedback:
        """Show what to do."""
        exercise = self._exercise
        note = exercise.setup.note and f"\nDuring the check, {exercise.setup.note}"
        return Feedback(Outcome.QUESTION, exercise.name, exercise.question + note)

    def __repr__(self) -> str:
        return repr(self.question())

    def _repr_html_(self) -> str:
        return self.question()._repr_html_()


class OpenLesson:
    """The exercises of one lesson, each an attribute; shown in a notebook, a list of them."""

    def __init__(self, exercises: tuple[Exercise, ...], engine: Engine):
        self._questions = {exercise.name: exercise.question for exercise in exercises}
        for exercise in exercises:
            setattr(self, exercise.name, OpenExercise(exercise, engine))

    def __getattr__(self, name: str) -> OpenExercise:
        known = ", ".join(self.__dict__.get("_questions", ()))
        raise AttributeError(f"No exercise is called {name}; there are {known}.")

    def __dir__(self) -> list[str]:
        return list(self._questions)

    def __repr__(self) -> str:
        return "\n".join(f"{name}: {question}" for name, question in self._questions.items())

    def _repr_html_(self) -> str:
        rows = "".join(
            f'<tr style="vertical-align: top"><td><code>{escape(name)}</code></td>'
            f'<td style="text-align: left">{as_html(question)}</td></tr>'
            for name, question in self._questions.items()
        )
        return f"<table><tbody>{rows}</tbody></table>"


def lessons() -> list[str]:
    """Return the names of the lessons that have exercises, in order."""
    return list(_MODULES)


def exercises_of(lesson: str) -> tuple[Exercise, ...]:
    """Return the exercises of a lesson, in order; raises `UnknownLesson` if there is none."""
    if lesson not in _MODULES:
        known = ", ".join(_MODULES)
        raise UnknownLesson(f"Expected a lesson with exercises ({known}), found {lesson!r}.")
    module = import_module(_MODULES[lesson])
    return tuple(value for value in vars(module).values() if isinstance(value, Exercise))


def open_lesson(engine: Engine, lesson: str) -> OpenLesson:
    """Open the exercises of a lesson on its tables.

    Args:
        engine: From `connect`, on the lesson's schema.
        lesson: The name of the module with its exercises, such as ``"lesson_01"``.

    Returns:
        An object with an attribute for each exercise, which has `check(answer)`, `hint()`,
        `solution()` and `question()`.

    Raises:
        UnknownLesson: There is no such lesson.
    """
    return OpenLesson(exercises_of(lesson), engine)
