"""`carlib run`: what it writes, how it stops, whose Python and whose server it uses."""

import json
import re
import sys
from collections.abc import Iterator
from pathlib import Path

import nbformat
import pytest
from tiny_lessons import BODY, write_lesson

from course.errors import LessonFailed
from course.lessons import find_lessons
from course.run import CourseRun, run_lessons
from servers.postgres import temporary_server

ABOUT_KERNEL = "import os, sys\nprint(sys.executable, os.getcwd(), type(rows).__name__)"
# What a careless lesson may print of its connection.
SHOW_ENGINE = "print(engine, engine.url)\nengine"
ASK_PORT = """\
with engine.begin() as db:
    print("server port", db.exec_driver_sql("SELECT inet_server_port()").scalar())"""
BROKEN_SQL = 'engine.connect().exec_driver_sql("SELECT * FROM nowhere")'


@pytest.fixture(scope="module")
def tcp_url() -> Iterator[str]:
    """The URL, with a password, of a server on TCP."""
    with temporary_server(tcp=True) as server:
        assert server.url.password
        yield server.url.render_as_string(hide_password=False)


@pytest.fixture(scope="module")
def finished(tcp_url: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[CourseRun]:
    """Three lessons run with rows = 7, while a kernel spec of another Python is in the way."""
    root = tmp_path_factory.mktemp("a {course} with blanks")
    write_lesson(root / "notebooks", "01_first", [*BODY, SHOW_ENGINE, ASK_PORT])
    write_lesson(root / "notebooks", "02_second", [ABOUT_KERNEL, *BODY], opening="One. Two.")
    write_lesson(root / "notebooks", "01_other", part="2_more", parameters='schema = "o"', body=[])
    wrong = root / "user's" / "kernels" / "python3" / "kernel.json"
    wrong.parent.mkdir(parents=True)
    wrong.write_text(json.dumps({"argv": ["false"], "display_name": "x", "language": "python"}))
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("JUPYTER_DATA_DIR", str(root / "user's"))
        patch.setenv("JUPYTER_PREFER_ENV_PATH", "0")  # as where the environment is another user's
        patch.chdir(root)
        yield run_lessons(
            find_lessons(root / "notebooks"),
            root / "out {rows}",
            values={"rows": "7"},
            database_url=tcp_url,
        )


def _printed(path: Path) -> str:
    cells = nbformat.read(path, as_version=4).cells
    outputs = [output for cell in cells for output in cell.get("outputs", [])]
    return "".join(output.get("text", "") for output in outputs)


def test_every_lesson_runs_in_order_with_the_values_it_declares(finished: CourseRun) -> None:
    names = [(run.lesson.part, run.lesson.name, run.status) for run in finished.lessons]
    assert names == [
        ("1_tiny", "01_first", "ok"),
        ("1_tiny", "02_second", "ok"),
        ("2_more", "01_other", "ok"),
    ]
    assert [run.parameters for run in finished.lessons] == [{"rows": 7}, {"rows": 7}, {}]
    assert all("7 cars" in _printed(run.notebook) for run in finished.lessons[:2])


def test_kernels_use_this_python_and_the_callers_folder(finished: CourseRun) -> None:
    folder = finished.lessons[0].notebook.parents[2]
    assert f"{sys.executable} {folder} int" in _printed(finished.lessons[1].notebook)


def test_kernels_use_the_server_that_was_named(finished: CourseRun, tcp_url: str) -> None:
    port = re.search(r":(\d+)/", tcp_url)[1]
    assert f"server port {port}\n" in _printed(finished.lessons[0].notebook)


def test_the_password_is_in_no_file(finished: CourseRun, tcp_url: str) -> None:
    password = re.search(r":([^:@/]+)@", tcp_url)[1].encode()
    output = finished.lessons[0].notebook.parents[1]
    files = [path for path in output.rglob("*") if path.is_file()]
    assert len(files) == 7  # three notebooks, three pages, the index
    assert not [path for path in files if password in path.read_bytes()]


def test_the_index_tells_each_lesson_and_leads_to_it(finished: CourseRun) -> None:
    output = finished.index.parent
    index = finished.index.read_text(encoding="utf-8")
    assert re.search(r"3 of 3 lessons ok · PostgreSQL 18\.\d+ · ", index)
    for text in [">Lesson 02_second</a><br>", "rows = 7", ">1_tiny<"]:
        assert text in index
    links = re.findall(r'href="([^"]+)"', index)
    assert len(links) == 6
    assert all((output / link).is_file() for link in links)


def test_a_failing_cell_stops_the_run_and_keeps_what_was_done(
    tcp_url: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_lesson(tmp_path / "nb", "01_fails", [*BODY, BROKEN_SQL, 'print("after")'])
    write_lesson(tmp_path / "nb", "02_never", BODY)
    stale = tmp_path / "out" / "1_tiny" / "02_never.html"
    stale.parent.mkdir(parents=True)
    stale.write_text("of an earlier run")
    with pytest.raises(LessonFailed) as caught:
        run_lessons(
            find_lessons(tmp_path / "nb"), tmp_path / "out", database_url=tcp_url, log=sys.stderr
        )
    message = str(caught.value).splitlines()
    assert message[0].startswith("1_tiny/01_fails failed in cell [5]: ProgrammingError: ")
    assert 'relation "nowhere" does not exist' in message[0]
    assert len(message) <= 3
    kept = tmp_path / "out" / "1_tiny" / "01_fails.ipynb"
    assert "10 cars" in _printed(kept)
    assert "after" not in _printed(kept)
    assert "ProgrammingError" in kept.with_suffix(".html").read_text(encoding="utf-8")
    assert not stale.exists()
    index = (tmp_path / "out" / "index.html").read_text(encoding="utf-8")
    assert "0 of 2 lessons ok, 1 failed" in index
    assert ">not run</span>" in index
    assert "[1/2] 01_fails  failed" in capsys.readouterr().err
    password = re.search(r":([^:@/]+)@", tcp_url)[1]
    assert password not in kept.read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("cell", "said"),
    [
        ("n = 1\nassert n == 2", "cell [3]: AssertionError: assert n == 2"),
        ("import os\nos._exit(3)", "cell [3]: the kernel died"),
        ("import sys\nsys.exit()", "cell [3]: it ended the lesson, 1 cells unrun"),
    ],
)
def test_a_lesson_that_ends_early_has_failed(
    tcp_url: str, tmp_path: Path, cell: str, said: str
) -> None:
    write_lesson(tmp_path / "nb", "01_ends", ["1 + 1", cell, "2 + 2"])
    with pytest.raises(LessonFailed, match=re.escape(said)):
        run_lessons(find_lessons(tmp_path / "nb"), tmp_path / "out", database_url=tcp_url)
