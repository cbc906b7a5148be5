"""Every command that a Markdown file shows is executed, as written.

It runs in a copy of the workbook whose lessons are tiny, in the order of the pages. A file that a
page shows in a block, named in its first line (``# class.yml``), is there. `RULES` says what a
command needs beyond that: smaller numbers where it would take minutes, or why it can't run here at
all. A command that no rule knows fails, so that a page can't show what nobody tried.
"""

import json
import os
import re
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from markdown_pages import Text, markdown_files
from shown_commands import Shown, commands_of, hidden_commands, shown_commands, shown_files
from tiny_course import TinyCourse

from carlib import generate_cars
from course.lessons import find_lessons
from servers.postgres import EmbeddedServer, temporary_server

pytestmark = pytest.mark.skipif(os.name == "nt", reason="make and bash are not there")
SECONDS = 300
WINDOWS = "takes Windows"
CONTAINERS = "takes a container engine; tests/pages/test_compose.py checks the file"
CONDA = "takes conda; tests/pages/test_environment.py checks the file and carlib's line for it"


@dataclass(frozen=True)
class Rule:
    """What commands of one form need.

    Attributes:
        command: The form, a regular expression for the whole command.
        skip: Why it can't be executed by a test.
        instead: Text in the command to what is written instead: fewer rows, a file that exists.
        set: Variables for it, for the same purpose where the command itself has no place for it.
        serves: Whether it serves JupyterLab until it is stopped.
        leaves: A file that must be there afterwards.
        fetches: Whether it asks the package index, and is skipped where none answers.
        shares: Whether it needs a server that a class shares, and its superuser's URL.
    """

    command: str
    skip: str = ""
    instead: dict[str, str] = field(default_factory=dict)
    set: dict[str, str] = field(default_factory=dict)
    serves: bool = False
    leaves: str = ""
    fetches: bool = False
    shares: bool = False


# The first that fits holds. Tests named on a page are found, not executed: they are tests already.
COLLECT = {"PYTEST_ADDOPTS": "--collect-only --quiet"}
FEW = "initial_load --rows 200 --rounds 1 --only carlib"
RULES = [
    Rule(r"conda .*", skip=CONDA),
    Rule(r"docker .*", skip=CONTAINERS),
    Rule(r"(py|\.venv\\Scripts\\\w+) .*", skip=WINDOWS),
    Rule(r"make run", leaves="build/run/index.html"),
    Rule(r"make book", skip="takes all lessons; tests/pages/test_book.py runs its line on them"),
    Rule(r"(make|carlib) lab.*", serves=True),
    Rule(r"make test", set={"ARGS": "tests/carlib/test_vin.py -n 0"}),
    Rule(r"make test ARGS=.*", set=COLLECT),
    Rule(r"make bench", set={"ARGS": FEW}, leaves="build/benchmarks/initial_load.md"),
    Rule(r'make bench ARGS="--quick"', instead={"--quick": f"--quick {FEW}"}),
    Rule(r"make bench .* --only .*", instead={"--rows 100000": "--rows 200 --rounds 1"}),
    Rule(r"make bench .*", instead={"initial_load --rows 100000 --rounds 5": FEW}),
    Rule(r"make lock", fetches=True),
    Rule(r"(python3|\.venv/bin/python) bootstrap\.py"),
    Rule(r"pip install --no-deps --no-build-isolation -e \."),
    Rule(r"carlib doctor"),
    Rule(r"carlib run .*-p cars_file .*", instead={"/data/dealer.csv": "dealer.csv"}),
    Rule(r"carlib (roles|grade)", instead={"roles": "roles --help", "grade": "grade --help"}),
    Rule(r"carlib roles .*", shares=True, leaves="class_roles.yml"),
    Rule(
        r"carlib run --class .*",
        instead={"--class": "--only 01 --class"},
        leaves="build/class/index.html",
    ),
    Rule(r"carlib run.* --output results", leaves="results/index.html"),
    Rule(r"carlib run.*", leaves="build/run/index.html"),
    Rule(r"carlib execute", instead={"execute": "execute --help"}),  # a name, without its notebook
    Rule(r"(\.venv/bin/)?carlib execute notebooks/.*"),
    Rule(r"papermill .* out\.ipynb .*", leaves="out.ipynb"),
    Rule(r"(\.venv/bin/)?(python -m )?pytest tests/.*", set=COLLECT),
    Rule(r"\.venv/bin/(ruff (check --fix|format) \.|codespell)"),
    Rule(r"git diff --stat"),
]
COMMANDS = shown_commands()


@pytest.fixture(scope="module")
def course() -> Iterator[TinyCourse]:
    """The copy, with the lessons that commands name, and a server's data beside it."""
    named = " ".join(shown.command for shown in COMMANDS)
    lessons = find_lessons()
    chosen = [lessons[0]]
    chosen += [one for one in lessons[1:] if re.search(rf"\b{one.number}(\b|_)", named)]
    folder = Path(tempfile.mkdtemp(prefix="carlib-commands-"))  # as in conftest: not tmp_path
    try:
        made = TinyCourse(folder / "workbook", chosen)
        lesson = next(lesson for lesson in chosen if "cars_file" in lesson.parameters)
        names = {ours: theirs for theirs, ours in lesson.parameters["rename"].items()}
        cars = generate_cars(20).rename(columns=names)
        cars.to_csv(made.folder / "dealer.csv", index=False)
        for name, content in shown_files().items():
            path = made.folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(content, encoding="utf-8")
        yield made
    finally:
        EmbeddedServer(folder / "data", temporary=True).close()
        shutil.rmtree(folder)


@pytest.fixture(scope="module")
def superuser_url() -> Iterator[str]:
    """The URL of a server that a class shares; it stays for the commands that come later."""
    with temporary_server(tcp=True) as server:
        yield server.url.render_as_string(hide_password=False)


@pytest.mark.parametrize("shown", COMMANDS, ids=lambda shown: f"{shown.page}: {shown.command}")
def test_a_shown_command_works(
    shown: Shown, course: TinyCourse, request: pytest.FixtureRequest
) -> None:
    where = f"{shown.page}, line {shown.line}: `{shown.text}`"
    fitting = (rule for rule in RULES if re.fullmatch(rule.command, shown.command))
    rule = next(fitting, None)
    assert rule, f"{where}\nNo rule knows this command: add one to RULES in {Path(__file__).name}."
    if rule.skip:
        pytest.skip(rule.skip)
    text = shown.text
    for written, small in rule.instead.items():
        text = text.replace(written, small)
    if rule.shares:
        rule.set["CARLIB_DATABASE_URL"] = request.getfixturevalue("superuser_url")
    done = _execute("\n".join((*shown.before, text)), rule, course)
    if rule.fetches and "Failed to fetch" in done.stdout:
        pytest.skip("no package index answers here")
    assert done.returncode == 0, f"{where}\nended with {done.returncode}\n{done.stdout[-3000:]}"
    assert not rule.leaves or (course.folder / rule.leaves).is_file(), where


def _execute(script: str, rule: Rule, course: TinyCourse) -> subprocess.CompletedProcess[str]:
    """Run it in bash, in the copy; one that serves is stopped once it does."""
    runtime = course.folder.parent / "runtime"
    shutil.rmtree(runtime, ignore_errors=True)
    config = course.folder.parent / "jupyter"
    config.mkdir(exist_ok=True)
    # Tests may run as root, for which Jupyter wants to be told so; people need not.
    settings = {"ServerApp": {"allow_root": True}}
    (config / "jupyter_server_config.json").write_text(json.dumps(settings), encoding="utf-8")
    environment = course.environment | {
        "CARLIB_DATA_DIR": str(course.folder.parent / "data"),
        "JUPYTER_RUNTIME_DIR": str(runtime),
        "JUPYTER_CONFIG_DIR": str(config),
        "BROWSER": "true",  # the program of that name, which opens nothing
        # A pytest within closes the common folder of temporary files to servers of other tests.
        "PYTEST_DEBUG_TEMPROOT": str(course.folder.parent),
        **rule.set,
    }
    with tempfile.TemporaryFile("w+") as output:
        process = subprocess.Popen(
            ["bash", "-ec", script],
            cwd=course.folder,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            start_new_session=True,
        )
        try:
            wait = _stop_when_serving if rule.serves else _wait
            status = wait(process, runtime)
        finally:
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()
        output.seek(0)
        return subprocess.CompletedProcess(script, status, output.read())


def _wait(process: subprocess.Popen[bytes], _: Path) -> int:
    return process.wait(SECONDS)


def _stop_when_serving(process: subprocess.Popen[bytes], runtime: Path) -> int:
    """Wait for JupyterLab, then stop it; 0 if it came so far."""
    end = time.monotonic() + SECONDS
    while not list(runtime.glob("jpserver-*.json")):
        if process.poll() is not None or time.monotonic() > end:
            return process.returncode or 1
        time.sleep(0.1)
    os.killpg(process.pid, signal.SIGTERM)
    process.wait(60)
    return 0


def test_no_page_hides_commands_in_a_block_without_a_name() -> None:
    assert [line for page in markdown_files() for line in hidden_commands(page)] == []


def test_every_rule_is_needed() -> None:
    used = {
        next((rule.command for rule in RULES if re.fullmatch(rule.command, one.command)), None)
        for one in COMMANDS
    }
    unused = {rule.command for rule in RULES if not rule.skip} - used
    assert unused == set(), "shown nowhere: take them out"


class TestFinding:
    """What counts as a command, on a page made up for it."""

    PAGE = Text(
        Path(__file__).parents[2] / "page.md",
        """\
```sh
# a comment
make run     # and another
cd notebooks && export A=b
carlib run \\
    --rows 5
for x in 1 2; do
    echo $x
done
```

Type `carlib doctor` or `make`; `SELECT 1` and `carlib.connect()` are none.

| command |
|---|
| `carlib lab` |

    make lab

```
$ carlib run
```

```python
make = 1
```
""",
    )

    def test_lines_and_sentences(self) -> None:
        state = ("cd notebooks && export A=b",)
        assert list(commands_of(self.PAGE)) == [
            Shown("page.md", 3, "make run     # and another"),
            Shown("page.md", 5, "carlib run \\\n    --rows 5", state),
            Shown("page.md", 7, "for x in 1 2; do\n    echo $x\ndone", state),
            Shown("page.md", 12, "carlib doctor"),
            Shown("page.md", 16, "carlib lab"),
        ]

    def test_commands_that_would_be_missed(self) -> None:
        assert [
            line.partition("`")[2].partition("`")[0] for line in hidden_commands(self.PAGE)
        ] == [
            "make lab",
            "$ carlib run",
        ]
