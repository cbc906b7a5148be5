"""`carlib run --class`: each learner's folder and data, the summary, and what a failure ends."""

from __future__ import annotations

import html
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import nbformat
import psutil
import pytest
from sqlalchemy import create_engine, text
from tiny_lessons import BODY, write_lesson

from course.cli import main
from servers.postgres import temporary_server

# Fails for one of the learners only.
SEVEN = "assert rows != 7, 'seven is too few'"
CLASS = """\
defaults: {rows: 5}
learners:
  - {name: Zoë & <Co>, seed: 3}
  - {name: Unlucky, rows: 7}
  - {name: Nowhere, database_url: "postgresql://n:${GONE_PASSWORD}@127.0.0.1:1/d"}
  - {name: Ada Lovelace, rows: 11, database_url: "${SERVER_URL}"}
"""


@pytest.fixture(scope="module")
def done(tmp_path_factory: pytest.TempPathFactory) -> Iterator[subprocess.CompletedProcess[str]]:
    """A class of four, of whom one has a failing lesson and one no server, and what it printed."""
    root = tmp_path_factory.mktemp("a {class} with blanks")
    write_lesson(root / "notebooks", "01_first", [*BODY, SEVEN])
    write_lesson(root / "notebooks", "02_second", BODY)
    (root / "class.yml").write_text(CLASS, encoding="utf-8")
    stale = root / "build" / "class" / "nowhere" / "1_tiny" / "01_first.html"
    stale.parent.mkdir(parents=True)
    stale.write_text("of an earlier run")
    with temporary_server(tcp=True) as server:
        url = server.url.render_as_string(hide_password=False)
        ran = subprocess.run(
            [
                sys.executable,
                "-m",
                "carlib",
                "run",
                "--notebooks",
                "notebooks",
                "--class",
                "class.yml",
            ],
            cwd=root,
            env=os.environ | {"SERVER_URL": url, "GONE_PASSWORD": "gone-s3cret"},
            capture_output=True,
            encoding="utf-8",
            timeout=300,
        )
        ran.root, ran.url = root, server.url
        yield ran


def _printed(path: Path) -> str:
    cells = nbformat.read(path, as_version=4).cells
    outputs = [output for cell in cells for output in cell.get("outputs", [])]
    return "".join(output.get("text", "") for output in outputs)


def test_it_goes_on_past_failures_and_fails_at_the_end(done: subprocess.CompletedProcess) -> None:
    assert done.returncode == 1, done.stderr
    lines = done.stdout.splitlines()
    assert re.fullmatch(r"learner +01 +02 +seconds", lines[0])
    seconds = r" \d+\.\d"
    ok, failed = f" +ok{seconds}", f" +failed{seconds}"
    for line, expected in zip(
        lines[1:5],
        [
            rf"Zoë & <Co>{ok}{ok} +\d+\.\d",
            rf"Unlucky{failed}{ok} +\d+\.\d",
            r"Nowhere +not run +not run +0\.0",
            rf"Ada Lovelace{ok}{ok} +\d+\.\d",
        ],
        strict=True,
    ):
        assert re.fullmatch(expected, line)
    assert re.fullmatch(
        r"Unlucky, 1_tiny/01_first: cell \[\d\]: AssertionError: seven is too few", lines[5]
    )
    assert lines[6].startswith("Nowhere: No connection to 127.0.0.1:1/d as n: ")
    assert lines[7:] == ["2 of 4 learners ok, 2 lessons each", "Read build/class/index.html"]
    assert "Unlucky [1/2] 01_first  failed" in done.stderr


def test_each_has_a_folder_and_other_data(done: subprocess.CompletedProcess) -> None:
    output = done.root / "build" / "class"
    folders = {path.name for path in output.iterdir()} - {"index.html", "nowhere"}
    counts = {}
    for folder in folders:
        (path,) = (output / folder).glob("*/02_second.ipynb")
        counts[folder] = re.search(r"(\d+) cars", _printed(path))[1]
        assert path.with_suffix(".html").exists()
    assert counts == {"zoe_co": "5", "unlucky": "7", "ada_lovelace": "11"}
    assert 'schema "zoe_co"' in _printed(output / "zoe_co" / "1_tiny" / "01_first.ipynb")


def test_each_has_a_schema_of_their_own(done: subprocess.CompletedProcess) -> None:
    engine = create_engine(done.url)
    with engine.begin() as connection:
        found = connection.execute(
            text("SELECT relnamespace::regnamespace::text FROM pg_class WHERE relname = 'car'")
        ).all()
        count = connection.scalar(text("SELECT count(*) FROM ada_lovelace.car"))
    engine.dispose()
    assert (found, count) == ([("ada_lovelace",)], 11)


def test_the_summary_leads_to_every_page(done: subprocess.CompletedProcess) -> None:
    output = done.root / "build" / "class"
    page = (output / "index.html").read_text(encoding="utf-8")
    assert "2 of 4 learners ok, 2 lessons each" in page
    assert "Zoë &amp; &lt;Co&gt;" in page
    assert "<Co>" not in page
    assert page.count('class="status ok">ok<') == 5
    assert page.count('class="status failed">failed<') == 1
    assert page.count('class="status not-run">not run<') == 2
    assert "AssertionError: seven is too few" in page
    assert "No connection to 127.0.0.1:1/d" in page
    links = re.findall(r'href="([^"]+)"', page)
    assert len(links) == 3 * 3  # an index and two pages for each of three
    assert all((output / html.unescape(link)).is_file() for link in links)
    assert not (output / "nowhere" / "1_tiny" / "01_first.html").exists()
    of_zoe = (output / "zoe_co" / "index.html").read_text(encoding="utf-8")
    assert "for Zoë &amp; &lt;Co&gt; · 2 of 2 lessons ok" in of_zoe
    assert 'href="../index.html"' in of_zoe


def test_no_password_is_anywhere(done: subprocess.CompletedProcess) -> None:
    secrets = [done.url.password, "gone-s3cret"]
    files = [path for path in (done.root / "build").rglob("*") if path.is_file()]
    assert len(files) == 1 + 3 * 5
    shown = [path.read_text(encoding="utf-8") for path in files] + [done.stdout, done.stderr]
    assert not [one for one in secrets if any(one in each for each in shown)]


def _class(tmp_path: Path, text: str, body: list[str] | None = None) -> list[str]:
    write_lesson(tmp_path / "nb", "01_first", body or BODY)
    write_lesson(tmp_path / "nb", "02_files", ["1"], parameters='schema = "f"\nfile = ""')
    (tmp_path / "class.yml").write_text(text, encoding="utf-8")
    return ["run", "--notebooks", str(tmp_path / "nb"), "--class", str(tmp_path / "class.yml")]


@pytest.mark.parametrize(
    ("more", "said"),
    [
        ([], "line 3: expected name, database_url or a lesson's parameter, found 'rowz'"),
        (["-p", "rowz", "5"], "'rowz'"),
        (["--class", "none.yml"], "Expected a YAML file none.yml"),
    ],
)
def test_what_is_mistyped_is_refused_before_anything_runs(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    more: list[str],
    said: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    entry = "rowz: 5" if not more else "rows: 5"
    words = _class(tmp_path, f"learners:\n  - name: Ada\n    {entry}\n")
    assert main([*words, *more]) == 2
    assert said in capsys.readouterr().err
    assert not (tmp_path / "build").exists()


def test_options_hold_for_all_and_only_picks_lessons(
    tmp_path: Path, database_url: str, capsys: pytest.CaptureFixture[str]
) -> None:
    words = _class(tmp_path, "learners:\n  - {name: test_ada, rows: 5, file: x}\n")
    more = ["--rows", "9", "--only", "01", "--database-url", database_url]
    assert main([*words, *more, "--output", str(tmp_path / "out")]) == 0
    said = capsys.readouterr().out.splitlines()
    assert said[-2] == "1 of 1 learners ok, 1 lessons each"
    assert "9 cars" in _printed(tmp_path / "out" / "test_ada" / "1_tiny" / "01_first.ipynb")
    engine = create_engine(database_url)
    with engine.begin() as connection:
        connection.execute(text("DROP SCHEMA test_ada CASCADE"))
    engine.dispose()


@pytest.mark.skipif(os.name == "nt", reason="signals as POSIX has them")
def test_a_stop_ends_it_in_the_middle_of_any_learner(tmp_path: Path) -> None:
    """Also of the second one, after the pages of the first were written."""
    wait = "import time, pathlib\nif seed:\n    pathlib.Path(file).touch()\n    time.sleep(90)"
    told = tmp_path / "told"
    words = _class(tmp_path, "learners:\n  - {name: Ada}\n  - {name: Bea, seed: 1}\n", [wait])
    lesson = write_lesson(
        tmp_path / "nb", "01_first", [wait], parameters=f"seed = 0\nfile = {str(told)!r}"
    )
    lesson.with_name("02_files.ipynb").unlink()
    (tmp_path / "tmp").mkdir()
    running = subprocess.Popen(
        [sys.executable, "-m", "course", *words, "--output", "out"],
        cwd=tmp_path,
        env=os.environ | {"TMPDIR": str(tmp_path / "tmp")},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    try:
        end = time.monotonic() + 120
        while not told.exists() and time.monotonic() < end:
            assert running.poll() is None, running.communicate()
            time.sleep(0.1)
        begun = time.monotonic()
        os.killpg(running.pid, signal.SIGINT)
        out, err = running.communicate(timeout=80)
    finally:
        running.kill()
    assert running.returncode == 130, err
    assert time.monotonic() - begun < 75  # the cell was not waited for
    assert err.endswith("Stopped.\n")
    assert "1 of 2 learners ok" in (tmp_path / "out" / "index.html").read_text(encoding="utf-8")
    assert out == ""
    assert not list((tmp_path / "tmp").iterdir())
    assert not [one for one in psutil.process_iter(["cmdline"]) if str(told) in str(one.info)]
