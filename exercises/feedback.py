"""What an exercise shows: one object that reads well as text and as HTML.

Words carry the meaning; a colored border repeats it. Text and background stay the page's own, so
that light and dark themes both work.
"""

import re
from dataclasses import dataclass
from enum import StrEnum
from html import escape
from textwrap import indent


class Outcome(StrEnum):
    """What a message says: the first four come of a check, the others of what was asked for."""

    RIGHT = "Right"
    WRONG = "Not right yet"
    UNTRIED = "Not tried yet"
    UNCHECKED = "Not checked"  # the check could not run, which says nothing about the answer
    QUESTION = "Question"
    HINT = "Hint"
    SOLUTION = "Solution"


# Okabe and Ito, "Color Universal Design" (2008): told apart with any kind of color vision.
_PALETTE = "#009E73", "#D55E00", "#999999", "#CC79A7", "#0072B2", "#E69F00", "#56B4E9"
_COLORS = dict(zip(Outcome, _PALETTE, strict=True))


@dataclass(frozen=True)
class Feedback:
    """One message about one exercise; a program reads `outcome` and `exercise`.

    Attributes:
        outcome: What the message says, such as ``Outcome.RIGHT``.
        exercise: The exercise's name.
        text: Sentences; words between backticks are shown as code.
        code: Lines to show exactly as they are: a solution, or the database's own error.
        hint: The hint that belongs to a recognized wrong answer.
        number: Which hint of how many this is, such as ``"1 of 3"``.
    """

    outcome: Outcome
    exercise: str
    text: str = ""
    code: str = ""
    hint: str = ""
    number: str = ""

    def _heading(self) -> str:
        return f"{self.outcome} {self.number}".strip() + f" ({self.exercise})"

    def __repr__(self) -> str:
        code = self.code and "\n" + indent(self.code, "    ")
        hint = self.hint and f"Hint: {self.hint}"
        return "\n".join(filter(None, [self._heading(), self.text, code, hint]))

    def _repr_html_(self) -> str:
        style = f"border-left: 5px solid {_COLORS[self.outcome]}; padding: 0.2em 0.8em"
        heading = f"<strong>{escape(self._heading())}</strong>"
        text = self.text and f"<div>{as_html(self.text)}</div>"
        code = self.code and f'<pre style="margin: 0.4em 0">{escape(self.code)}</pre>'
        hint = self.hint and f"<div><em>Hint:</em> {as_html(self.hint)}</div>"
        return f'<div style="{style}">{heading}{text}{code}{hint}</div>'


def as_html(text: str) -> str:
    """Escape a text; what stands between backticks becomes code, a line break stays one."""
    marked = re.sub(r"`([^`]+)`", r"<code>\1</code>", escape(text))
    return marked.replace("\n", "<br>")
