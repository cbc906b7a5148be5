"""Whatever fails in connect(), a password is never shown: not in texts, reprs, nor tracebacks."""

import re
import traceback
from collections.abc import Iterator
from urllib.parse import quote

import pytest
from roles import COMMON, run
from sqlalchemy import URL, Engine
from sqlalchemy.exc import OperationalError

from carlib import connect
from carlib.errors import CarlibError, ConnectionFailed

PASSWORDS = [
    "p@ss/w:rd?x=1#%41 'quoted' \"twice\" \\ end",
    "half@other-half?and-more@more-yet",
    "postgres-and-more",
    "pässwörd \u2028 50%",
]
CLOSED = "127.0.0.1:1/d"
# {0} is the password, {1} the same percent-encoded, {2} the place of a server that answers.
URLS = {
    "wrong password": "postgresql://postgres:{1}@{2}",
    "no such role": "postgresql://nobody:{1}@{2}",
    "unknown host": "postgresql://u:{1}@nowhere.invalid/d",
    "closed port": f"postgresql://u:{{1}}@{CLOSED}",
    "password in the query": f"postgresql://u@{CLOSED}?password={{1}}&sslpassword={{1}}",
    "not encoded": f"postgresql://u:{{0}}@{CLOSED}",
    "another dialect": "mysql://u:{1}@127.0.0.1/d",
    "bad port": "postgresql://u:{1}@127.0.0.1:port/d",
    "unknown option": f"postgresql://u:{{1}}@{CLOSED}?nonsense=1",
    "NUL": f"postgresql://u:{{1}}%00@{CLOSED}",
    "schema name": f"postgresql://u:{{1}}@{CLOSED}",
    "missing right": "postgresql://learner:{1}@{2}",
    "later": "postgresql://learner:{1}@{2}",
}
OBJECTS = {
    "URL object": ("{}", "127.0.0.1"),
    "URL object, misread": ("p", "{}@127.0.0.1"),
    "surrogate": ("{}\ud800", "127.0.0.1"),
}
SCHEMAS = {"schema name": "", "missing right": "never_made"}


def failing(path: str, owner: Engine, password: str) -> BaseException:
    """Let connect() fail with that password in its URL; the error it raised."""
    if path in OBJECTS:
        secret, host = (part.format(password) for part in OBJECTS[path])
        url = URL.create("postgresql", "u", secret, host, 1, "d")
    else:
        real = f"{owner.url.host}:{owner.url.port}/postgres"
        url = URLS[path].format(password, quote(password, safe=""), real)
    run(owner, f"ALTER ROLE learner PASSWORD {literal(password)}")
    try:
        engine = connect(url, schema=SCHEMAS.get(path, "public"))
        run(owner, "ALTER ROLE learner PASSWORD NULL")
        engine.dispose()
        assert engine.url.password == password
        assert password not in repr(engine)
        engine.connect()
    except (CarlibError, OperationalError) as error:
        return error
    raise AssertionError(f"{path}: nothing failed")


def literal(text: str) -> str:
    return "'" + text.replace("'", "''").replace("%", "%%") + "'"


def chain(error: BaseException | None) -> Iterator[BaseException]:
    """An error, its causes and its contexts, also the hidden ones."""
    if error is not None:
        yield error
        yield from chain(error.__cause__)
        yield from chain(error.__context__)


def everything_shown(error: BaseException) -> str:
    """The plain traceback of an error, and the texts and reprs of it and of its causes."""
    shown = traceback.format_exception(error)
    for one in chain(error):
        shown += [str(one), repr(one), repr(one.args), repr(vars(one))]
    return "\n".join(shown)


@pytest.mark.parametrize("path", [*URLS, *OBJECTS])
def test_a_password_is_never_shown(path: str, owner: Engine) -> None:
    usual = everything_shown(failing(path, owner, COMMON))
    assert COMMON not in usual
    for password in PASSWORDS:
        if path == "not encoded":
            # A misread URL may take any piece for its host, port, database or options.
            pieces = [p for p in re.split("[@:/?#&=]", password) if len(p) > 3 and p not in usual]
        else:
            pieces = [password, quote(password, safe="")]
        shown = everything_shown(failing(path, owner, password))
        for piece in pieces:
            assert piece not in shown
    run(owner, f"ALTER ROLE learner PASSWORD '{COMMON}'")


def test_an_error_that_shows_the_password_gives_way_to_what_it_means(owner: Engine) -> None:
    # The driver's message has the role's name in it; as a password it is a secret, unless both are
    # the same, since then it is public already.
    for username, password, hidden in (("learner", "failed for user", True), ("no", "no", False)):
        with pytest.raises(ConnectionFailed, match="the role or its password was refused") as error:
            connect(owner.url.set(username=username, password=password))
        assert ("failed for user" not in str(error.value.__cause__)) == hidden
