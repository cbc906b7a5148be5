"""SQL as text: what is a comment, what is quoted, where one statement ends and the next begins.

Enough of PostgreSQL's lexical rules ("Lexical Structure" in its manual) to count statements; nested
block comments and BEGIN ATOMIC are beyond it. What protects the data is decided in the sandbox.
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
    """Split SQL into its statements, without semicolons, comments and superfluous spaces.

    An unclosed quote or comment reaches to the end of the text.
    """
    split = [""]
    for token in _TOKEN.finditer(sql):
        if token["end"]:
            split.append("")
        elif token["comment"] or token[0].isspace():
            split[-1] = split[-1].rstrip(" ") + " "
        else:
            split[-1] += token[0]
    return [statement.strip() for statement in split if statement.strip()]


def transaction_control(sql: str) -> str | None:
    """Return what opens, closes or divides a transaction in the first statement that does so."""
    controls = (_CONTROL.match(statement) for statement in statements(sql))
    return next((control[0].upper() for control in controls if control), None)
