"""A database URL that refers to environment variables, so that no password is in a file."""

from __future__ import annotations

import os
import re
from typing import Any

from sqlalchemy import URL, make_url
from sqlalchemy.exc import ArgumentError

from carlib._database_url import FORM, Secret, target
from carlib.errors import ConnectionFailed
from course.located_yaml import Located

_REFERENCE = re.compile(r"\$\{([A-Za-z_][A-Za-z0-9_]*)\}")


def resolve_url(located: Located) -> Secret:
    """Return the URL that a node of a file holds, with its references replaced.

    ``${CLASS_URL}`` alone is replaced by a whole URL. Inside of a URL, a reference stands for a
    user name, password, host or database as it is: nothing in it needs to be percent-encoded.

    Raises:
        ClassFileError: It is no URL of a PostgreSQL, or a variable is not set. No part of the URL
            is shown.
    """
    text = located.text("a database URL").strip()
    if whole := _REFERENCE.fullmatch(text):
        text = _variable(whole, located)
    else:
        text = _with_parts_replaced(text, located)
    try:
        target(Secret(text), "")
    except ConnectionFailed as error:
        raise located.error(f"{error}") from None
    return Secret(text)


def _with_parts_replaced(text: str, located: Located) -> str:
    if not _REFERENCE.search(text):
        return text
    try:
        url = make_url(text)
    except (ArgumentError, ValueError):
        raise located.error(
            f"expected a database URL like {FORM}, in which ${{NAME}} may stand for the user, the "
            "password, the host or the database; this one can't be read."
        ) from None
    parts: dict[str, Any] = {
        name: _REFERENCE.sub(lambda found: _variable(found, located), value)
        for name in ("username", "password", "host", "database")
        if (value := getattr(url, name))
    }
    replaced: URL = url.set(**parts)
    return replaced.render_as_string(hide_password=False)


def _variable(found: re.Match[str], located: Located) -> str:
    value = os.environ.get(found[1], "")
    if not value:
        raise located.error(
            f"expected the environment variable {found[1]} to be set, found none. Set it, or write "
            "what it stands for."
        )
    return value
