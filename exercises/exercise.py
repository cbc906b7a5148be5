"""An exercise: a question, layered hints, one solution, and typical wrong answers."""

from abc import ABC, abstractmethod
from dataclasses import dataclass, field
from inspect import cleandoc
from textwrap import dedent
from typing import Any, ClassVar

from exercises import compare
from exercises.results import Results
from exercises.sandbox import Sandbox


def small_table(*rows: str) -> str:
    """Return lines to show in a question as a small table, in a typewriter face."""
    width = max(map(len, rows))
    return "".join(f"\n`{row:{width}}`".replace(" ", "\u00a0") for row in rows) + "\n"


@dataclass(frozen=True, kw_only=True)
class WrongAnswer:
    """A typical mistake, recognized by the result or the error that it gives."""

    hint: str  # what helps somebody who made it
    replace: dict[str, str] = field(default_factory=dict)  # part of the solution: the mistake
    answer: str = ""  # the mistake in full, where little of the solution is left in it


@dataclass(frozen=True, kw_only=True)
class Setup:
    """Rows that an exercise adds for the time of a check, to tell right from wrong."""

    sql: str = ""  # run before the answer and rolled back after it
    note: str = ""  # what is added, as the question tells the learner


@dataclass(frozen=True, kw_only=True)
class Exercise(ABC):
    """One exercise; a subclass defines what kind of answer it takes and how that is run.

    Attributes:
        name: What it is called in the lesson, a Python name: ``ex.models_per_brand``.
        question: What to do; words between backticks are shown as code.
        hints: From a nudge to nearly the answer, at least two.
        solution: One right answer. Lines that end in the mark (``--?`` in SQL, ``#?`` in Python)
            are left out of the stub that the lesson gives the learner to start from.
        wrong: Typical wrong answers, at least two.
        setup: What a check adds to the lesson's own rows.
        ordered: Whether the order of rows counts; the question must say so.
        names: Whether the names of columns count; the question must say so.
    """

    name: str
    question: str
    hints: tuple[str, ...]
    solution: str
    wrong: tuple[WrongAnswer, ...]
    setup: Setup = Setup()
    ordered: bool = False
    names: bool = False

    mark: ClassVar[str]
    placeholder: ClassVar[str]

    @property
    def shown_solution(self) -> str:
        """The solution without marks."""
        lines = cleandoc(self.solution).splitlines()
        return "\n".join(line.removesuffix(self.mark).rstrip() for line in lines)

    @property
    def stub(self) -> str:
        """The solution minus its marked lines: what the lesson's cell holds at first."""
        lines: list[str] = []
        for line in cleandoc(self.solution).splitlines():
            if not line.endswith(self.mark):
                lines.append(line)
            elif not lines or not lines[-1].endswith(self.placeholder):
                lines.append(line[: len(line) - len(line.lstrip())] + self.placeholder)
        return "\n".join(lines)

    def written(self, wrong: WrongAnswer) -> str:
        """Return one of the wrong answers in full; ValueError if what it replaces isn't there."""
        text = wrong.answer or self.shown_solution
        for part, mistake in wrong.replace.items():
            if part not in text:
                raise ValueError(f"{self.name}: expected the solution to contain {part!r}.")
            text = text.replace(part, mistake)
        return text

    def is_untried(self, answer: object) -> bool:
        """Return whether nothing was answered yet: None, `...`, an empty text, or the stub."""
        empty = isinstance(answer, str) and not answer.strip()
        return empty or answer is None or answer is Ellipsis or self._is_stub(answer)

    def _is_stub(self, answer: object) -> bool:
        return False

    def difference(self, expected: Results, actual: Results) -> str | None:
        """Describe how a result differs from the solution's; None where it does not."""
        return compare.difference(expected, actual, self.ordered, self.names)

    def answer_of(self, text: str) -> Any:
        """Turn a solution or a wrong answer as written into what a learner would hand to check."""
        return dedent(text)

    @abstractmethod
    def evaluate(self, answer: object, sandbox: Sandbox) -> Results:
        """Run an answer and return what it gave; raises `AnswerError` if it cannot be run."""
