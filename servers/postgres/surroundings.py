"""What the surroundings may not do to a server of our own: choose who is reached, wait unseen.

libpq, the driver's library, fills in what a connection does not say: from variables that begin
with PG, from a service file and from a password file. Some of it no connection can overrule.
"""

import contextlib
import os
import sys
import threading
from collections.abc import Iterator

from sqlalchemy import URL

WAIT_SECONDS = 2  # the longest wait without a word
MARK = {"fallback_application_name": "carlib-embedded"}  # of our servers' URLs
# What they say besides, so that libpq has nothing to look for; the file does not exist.
COMPLETE = {"sslmode": "disable", "gssencmode": "disable", "channel_binding": "disable"}
COMPLETE |= {"target_session_attrs": "any", "passfile": os.devnull + ".none"} | MARK
# libpq sends these with every connection, and they win over what the connection says.
SESSION_VARIABLES = {"PGTZ", "PGDATESTYLE", "PGGEQO"}

_changing = threading.RLock()
if hasattr(os, "register_at_fork"):  # a forked child has its whole environment, and a free lock
    os.register_at_fork(
        before=_changing.acquire,
        after_in_parent=_changing.release,
        after_in_child=_changing.release,
    )


@contextlib.contextmanager
def without_libpq_variables(url: URL) -> Iterator[None]:
    """Hide the variables that may not have a say in a connection to `url`.

    For a server of our own that is all of libpq's. They may complete any other URL, but not change
    the settings of its session.
    """
    own = MARK.items() <= url.query.items()
    with _changing:
        hidden = [n for n in os.environ if n.startswith("PG") and (own or n in SESSION_VARIABLES)]
        values = {name: os.environ.pop(name) for name in hidden}
        try:
            yield
        finally:
            os.environ.update(values)


@contextlib.contextmanager
def announced(waiting: str) -> Iterator[None]:
    """Say on stderr what the block waits for, if that takes longer than `WAIT_SECONDS`."""
    text = f"carlib: waiting for {waiting}"
    timer = threading.Timer(WAIT_SECONDS, print, [text], {"file": sys.stderr, "flush": True})
    timer.daemon = True
    with contextlib.suppress(RuntimeError):  # no new threads while Python ends
        timer.start()
    try:
        yield
    finally:
        timer.cancel()
