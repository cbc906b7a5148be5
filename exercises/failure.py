"""An answer that failed: the database's own words, or Python's, kept for the learner."""

from __future__ import annotations

import re
import traceback
from collections.abc import Callable
from types import CodeType

import psycopg2
from sqlalchemy.exc import DBAPIError

# Two failures are alike when they have the same code and message, whatever value or name the
# message quotes. In these errors (bad syntax; no such column, table or function: "PostgreSQL Error
# Codes" in the manual) the quoted name is all there is to tell them apart.
_NAMED = frozenset({"42601", "42703", "42P01", "42883"})

_BEFORE, _BEHIND = 60, 40  # how much of a line is shown on either side of the place


class Failure(Exception):
    """Raised inside the package when an answer can't be run; shown, never passed on.

    Attributes:
        text: What happened, in a sentence for the learner.
        code: The error as the database or Python words it, if there is one.
        mark: What tells this failure from others; two answers that fail alike have the same.
    """

    def __init__(self, text: str, code: str = "", mark: tuple[str, ...] | None = None):
        super().__init__(text)
        self.text = text
        self.code = code
        self.mark = mark or (text, code)

    @classmethod
    def of_database(cls, error: psycopg2.Error) -> Failure:
        """Keep what the server said: message, place, detail and hint, as psql shows them."""
        diag = error.diag
        message = diag.message_primary or str(error).strip()
        if not diag.severity:  # it comes from the driver, not from the server
            return cls("The connection to PostgreSQL failed:", message)
        lines = [f"{diag.severity}:  {message}"]
        if diag.internal_position and diag.internal_query:
            lines += _place(diag.internal_query, int(diag.internal_position))
        elif diag.statement_position and error.cursor and error.cursor.query:
            lines += _place(error.cursor.query.decode(), int(diag.statement_position))
        lines += [f"DETAIL:  {diag.message_detail}"] if diag.message_detail else []
        lines += [f"HINT:  {diag.message_hint}"] if diag.message_hint else []
        said = message if error.pgcode in _NAMED else re.sub('".*?"', "", message)
        mark = (error.pgcode or "", diag.constraint_name or "", said)
        return cls("PostgreSQL refused it:", "\n".join(lines), mark)

    @classmethod
    def of_function(cls, error: BaseException, function: Callable) -> Failure:
        """Keep what an answer's function raised, and in which of its lines."""
        if isinstance(error, DBAPIError) and isinstance(error.orig, psycopg2.Error):
            error = error.orig
        if isinstance(error, psycopg2.Error):
            return cls.of_database(error)
        code: CodeType | None = getattr(function, "__code__", None)
        frames = traceback.walk_tb(error.__traceback__)
        inside = [
            line - code.co_firstlineno + 1
            for frame, line in frames
            if code and frame.f_code is code
        ]
        where = f" (line {inside[-1]} of the function)" if inside else ""
        name, message = type(error).__name__, str(error)
        return cls(f"It raised an error{where}:", f"{name}: {message}", (name, message))


def _place(query: str, position: int) -> list[str]:
    """Show the line of the query that the server points at, and where in it (counted from 1)."""
    before = query[: position - 1]
    number = before.count("\n") + 1
    column = position - 1 - (before.rfind("\n") + 1)
    line = query.split("\n")[number - 1]
    start = max(0, column - _BEFORE)
    label = f"LINE {number}: " + "..." * (start > 0)
    shown = line[start : column + _BEHIND]
    return [label + shown, " " * (len(label) + column - start) + "^"]
