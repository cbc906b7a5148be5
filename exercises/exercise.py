"""What an exercise is: a question, layered hints, one solution, and typical wrong answers."""

from abc import ABC, abstractmethod
from dataclasses import dataclass, field
from textwrap import dedent
from typing import ClassVar

from exercises import grading
from exercises.sandbox import Sandbox
from exercises.tables import Table

Parts = dict[str, Table]
"""What an answer gave: tables under labels, such as the call that returned each."""


@dataclass(frozen=True, kw_only=True)
class WrongAnswer:
    """A mistake that people make, and what to tell them.

    An answer counts as this mistake when it gives the same result, or the same error.

    Attributes:
        hint: What helps somebody who made it.
        swap: The mistake as what is written instead of what in the solution.
        answer: The mistake in full, where little of the solution is left in it.
    """

    hint: str
    swap: dict[str, str] = field(default_factory=dict)
    answer: str = ""


@dataclass(frozen=True, kw_only=True)
class Setup:
    """Rows that an exercise adds for the time of a check, to tell right from wrong.

    Attributes:
        sql: The statements, run before the answer and rolled back after it.
        note: What they add, as the learner is told in the question.
    """

    sql: str
    note: str


@dataclass(frozen=True, kw_only=True)
class Exercise(ABC):
    """One exercise; a subclass says what kind of answer it takes and how a result comes of it.

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
    setup: Setup | None = None
    ordered: bool = False
    names: bool = False

    mark: ClassVar[str]
    placeholder: ClassVar[str]

    @property
    def shown_solution(self) -> str:
        """The solution without marks."""
        lines = dedent(self.solution).strip("\n").rstrip().splitlines()
        return "\n".join(line.removesuffix(self.mark).rstrip() for line in lines)

    @property
    def stub(self) -> str:
        """The solution minus its marked lines: what the lesson's cell holds at first."""
        lines: list[str] = []
        left_out = False
        for line in dedent(self.solution).strip("\n").rstrip().splitlines():
            if not line.endswith(self.mark):
                lines.append(line)
            elif not left_out:
                lines.append(line[: len(line) - len(line.lstrip())] + self.placeholder)
            left_out = line.endswith(self.mark)
        return "\n".join(lines)

    def written(self, wrong: WrongAnswer) -> str:
        """Return one of the wrong answers in full.

        Raises:
            ValueError: What it swaps is not in the solution.
        """
        text = wrong.answer or self.shown_solution
        for right, instead in wrong.swap.items():
            if right not in text:
                raise ValueError(f"{self.name}: expected the solution to contain {right!r}.")
            text = text.replace(right, instead)
        return text

    def is_untried(self, answer: object) -> bool:
        """Say whether nothing was answered yet: None, `...`, or an empty text."""
        return (
            answer is None or answer is Ellipsis or (isinstance(answer, str) and not answer.strip())
        )

    def difference(self, expected: Parts, found: Parts) -> str | None:
        """Say how a result differs from the solution's, or return None where it does not."""
        return grading.difference(expected, found, ordered=self.ordered, names=self.names)

    @abstractmethod
    def answer_of(self, text: str) -> object:
        """Turn a solution or a wrong answer as written into what a learner would hand to check."""

    @abstractmethod
    def evaluate(self, answer: object, sandbox: Sandbox) -> Parts:
        """Run an answer and return what it gave.

        Raises:
            Failure: The answer is of another kind, or running it gives an error.
        """
