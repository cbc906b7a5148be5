"""The verdicts: every exercise's solution is right, its typical mistakes get their hint."""

from __future__ import annotations

from textwrap import dedent

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from learner_notebooks import SOLUTIONS, written_in
from test_grading import cells

from course.grading.examination import Outcome, Question, Verdict, examine
from course.grading.limits import Limits
from course.grading.source import ANSWER, source_of_answer
from course.grading.trial import try_function
from course.grading.wire import parts_from_json, parts_to_json
from exercises import Exercise, Function, Value, lessons
from exercises.notebook import exercises_of
from exercises.tables import as_parts, as_table

HOSTILE = [
    ("COPY car_brand TO PROGRAM 'true'", "permission denied to COPY to or from an external"),
    ("SELECT pg_read_file('PG_VERSION')", "permission denied for function pg_read_file"),
    ("SELECT * FROM pg_authid", "permission denied for table pg_authid"),
    ("CREATE TABLE public.t ()", "permission denied for schema public"),
    ("DROP TABLE car_brand CASCADE", ""),
    ("SELECT pg_terminate_backend(pg_backend_pid())", ""),
    ("ROLLBACK; DROP TABLE car_brand CASCADE; COMMIT", "Expected one statement, found 3."),
    ("SELECT repeat('x', 300000000) FROM generate_series(1, 30)", ""),
    ("SELECT '\ud800\x00'", ""),
]


def _question(module: str, exercise: Exercise, text: str, url: str) -> Question:
    """An answer as it is handed in; a function is called first."""
    if isinstance(exercise, Function):
        source = source_of_answer([written_in(exercise, dedent(text))], exercise.name)
        called = try_function(module, exercise.name, source, url, Limits(60))
        return Question(module, exercise.name, {"form": "called", "content": called})
    given = exercise.answer_of(text)
    if isinstance(exercise, Value):
        content = parts_to_json({"": as_table(given)})
        return Question(module, exercise.name, {"form": "value", "content": content})
    return Question(module, exercise.name, {"form": "text", "content": given})


@pytest.fixture(scope="module")
def verdicts(database_url: str) -> list[tuple[str, str, Verdict]]:
    """Everything that the exercises know to be right or wrong, in one examination."""
    asked: list[tuple[str, str, Question]] = []
    for module in lessons():
        for exercise in exercises_of(module):
            wrong = exercise.wrong
            if isinstance(exercise, Function):  # each takes a process: one mistake will do
                wrong = wrong[:1] if exercise.connected else ()
            texts = {exercise.written(one): one.hint for one in wrong}
            for text, hint in {exercise.shown_solution: "", **texts}.items():
                question = _question(module, exercise, text, database_url)
                asked.append((exercise.name, hint, question))
    found = examine([question for *_, question in asked], Limits(megabytes=2048))
    return [(name, hint, said) for (name, hint, _), said in zip(asked, found, strict=True)]


def test_every_solution_is_right(verdicts: list[tuple[str, str, Verdict]]) -> None:
    outcomes = {name: said.outcome for name, hint, said in verdicts if not hint}
    assert len(outcomes) == sum(len(exercises_of(module)) for module in lessons())
    assert set(outcomes.values()) == {Outcome.RIGHT}, outcomes


def test_every_typical_mistake_gets_its_hint(verdicts: list[tuple[str, str, Verdict]]) -> None:
    for name, hint, said in verdicts:
        if hint:
            assert (said.outcome, said.hint) == (Outcome.WRONG, hint), name


def test_sql_can_do_nothing_but_be_wrong() -> None:
    def ask(text: str) -> Question:
        exercise = "models_per_brand" if "repeat" in text else "add_model"  # only this one fetches
        return Question("lesson_01", exercise, {"form": "text", "content": text})

    asked = [text for hostile, _ in HOSTILE for text in (hostile, SOLUTIONS["add_model"])]
    nine = parts_to_json({"": as_table(9)})
    forms = [{"form": "value", "content": nine}, {"form": "called", "content": {"parts": nine}}]
    values = [Question("lesson_01", "rows_deleted", form) for form in forms]
    found = examine([*map(ask, asked), *values], Limits(megabytes=1024))
    assert [said.outcome for said in found[-2:]] == [Outcome.RIGHT, Outcome.WRONG]
    del found[-2:]
    assert {said.outcome for said in found[1::2]} == {Outcome.RIGHT}
    for (hostile, said), verdict in zip(HOSTILE, found[::2], strict=True):
        assert verdict.outcome is Outcome.WRONG, (hostile, verdict)
        assert said in f"{verdict.text} {verdict.code}", verdict


@settings(deadline=None)  # the machine may be busy
@given(st.dictionaries(st.text(), st.lists(st.tuples(cells, cells)) | cells))
def test_a_result_comes_through_as_it_was(value: dict[str, object]) -> None:
    parts = as_parts(value, "f()")
    assert parts_from_json(parts_to_json(parts)) == parts


@settings(deadline=None)
@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.text(max_size=3),
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner),
    )
)
def test_what_is_no_result_is_refused(data: object) -> None:
    whole = {"columns": ["a"], "rows": [[data]], "single": True, "cut": False, "keyed": False}
    for found in (data, {"": data}, {"": whole}):
        try:
            parts = parts_from_json(found)
        except ValueError:
            continue
        assert parts_from_json(parts_to_json(parts)) == parts


CELLS = [
    "import pandas as pd\nfrom sqlalchemy import text as t, select",
    "engine = connect()\nbrands = pd.read_sql('cars', engine)\nlimits = [1]\nlimits += [2]",
    "def helper(a):\n    # cents\n    return a + limits[0]\n\n\ndef unrelated(): return engine",
    "this is no Python",
    "@helper\ndef split(cars, n=select):\n    brands = cars[['a']]\n    return t(brands)",
    "ex.split_cars.check(split)\nex.other.check(lambda: pd)",
]


def test_a_function_takes_along_what_it_uses_and_nothing_else() -> None:
    assert source_of_answer(CELLS, "split_cars") == (
        "from sqlalchemy import text as t, select\nlimits = [1]\nlimits += [2]\n"
        "def helper(a):\n    # cents\n    return a + limits[0]\n"
        "@helper\ndef split(cars, n=select):\n    brands = cars[['a']]\n    return t(brands)\n"
        f"{ANSWER} = split"
    )
    assert source_of_answer(CELLS, "other") == f"import pandas as pd\n{ANSWER} = lambda: pd"
    assert source_of_answer(CELLS, "nowhere") == ""
    assert source_of_answer([], "nowhere") == ""
