"""Errors: an answer that cannot be run, and a lesson without exercises."""

import re
import traceback
from collections.abc import Callable

import psycopg2
from sqlalchemy.exc import DBAPIError

# Two database errors are alike if code and message are, whatever the message quotes. Only in these
# (bad syntax; no such column, table or function) does the quoted name tell them apart.
_QUOTED_NAME_COUNTS = frozenset({"42601", "42703", "42P01", "42883"})


class UnknownLesson(ValueError):
    """There are no exercises for a lesson of that name."""


class AnswerError(Exception):
    """An answer cannot be run; raised inside the package and shown to the learner as feedback.

    Attributes:
        text: What happened, in a sentence for the learner.
        code: The error as the database or Python words it, if there is one.
        signature: What identifies the mistake; two answers that fail alike have the same.
    """

    def __init__(self, text: str, code: str = "", signature: tuple[str, ...] = ()):
        super().__init__(text)
        self.text = text
        self.code = code
        self.signature = signature or (text, code)

    @classmethod
    def of(cls, error: BaseException, function: Callable | None = None) -> "AnswerError":
        """Convert an error, in its own words, naming the line of the function that raised it."""
        if isinstance(error, DBAPIError) and error.orig:
            error = error.orig
        if isinstance(error, AnswerError):
            return error
        if isinstance(error, psycopg2.Error):
            return _of_database(error)
        lines = [
            line - frame.f_code.co_firstlineno + 1
            for frame, line in traceback.walk_tb(error.__traceback__)
            if frame.f_code is getattr(function, "__code__", None)
        ]
        where = f" (line {lines[-1]} of the function)" if lines else ""
        name, message = type(error).__name__, str(error)
        return cls(f"It raised an error{where}:", f"{name}: {message}", (name, message))


def _of_database(error: psycopg2.Error) -> AnswerError:
    """Keep what the server reported, as psql shows it; not the check's own part in it."""
    message = error.diag.message_primary
    if not message or not error.pgerror:  # it comes from the driver, not from the server
        return AnswerError("The connection to PostgreSQL failed:", str(error).strip())
    report = re.split(r"^(?:QUERY|CONTEXT):  ", error.pgerror, maxsplit=1, flags=re.MULTILINE)[0]
    pattern = message if error.pgcode in _QUOTED_NAME_COUNTS else re.sub('".*?"', "", message)
    signature = (error.pgcode or "", error.diag.constraint_name or "", pattern)
    return AnswerError("PostgreSQL refused it:", report.rstrip(), signature)
