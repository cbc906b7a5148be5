"""What a lesson lets one change: the values in its parameters cell.

papermill itself accepts a misspelled name, and a text where a number stood. Both would run a lesson
with something else than was asked for, so both are refused before anything runs.
"""

import ast
from contextlib import suppress
from typing import Any

from course.errors import LessonFormError, WrongParameterType

_TYPES = {bool: "true or false", int: "a whole number", float: "a number", str: "a text"}


def declared_parameters(source: str, lesson: str = "the lesson") -> dict[str, object]:
    """Read the names and defaults out of a ``parameters`` cell without running it.

    Args:
        source: The cell's text.
        lesson: The lesson's name, for the error's message.

    Returns:
        Name to default value, in the cell's order.

    Raises:
        LessonFormError: A line is not ``name = literal``.
    """
    try:
        statements: list[Any] = ast.parse(source).body  # what is no assignment has no targets
    except SyntaxError as error:
        raise LessonFormError(f"The parameters cell of {lesson} can't be read: {error}.") from error
    parameters = {}
    for statement in statements:
        try:
            (target,) = statement.targets
            parameters[target.id] = ast.literal_eval(statement.value)
        except (AttributeError, ValueError) as error:
            raise LessonFormError(
                f"The parameters cell of {lesson} should hold lines like `rows = 1000` only; "
                f"found `{ast.unparse(statement)}`."
            ) from error
    return parameters


def convert(name: str, value: object, default: object) -> object:
    """Read a value as the type that the parameter's default has.

    Args:
        name: The parameter's name, for the error's message.
        value: A text from the command line, or a value of the right type already.
        default: The literal in the lesson's parameters cell. None takes any literal or text.

    Raises:
        WrongParameterType: `value` can't be read that way.
    """
    expected = type(default)
    converted = value
    if isinstance(value, str) and expected is not str:
        converted = _parse(value, expected)
    # By type, not isinstance: True is an int in Python, but no number of cars.
    if default is None or type(converted) is expected:
        return converted
    if expected is float and type(converted) is int:
        return converted
    words = _TYPES.get(expected, f"a {expected.__name__}")
    raise WrongParameterType(
        f"The parameter {name!r} takes {words} (its default is {default!r}), found {value!r}."
    )


def _parse(text: str, expected: type) -> object:
    """Read a text as a value of a type; what can't be read stays a text."""
    with suppress(KeyError, ValueError, SyntaxError, TypeError):
        if expected is bool:
            return {"true": True, "false": False}[text.strip().lower()]
        return expected(text) if expected in (int, float) else ast.literal_eval(text)
    return text
