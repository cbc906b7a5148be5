"""What an exercise shows: one object that reads well as text and as HTML.

Words carry the meaning; the colored border repeats it. The colors are those of Okabe and Ito,
"Color Universal Design" (2008), which people with any kind of color vision can tell apart, and
text and background stay the page's own, so that light and dark themes both work.
"""

import re
from dataclasses import dataclass
from enum import StrEnum
from html import escape


class Kind(StrEnum):
    """What is being said; the first four are the outcomes of a check.

    `UNCHECKED` says nothing about the answer: the check itself could not run, because a table of
    the lesson is missing, say, or the server is gone.
    """

    RIGHT = "Right"
    WRONG = "Not right yet"
    UNTRIED = "Not tried yet"
    UNCHECKED = "Not checked"
    QUESTION = "Question"
    HINT = "Hint"
    SOLUTION = "Solution"


_COLORS = {
    Kind.RIGHT: "#009E73",
    Kind.WRONG: "#D55E00",
    Kind.UNTRIED: "#999999",
    Kind.UNCHECKED: "#CC79A7",
    Kind.QUESTION: "#0072B2",
    Kind.HINT: "#E69F00",
    Kind.SOLUTION: "#56B4E9",
}


@dataclass(frozen=True)
class Feedback:
    """One message about one exercise.

    Attributes:
        kind: What is being said.
        exercise: The exercise's name.
        text: Sentences; words between backticks are shown as code.
        code: Lines to show exactly as they are: a solution, or the database's own error.
        hint: The hint that a recognized wrong answer deserves, if it is one.
        number: Which hint of how many this is, such as ``"1 of 3"``.
    """

    kind: Kind
    exercise: str
    text: str = ""
    code: str = ""
    hint: str = ""
    number: str = ""

    @property
    def heading(self) -> str:
        """The first line: what is being said, and about which exercise."""
        return f"{self.kind} {self.number}".strip() + f" ({self.exercise})"

    def __repr__(self) -> str:
        lines = [self.heading]
        lines += [self.text] if self.text else []
        lines += ["", *(f"    {line}".rstrip() for line in self.code.splitlines())][
            : None if self.code else 0
        ]
        lines += [f"Hint: {self.hint}"] if self.hint else []
        return "\n".join(lines)

    def _repr_html_(self) -> str:
        parts = [f"<strong>{escape(self.heading)}</strong>"]
        parts += [f"<div>{as_html(self.text)}</div>"] if self.text else []
        if self.code:
            parts.append(f'<pre style="margin: 0.4em 0">{escape(self.code)}</pre>')
        parts += [f"<div><em>Hint:</em> {as_html(self.hint)}</div>"] if self.hint else []
        return (
            f'<div style="border-left: 5px solid {_COLORS[self.kind]}; padding: 0.2em 0.8em">'
            + "".join(parts)
            + "</div>"
        )


def as_html(text: str) -> str:
    """Escape a text; what stands between backticks becomes code, a line break stays one."""
    marked = re.sub(r"`([^`]+)`", r"<code>\1</code>", escape(text))
    return marked.replace("\n", "<br>")
