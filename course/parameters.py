"""What a lesson lets one change: its parameters, and values for them from a command line.

papermill itself accepts a misspelt name and a text where a number stood; both would run a lesson
with something else than was asked for, so both are refused here before anything runs.
"""

import ast
import difflib
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from course.errors import LessonFormError, UnknownParameter, WrongParameterType

if TYPE_CHECKING:
    from course.lessons import Lesson

_KINDS = {bool: "true or false", int: "a whole number", float: "a number", str: "a text"}


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
    found = {}
    for statement in statements:
        try:
            (target,) = statement.targets
            found[target.id] = ast.literal_eval(statement.value)
        except (AttributeError, ValueError) as error:
            raise LessonFormError(
                f"The parameters cell of {lesson} should hold lines like `rows = 1000` only; "
                f"found `{ast.unparse(statement)}`."
            ) from error
    return found


def assign_parameters(
    lessons: Sequence["Lesson"], values: Mapping[str, object]
) -> list[dict[str, object]]:
    """Say which lesson gets which values.

    Args:
        lessons: The lessons to be run.
        values: Name to value; a text is read as what the lesson's default is.

    Returns:
        For each lesson the values of those names that it declares.

    Raises:
        UnknownParameter: No lesson declares one of the names.
        WrongParameterType: A value is of another kind than a lesson's default.
    """
    known = {name: None for lesson in lessons for name in lesson.parameters}
    for name in values:
        if name not in known:
            raise UnknownParameter(
                f"None of the lessons to be run declares a parameter {name!r}."
                f"{did_you_mean(name, known)} They declare: {', '.join(known) or 'none'}."
            )
    return [
        {
            name: convert(name, value, lesson.parameters[name])
            for name, value in values.items()
            if name in lesson.parameters
        }
        for lesson in lessons
    ]


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """Return the end of a message that proposes the name nearest to a misspelt one, if any."""
    near = difflib.get_close_matches(name, list(known), n=1)
    return f" Did you mean {near[0]!r}?" if near else ""


def fits(value: object, default: object) -> bool:
    """Say whether a value can stand where a default stands, as it is."""
    # bool is a subclass of int in Python, but true is no number of cars.
    same = type(value) is type(default)
    return same or default is None or (type(default) is float and type(value) is int)


def takes(name: str, default: object) -> str:
    """Say in words what kind of value a parameter takes."""
    wanted = _KINDS.get(type(default), f"a {type(default).__name__}")
    return f"The parameter {name!r} takes {wanted} (its default is {default!r})"


def convert(name: str, value: object, default: object) -> object:
    """Read `value` as the kind of thing that `default` is.

    Args:
        name: The parameter's name, for the error's message.
        value: A text from the command line, or a value of the right type already.
        default: The literal in the lesson's parameters cell. None takes any literal or text.

    Raises:
        WrongParameterType: `value` can't be read that way.
    """
    kind = type(default)
    if fits(value, default) and not (default is None and isinstance(value, str)):
        return value
    try:
        if not isinstance(value, str):
            raise ValueError
        if kind is bool:
            return {"true": True, "false": False}[value.strip().lower()]
        if kind in (int, float):
            return kind(value)
        return _literal(value, kind)
    except (KeyError, ValueError, SyntaxError):
        raise WrongParameterType(f"{takes(name, default)}, found {value!r}.") from None


def _literal(text: str, kind: type) -> object:
    try:
        value = ast.literal_eval(text)
    except (ValueError, SyntaxError):
        if kind is not type(None):
            raise
        return text
    if kind not in (type(None), type(value)):
        raise ValueError
    return value
