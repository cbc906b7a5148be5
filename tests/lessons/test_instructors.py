"""docs/instructors.md: its numbers are those of the lessons, and what it shows works as shown."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import nbformat
import pytest
from markdown_pages import ROOT
from sqlalchemy import URL, make_url
from test_class_at_once import CONNECTIONS_EACH

from course.class_file import read_class
from course.cli import main
from course.lessons import Lesson, find_lessons
from exercises import sandbox
from exercises.notebook import exercises_of, lessons
from servers.postgres import temporary_server

HELPERS = Path(__file__).parents[1] / "helpers"

PAGE = (ROOT / "docs" / "instructors.md").read_text(encoding="utf-8")
README = (ROOT / "README.md").read_text(encoding="utf-8")
LESSONS = {str(int(lesson.number)): lesson for lesson in find_lessons()}
SUMMING_UP = ["Exercises", "Claims, measured"]


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


def test_the_times_are_those_of_the_lessons() -> None:
    said = {}
    for lesson, reading, exercising, seconds in rows(section("Time")):
        title, path = re.fullmatch(r"\[(.+)\]\(\.\./(.+)\)", lesson).groups()
        said[path] = (title, int(reading), int(exercising))
        assert int(seconds) > 0
    expected = {}
    for lesson in LESSONS.values():
        line = r"\*\*Time\*\* (\d+) minutes to read and run, (\d+) more for the exercises\."
        minutes = re.search(line, prose(lesson)).groups()
        path = lesson.path.relative_to(ROOT).as_posix()
        expected[path] = (lesson.title, *map(int, minutes))
    assert said == expected


def test_every_trap_of_the_lessons_is_there() -> None:
    table = rows(section("Where people stumble"))
    expected = [
        (number, trap.lower())
        for number, lesson in LESSONS.items()
        for trap in re.findall(r"\*\*Trap: (.+?)\*\*", prose(lesson))
    ]
    assert sorted((number, trap.lower()) for number, trap, _ in table) == sorted(expected)


def test_the_exercises_it_names_are_there() -> None:
    text = section("Where people stumble").split("In the exercises")[1]
    named = {name for group in re.findall(r"\((`[^)]+)\)", text) for name in group.split(",")}
    known = {f"`{one.name}`" for lesson in lessons() for one in exercises_of(lesson)}
    assert len(named) >= 10
    assert {name.strip() for name in named} - known == set()


@pytest.mark.skipif(os.name == "nt", reason="forks processes, as POSIX can")
def test_lessons_run_without_what_can_be_left_out(tmp_path: Path) -> None:
    without = {lesson.name: list(SUMMING_UP) for lesson in LESSONS.values()}
    for number, titles, _ in rows(section("What can be left out")):
        lesson = LESSONS[number]
        headings = re.findall(r"^## (.+)$", prose(lesson), re.MULTILINE)
        assert set(titles.split("; ")) <= set(headings)
        without[lesson.name] += titles.split("; ")
    assert all(len(titles) > len(SUMMING_UP) for titles in without.values())
    with temporary_server(tcp=True) as server:
        # As a learner on a shared server, so that the last lessons too have run with such a role.
        url = server.url.render_as_string(hide_password=False)
        (tmp_path / "class.yml").write_text("learners: [name: Short]\n", encoding="utf-8")
        made = tmp_path / "made.yml"
        words = ["roles", str(tmp_path / "class.yml"), "--output", str(made)]
        assert main([*words, "--database-url", url]) == 0
        (one,) = read_class(made, list(LESSONS.values()))
        learner = {
            **{"url": one.database_url.reveal(), "schema": one.values["schema"]},
            **{"rows": 300, "seed": 4},
        }
        task = {
            "learners": [learner],
            "lessons": [str(lesson.path) for lesson in LESSONS.values()],
            "results": str(tmp_path),
            "without": without,
        }
        done = subprocess.run(
            [
                sys.executable,
                "-W",
                "ignore",
                str(HELPERS / "class_process.py"),
            ],
            input=json.dumps(task),
            env=os.environ | {"MPLBACKEND": "agg", "TQDM_DISABLE": "1"},
            capture_output=True,
            text=True,
            timeout=600,
        )
    assert done.returncode == 0, done.stderr
    found = json.loads((tmp_path / "short").read_text(encoding="utf-8"))
    assert "error" not in found, found["error"]
    for lesson in LESSONS.values():
        cells = sum(cell.cell_type == "code" for cell in lesson.notebook.cells)
        assert 0 < found[lesson.name]["cells"] < cells


def test_the_files_of_a_class_are_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ADA_PASSWORD", "s3cret")
    first, second = re.findall(r"```yaml\n(.*?)```", PAGE, re.DOTALL)
    path = tmp_path / "class.yml"
    path.write_text(first, encoding="utf-8")
    ada, group = read_class(path, list(LESSONS.values()))
    assert (ada.folder, ada.values["rows"], ada.values["seed"]) == ("ada_lovelace", 2000, 1)
    assert (group.folder, group.values["rows"], group.values["seed"]) == ("group_b", 5000, 2)
    path.write_text(second, encoding="utf-8")
    (ada,) = read_class(path, list(LESSONS.values()))
    assert make_url(ada.database_url.reveal()).password == "s3cret"


def test_its_numbers_are_those_of_the_code() -> None:
    assert f"for forty of them `max_connections` is {20 + 40 * CONNECTIONS_EACH}" in PAGE
    role = (ROOT / "carlib" / "course" / "learner_role.sql").read_text(encoding="utf-8")
    (connections,) = re.findall(r"CONNECTION LIMIT (\d+)", role)
    (minutes,) = re.findall(r"statement_timeout = '(\d+)min'", role)
    assert f"at most {connections} connections" in PAGE
    assert f"limit of {minutes} minutes" in PAGE
    seconds, lock_seconds = sandbox.Sandbox.__init__.__defaults__
    assert f"{seconds:.0f} seconds, wait {lock_seconds:.0f} for a lock" in PAGE
    assert f"return {sandbox.MAX_ROWS:,} rows" in PAGE


@pytest.fixture(scope="module")
def url() -> URL:
    with temporary_server(tcp=True) as server:
        yield server.url


def test_papermill_runs_a_lesson_by_the_line_that_is_shown(url: URL, tmp_path: Path) -> None:
    """The line as written, on the lesson itself; what the README and the page show is the same."""
    lines = {line for text in (README, PAGE) for line in re.findall(r"^papermill .*$", text, re.M)}
    (line,) = lines
    _, lesson, output, *_ = line.split()
    (tmp_path / lesson).parent.mkdir(parents=True)
    shutil.copy(ROOT / lesson, tmp_path / lesson)
    programs = Path(sys.executable).parent
    done = subprocess.run(
        line,
        shell=True,
        cwd=tmp_path,
        env=os.environ
        | {
            "PATH": f"{programs}{os.pathsep}{os.environ['PATH']}",
            "CARLIB_DATABASE_URL": url.render_as_string(hide_password=False),
        },
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr
    written = (tmp_path / output).read_text(encoding="utf-8")
    assert url.password not in written + done.stdout + done.stderr
    cells = nbformat.reads(written, as_version=4).cells
    printed = "".join(out.get("text", "") for one in cells for out in one.get("outputs", []))
    assert 'schema "group_a"' in printed
    assert re.search(r"5,?000", json.dumps([one.get("outputs", []) for one in cells]))
