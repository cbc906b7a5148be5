"""`carlib run --class`: the table of a class, each learner's lessons, and what a failure ends."""

import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import nbformat
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from server_probes import eventually, posix_only
from sqlalchemy import create_engine, text
from tiny_lessons import BODY, write_lesson

from course.class_file import read_class, slug
from course.class_run import run_class
from course.cli import main
from course.errors import ClassFileError, UsageError
from course.lessons import Lesson, find_lessons
from servers.postgres import temporary_server

PASSWORD = "s3cret-passw0rd"
RUN = [sys.executable, "-m", "course.cli", "run", "--class", "class.csv"]
OTHER = 'schema = "o"\nshare = 0.5\nhalf = True\nlimit = None'
TABLE = """\
\ufeffname, seed, rows, database_url_env
"Zoë & <Co>", 3, 5,
Unlucky,, 7,
,,,
Nowhere,,,GONE_URL

  Ada \t Lovelace\u200b,,11,SERVER_URL
"""


@pytest.fixture(scope="module")
def lessons(tmp_path_factory: pytest.TempPathFactory) -> list[Lesson]:
    """Two lessons; the first fails for whoever has 7 rows."""
    root = tmp_path_factory.mktemp("lessons")
    write_lesson(root, "01_first", [*BODY, "assert rows != 7, 'seven is too few'"])
    write_lesson(root, "02_second", ["print(schema)"], parameters=OTHER)
    return find_lessons(root)


@pytest.fixture(scope="module")
def done(
    lessons: list[Lesson], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[subprocess.CompletedProcess[str]]:
    """A class of four, of whom one has a failing lesson and one no server, and what it printed."""
    root = tmp_path_factory.mktemp("a {class} with blanks")
    (root / "class.csv").write_text(TABLE, encoding="utf-8")
    stale = root / "out" / "nowhere" / "1_tiny" / "01_first.html"
    stale.parent.mkdir(parents=True)
    stale.write_text("of an earlier run")
    words = [*RUN, "--notebooks", lessons[0].path.parents[1], "--output", "out"]
    with temporary_server(tcp=True) as server:
        urls = {
            "SERVER_URL": server.url.render_as_string(hide_password=False),
            "GONE_URL": f"postgresql://n:{PASSWORD}@127.0.0.1:1/d",
        }
        ran = subprocess.run(
            words, cwd=root, env=os.environ | urls, capture_output=True, encoding="utf-8"
        )
        ran.output, ran.url = root / "out", server.url
        yield ran


def _printed(path: Path) -> str:
    cells = nbformat.read(path, as_version=4).cells
    outputs = [output for cell in cells for output in cell.get("outputs", [])]
    return "".join(output.get("text", "") for output in outputs)


def test_one_learners_failure_ends_nobody_elses_lessons(done: subprocess.CompletedProcess) -> None:
    assert done.returncode == 1, done.stderr
    table = "\n".join(" ".join(line.split()) for line in done.stdout.splitlines())
    assert re.sub(r" [1-9]\d*\.\d$", " N", table, flags=re.MULTILINE).startswith(
        "learner 01 02 seconds\n"
        "Zoë & <Co> ok ok N\n"
        "Unlucky failed ok N\n"
        "Nowhere not run not run 0.0\n"
        "Ada Lovelace ok ok N\n"
        "Unlucky, 01_first: cell [6]: AssertionError: seven is too few\n"
        "Nowhere, 01_first: No connection to 127.0.0.1:1/d as n: "
    )
    assert table.splitlines()[-2:] == ["2 of 4 learners ok", "Read out/*/index.html"]
    assert len(list(done.output.glob("*/index.html"))) == 4
    (page,) = done.output.glob("nowhere/**/*.*")  # and nothing of the earlier run
    assert "<pre>No connection to 127.0.0.1:1/d as n: " in page.read_text(encoding="utf-8")


def test_each_has_other_data_and_a_schema_of_their_own(done: subprocess.CompletedProcess) -> None:
    for folder, rows in {"zoe_co": 5, "unlucky": 7, "ada_lovelace": 11}.items():
        part = done.output / folder / "1_tiny"
        assert _printed(part / "01_first.ipynb") == f"{rows} cars\n"
        assert _printed(part / "02_second.ipynb") == f"{folder}\n"
    with create_engine(done.url).connect() as connection:  # the server of one of them only
        schemas = "SELECT relnamespace::regnamespace::text FROM pg_class WHERE relname = 'car'"
        assert connection.scalars(text(schemas)).all() == ["ada_lovelace"]


def test_no_password_is_in_any_output(done: subprocess.CompletedProcess) -> None:
    files = [path for path in done.output.rglob("*") if path.is_file()]
    assert len(files) == 3 * 5 + 1
    shown = "".join([*(path.read_text("utf-8") for path in files), done.stdout, done.stderr])
    assert PASSWORD not in shown
    assert done.url.password not in shown


@pytest.mark.parametrize(
    ("table", "message"),
    [
        ("", "line 1: expected 'name' and other columns"),
        (f"Ada,postgresql://a:{PASSWORD}@h/d\n", "line 1: expected 'name' and other columns"),
        ("name;seed\nAda;1\n", "line 1: .* separated by commas"),
        ("name,seed\n", "expected a row for each learner, found none"),
        ("name,rowz\nAda,\n", "line 1: .* found 'rowz'. Did you mean 'rows'"),
        ("name,database_url\nAda,\n", "Did you mean 'database_url_env'"),
        ("name,seed,seed\nAda,1,2\n", "line 1: expected each column once, found 'seed'"),
        ("name,seed\n\nAda,1\nBea\n", "line 4: expected 2 fields, found 1"),
        ("name,seed\nLovelace, Ada,1\n", "line 2: expected 2 fields, found 3"),
        ("name,seed\nAda,1\n,1\n", "line 3: expected a name with a letter or digit, found ''"),
        ("name\nZo\u00eb\nZoe\u0308\n", "line 3: .* 'zoe'"),
        ("name\nAda\nBea\nada!\n", "line 4: .* schema 'ada' with 'Ada' .*line 2\\)"),
        ('name,seed\n"Ada\nLovelace",x\n', "line 3: .*'seed' takes a whole number"),
        ("name,half\nAda,maybe\n", "line 2: .*'half' takes true or false"),
        (f"name,database_url_env\nA,postgresql://a:{PASSWORD}@h/d\n", "line 2: .* such as ADA_URL"),
        ("name,database_url_env\nAda,NOT_SET\n", "line 2: .* NOT_SET .* `carlib roles`"),
        ("name\nJos\u00e9\n", "UTF-8"),
        (None, "No such file"),
    ],
)
def test_a_mistake_is_refused_with_its_line_before_anything_runs(
    tmp_path: Path, lessons: list[Lesson], table: str | None, message: str
) -> None:
    path = tmp_path / "class.csv"
    if table is not None:
        path.write_text(table, encoding="latin-1" if "Jos" in table else "utf-8")
    with pytest.raises(UsageError, match=f"(?s)class.csv.*{message}") as caught:
        run_class(path, lessons, lessons[:1], tmp_path / "out", {}, None)
    assert PASSWORD not in str(caught.value)
    assert not (tmp_path / "out").exists()


def test_options_hold_for_everyone_and_only_picks_lessons(
    tmp_path: Path, lessons: list[Lesson], database_url: str, capsys: pytest.CaptureFixture[str]
) -> None:
    path, output = tmp_path / "class.csv", tmp_path / "out"
    path.write_text("name,rows,share,database_url_env\ntest_ada,5,1,NOT_SET\n", encoding="utf-8")
    words = ["run", "--notebooks", str(lessons[0].path.parents[1]), "--class", str(path)]
    words += ["--only", "01", "--output", str(output), "--database-url", database_url]
    assert main([*words, "-p", "rowz", "9"]) == 2
    assert "class.csv" not in capsys.readouterr().err  # the mistake is not in the table
    try:
        assert main([*words, "--rows", "9"]) == 0
    finally:
        with create_engine(database_url).begin() as connection:
            connection.execute(text("DROP SCHEMA IF EXISTS test_ada CASCADE"))
    assert [path.name for path in output.rglob("*.ipynb")] == ["01_first.ipynb"]
    assert _printed(output / "test_ada" / "1_tiny" / "01_first.ipynb") == "9 cars\n"


@given(st.lists(st.text(st.characters(exclude_categories=["Cs"]), min_size=1), max_size=8))
@example(["CON", "nul", "com1", "public", "pg_fan", "İ", "ß", "\ufb03", "李", "हिन्दी", "한국"])
@example(["x" * 60, "x" * 61])
@example(["0", "\r"])
@example(['"', "a/b", "..", "\0", "\x1b[31m"])
def test_any_names_make_folders_and_schemas_apart_or_are_refused(
    tmp_path_factory: pytest.TempPathFactory, names: list[str]
) -> None:
    path = tmp_path_factory.getbasetemp() / "names.csv"
    quoted = ['"{}"'.format(name.replace('"', '""')) for name in names]
    path.write_text("\n".join(["name", *quoted]), encoding="utf-8", newline="")
    try:
        learners = read_class(path)
    except ClassFileError:
        visible = ["".join(c for c in name if c.isprintable() or c.isspace()) for name in names]
        expected = {slug(name) for name in visible}
        assert "" in expected or len(expected) < len(names) or not names
        return
    slugs = [learner.slug for learner in learners]
    named = [name for name in names if name.strip()]  # a line of blanks is no learner
    assert len({one.casefold() for one in slugs}) == len(named)
    assert all(re.fullmatch(r"\w+", one) and len(one.encode()) <= 48 for one in slugs)
    assert not {"con", "nul", "com1", "public", "extensions"} & set(slugs)
    assert not any(one.startswith("pg_") for one in slugs)
    assert all(learner.name.isprintable() for learner in learners)


@pytest.mark.slow
@posix_only
def test_ctrl_c_ends_a_class_in_order(tmp_path: Path) -> None:
    waits = "import time, pathlib\npathlib.Path(file).touch()\ntime.sleep(90)"
    begun = tmp_path / "begun"
    write_lesson(tmp_path / "nb", "01_first", [waits], parameters=f"file = {str(begun)!r}")
    (tmp_path / "class.csv").write_text("name\nAda\nBea\n", encoding="utf-8")
    (tmp_path / "tmp").mkdir()
    running = subprocess.Popen(
        [*RUN, "--notebooks", "nb"],
        cwd=tmp_path,
        env=os.environ | {"TMPDIR": str(tmp_path / "tmp")},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    try:
        assert eventually(begun.exists, 120), running.poll()
        os.killpg(running.pid, signal.SIGINT)
        out, err = running.communicate(timeout=80)
    finally:
        running.kill()
    assert (running.returncode, out) == (130, ""), err
    (page,) = (tmp_path / "build" / "class").glob("*/index.html")
    assert "the run was stopped there" in page.read_text(encoding="utf-8")
    assert not list((tmp_path / "tmp").iterdir())  # nor is its server left
