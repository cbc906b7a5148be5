"""`carlib lab`: JupyterLab for this machine and this person only, on a copy that stays theirs."""

import json
import os
import re
import shutil
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import notebook_form
import psutil
import pytest
from tiny_lessons import write_lesson

from course.cli import main
from course.lab import copy_lessons, copy_of
from course.lessons import find_lessons

ROOT = Path(__file__).parents[2]
# Requests go to this machine, whatever proxy the environment names.
OPENER = urllib.request.build_opener(urllib.request.ProxyHandler({}))


@pytest.fixture
def notebooks(tmp_path: Path) -> Path:
    write_lesson(tmp_path / "notebooks", "01_first")
    write_lesson(tmp_path / "notebooks", "02_second")
    return tmp_path / "notebooks"


def _copy(notebooks: Path) -> str:
    return "\n".join(copy_lessons(find_lessons(notebooks)))


def test_all_lessons_are_copied_once(notebooks: Path) -> None:
    folder = notebooks.parent / "workbook"
    told = _copy(notebooks)
    assert f"Your copy of the lessons is {folder}: work there." in told
    assert "Added to it: 1_tiny/01_first, 1_tiny/02_second." in told
    for lesson in find_lessons(notebooks):
        assert copy_of(lesson).path.read_bytes() == lesson.path.read_bytes()
    assert _copy(notebooks).count("\n") == 0
    files = {path.name for path in folder.rglob("*") if path.is_file()}
    assert files == {"01_first.ipynb", "02_second.ipynb", ".originals.json"}
    assert "workbook/" in (ROOT / ".gitignore").read_text("utf-8").split()


def test_answers_survive_a_newer_version(notebooks: Path) -> None:
    _copy(notebooks)
    first, second = (copy_of(each).path for each in find_lessons(notebooks))
    first.write_text("my answers")
    write_lesson(notebooks, "01_first", ["print('a newer version')"])
    write_lesson(notebooks, "03_third")
    newer = _copy(notebooks)
    assert first.read_text() == "my answers"
    assert "Added to it: 1_tiny/03_third." in newer
    assert "The original of 1_tiny/01_first has changed since it was copied. " in newer
    assert f"rename {first} and start again" in newer
    assert str(second) not in newer
    first.rename(first.with_name("mine.ipynb"))
    assert "Added to it: 1_tiny/01_first." in _copy(notebooks)
    assert "changed" not in _copy(notebooks)
    assert "a newer version" in first.read_text()


@pytest.mark.parametrize("record", ["", "[1]", "{", '{"1_tiny/01_first": 5}'])
def test_without_its_record_a_copy_is_still_left_alone(notebooks: Path, record: str) -> None:
    _copy(notebooks)
    first = copy_of(find_lessons(notebooks)[0]).path
    first.write_text("my answers")
    (notebooks.parent / "workbook" / ".originals.json").write_text(record)
    assert "Added" not in _copy(notebooks)
    assert first.read_text() == "my answers"


def test_where_no_copy_can_be_made_the_command_says_so(
    notebooks: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (notebooks.parent / "workbook").write_text("a file")
    assert main(["lab", "--notebooks", str(notebooks)]) == 1
    assert "carlib: Expected to write your copy" in capsys.readouterr().err


def test_links_between_copies_and_to_the_readme_lead_somewhere(tmp_path: Path) -> None:
    shutil.copytree(ROOT / "notebooks", tmp_path / "notebooks")
    shutil.copy(ROOT / "README.md", tmp_path)
    lessons = find_lessons(tmp_path / "notebooks")
    copy_lessons(lessons)
    for lesson in lessons:
        copied = copy_of(lesson)
        assert list(notebook_form.links(copied, (None, None))) == []
        for link in notebook_form.link_targets(copied.notebook.cells[-1]):
            target = (copied.path.parent / link).resolve()
            inside = target.is_relative_to(tmp_path / "workbook")
            assert inside or target == tmp_path / "README.md", "not to an original"


class Lab(NamedTuple):
    """A running JupyterLab: its process, its address with a final slash, its token, its log."""

    process: subprocess.Popen
    url: str
    token: str
    log: str

    def get(self, path: str, token: str = "") -> bytes:
        headers = {"Authorization": f"token {token}"} if token else {}
        request = urllib.request.Request(self.url + path, headers=headers)
        with OPENER.open(request, timeout=60) as response:
            return response.read()


@contextmanager
def _running(root: Path, *words: str) -> Iterator[Lab]:
    for name in ("01_first", "02_second"):
        write_lesson(root / "notebooks", name)
    kept = {name: value for name, value in os.environ.items() if not name.startswith("JUPYTER_")}
    # Tests may run as root, for which Jupyter wants to be told so; people need not.
    root_too = ["--allow-root"] if hasattr(os, "geteuid") and os.geteuid() == 0 else []
    command = [sys.executable, "-m", "course.cli", "lab", *words, "--no-browser", *root_too]
    runtime, log = root / "runtime", root / "log"
    with log.open("wb") as stream:
        process = subprocess.Popen(
            [*command, "--notebooks", root / "notebooks"],
            env=kept | {"JUPYTER_RUNTIME_DIR": str(runtime), "JUPYTER_CONFIG_DIR": str(root)},
            stdout=stream,
            stderr=stream,
        )
    try:
        end = time.monotonic() + 120
        while not (files := list(runtime.glob("jpserver-*.json"))):
            assert process.poll() is None, log.read_text()
            assert time.monotonic() < end, log.read_text()
            time.sleep(0.1)
        time.sleep(0.2)  # the file is there, now its content
        info = json.loads(files[0].read_text())
        yield Lab(process, info["url"], info["token"], log.read_text())
    finally:
        process.terminate()
        process.wait(30)


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    with _running(tmp_path_factory.mktemp("course"), "second") as running:
        yield running


def test_it_listens_on_this_machine_only(lab: Lab) -> None:
    process = psutil.Process(lab.process.pid)
    listening = [c for c in process.net_connections("inet") if c.status == psutil.CONN_LISTEN]
    assert listening
    assert {connection.laddr.ip for connection in listening} == {"127.0.0.1"}


def test_it_answers_nobody_without_the_token(lab: Lab) -> None:
    assert len(lab.token) >= 32
    for token in ("", "guessed"):
        with pytest.raises(urllib.error.HTTPError) as refused:
            lab.get("api/contents", token)
        assert refused.value.code == 403
        refused.value.close()


def test_it_opens_the_copy_and_asks_for_no_news(lab: Lab) -> None:
    address = r"http://127\.0\.0\.1:\d+/lab/tree/workbook/1_tiny/02_second\.ipynb\?token"
    assert re.search(address, lab.log)
    assert "Added to it: 1_tiny/01_first, 1_tiny/02_second." in lab.log
    listed = json.loads(lab.get("api/contents/workbook/1_tiny", lab.token))
    assert {entry["name"] for entry in listed["content"]} == {"01_first.ipynb", "02_second.ipynb"}
    page = lab.get("lab", lab.token).decode()
    disabled = json.loads(re.search(r'"disabledExtensions": (\[.*?\])', page)[1])
    assert "@jupyterlab/apputils-extension:announcements" in disabled


@pytest.mark.slow
def test_authors_open_the_originals(tmp_path: Path) -> None:
    with _running(tmp_path, "01", "--original") as lab:
        assert "/lab/tree/notebooks/1_tiny/01_first.ipynb?token" in lab.log
    assert not (tmp_path / "workbook").exists()
