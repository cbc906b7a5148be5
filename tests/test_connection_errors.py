"""What connect() says when it can't: each refusal by name, and never a password."""

from __future__ import annotations

import contextlib
import re
import socket
import traceback
from collections.abc import Iterator
from types import TracebackType
from urllib.parse import quote

import psycopg2
import pytest
from hypothesis import HealthCheck, assume, example, given, settings
from hypothesis import strategies as st
from IPython.core.ultratb import VerboseTB
from sqlalchemy import URL, Engine
from sqlalchemy.exc import OperationalError
from tcp_proxy import tcp_proxy

from carlib.connection import connect
from carlib.errors import CarlibError, ConnectionFailed, UnsupportedServer
from carlib.server import EmbeddedServer

COMMON = "a-common-passw0rd"
passwords = st.text(st.characters(exclude_categories=["C"]), min_size=6, max_size=30)


@pytest.fixture(scope="module")
def owner(tcp_server: EmbeddedServer) -> Iterator[Engine]:
    """The server's owner, and beside it a role `learner` without any rights."""
    engine = connect(tcp_server.url, schema="public")
    run(engine, f"CREATE ROLE learner LOGIN PASSWORD '{COMMON}'")
    yield engine
    run(engine, "DROP ROLE learner")
    engine.dispose()


def run(engine: Engine, sql: str) -> None:
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.exec_driver_sql(sql)


def learner(owner: Engine) -> URL:
    return owner.url.set(username="learner", password=COMMON)


# -- what each refusal says


@pytest.mark.parametrize(
    ("change", "says", "todo"),
    [
        (
            {"password": "wrong"},
            "the password, or the role postgres, was refused",
            "Percent-encode",
        ),
        ({"password": ""}, "it wants a password, the URL has none", "Write it into"),
        ({"username": "nobody"}, "the role nobody, was refused", "Check both"),
        ({"database": "nothing"}, "there is no such database", "CREATE DATABASE"),
        ({"host": "nowhere.invalid"}, "no host of that name is known", "Correct the host"),
        ({"port": 1}, "nothing listens there", "unset CARLIB_DATABASE_URL"),
        ({"query": {"sslmode": "require"}}, "does not support SSL", "Check the URL"),
        ({"query": {"sslmod": "x"}}, 'invalid connection option "sslmod"', "Check the URL"),
    ],
    ids=lambda value: str(value) if isinstance(value, dict) else "",
)
def test_a_server_that_is_not_reached_is_named(
    tcp_server: EmbeddedServer, change: dict[str, str], says: str, todo: str
) -> None:
    url = tcp_server.url.set(**change)
    with pytest.raises(ConnectionFailed) as error:
        connect(url)
    message = str(error.value)
    assert message.startswith(f"No connection to {url.host}:{url.port}/{url.database} as ")
    assert says in message
    assert todo in message
    assert isinstance(error.value.__cause__, psycopg2.Error)


def test_a_host_that_does_not_answer_is_named(tcp_server: EmbeddedServer) -> None:
    with socket.create_server(("127.0.0.1", 0), backlog=1) as silent:
        port = silent.getsockname()[1]
        url = tcp_server.url.set(port=port).update_query_dict({"connect_timeout": "2"})
        with pytest.raises(
            ConnectionFailed, match=r"the host does not answer.*network and firewall"
        ):
            connect(url)


@pytest.mark.parametrize(
    ("url", "says"),
    [
        ("mysql://u:p@h/d", "Expected .* found mysql://"),
        ("sqlite:///cars.db", "found sqlite://"),
        ("postgresql+psycopg://u:p@h/d", r"found postgresql\+psycopg://.*driver psycopg2"),
        ("cars.db", "this one can't be read"),
        ("postgresql://u:p@h:port/d", "this one can't be read"),
        ("postgresql://u:p@ss@h/d", r"Expected one @.*@ is %40.*%3A.*%2F"),
        ("postgresql://u/x:p@h/d", "Expected one @"),
        ("postgresql://u:p@ss?word@h/d", "Expected one @"),
        ("postgresql:///d?host=a,b&port=1,2,3", "hosts and ports can't be read"),
        (URL.create("postgresql", "u", "p", "ss@h"), "Expected one @"),
        (7, "found an object of type int"),
    ],
)
def test_a_url_that_cannot_be_used_is_explained(url: object, says: str) -> None:
    with pytest.raises(ConnectionFailed, match=says):
        connect(url)


@pytest.mark.parametrize("password", ["a/b:c?d#e&f=g", "50%", "ä €", "%2525"])
def test_a_password_may_hold_all_but_an_at_and_percent_codes(owner: Engine, password: str) -> None:
    run(owner, "ALTER ROLE learner PASSWORD '{}'".format(password.replace("%", "%%")))
    host = f"{owner.url.host}:{owner.url.port}/postgres"
    forms = [quote(password, safe="")] + [password] * (quote(password) != password != "%2525")
    for form in forms:
        connect(f"postgresql://learner:{form}@{host}", schema="public").dispose()
        connect(
            f"postgresql://learner@{host}?password={quote(password, safe='')}", schema="public"
        ).dispose()
    run(owner, f"ALTER ROLE learner PASSWORD '{COMMON}'")


def test_a_server_before_18_is_refused(tcp_server: EmbeddedServer) -> None:
    rewrite = (rb"server_version\x0018", b"server_version\x0017")
    with (
        tcp_proxy(tcp_server.url.port, to_client=rewrite) as port,
        pytest.raises(
            UnsupportedServer, match=r"Expected PostgreSQL 18 or newer .*found 17\.\d+\."
        ),
    ):
        connect(tcp_server.url.set(port=port), schema="never_made")


def test_a_pooler_that_drops_the_search_path_is_noticed(tcp_server: EmbeddedServer) -> None:
    rewrite = (b"search_path", b"carlib.path")
    with (
        tcp_proxy(tcp_server.url.port, to_server=rewrite) as port,
        pytest.raises(ConnectionFailed, match=r'search path "mine".*found "public".*pooler'),
    ):
        connect(tcp_server.url.set(port=port), schema="mine")


def test_a_database_in_another_encoding_is_refused(owner: Engine) -> None:
    run(
        owner,
        "CREATE DATABASE ascii TEMPLATE template0 ENCODING 'SQL_ASCII' "
        "LOCALE_PROVIDER libc LOCALE 'C'",
    )
    with pytest.raises(UnsupportedServer, match=r"UTF8 .*/ascii, found SQL_ASCII"):
        connect(owner.url.set(database="ascii"))
    run(owner, "DROP DATABASE ascii")


def test_missing_rights_are_named(owner: Engine, schema_name: str) -> None:
    with pytest.raises(ConnectionFailed, match=r"GRANT CREATE ON DATABASE postgres TO \"learner\""):
        connect(learner(owner), schema=schema_name)
    run(owner, f"CREATE SCHEMA {schema_name}")
    with pytest.raises(ConnectionFailed, match=r"GRANT USAGE, CREATE ON SCHEMA .* TO \"learner\""):
        connect(learner(owner), schema=schema_name)
    with pytest.raises(ConnectionFailed, match=r"only its owner may, not learner") as error:
        connect(learner(owner), schema=schema_name, fresh=True)
    assert isinstance(error.value.__cause__, psycopg2.errors.InsufficientPrivilege)
    run(owner, f"GRANT USAGE ON SCHEMA {schema_name} TO learner")
    connect(learner(owner), schema=schema_name).dispose()
    run(owner, f"DROP SCHEMA {schema_name}")


# -- never a password


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


@pytest.mark.parametrize("path", PATHS)
def test_a_verbose_traceback_of_ipython_shows_none_either(path: str, owner: Engine) -> None:
    error = failing(path, owner, COMMON)
    trace = next(frames(error.__traceback__))
    shown = VerboseTB(theme_name="nocolor").text(type(error), error, trace)
    assert type(error).__name__ in shown
    assert "connect" in shown
    assert COMMON not in shown
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
