"""Words for messages: the name that was meant, and text that is safe to print."""

import difflib
from collections.abc import Iterable


def nearest(name: str, names: Iterable[str]) -> str | None:
    """Return the one of `names` that is most like `name`, whatever the case, if any is."""
    by_lower = {each.lower(): each for each in names}
    matches = difflib.get_close_matches(name.strip().lower(), by_lower, n=1)
    return by_lower[matches[0]] if matches else None


def did_you_mean(name: str, names: Iterable[str]) -> str:
    """Return the end of a message that proposes the nearest name, with a blank before it, or ""."""
    meant = nearest(name, names)
    return f" Did you mean {meant!r}?" if meant is not None else ""


def printable(text: str) -> str:
    """Return the text with what a terminal would not print, or would obey, written as escapes."""
    return "".join(c if c.isprintable() else ascii(c)[1:-1] for c in text)
