"""The kinds of exercises, by what the learner writes.

`Query`: one SQL query, graded by its rows. `Change`: SQL that changes tables or rows, graded by a
query run after it. `Function`: a Python function, graded by what it returns, or by a query run
after it. `Value`: one Python value, such as a number predicted before it is measured.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from textwrap import dedent
from types import CodeType
from typing import Any

import pandas as pd

from exercises.exercise import Exercise, Parts
from exercises.failure import Failure
from exercises.sandbox import Sandbox
from exercises.statements import statements
from exercises.tables import Table, as_parts, as_table, show


class _Sql(Exercise):
    """An exercise answered with SQL in a Python string."""

    mark = "--?"
    placeholder = "-- your lines here"

    def is_untried(self, answer: object) -> bool:
        """Like `Exercise.is_untried`; comments alone, or the unchanged stub, are no answer."""
        if super().is_untried(answer):
            return True
        return isinstance(answer, str) and statements(answer) in ([], statements(self.stub))

    def answer_of(self, text: str) -> str:
        """Return the text without its common indentation."""
        return dedent(text)

    def text_of(self, answer: object, one: bool) -> str:
        """Return the SQL of an answer, or say what is wrong with its form."""
        if not isinstance(answer, str):
            raise Failure(f"Expected SQL as text in quotes, found {type(answer).__name__}.")
        if one and (count := len(statements(answer))) != 1:
            raise Failure(f"Expected one statement, found {count}.")
        return answer


@dataclass(frozen=True, kw_only=True)
class Query(_Sql):
    """Answered with one SQL query, which may only read."""

    def evaluate(self, answer: object, sandbox: Sandbox) -> Parts:
        """Run the query and return its rows."""
        sql = self.text_of(answer, one=True)
        with sandbox.trial(self.setup.sql if self.setup else ""):
            return {"": sandbox.rows(sql)}


@dataclass(frozen=True, kw_only=True)
class Change(_Sql):
    """Answered with SQL that changes something; everything is rolled back after the check.

    Attributes:
        probe: The query that shows what the answer did. A first column that names each row makes
            for clear messages; see `Sandbox.probe` for trying what tables accept.
        one_statement: Whether the answer must be a single statement; the question must say so.
    """

    probe: str
    one_statement: bool = False

    def evaluate(self, answer: object, sandbox: Sandbox) -> Parts:
        """Run the statements, then the probe, and return the probe's rows."""
        sql = self.text_of(answer, one=self.one_statement)
        with sandbox.trial(self.setup.sql if self.setup else ""):
            sandbox.execute(sql)
            return {"": sandbox.probe(self.probe)}


class _Python(Exercise):
    """An exercise answered with Python."""

    mark = "#?"
    placeholder = "...  # your lines here"

    def defined_by(self, text: str, name: str) -> Any:
        """Run Python text of this exercise and return what it calls `name`."""
        names: dict[str, Any] = {}
        exec(compile(dedent(text), f"<{self.name}>", "exec"), names)
        return names[name]


@dataclass(frozen=True, kw_only=True)
class Function(_Python):
    """Answered with a Python function.

    Attributes:
        function: The function's name in the solution and the wrong answers.
        calls: Makes the arguments of each call; new ones every time, so that an answer that
            changes its arguments harms nobody.
        connected: Whether the first argument is a SQLAlchemy connection, added by the check.
        probe: A query that shows what each call did to the tables; empty where that is not graded.
    """

    function: str
    calls: Callable[[], Sequence[tuple]]
    connected: bool = False
    probe: str = ""

    def is_untried(self, answer: object) -> bool:
        """Like `Exercise.is_untried`; the unchanged stub is no answer."""
        code = getattr(answer, "__code__", None)
        stub = self.answer_of(self.stub).__code__
        return super().is_untried(answer) or (code is not None and _same_code(code, stub))

    def answer_of(self, text: str) -> Callable:
        """Run the text and return the function that it defines."""
        return self.defined_by(text, self.function)

    def evaluate(self, answer: object, sandbox: Sandbox) -> Parts:
        """Call the function with each set of arguments, each time from the same start."""
        if not callable(answer):
            raise Failure(
                f"Expected the function {self.function}, found {type(answer).__name__}. "
                "Hand in the function itself, without calling it."
            )
        parts: Parts = {}
        for number, call in enumerate(self.calls(), 1):
            for label, table in self._run(answer, call, sandbox):
                # Two calls may look the same in short.
                parts[f"{label}, call {number}" if label in parts else label] = table
        return parts

    def _run(self, answer: Callable, call: tuple, sandbox: Sandbox) -> Iterator[tuple[str, Table]]:
        shown = ["connection"] * self.connected + [_brief(argument) for argument in call]
        label = f"{self.function}({', '.join(shown)})"
        with sandbox.trial(self.setup.sql if self.setup else ""):
            arguments = (sandbox.connection(), *call) if self.connected else call
            try:
                result = answer(*arguments)
            except (Exception, SystemExit) as error:
                raise Failure.of_function(error, answer) from error
            yield from as_parts(result, label).items()
            if self.probe:
                yield f"The rows after {label}", sandbox.probe(self.probe)


@dataclass(frozen=True, kw_only=True)
class Value(_Python):
    """Answered with one value, which the solution assigns to `answer`.

    A wrong value is not told the right one.
    """

    @property
    def stub(self) -> str:
        """The assignment, without a value."""
        return "answer = ..."

    def answer_of(self, text: str) -> object:
        """Run the text and return what it assigns to `answer`."""
        return self.defined_by(text, "answer")

    def evaluate(self, answer: object, sandbox: Sandbox) -> Parts:
        """Return the value, whatever it is."""
        return {"": as_table(answer)}

    def difference(self, expected: Parts, found: Parts) -> str | None:
        """Say what kind of value was expected, but not which."""
        if super().difference(expected, found) is None:
            return None
        wanted, given = expected[""], found[""]
        if not given.single:
            return f"Expected one value, found {len(given.rows)}."
        kind, shown = wanted.rows[0][0][0], show(given.rows[0][0])
        article = "another" if given.rows[0][0][0] == kind else "a"
        return f"Expected {article} {kind}, found {shown}."


def _brief(argument: object) -> str:
    if isinstance(argument, pd.DataFrame):
        return f"<{len(argument)} rows>"
    return repr(argument)


def _same_code(one: CodeType, other: CodeType) -> bool:
    """Compare compiled functions, wherever they were written."""

    def essence(code: CodeType) -> tuple:
        constants = (essence(c) if isinstance(c, CodeType) else c for c in code.co_consts)
        return (code.co_code, code.co_names, code.co_varnames, tuple(constants))

    return essence(one) == essence(other)
