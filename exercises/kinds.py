"""The kinds of exercises, by what the learner writes.

`Query`: one SQL query, graded by its rows. `Change`: SQL that changes tables or rows, graded by a
query run after it. `Function`: a Python function, graded by what it returns, or by a query run
after it. `Value`: one Python value, such as a number predicted before it is measured.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from textwrap import dedent
from typing import Any

import pandas as pd

from exercises.errors import AnswerError
from exercises.exercise import Exercise, Results
from exercises.results import as_result, as_results, show
from exercises.sandbox import Sandbox
from exercises.statements import statements


class _Sql(Exercise):
    """An exercise answered with SQL in a Python string."""

    mark = "--?"
    placeholder = "-- your lines here"

    def is_untried(self, answer: object) -> bool:
        """Like `Exercise.is_untried`; comments alone, or the unchanged stub, are no answer."""
        untried = isinstance(answer, str) and statements(answer) in ([], statements(self.stub))
        return untried or super().is_untried(answer)

    def sql_of(self, answer: object, one_statement: bool) -> str:
        """Return the SQL of an answer, or say what is wrong with its form."""
        if not isinstance(answer, str):
            raise AnswerError(f"Expected SQL as text in quotes, found {type(answer).__name__}.")
        if one_statement and (count := len(statements(answer))) != 1:
            raise AnswerError(f"Expected one statement, found {count}.")
        return answer


@dataclass(frozen=True, kw_only=True)
class Query(_Sql):
    """Answered with one SQL query, which may only read."""

    def evaluate(self, answer: object, sandbox: Sandbox) -> Results:
        """Run the query and return its rows."""
        sql = self.sql_of(answer, one_statement=True)
        with sandbox.attempt(self.setup.sql):
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

    def evaluate(self, answer: object, sandbox: Sandbox) -> Results:
        """Run the statements, then the probe, and return the probe's rows."""
        sql = self.sql_of(answer, self.one_statement)
        with sandbox.attempt(self.setup.sql):
            sandbox.execute(sql)
            return {"": sandbox.probe(self.probe)}


class _Python(Exercise):
    """An exercise answered with Python."""

    mark = "#?"
    placeholder = "...  # your lines here"

    def answer_of(self, text: str) -> Any:
        """Run the text and return the function that it defines, or the value of `answer`."""
        names: dict[str, Any] = {}
        exec(compile(dedent(text), f"<{self.name}>", "exec"), names)
        return names[getattr(self, "function", "answer")]


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
        """Like `Exercise.is_untried`; a function that does what the stub does is no answer."""
        untried = hasattr(answer, "__code__") and _body(answer) == _body(self.answer_of(self.stub))
        return untried or super().is_untried(answer)

    def evaluate(self, answer: object, sandbox: Sandbox) -> Results:
        """Call the function with each set of arguments, each time from the same start."""
        if not callable(answer):
            raise AnswerError(
                f"Expected the function {self.function}, found {type(answer).__name__}. "
                "Hand in the function itself, without calling it."
            )
        results: Results = {}
        for number, arguments in enumerate(self.calls(), 1):
            with sandbox.attempt(self.setup.sql):
                for label, result in self._call(answer, arguments, sandbox).items():
                    # Two calls may look the same in short.
                    results[f"{label}, call {number}" if label in results else label] = result
        return results

    def _call(self, answer: Callable, arguments: tuple, sandbox: Sandbox) -> Results:
        shown = ["connection"] * self.connected + [_brief(argument) for argument in arguments]
        label = f"{self.function}({', '.join(shown)})"
        if self.connected:
            arguments = (sandbox.connection(), *arguments)
        try:
            returned = answer(*arguments)
        except (Exception, SystemExit) as error:
            raise AnswerError.of(error, answer) from error
        probed = {f"The rows after {label}": sandbox.probe(self.probe)} if self.probe else {}
        return as_results(returned, label) | probed


@dataclass(frozen=True, kw_only=True)
class Value(_Python):
    """Answered with one value, which the solution assigns to `answer`.

    Who gives a wrong value is not told the right one.
    """

    @property
    def stub(self) -> str:
        """The assignment, without a value."""
        return "answer = ..."

    def evaluate(self, answer: object, sandbox: Sandbox) -> Results:
        """Return the value, whatever it is."""
        return {"": as_result(answer)}

    def difference(self, expected: Results, actual: Results) -> str | None:
        """Say what kind of value was expected, but not which."""
        if super().difference(expected, actual) is None:
            return None
        if not actual[""].single:
            return f"Expected one value, found {len(actual[''].rows)}."
        kind, value = expected[""].rows[0][0][0], actual[""].rows[0][0]
        return f"Expected {'another' if value[0] == kind else 'a'} {kind}, found {show(value)}."


def _brief(argument: object) -> str:
    return f"<{len(argument)} rows>" if isinstance(argument, pd.DataFrame) else repr(argument)


def _body(function: Any) -> tuple:
    """What a function does, wherever it was written."""
    code = function.__code__
    return code.co_code, code.co_names, code.co_varnames, code.co_consts
