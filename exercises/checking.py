"""Check an answer: run it, compare its result with the solution's, and report the outcome."""

from sqlalchemy import Engine

from exercises.errors import AnswerError
from exercises.exercise import Exercise
from exercises.feedback import Feedback, Outcome
from exercises.results import Results
from exercises.sandbox import Sandbox


def check(exercise: Exercise, answer: object, engine: Engine) -> Feedback:
    """Grade an answer by what it gives on the same rows as the solution.

    Args:
        exercise: The exercise.
        answer: SQL text, a function or a value, as the exercise asks.
        engine: From `connect`, with the lesson's tables. Nothing in it changes.

    Returns:
        The outcome. Errors of the answer, the database's among them, are part of it.
    """
    if exercise.is_untried(answer):
        text = "Write your answer and run the cell again; `hint()` gives a first hint."
        return Feedback(Outcome.UNTRIED, exercise.name, text)
    try:
        with Sandbox(engine) as sandbox:
            return _grade(exercise, answer, sandbox)
    except Exception as error:  # no table, no server, or a mistake in the exercise itself
        cause = AnswerError.of(error)
        text = (
            "The check could not run, which says nothing about your answer. Run the lesson from "
            f"its first cell and try again. {cause.text}"
        )
        return Feedback(Outcome.UNCHECKED, exercise.name, text, code=cause.code)


def _grade(exercise: Exercise, answer: object, sandbox: Sandbox) -> Feedback:
    expected = exercise.evaluate(exercise.answer_of(exercise.solution), sandbox)
    actual = _evaluate(exercise, answer, sandbox)
    if isinstance(actual, AnswerError):
        text, code = actual.text, actual.code
    else:
        text, code = exercise.difference(expected, actual) or "", ""
        if not text:
            return Feedback(Outcome.RIGHT, exercise.name, "Your result is the one expected.")
    hint = _hint_for(exercise, actual, sandbox)
    return Feedback(Outcome.WRONG, exercise.name, text, code=code, hint=hint)


def _evaluate(exercise: Exercise, answer: object, sandbox: Sandbox) -> Results | AnswerError:
    try:
        return exercise.evaluate(answer, sandbox)
    except AnswerError as error:
        return error


def _hint_for(exercise: Exercise, actual: Results | AnswerError, sandbox: Sandbox) -> str:
    """Return the hint of the typical wrong answer that gives the same, or an empty text."""
    for wrong in exercise.wrong:
        typical = _evaluate(exercise, exercise.answer_of(exercise.written(wrong)), sandbox)
        if not sandbox.usable:
            return ""
        if isinstance(actual, AnswerError) or isinstance(typical, AnswerError):
            alike = getattr(actual, "signature", "") == getattr(typical, "signature", None)
        else:
            alike = exercise.difference(typical, actual) is None
        if alike:
            return wrong.hint
    return ""
