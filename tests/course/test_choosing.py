"""Which lessons there are, which were asked for, and what values they take."""

from pathlib import Path

import pytest
from tiny_lessons import write_lesson

from course.errors import LessonFormError, LessonsNotFound, UnknownLesson, UsageError
from course.lessons import Lesson, choose_lessons, convert, declared_parameters, find_lessons
from course.run import plan_run


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


def test_lessons_are_found_by_part_and_number(lessons: list[Lesson], tmp_path: Path) -> None:
    names = ["1_core/01_schema", "1_core/02_initial_load", "2_more/01_files"]
    assert list(map(str, lessons)) == names
    with pytest.raises(LessonsNotFound, match="found none in"):
        find_lessons(tmp_path / "missing")


@pytest.mark.parametrize(
    ("words", "indexes"),
    [
        ("", [0, 1, 2]),
        ("02", [1]),
        ("2", [1]),
        ("initial_load", [1]),
        ("02_initial_load.ipynb", [1]),
        ("1_core/01", [0]),
        ("files 1_core/1", [0, 2]),
        ("1_core 02", [0, 1]),
    ],
)
def test_lessons_are_chosen_by_what_a_person_types(
    lessons: list[Lesson], words: str, indexes: list[int]
) -> None:
    assert choose_lessons(lessons, words.split()) == [lessons[index] for index in indexes]


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("07", "No lesson '07'.*1_core/01_schema, 1_core/02_initial_load, 2_more/01_files"),
        ("shema", "Did you mean 'schema'"),  # codespell:ignore
        ("01", "'01' is more than one lesson: 1_core/01_schema, 2_more/01_files"),
    ],
)
def test_an_unknown_lesson_is_refused(lessons: list[Lesson], name: str, message: str) -> None:
    with pytest.raises(UnknownLesson, match=message):
        choose_lessons(lessons, ["02", name])


def test_a_title_is_the_first_heading_without_marks(tmp_path: Path) -> None:
    path = write_lesson(tmp_path, "01_schema")
    path.write_text(path.read_text().replace("Lesson 01_schema", "Why **one** `table` is [few](x)"))
    assert Lesson(path).title == "Why one table is few"


def test_parameters_are_read_without_running_the_cell() -> None:
    source = '# how many\nrows = 1_000  # cars\nname = "a = b"\nrate = -0.5\nparts = ["x", None]\n'
    expected = {"rows": 1000, "name": "a = b", "rate": -0.5, "parts": ["x", None]}
    assert declared_parameters(source, "01_schema") == expected


@pytest.mark.parametrize(
    "source",
    ["rows = 10 * 10", "rows: int = 5", "a = b = 1", "a, b = 1, 2", "import os", "rows ="],
)
def test_a_parameters_cell_holds_plain_literals_only(source: str) -> None:
    with pytest.raises(LessonFormError, match="parameters cell of 01_schema"):
        declared_parameters(source, "01_schema")


def test_values_go_to_the_lessons_that_declare_them(lessons: list[Lesson], tmp_path: Path) -> None:
    course = plan_run(lessons[:2], tmp_path / "out", {"rows": "7", "schema": "mine"}, "Ada")
    parameters = [run.parameters for run in course.lessons]
    assert parameters == [{"schema": "mine"}, {"rows": 7, "schema": "mine"}]
    assert course.lessons[0].notebook == tmp_path / "out" / "1_core" / "01_schema.ipynb"
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("count", "name", "value", "message"),
    [
        (3, "rowz", "5", "'rowz'. Did you mean 'rows'.*declare: schema, rows"),
        (1, "rows", "5", "'rows'.*declare: schema"),
        (3, "rows", "many", "takes a whole number, 1 or more .its default is 5., found 'many'"),
    ],
)
def test_a_parameter_that_would_change_nothing_is_refused(
    lessons: list[Lesson], tmp_path: Path, count: int, name: str, value: str, message: str
) -> None:
    with pytest.raises(UsageError, match=message):
        plan_run(lessons[:count], tmp_path, {"schema": "x", name: value})


WRONG = object()


@pytest.mark.parametrize(
    ("value", "default", "expected"),
    [
        ("12", 5, 12),
        ("100_000", 5, 100_000),
        ("-3", 0, -3),
        ("-3", 5, WRONG),
        ("0", 5, WRONG),
        (0, 5, WRONG),
        ("0", 0.5, 0.0),
        (7, 5, 7),
        ("1.5", 5, WRONG),
        ("1,000", 5, WRONG),
        ("", 5, WRONG),
        (True, 5, WRONG),
        ("1e-3", 0.5, 0.001),
        ("2", 0.5, 2.0),
        ("x", 0.5, WRONG),
        ("True", False, True),
        ("false", True, False),
        ("1", True, WRONG),
        ("12", "text", "12"),
        ("C:\\new", "", "C:\\new"),
        ("", "text", ""),
        (5, "text", WRONG),
        ("[1, 2]", [], [1, 2]),
        ("(1, 2)", [], WRONG),
        ("[1", [], WRONG),
        ("{[]: 1}", {}, WRONG),
        ("5", None, 5),
        ("five", None, "five"),
    ],
)
def test_a_value_becomes_what_the_default_is(
    value: object, default: object, expected: object
) -> None:
    if expected is WRONG:
        with pytest.raises(UsageError, match="'rows' takes") as caught:
            convert("rows", value, default)
        assert f"found {value!r}" in str(caught.value)
    else:
        converted = convert("rows", value, default)
        assert (converted, type(converted)) == (expected, type(expected))
