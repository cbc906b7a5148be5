"""docs/instructors.md: its numbers are those of the lessons, and what it shows works as shown."""

import itertools
import os
import re
import subprocess
import sys
from collections.abc import Collection, Iterator
from pathlib import Path

import nbformat
import pytest
from markdown_pages import ROOT
from sqlalchemy import URL

from course.class_file import read_class
from course.lessons import Lesson, find_lessons
from course.run import run_lessons
from exercises import sandbox
from exercises.notebook import exercises_of, lessons
from servers.postgres import temporary_server

PAGE = (ROOT / "docs" / "instructors.md").read_text(encoding="utf-8")
LESSONS = {str(int(lesson.name[:2])): lesson for lesson in find_lessons()}
SUMMING_UP = {"Exercises", "Claims, measured"}


def section(title: str) -> str:
    return PAGE.split(f"## {title}\n")[1].split("\n## ")[0]


def rows(text: str) -> list[list[str]]:
    """The rows of the Markdown tables in a text, without their heads."""
    lines = [line for line in text.splitlines() if line.startswith("|")]
    cells = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]
    return [row for row in cells if row[0] != "lesson" and not set(row[0]) <= set("-:")]


def prose(lesson: Lesson) -> str:
    cells = lesson.notebook.cells
    return "\n".join(cell.source for cell in cells if cell.cell_type == "markdown")


def test_the_minutes_are_those_of_the_lessons() -> None:
    line = r"\*\*Time\*\* (\d+) minutes to read and run, (\d+) more for the exercises\."
    expected = [
        [
            f"[{lesson.title}](../{lesson.path.relative_to(ROOT).as_posix()})",
            *re.search(line, prose(lesson)).groups(),
        ]
        for lesson in LESSONS.values()
    ]
    assert [row[:3] for row in rows(section("Time"))] == expected


def test_every_trap_of_the_lessons_is_there() -> None:
    expected = [
        (number, trap.lower())
        for number, lesson in LESSONS.items()
        for trap in re.findall(r"\*\*Trap: (.+?)\*\*", prose(lesson))
    ]
    table = rows(section("Where people stumble"))
    assert sorted((number, trap.lower()) for number, trap, _ in table) == sorted(expected)


def test_the_exercises_it_names_are_there() -> None:
    text = section("Where people stumble").split("In the exercises")[1]
    named = {name for group in re.findall(r"\((`[^)]+)\)", text) for name in group.split(",")}
    known = {f"`{one.name}`" for lesson in lessons() for one in exercises_of(lesson)}
    assert len(named) >= 10
    assert {name.strip() for name in named} - known == set()


@pytest.fixture(scope="module")
def url() -> Iterator[URL]:
    with temporary_server(tcp=True) as server:
        yield server.url


def optional_sections() -> Iterator[tuple[str, frozenset[str]]]:
    """Each lesson with the sections of any of its rows: those that can be left out together."""
    table = rows(section("What can be left out"))
    for number in LESSONS:
        groups = [titles.split("; ") for one, titles, _ in table if one == number]
        for count in range(1, len(groups) + 1):
            for chosen in itertools.combinations(groups, count):
                yield number, frozenset(itertools.chain(*chosen))


def test_each_lesson_has_optional_sections() -> None:
    assert {number for number, *_ in rows(section("What can be left out"))} == set(LESSONS)
    for number, titles in optional_sections():
        assert titles <= set(re.findall(r"^## (.+)$", prose(LESSONS[number]), re.MULTILINE))


@pytest.mark.slow
@pytest.mark.parametrize(
    ("number", "titles"),
    list(optional_sections()),
    ids=lambda value: value if isinstance(value, str) else "; ".join(sorted(value)),
)
def test_a_lesson_runs_without_what_can_be_left_out(
    number: str, titles: frozenset[str], tmp_path: Path, learner_url: str
) -> None:
    """As a learner on a shared server runs it, so every lesson has run with such a role."""
    path = shorten(LESSONS[number], titles | SUMMING_UP, tmp_path / "short")
    values = {"schema": "ada_lovelace", "rows": 300, "seed": 4}
    lessons = find_lessons(path.parents[1])
    run_lessons(lessons, tmp_path / "out", values=values, database_url=learner_url)


def shorten(lesson: Lesson, without: Collection[str], folder: Path) -> Path:
    """Write the lesson without the cells of some sections; at least one code cell is gone."""
    notebook, title, kept = nbformat.from_dict(lesson.notebook), "", []
    for cell in notebook.cells:
        if cell.cell_type == "markdown":
            title = [title, *re.findall(r"^## (.+)$", cell.source, re.MULTILINE)][-1]
        if cell.cell_type == "markdown" or title not in without:
            kept.append(cell)
    assert len(kept) < len(notebook.cells)
    notebook.cells = kept
    path = folder / lesson.part / lesson.path.name
    path.parent.mkdir(parents=True)
    nbformat.write(notebook, path)
    return path


@pytest.fixture(scope="module")
def shared(url: URL, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder where the page's files are, and its commands for roles have been executed."""
    folder = tmp_path_factory.mktemp("shared")
    for name, content in re.findall(r"```text (\S+)\n(.*?)```", PAGE, re.DOTALL):
        (folder / name).write_text(content, encoding="utf-8")
    (command,) = re.findall(r"^carlib roles .*$", PAGE, re.MULTILINE)
    execute(command, folder, url)
    return folder


@pytest.fixture(scope="module")
def learner_url(shared: Path) -> str:
    return re.search(r"^ADA_URL='(.+)'$", (shared / "class.env").read_text(), re.MULTILINE)[1]


def execute(script: str, folder: Path, url: URL) -> str:
    """Run what the page shows, in a shell; returns what was printed."""
    variables = {
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
        "CARLIB_DATABASE_URL": url.render_as_string(hide_password=False),
    }
    environment = os.environ | variables
    done = subprocess.run(
        ["sh", "-c", script], cwd=folder, env=environment, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    assert url.password not in done.stdout + done.stderr
    return done.stdout


@pytest.mark.parametrize("name", ["learners.csv", "class.csv"])
def test_the_files_of_a_class_are_read(shared: Path, name: str) -> None:
    learners = read_class(shared / name, LESSONS["1"].parameters)
    assert [one.slug for one in learners] == ["ada_lovelace", "group_b"]


@pytest.mark.slow
def test_a_shared_server_works_as_shown(shared: Path, url: URL) -> None:
    (block,) = re.findall(r"```sh\ncarlib roles .*\n((?:.*\n)+?)```", PAGE)
    script = block.replace("carlib run", "carlib run --rows 300 --only 1_core/02")
    printed = execute(f"set -e\n{script}", shared, url)
    assert "2 of 2 learners ok" in printed


def test_its_numbers_are_those_of_the_code() -> None:
    role = (ROOT / "course" / "learner_role.sql").read_text(encoding="utf-8")
    (connections,) = re.findall(r"CONNECTION LIMIT (\d+)", role)
    (minutes,) = re.findall(r"statement_timeout = '(\d+)min'", role)
    assert f"at most {connections} connections" in PAGE
    assert f"limit of {minutes} minutes" in PAGE
    seconds, lock_seconds = sandbox.Sandbox.__init__.__defaults__
    assert f"{seconds:.0f} seconds, wait {lock_seconds:.0f} for a lock" in PAGE
    assert f"return {sandbox.MAX_ROWS:,} rows" in PAGE


@pytest.mark.slow
def test_papermill_runs_a_lesson_by_the_line_that_is_shown(url: URL, tmp_path: Path) -> None:
    (line,) = re.findall(r"^papermill .*$", PAGE, re.MULTILINE)
    (tmp_path / "notebooks").symlink_to(ROOT / "notebooks")
    execute(line, tmp_path, url)
    written = (tmp_path / line.split()[2]).read_text(encoding="utf-8")
    assert url.password not in written
    assert 'schema \\"group_a\\"' in written
    assert re.search(r"\b5,?000\b", written)
