"""Which lessons there are, which were asked for, and what values they take."""

from pathlib import Path

import pytest
from tiny_lessons import write_lesson

from course.errors import (
    LessonFormError,
    LessonsNotFound,
    UnknownLesson,
    UnknownParameter,
    WrongParameterType,
)
from course.lessons import Lesson, choose_lessons, find_lessons
from course.parameters import assign_parameters, convert, declared_parameters


@pytest.fixture
def lessons(tmp_path: Path) -> list[Lesson]:
    for part, name in [
        ("2_more", "01_files"),
        ("1_core", "02_initial_load"),
        ("1_core", "01_schema"),
        ("1_core", "draft"),
        ("1_core", "03_with blank"),
    ]:
        parameters = 'schema = "x"' if name == "01_schema" else 'schema = "x"\nrows = 5'
        write_lesson(tmp_path, name, part=part, parameters=parameters)
    return find_lessons(tmp_path)


def _names(lessons: list[Lesson]) -> list[str]:
    return [f"{lesson.part}/{lesson.name}" for lesson in lessons]


def test_lessons_are_found_by_part_and_number(lessons: list[Lesson]) -> None:
    assert _names(lessons) == ["1_core/01_schema", "1_core/02_initial_load", "2_more/01_files"]


def test_no_lessons_is_said(tmp_path: Path) -> None:
    with pytest.raises(LessonsNotFound, match="found none in"):
        find_lessons(tmp_path / "missing")


@pytest.mark.parametrize(
    ("wanted", "chosen"),
    [
        ([], [0, 1, 2]),
        (["02"], [1]),
        (["2"], [1]),
        (["initial_load"], [1]),
        (["02_initial_load.ipynb"], [1]),
        (["1_core/01"], [0]),
        (["files", "1_core/1"], [0, 2]),
        (["1_core", "02"], [0, 1]),
    ],
)
def test_lessons_are_chosen_by_what_a_person_types(
    lessons: list[Lesson], wanted: list[str], chosen: list[int]
) -> None:
    assert choose_lessons(lessons, wanted) == [lessons[index] for index in chosen]


@pytest.mark.parametrize(
    ("wanted", "said"),
    [
        ("07", "No lesson '07'.*1_core/01_schema, 1_core/02_initial_load, 2_more/01_files"),
        ("shema", "Did you mean 'schema'"),  # codespell:ignore
        ("01", "'01' is more than one lesson: 1_core/01_schema, 2_more/01_files"),
    ],
)
def test_an_unknown_lesson_is_refused(lessons: list[Lesson], wanted: str, said: str) -> None:
    with pytest.raises(UnknownLesson, match=said):
        choose_lessons(lessons, ["02", wanted])


@pytest.mark.parametrize(
    ("opening", "sentence"),
    [
        (
            "We **store** `cars` in [three](x.md) tables.\nThen more.",
            "We store cars in three tables.",
        ),
        ("Without an end", "Without an end"),
        ("Why `car_brand` is a table? Because.", "Why car_brand is a table?"),
    ],
)
def test_a_lesson_has_a_title_and_an_opening_sentence(
    tmp_path: Path, opening: str, sentence: str
) -> None:
    lesson = Lesson(write_lesson(tmp_path, "01_schema", opening=opening))
    assert (lesson.title, lesson.summary) == ("Lesson 01_schema", sentence)


def test_parameters_are_read_without_running_the_cell() -> None:
    source = '# how many\nrows = 1_000  # cars\nname = "a = b"\nrate = -0.5\nparts = ["x", None]\n'
    assert declared_parameters(source) == {
        "rows": 1000,
        "name": "a = b",
        "rate": -0.5,
        "parts": ["x", None],
    }


@pytest.mark.parametrize(
    "source",
    ["rows = 10 * 10", "rows: int = 5", "a = b = 1", "a, b = 1, 2", "import os", "rows ="],
)
def test_a_parameters_cell_holds_plain_literals_only(source: str) -> None:
    with pytest.raises(LessonFormError, match="parameters cell of 01_schema"):
        declared_parameters(source, "01_schema")


def test_values_go_to_the_lessons_that_declare_them(lessons: list[Lesson]) -> None:
    given = {"rows": "7", "schema": "mine"}
    assert assign_parameters(lessons[:2], given) == [
        {"schema": "mine"},
        {"rows": 7, "schema": "mine"},
    ]


@pytest.mark.parametrize(
    ("name", "said"),
    [("rowz", "'rowz'. Did you mean 'rows'.*schema, rows"), ("rows", "'rows'.*schema")],
)
def test_a_parameter_that_no_lesson_declares_is_refused(
    lessons: list[Lesson], name: str, said: str
) -> None:
    chosen = lessons if name == "rowz" else lessons[:1]
    with pytest.raises(UnknownParameter, match=said):
        assign_parameters(chosen, {"schema": "x", name: "5"})


@pytest.mark.parametrize(
    ("text", "default", "value"),
    [
        ("12", 5, 12),
        ("100_000", 5, 100_000),
        ("-3", 5, -3),
        ("1e-3", 0.5, 0.001),
        ("2", 0.5, 2.0),
        ("True", False, True),
        ("false", True, False),
        ("12", "text", "12"),
        ("C:\\new", "", "C:\\new"),
        ("", "text", ""),
        ("[1, 2]", [], [1, 2]),
        ("5", None, 5),
        ("five", None, "five"),
        (7, 5, 7),
    ],
)
def test_a_value_becomes_what_the_default_is(text: object, default: object, value: object) -> None:
    found = convert("name", text, default)
    assert (found, type(found)) == (value, type(value))


@pytest.mark.parametrize(
    ("text", "default", "wanted"),
    [
        ("1.5", 5, "a whole number"),
        ("many", 5, "a whole number"),
        ("1,000", 5, "a whole number"),
        ("", 5, "a whole number"),
        ("x", 0.5, "a number"),
        ("1", True, "true or false"),
        ("(1, 2)", [], "a list"),
        ("[1", [], "a list"),
        (True, 5, "a whole number"),
        (5, "text", "a text"),
    ],
)
def test_a_value_of_another_kind_is_refused(text: object, default: object, wanted: str) -> None:
    with pytest.raises(WrongParameterType, match=f"'rows' takes {wanted}") as caught:
        convert("rows", text, default)
    assert f"found {text!r}" in str(caught.value)
