"""Whatever fails in connect(), a password is never shown: not in texts, nor in any traceback."""

import contextlib
import re
import traceback
from collections.abc import Iterator
from types import TracebackType
from urllib.parse import quote

import psycopg2
import pytest
from hypothesis import HealthCheck, assume, example, given, settings
from hypothesis import strategies as st
from roles import COMMON, run
from sqlalchemy import URL, Engine
from sqlalchemy.exc import OperationalError

from carlib import connect
from carlib.errors import CarlibError, ConnectionFailed

passwords = st.text(st.characters(exclude_categories=["C"]), min_size=6, max_size=30)


def failing(path: str, owner: Engine, password: str) -> BaseException:
    """Let connect() fail with that password in its URL; the error it raised."""
    real = f"{owner.url.host}:{owner.url.port}"
    coded = quote(password, safe="")
    schema, url = "public", ""
    match path:
        case "wrong password":
            url = f"postgresql://postgres:{coded}@{real}/postgres"
        case "no such role":
            url = f"postgresql://nobody:{coded}@{real}/postgres"
        case "unknown host":
            url = f"postgresql://u:{coded}@nowhere.invalid/d"
        case "closed port":
            url = f"postgresql://u:{coded}@127.0.0.1:1/d"
        case "password in the query":
            url = f"postgresql://u@127.0.0.1:1/d?password={coded}&sslpassword={coded}"
        case "not encoded":
            url = f"postgresql://u:{password}@127.0.0.1:1/d"
        case "URL object":
            url = URL.create("postgresql", "u", password, "127.0.0.1", 1, "d")
        case "URL object, misread":
            url = URL.create("postgresql", "u", "p", f"{password}@127.0.0.1", 1, "d")
        case "another dialect":
            url = f"mysql://u:{coded}@127.0.0.1/d"
        case "bad port":
            url = f"postgresql://u:{coded}@127.0.0.1:port/d"
        case "unknown option":
            url = f"postgresql://u:{coded}@127.0.0.1:1/d?nonsense=1"
        case "NUL":
            url = f"postgresql://u:{coded}%00@127.0.0.1:1/d"
        case "surrogate":
            url = URL.create("postgresql", "u", f"{password}\ud800", "127.0.0.1", 1, "d")
        case "schema name":
            schema, url = "", f"postgresql://u:{coded}@127.0.0.1:1/d"
        case "missing right" | "later":
            schema = "public" if path == "later" else "never_made"
            run(owner, f"ALTER ROLE learner PASSWORD {literal(password)}")
            url = f"postgresql://learner:{coded}@{real}/postgres"
    try:
        engine = connect(url, schema=schema)
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


PATHS = [
    *("wrong password", "no such role", "unknown host", "closed port", "password in the query"),
    *("not encoded", "URL object", "URL object, misread", "another dialect", "bad port"),
    *("unknown option", "NUL", "surrogate", "schema name", "missing right", "later"),
]


def chain(error: BaseException | None) -> Iterator[BaseException]:
    """An error, its causes and its contexts, also the hidden ones."""
    if error is not None:
        yield error
        yield from chain(error.__cause__)
        yield from chain(error.__context__)


def frames(trace: TracebackType | None) -> Iterator[TracebackType]:
    """The frames of a traceback but those of this file, whose own variables hold the password."""
    while trace is not None:
        if trace.tb_frame.f_code.co_filename != __file__:
            yield trace
        trace = trace.tb_next


def everything_shown(error: BaseException) -> str:
    """All that any handler could print of an error: texts, reprs, and every frame's variables."""
    shown = traceback.format_exception(error)
    for one in chain(error):
        shown += [str(one), repr(one), repr(one.args), repr(vars(one))]
        for trace in frames(one.__traceback__):
            for value in trace.tb_frame.f_locals.values():
                with contextlib.suppress(Exception):  # some reprs fail in the middle of an error
                    shown += [repr(value), str(value)]
    return "\n".join(shown)


@pytest.mark.parametrize("path", PATHS)
def test_a_password_is_never_shown(path: str, owner: Engine) -> None:
    usual = everything_shown(failing(path, owner, COMMON))
    assert COMMON not in usual

    @settings(max_examples=15, deadline=None, suppress_health_check=list(HealthCheck))
    @given(password=passwords)
    @example(password="p@ss/w:rd?x=1#%41 'quoted' \"twice\" \\ end")
    @example(password="half@other-half?and-more@more-yet")
    @example(password="postgres-and-more")
    def check(password: str) -> None:
        assume(password not in usual)
        if path == "not encoded":
            # A misread URL may take any piece for its host, port, database or options.
            pieces = [p for p in re.split("[@:/?#&=]", password) if len(p) > 3 and p not in usual]
        else:
            pieces = [password, quote(password, safe="")]
        shown = everything_shown(failing(path, owner, password))
        for piece in pieces:
            assert piece not in shown

    check()
    run(owner, f"ALTER ROLE learner PASSWORD '{COMMON}'")


def test_a_cause_that_shows_the_password_is_left_out(owner: Engine) -> None:
    # The driver's message has the role's name in it; as a password it is a secret, unless both are
    # the same, since then it is public already.
    url = owner.url.set(username="learner", password="failed for user")
    with pytest.raises(ConnectionFailed) as error:
        connect(url)
    assert error.value.__cause__ is None
    with pytest.raises(ConnectionFailed) as error:
        connect(owner.url.set(username="nobody", password="nobody"))
    assert isinstance(error.value.__cause__, psycopg2.OperationalError)
