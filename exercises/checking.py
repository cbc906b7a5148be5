"""The check itself: an answer is run, compared with the solution, and answered in words."""

from __future__ import annotations

import psycopg2
from sqlalchemy import Engine
from sqlalchemy.exc import SQLAlchemyError

from exercises.exercise import Exercise, Parts
from exercises.failure import Failure
from exercises.feedback import Feedback, Kind
from exercises.sandbox import Sandbox


def check(exercise: Exercise, answer: object, engine: Engine) -> Feedback:
    """Grade an answer by what it gives on the same rows as the solution.

    Args:
        exercise: The exercise.
        answer: SQL text, a function or a value, as the exercise asks; None, `...`, an empty text
            or the unchanged stub count as not tried.
        engine: From `connect`, with the lesson's tables. Nothing in it changes.

    Returns:
        The outcome. Errors of the answer, the database's among them, are part of it.
    """
    if exercise.is_untried(answer):
        return Feedback(
            Kind.UNTRIED,
            exercise.name,
            "Write your answer and run the cell again; `hint()` gives a first hint.",
        )
    try:
        with Sandbox(engine) as sandbox:
            return _grade(exercise, answer, sandbox)
    except (SQLAlchemyError, psycopg2.Error) as error:
        driver_error = getattr(error, "orig", None) or error
        if isinstance(driver_error, psycopg2.Error):
            return _unchecked(exercise, Failure.of_database(driver_error))
        return _unchecked(exercise, Failure(f"{error}"))
    except Failure as error:
        return _unchecked(exercise, Failure(f"{error}", getattr(error, "code", "")))


def _grade(exercise: Exercise, answer: object, sandbox: Sandbox) -> Feedback:
    expected = _result(exercise, exercise.answer_of(exercise.solution), sandbox)
    if isinstance(expected, Failure):
        return _unchecked(exercise, expected)
    found = _result(exercise, answer, sandbox)
    if isinstance(found, Failure):
        text, code = found.text, found.code
    else:
        difference = exercise.difference(expected, found)
        if difference is None:
            return Feedback(Kind.RIGHT, exercise.name, "Your result is the one expected.")
        text, code = difference, ""
    hint = _hint_for(exercise, found, sandbox)
    return Feedback(Kind.WRONG, exercise.name, text, code=code, hint=hint)


def _result(exercise: Exercise, answer: object, sandbox: Sandbox) -> Parts | Failure:
    try:
        return exercise.evaluate(answer, sandbox)
    except Failure as failure:
        return failure


def _hint_for(exercise: Exercise, found: Parts | Failure, sandbox: Sandbox) -> str:
    """Return the hint of the typical wrong answer that gives the same, or an empty text."""
    typical = [
        (_result(exercise, exercise.answer_of(exercise.written(wrong)), sandbox), wrong.hint)
        for wrong in exercise.wrong
    ]
    if not sandbox.usable:
        return ""
    for result, hint in typical:
        if isinstance(found, Failure) or isinstance(result, Failure):
            alike = getattr(found, "mark", found) == getattr(result, "mark", result)
        else:
            alike = exercise.difference(result, found) is None
        if alike:
            return hint
    return ""


def _unchecked(exercise: Exercise, failure: Failure) -> Feedback:
    return Feedback(
        Kind.UNCHECKED,
        exercise.name,
        "The check could not run, which says nothing about your answer. Run the lesson from its "
        f"first cell and try again. {failure.text}",
        code=failure.code,
    )
