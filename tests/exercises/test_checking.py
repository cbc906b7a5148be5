"""The outcomes of a check and what they say, on exercises of every kind."""

import re
from xml.etree import ElementTree

import pandas as pd
import pytest
from sqlalchemy import create_engine, select

from exercises import (
    Change,
    Feedback,
    Function,
    Outcome,
    Query,
    Setup,
    Value,
    WrongAnswer,
    open_lesson,
)
from exercises.checking import check
from exercises.errors import UnknownLesson
from exercises.notebook import OpenLesson
from exercises.statements import statements, transaction_control

TWO_BRANDS = Setup(
    sql="INSERT INTO car_brand (name) VALUES ('Saab'), ('Fiat')", note="two are added."
)
COUNT = Query(
    name="count",
    question="How many brands are there? <Count> them with `count`.",
    hints=("Count.", "Count the rows of `car_brand`."),
    solution="""
        SELECT count(*)  --?
        FROM car_brand
    """,
    setup=TWO_BRANDS,
    wrong=(
        WrongAnswer(hint="That one.", replace={"count(*)": "count(*) - 1"}),
        WrongAnswer(hint="A name has no minimum of numbers.", replace={"count(*)": "sum(name)"}),
        WrongAnswer(hint="A uuid, please.", answer="SELECT 'x'::uuid"),
        WrongAnswer(hint="The key is called brand_id.", replace={"count(*)": "count(id)"}),
    ),
)
RENAME = Change(
    name="rename",
    question="Rename Saab to SAAB, in one statement.",
    hints=("UPDATE.", "UPDATE car_brand SET."),
    solution="UPDATE car_brand SET name = 'SAAB' WHERE name = 'Saab'  --?",
    setup=TWO_BRANDS,
    wrong=(WrongAnswer(hint="Which ones?", answer="UPDATE car_brand SET name = upper(name)"),),
    one_statement=True,
    probe="SELECT name, 'there' FROM car_brand",
)
DOUBLE = Function(
    name="double",
    question="Double a number.",
    hints=("Times two.", "n * 2."),
    solution="""
        def double(n):
            return n * 2  #?
    """,
    wrong=(WrongAnswer(hint="That squares it.", replace={"* 2": "** 2"}),),
    function="double",
    calls=lambda: [(2,), (3,)],
)
ADD = Function(
    name="add",
    question="Add the brand Saab.",
    hints=("INSERT.", "INSERT INTO car_brand."),
    solution="""
        def add(connection):
            connection.exec_driver_sql("INSERT INTO car_brand (name) VALUES ('Saab')")  #?
    """,
    wrong=(WrongAnswer(hint="Another.", replace={"Saab": "Fiat"}),),
    function="add",
    calls=lambda: [()],
    connected=True,
    probe="SELECT name, 'there' FROM car_brand",
)
NINE = Value(
    name="nine",
    question="How many?",
    hints=("More.", "Nearly ten."),
    solution="answer = 9  #?",
    wrong=(WrongAnswer(hint="One less.", answer="answer = 10"),),
)


def stub_with_a_comment(n):
    # Here I am thinking.
    ...


@pytest.mark.parametrize(
    ("exercise", "answer"),
    [
        *((e, a) for e in (COUNT, RENAME, DOUBLE, NINE) for a in (None, ..., "", " \n\t")),
        (COUNT, COUNT.stub),
        (COUNT, "  FROM\n  car_brand ; -- later"),
        (COUNT, "-- SELECT count(*) FROM car_brand"),
        (DOUBLE, DOUBLE.answer_of(DOUBLE.stub)),
        (DOUBLE, stub_with_a_comment),
    ],
)
def test_nothing_answered_yet(tables, exercise, answer):
    assert check(exercise, answer, tables).outcome is Outcome.UNTRIED


@pytest.mark.parametrize(
    ("exercise", "answer"),
    [
        (COUNT, "select COUNT(brand_id) as n from car_brand;"),
        (COUNT, "WITH a AS (SELECT * FROM car_brand) SELECT count(*)::float FROM a -- ; done"),
        (RENAME, "UPDATE car_brand SET name = upper(name) WHERE name LIKE 'S%';"),
        (DOUBLE, lambda n: float(n + n)),
        (NINE, 9.0),
    ],
)
def test_what_gives_the_same_is_right_however_it_is_written(tables, exercise, answer):
    assert check(exercise, answer, tables) == Feedback(
        Outcome.RIGHT, exercise.name, "Your result is the one expected."
    )


@pytest.mark.parametrize(
    ("exercise", "answer", "text", "hint"),
    [
        (COUNT, "SELECT 1", "Expected the row 2, found 1.", "That one."),
        (COUNT, "SELECT 2 WHERE false", "Expected 1 row, found 0 rows. Missing: the row 2.", ""),
        (COUNT, "SELECT * FROM generate_series(1, 20001)", "at most 20000 rows, found more", ""),
        (COUNT, "SELECT 2; SELECT 2", "Expected one statement, found 2.", ""),
        (COUNT, select(1), "Expected SQL as text in quotes, found Select.", ""),
        (RENAME, "SELECT 1", "SAAB: expected 'there', found nothing.", ""),
        (RENAME, "UPDATE car_brand SET name = upper(name)", "Fiat: expected", "Which ones?"),
        (DOUBLE, lambda n: n**2, "double(3): Expected 6, found 9.", "That squares it."),
        (DOUBLE, lambda m: None, "double(2): Expected 4, found NULL.", ""),
        (DOUBLE, 4, "Expected the function double, found int. Hand in the function itself", ""),
        (ADD, lambda connection: 1, "add(connection): Expected NULL, found 1.", ""),
        (
            ADD,
            ADD.answer_of(ADD.written(ADD.wrong[0])),
            "Saab: expected 'there', found",
            "Another.",
        ),
        (NINE, 10, "Expected another number, found 10.", "One less."),
        (NINE, pd.DataFrame({"a": [9, 9]}), "Expected one value, found 2.", ""),
        # An error is recognized by what failed, not by the value; a missing column by its name.
        (COUNT, "SELECT 'y'::uuid", "PostgreSQL refused it:", "A uuid, please."),
        (COUNT, "SELECT avg(name) FROM car_brand", "PostgreSQL refused it:", ""),
        (COUNT, "SELECT id FROM car_brand", "refused", "The key is called brand_id."),
        (COUNT, "SELECT key FROM car_brand", "refused", ""),
        # Once the connection has ended, every wrong answer fails alike.
        (COUNT, "SELECT pg_terminate_backend(pg_backend_pid())", "connection to PostgreSQL", ""),
        (ADD, lambda connection: connection.close(), "connection to PostgreSQL failed:", ""),
    ],
)
def test_what_gives_something_else_is_told_what_was_expected_and_found(
    tables, exercise, answer, text, hint
):
    feedback = check(exercise, answer, tables)
    assert feedback.outcome is Outcome.WRONG
    assert text in feedback.text
    assert feedback.hint == hint
    assert check(exercise, answer, tables) == feedback


def broken_line(n):
    m = n - n
    return n / m


@pytest.mark.parametrize(
    ("exercise", "answer", "text", "code"),
    [
        (COUNT, "SELEC 1", "PostgreSQL refused it:", 'syntax error at or near "SELEC"'),
        (COUNT, "DELETE FROM car_brand", "PostgreSQL refused it:", "cannot open DELETE query"),
        (COUNT, "COMMIT", "without transaction control, found COMMIT", "cannot open COMMIT query"),
        (RENAME, "COMMIT", "without transaction control, found COMMIT", "transaction commands"),
        (ADD, lambda c: c.exec_driver_sql("SELEC 1"), "PostgreSQL refused it:", "LINE 1: SELEC 1"),
        (DOUBLE, broken_line, "(line 3 of the function)", "ZeroDivisionError: division by zero"),
        (DOUBLE, lambda n: exit(), "It raised an error", "SystemExit"),
    ],
)
def test_an_error_is_shown_in_its_own_words(tables, exercise, answer, text, code):
    feedback = check(exercise, answer, tables)
    assert feedback.outcome is Outcome.WRONG
    assert text in feedback.text
    assert code in feedback.code
    assert code in repr(feedback)


def test_without_its_tables_or_a_server_a_check_blames_no_answer(engine):
    feedback = check(COUNT, "SELECT 2", engine)
    assert feedback.outcome is Outcome.UNCHECKED
    assert 'relation "car_brand" does not exist' in feedback.code
    unreachable = create_engine("postgresql+psycopg2://nobody:secret@127.0.0.1:1/none")
    feedback = check(COUNT, "SELECT 2", unreachable)
    assert feedback.outcome is Outcome.UNCHECKED
    assert "refused" in feedback.code
    assert "secret" not in repr(feedback) + feedback._repr_html_()


def test_a_wrong_answer_that_replaces_what_is_not_there_is_a_mistake_of_the_author():
    with pytest.raises(ValueError, match="expected the solution to contain 'nowhere'"):
        COUNT.written(WrongAnswer(hint="", replace={"nowhere": ""}))


def test_the_stub_is_the_solution_minus_the_marked_lines():
    assert COUNT.stub == "-- your lines here\nFROM car_brand"
    assert COUNT.shown_solution == "SELECT count(*)\nFROM car_brand"
    assert DOUBLE.stub == "def double(n):\n    ...  # your lines here"
    assert NINE.stub == "answer = ..."


def test_in_a_notebook(tables):
    ex = OpenLesson((COUNT, NINE), tables)
    assert repr(ex) == f"count: {COUNT.question}\nnine: {NINE.question}"
    assert dir(ex) == ["count", "nine"]
    assert repr(ex.nine) == "Question (nine)\nHow many?"
    assert repr(ex.count) == (
        "Question (count)\nHow many brands are there? <Count> them with `count`.\n"
        "During the check, two are added."
    )
    assert repr(ex.count.hint()) == "Hint 1 of 2 (count)\nCount."
    for _ in range(2):
        assert repr(ex.count.hint()).startswith("Hint 2 of 2 (count)\nCount the rows of")
    assert repr(ex.nine.hint()) == "Hint 1 of 2 (nine)\nMore."
    assert repr(ex.count.solution()) == (
        "Solution (count)\n\n    SELECT count(*)\n    FROM car_brand"
    )
    assert ex.count.check("SELECT 2").outcome is Outcome.RIGHT
    assert ex.count.check().outcome is Outcome.UNTRIED


def test_a_misspelled_exercise_or_lesson_is_named(tables):
    ex = OpenLesson((COUNT, NINE), tables)
    with pytest.raises(AttributeError, match=r"is called counts; there are count, nine\."):
        _ = ex.counts
    with pytest.raises(UnknownLesson, match=r"\(lesson_01, lesson_02.*\), found 'lesson_1'"):
        open_lesson(tables, "lesson_1")


def tags_and_words(html):
    """The names of the tags and the text; what is not nested as it should be raises an error."""
    tree = ElementTree.fromstring(f"<body>{html}</body>")
    return {tag.tag for tag in tree.iter()} - {"body"}, "".join(tree.itertext())


def test_as_html_everything_is_escaped_and_words_say_what_the_color_says(tables):
    borders = set()
    for outcome in Outcome:
        feedback = Feedback(
            outcome, "a", "x < `y < 2`", code="<script>1</script>", hint="<b>`z`", number="1 of 2"
        )
        html = feedback._repr_html_()
        assert tags_and_words(html) == (
            {"div", "strong", "code", "pre", "em"},
            f"{outcome} 1 of 2 (a)x < y < 2<script>1</script>Hint: <b>z",
        )
        assert not re.search(r"background|(?<!-)color", html)
        borders.add(re.search(r"#\w{6}", html)[0])
    assert len(borders) == len(Outcome)
    assert tags_and_words(OpenLesson((COUNT,), tables)._repr_html_()) == (
        {"table", "tbody", "tr", "td", "code"},
        "countHow many brands are there? <Count> them with count.",
    )


@pytest.mark.parametrize(
    ("sql", "expected"),
    [
        ("", []),
        (" ;; -- a;\n/* b; */", []),
        ("SELECT  1 -- a\n , 2 ; SELECT 3", ["SELECT 1 , 2", "SELECT 3"]),
        ("SELECT 'a;''b', \"c;d\", $$e;f$$, $t$ $$;$$ $t$, E'\\';'", None),
        ("SELECT like';', a$b$c; SELECT d$b$", ["SELECT like';', a$b$c", "SELECT d$b$"]),
        ("SELECT 'open; -- never closed", None),
        ("SELECT 1 /* open ;", ["SELECT 1"]),
    ],
)
def test_statements_are_split_at_semicolons_outside_quotes_and_comments(sql, expected):
    assert statements(sql) == ([sql] if expected is None else expected)


@pytest.mark.parametrize(
    ("sql", "control"),
    [
        ("SELECT 1; commit", "COMMIT"),
        ("START  TRANSACTION", "START TRANSACTION"),
        ("SELECT 'x; COMMIT'", None),
        ("SELECT commit", None),
        ("committed", None),
    ],
)
def test_transaction_control_is_found_where_a_statement_begins(sql, control):
    assert transaction_control(sql) == control
