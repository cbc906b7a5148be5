"""Text from elsewhere, such as a name in a file, made fit for a terminal."""


def printable(text: str) -> str:
    """Return the text with what a terminal would not print, or would obey, written as escapes."""
    return "".join(one if one.isprintable() else ascii(one)[1:-1] for one in text)
