"""Text: the one form that equal texts have, characters that hide in it, and words for messages."""

import difflib
import re
import unicodedata
from collections.abc import Iterable

# Blanks other than the plain space, and what Unicode lets a program print as nothing although it
# is in none of the categories below (Default_Ignorable_Code_Point in its data files).
OTHER_BLANK = re.compile("[\xa0\u1680\u2000-\u200a\u202f\u205f\u3000]")
IGNORABLE = re.compile(
    "[\u034f\u115f\u1160\u17b4\u17b5\u180b-\u180f\u2065\u3164\ufe00-\ufe0f\uffa0\ufff0-\ufff8"
    "\U000e0000-\U000e0fff]"
)
# Control and format characters, halves of a character, separators of lines and of paragraphs.
UNSEEN = ("Cc", "Cf", "Cs", "Zl", "Zp")


def tidy_text(text: str, upper: bool = False) -> str:
    """Bring a text to normalization form C without blanks around it, in upper case if asked to.

    A blank of another kind within it, such as the one that does not break, becomes a space.
    """
    text = OTHER_BLANK.sub(" ", unicodedata.normalize("NFC", text).strip())
    return unicodedata.normalize("NFC", text.upper()) if upper else text


def _is_unseen(character: str) -> bool:
    """Return whether a character prints as nothing, so that two texts look equal and are not."""
    return unicodedata.category(character) in UNSEEN or bool(IGNORABLE.match(character))


def hidden_character(text: str) -> str | None:
    """Say which character of a tidy text can't be seen, if any, as the end of a sentence."""
    if any("\ud800" <= character <= "\udfff" for character in text):  # half a character
        return "is not valid Unicode"
    if unseen := next(filter(_is_unseen, text), None):
        return f"has an invisible character (U+{ord(unseen):04X})"
    if unicodedata.category(text[:1] or " ").startswith("M"):
        return f"begins with a combining mark (U+{ord(text[0]):04X})"
    return None


def visible_text(text: str) -> str:
    """Return the text without what `hidden_character` refuses in it."""
    text = "".join(character for character in text if not _is_unseen(character)).strip()
    while text and unicodedata.category(text[0]).startswith("M"):
        text = text[1:]
    return text


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
