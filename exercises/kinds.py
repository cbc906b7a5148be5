"""The kinds of exercises, by what the learner writes."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from operator import attrgetter
from textwrap import dedent
from typing import Any

import pandas as pd

from exercises.errors import AnswerError
from exercises.exercise import Exercise
from exercises.results import Result, Results, as_result, as_results, show
from exercises.sandbox import Sandbox
from exercises.statements import statements

# What a function does, wherever it was written.
_BODY = attrgetter(*(f"__code__.co_{part}" for part in ("code", "consts", "names", "varnames")))


class _Sql(Exercise):
    """An exercise answered with SQL in a Python string."""

    mark = "--?"
    placeholder = "-- your lines here"
    one_statement = True

    def _is_stub(self, answer: object) -> bool:
        return isinstance(answer, str) and statements(answer) in ([], statements(self.stub))

    def evaluate(self, answer: object, sandbox: Sandbox) -> Results:
        """Run the SQL and return one result, without a label."""
        if not isinstance(answer, str):
            raise AnswerError(f"Expected SQL as text in quotes, found {type(answer).__name__}.")
        if self.one_statement and (count := len(statements(answer))) != 1:
            raise AnswerError(f"Expected one statement, found {count}.")
        with sandbox.attempt(self.setup.sql):
            return {"": self._run(answer, sandbox)}

    def _run(self, sql: str, sandbox: Sandbox) -> Result:
        raise NotImplementedError


@dataclass(frozen=True, kw_only=True)
class Query(_Sql):
    """Answered with one SQL query, which may only read; graded by its rows."""

    def _run(self, sql: str, sandbox: Sandbox) -> Result:
        return sandbox.rows(sql)


@dataclass(frozen=True, kw_only=True)
class Change(_Sql):
    """Answered with SQL that changes tables or rows; graded by a query run after it.

    Attributes:
        probe: The query that shows what the answer did. Its first column says what each row is
            about; see `Sandbox.probe` for trying what tables accept.
        one_statement: Whether the answer must be a single statement; the question must say so.
    """

    probe: str
    one_statement: bool = False

    def _run(self, sql: str, sandbox: Sandbox) -> Result:
        sandbox.execute(sql)
        return sandbox.probe(self.probe)


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
    """Answered with a Python function; graded by what it returns, and by a query if there is one.

    Attributes:
        function: The function's name in the solution and the wrong answers.
        calls: Makes the arguments of each call; new ones every time, since answers may change them.
        connected: Whether the first argument is a SQLAlchemy connection, added by the check.
        probe: A query that shows what each call did to the tables; empty where that is not graded.
    """

    function: str
    calls: Callable[[], Sequence[tuple]]
    connected: bool = False
    probe: str = ""

    def _is_stub(self, answer: object) -> bool:
        return hasattr(answer, "__code__") and _BODY(answer) == _BODY(self.answer_of(self.stub))

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
        results = as_results(returned, label)
        if self.probe:
            results[f"The rows after {label}"] = sandbox.probe(self.probe)
        return results


def _brief(argument: object) -> str:
    return f"<{len(argument)} rows>" if isinstance(argument, pd.DataFrame) else repr(argument)


@dataclass(frozen=True, kw_only=True)
class Value(_Python):
    """Answered with one value, such as a number predicted before it is measured.

    The solution assigns it to `answer`. Feedback on a wrong value doesn't tell the right one.
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
