"""SQL as text: what is a comment, what is quoted, where one statement ends and the next begins.

Enough of PostgreSQL's lexical rules ("Lexical Structure" in its manual) to count statements and to
see whether anything but comments was written. Nested block comments and the bodies of functions
written with BEGIN ATOMIC are beyond it; what protects the data is not decided here (see sandbox).
"""

import re

_TOKEN = re.compile(
    r"""(?P<comment>--[^\n]*|/\*.*?(?:\*/|\Z))
      | (?P<quoted>[eE]'(?:[^'\\]|''|\\.)*(?:'|\Z)
                 | '(?:[^']|'')*(?:'|\Z)
                 | "(?:[^"]|"")*(?:"|\Z)
                 | \$(?P<tag>(?:[^\W\d]\w*)?)\$.*?(?:\$(?P=tag)\$|\Z))
      | (?P<word>[^\W\d][\w$]*)
      | (?P<end>;)
      | .""",
    re.DOTALL | re.VERBOSE,
)

_CONTROL = re.compile(
    r"(abort|begin|commit|end|rollback|savepoint|release|start transaction|prepare transaction)\b",
    re.I,
)


def statements(sql: str) -> list[str]:
    """Split SQL into its statements, without comments and with single spaces between words.

    Args:
        sql: Any text; an unclosed quote or comment reaches to the end.

    Returns:
        The statements without their semicolons; `[]` when there are only comments and space.
    """
    found = [""]
    for token in _TOKEN.finditer(sql):
        if token["end"]:
            found.append("")
        elif token["comment"] or token[0].isspace():
            found[-1] = found[-1].rstrip(" ") + " "
        else:
            found[-1] += token[0]
    return [statement.strip() for statement in found if statement.strip()]


def transaction_control(sql: str) -> str | None:
    """Return what opens, closes or divides a transaction in the first statement that does so."""
    controls = (_CONTROL.match(statement) for statement in statements(sql))
    return next((control[0].upper() for control in controls if control), None)
