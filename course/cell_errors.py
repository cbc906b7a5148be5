"""What a failing cell says, in a line or two."""

import re
from collections.abc import Sequence


def failing_line(traceback: Sequence[str]) -> str:
    """Return the line that IPython's arrow points to: what an `assert` without a text says."""
    found = re.search(r"^-+> \d+ (.*)", _plain("\n".join(traceback)), re.MULTILINE)
    return found[1].strip() if found else ""


def _plain(text: str) -> str:
    """The text without a terminal's colors."""
    return re.sub(r"\x1b\[[0-9;]*m", "", text)


def brief(name: str, message: str) -> str:
    """Return the error's name and at most two lines of what it says."""
    lines = [line.strip() for line in _plain(message).splitlines()]
    return f"{name}: " + "\n".join([line for line in lines if line][:2])[:400]
