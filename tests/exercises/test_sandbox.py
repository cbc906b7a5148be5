"""Where answers run: whatever they do, the learner's data stays as it was."""

import re
import time

import psycopg2
import pytest
from sqlalchemy import create_engine, text

from carlib.cars import sample_cars
from carlib.loading.initial import initial_load
from exercises.errors import AnswerError
from exercises.sandbox import MAX_ROWS, Sandbox


@pytest.fixture(scope="module")
def cars(tables):
    initial_load(tables, sample_cars())
    return tables


@pytest.fixture
def untouched(cars):
    """The two cars' engine; afterwards everything in the schema must be as it was."""
    before = content(cars)
    yield cars
    assert content(cars) == before


def content(engine):
    """The schema's relations, and the rows of its three tables."""
    queries = [
        "SELECT relname FROM pg_class WHERE relnamespace = current_schema()::regnamespace",
        *(f"SELECT * FROM {table}" for table in ("car_brand", "car_model", "car_info")),
    ]
    with engine.connect() as connection:
        return [connection.execute(text(f"{query} ORDER BY 1")).all() for query in queries]


SQL = [
    "DELETE FROM car_brand",
    "DROP TABLE car_info CASCADE",
    "TRUNCATE car_brand CASCADE",
    "CREATE TABLE dealer (name text); INSERT INTO dealer VALUES ('a')",
    "DELETE FROM car_info; SELECT pg_terminate_backend(pg_backend_pid())",
]
ENDING = [
    "DELETE FROM car_info; COMMIT",
    "COMMIT; DELETE FROM car_info",
    "ROLLBACK; DELETE FROM car_info; COMMIT",
    "DELETE FROM car_info; RELEASE SAVEPOINT attempt; COMMIT AND CHAIN",
    "DELETE FROM car_info; PREPARE TRANSACTION 'x'",
    "DO $$ BEGIN DELETE FROM car_info; COMMIT; END $$",
    "CREATE PROCEDURE p() LANGUAGE plpgsql AS 'BEGIN COMMIT; END'; DELETE FROM car_info; CALL p()",
    "SET default_transaction_read_only = off; DELETE FROM car_info; COMMIT",
]


@pytest.mark.parametrize("sql", [*SQL, *ENDING])
def test_no_sql_leaves_a_trace_and_the_server_itself_refuses_to_end_the_transaction(untouched, sql):
    error = None
    with Sandbox(untouched) as sandbox:
        try:
            with sandbox.attempt():
                sandbox.execute(sql)
        except AnswerError as caught:
            error = caught
    if sql in ENDING:
        assert re.search("transaction commands|invalid transaction termination", error.code)


@pytest.mark.parametrize("sql", [*SQL, *ENDING, "DELETE FROM car_info RETURNING vin"])
def test_a_query_may_only_read_and_is_one_statement(untouched, sql):
    with Sandbox(untouched) as sandbox, pytest.raises(AnswerError), sandbox.attempt():
        sandbox.rows(sql)


DELETE = text("DELETE FROM car_info")


def through_the_driver(connection):
    driver = connection.connection.driver_connection
    driver.rollback()
    driver.cursor().execute("DELETE FROM car_info")
    driver.commit()


@pytest.mark.parametrize(
    "misbehave",
    [
        lambda connection: (connection.execute(DELETE), connection.commit()),
        lambda connection: (connection.execute(DELETE), connection.execute(text("COMMIT"))),
        lambda connection: (connection.rollback(), connection.execute(DELETE), connection.commit()),
        lambda connection: (connection.execute(DELETE), connection.connection.commit()),
        lambda connection: connection.begin(),
        lambda connection: setattr(connection.connection.driver_connection, "autocommit", True),
        through_the_driver,
    ],
)
def test_no_function_leaves_a_trace_and_the_next_attempt_starts_clean(untouched, misbehave):
    with Sandbox(untouched) as sandbox:
        with pytest.raises(Exception, match=r"."), sandbox.attempt():
            misbehave(sandbox.connection())
        with sandbox.attempt():
            connection = sandbox.connection()
            assert connection.scalar(text("SELECT count(*) FROM car_info")) == 2
            with connection.begin_nested():  # a savepoint is allowed
                connection.execute(DELETE)
            assert connection.scalar(text("SELECT count(*) FROM car_info")) == 0
        with sandbox.attempt():
            sandbox.execute("DELETE FROM car_info")


def test_an_engine_in_autocommit_mode_is_rolled_back_too(untouched):
    autocommitting = untouched.execution_options(isolation_level="AUTOCOMMIT")
    with Sandbox(autocommitting) as sandbox, sandbox.attempt():
        sandbox.execute("DELETE FROM car_info")


def test_each_attempt_starts_from_the_same_rows(cars):
    count = "SELECT count(*) FROM car_brand"
    with Sandbox(cars) as sandbox:
        with sandbox.attempt("INSERT INTO car_brand (name) VALUES ('Saab')"):
            assert sandbox.rows(count).rows == [(("number", 3),)]
            assert sandbox.rows("SELECT 1 AS again").columns == ("again",)
        with cars.begin() as connection:  # somebody else, meanwhile
            connection.execute(text("INSERT INTO car_brand (name) VALUES ('Fiat')"))
        with sandbox.attempt():
            assert sandbox.rows(count).rows == [(("number", 2),)]


def test_what_a_rollback_keeps_ends_with_the_connection(cars):
    with Sandbox(cars) as sandbox, sandbox.attempt():
        sandbox.rows("SELECT pg_advisory_lock(424242)")
    held = text("SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND objid = 424242")
    deadline = time.monotonic() + 10
    with cars.connect() as connection:
        while connection.scalar(held):
            assert time.monotonic() < deadline
            time.sleep(0.05)
        assert connection.scalar(text("SHOW default_transaction_read_only")) == "off"
    assert cars.pool.checkedout() == 0


def test_a_slow_statement_is_stopped(cars):
    with Sandbox(cars, seconds=0.1) as sandbox:
        with pytest.raises(AnswerError) as caught, sandbox.attempt():
            sandbox.rows("SELECT pg_sleep(60)")
        assert "canceling statement due to statement timeout" in caught.value.code
        with sandbox.attempt():
            assert sandbox.rows("SELECT 1").rows


def test_a_lock_held_in_the_notebook_is_reported(cars):
    with cars.begin() as connection, Sandbox(cars, lock_seconds=0.1) as sandbox:
        connection.execute(text("LOCK TABLE car_info"))
        with pytest.raises(AnswerError) as caught, sandbox.attempt():
            sandbox.execute("DELETE FROM car_info")
    assert "canceling statement due to lock timeout" in caught.value.code


def test_only_so_many_rows_are_fetched(cars):
    with Sandbox(cars) as sandbox, sandbox.attempt():
        series = "SELECT * FROM generate_series(1, {})"
        assert len(sandbox.rows(series.format(MAX_ROWS)).rows) == MAX_ROWS
        with pytest.raises(AnswerError, match=f"at most {MAX_ROWS} rows, found more"):
            sandbox.rows(series.format(MAX_ROWS + 1))


def test_percent_signs_colons_and_quotes_reach_the_server_as_they_are(cars):
    with Sandbox(cars) as sandbox, sandbox.attempt():
        result = sandbox.rows("""SELECT 'a%s' AS "100%", '10:00'::time, $$it's$$, E'\\\\' """)
    assert result.columns[0] == "100%"
    assert [value for _, value in result.rows[0]] == ["a%s", "10:00:00", "it's", "\\"]


@pytest.mark.parametrize(
    ("sql", "words"),
    [
        ("SELECT 1\nFROM nowhere", ["LINE 2: FROM nowhere\n             ^", "does not exist"]),
        ("SELECT nme FROM car_brand", ['column "nme" does not exist', "HINT:  Perhaps you meant"]),
        ("SELEC 1", ['syntax error at or near "SELEC"', "LINE 1: SELEC 1\n        ^"]),
        ("SELECT 'a\0b'", ["NUL"]),
        ("SELECT " + "1 + " * 100 + "nowhere" + " + 1" * 100, ["LINE 1: ...", "nowhere"]),
    ],
)
def test_an_error_has_the_servers_own_words_and_the_place(cars, sql, words):
    with Sandbox(cars) as sandbox, pytest.raises(AnswerError) as caught, sandbox.attempt():
        sandbox.rows(sql)
    report = caught.value.code
    assert [word for word in words if word not in report] == []
    assert "PL/pgSQL" not in report
    assert "QUERY" not in report
    assert max(map(len, report.splitlines())) < 120


def test_deferred_constraints_are_checked(cars):
    with Sandbox(cars) as sandbox, pytest.raises(AnswerError) as caught, sandbox.attempt():
        sandbox.execute(
            "CREATE TABLE a (id int PRIMARY KEY, b int REFERENCES a DEFERRABLE INITIALLY DEFERRED);"
            "INSERT INTO a VALUES (1, 2)"
        )
    assert "violates foreign key constraint" in caught.value.code


def test_a_probe_can_try_what_a_table_accepts(cars):
    with Sandbox(cars) as sandbox, sandbox.attempt():
        result = sandbox.probe(
            """SELECT pg_temp.outcome('INSERT INTO car_brand (name) VALUES (''Saab'')'),
                      pg_temp.outcome('INSERT INTO car_brand (name) VALUES (''Saab'')'),
                      pg_temp.outcome('DELETE FROM car_info')"""
        )
    assert result.keyed
    assert [value for _, value in result.rows[0]] == [
        "accepted, 1 row",
        'refused: duplicate key value violates unique constraint "uq_car_brand_name"',
        "accepted, 2 rows",
    ]


def test_a_connection_that_an_answer_closes_is_known_to_be_gone(cars):
    with Sandbox(cars) as sandbox:
        with sandbox.attempt():
            sandbox.connection().close()
        assert not sandbox.usable
        with pytest.raises(AnswerError, match="connection"), sandbox.attempt():
            pass


def test_a_server_out_of_reach_is_the_drivers_error():
    engine = create_engine("postgresql+psycopg2://nobody:secret@127.0.0.1:1/none")
    with pytest.raises(Exception, match="refused") as caught, Sandbox(engine):
        pass
    assert isinstance(caught.value.orig, psycopg2.Error)
    assert "secret" not in str(caught.value)
