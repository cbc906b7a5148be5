"""What connect() says when it can't: each refusal by name."""

import socket
from urllib.parse import quote

import psycopg2
import pytest
from roles import COMMON, learner, run
from sqlalchemy import URL, Engine
from tcp_proxy import tcp_proxy

from carlib import connect
from carlib.errors import ConnectionFailed
from servers.postgres import EmbeddedServer


@pytest.mark.parametrize(
    ("change", "says", "todo"),
    [
        ({"password": "wrong"}, "the role or its password was refused", "Percent-encode"),
        ({"password": "password"}, "the role or its password was refused", "Percent-encode"),
        ({"password": ""}, "it wants a password", "Write it into"),
        ({"username": "nobody"}, "as nobody: the role or its password was refused", "Check both"),
        ({"database": "nothing"}, "there is no such database", "CREATE DATABASE"),
        ({"host": "nowhere.invalid"}, "no such host is known", "Correct the URL"),
        ({"port": 1}, "nothing listens there", "unset CARLIB_DATABASE_URL"),
        ({"query": {"sslmode": "require"}}, "does not support SSL", "Check the URL"),
        ({"query": {"sslmod": "x"}}, 'invalid connection option "sslmod"', "Check the URL"),
    ],
    ids=lambda value: str(value) if isinstance(value, dict) else "",
)
def test_a_server_that_is_not_reached_is_named(
    tcp_server: EmbeddedServer, change: dict[str, str], says: str, todo: str
) -> None:
    url = tcp_server.url.difference_update_query(["hostaddr"]).set(**change)
    with pytest.raises(ConnectionFailed) as error:
        connect(url)
    message = str(error.value)
    assert message.startswith(f"No connection to {url.host}:{url.port}/{url.database} as ")
    assert says in message
    assert todo in message
    assert isinstance(error.value.__cause__, psycopg2.Error)


def test_a_host_that_does_not_answer_is_named(
    tcp_server: EmbeddedServer, capsys: pytest.CaptureFixture[str]
) -> None:
    with socket.create_server(("127.0.0.1", 0), backlog=1) as silent:
        port = silent.getsockname()[1]
        url = tcp_server.url.set(port=port).update_query_dict({"connect_timeout": "4"})
        with pytest.raises(
            ConnectionFailed, match=r"the host does not answer.*network and firewall"
        ):
            connect(url)
    waiting = f"carlib: waiting for 127.0.0.1:{port}/postgres to answer\n"
    assert capsys.readouterr().err == waiting


@pytest.mark.parametrize(
    ("url", "says"),
    [
        ("mysql://u:p@h/d", "Expected .* found mysql://"),
        ("sqlite:///cars.db", "found sqlite://"),
        ("postgresql+psycopg://u:p@h/d", r"driver psycopg2; found postgresql\+psycopg://"),
        ("cars.db", "this one can't be read"),
        ("postgresql://u:p@h:port/d", "this one can't be read"),
        ("postgresql://u:p@ss@h/d", r"with one @, before the host.*@ is %40.*%3A.*%2F"),
        ("postgresql://u/x:p@h/d", "with one @, before the host"),
        ("postgresql://u:p@ss?word@h/d", "with one @, before the host"),
        ("postgresql:///d?host=a,b&port=1,2,3", "hosts and ports can't be read"),
        (URL.create("postgresql", "u", "p", "ss@h"), "with one @, before the host"),
        (7, "this one can't be read"),
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
            ConnectionFailed, match=r"Expected PostgreSQL 18 or newer.*found 17\.\d+ with UTF8\."
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
    with pytest.raises(
        ConnectionFailed, match=r"in UTF8, at .*/ascii; found 18\.\d+ with SQL_ASCII"
    ):
        connect(owner.url.set(database="ascii"))
    run(owner, "DROP DATABASE ascii")


def test_missing_rights_are_named(owner: Engine, schema_name: str) -> None:
    with pytest.raises(ConnectionFailed, match=r"GRANT CREATE ON DATABASE postgres TO \"learner\""):
        connect(learner(owner), schema=schema_name)
    run(owner, f"CREATE SCHEMA {schema_name}")
    with pytest.raises(ConnectionFailed, match=r"GRANT USAGE, CREATE ON SCHEMA .* TO \"learner\""):
        connect(learner(owner), schema=schema_name)
    with pytest.raises(ConnectionFailed, match=r"only its owner may drop it, not learner") as error:
        connect(learner(owner), schema=schema_name, fresh=True)
    assert isinstance(error.value.__cause__, psycopg2.errors.InsufficientPrivilege)
    run(owner, f"GRANT USAGE ON SCHEMA {schema_name} TO learner")
    connect(learner(owner), schema=schema_name).dispose()
    run(owner, f"DROP SCHEMA {schema_name}")
