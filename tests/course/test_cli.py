"""The `carlib` command as a person uses it: from a shell, stopped by Ctrl-C, mistyped."""

import os
import re
import signal
import subprocess
import sys
import time
from importlib import metadata
from pathlib import Path

import psutil
import pytest
from tiny_lessons import BODY, write_lesson

from course.cli import main

TELL = (
    "import os\nfrom pathlib import Path\n"
    'Path(folder, "told").write_text(f"{os.getpid()} {os.environ[\'CARLIB_DATA_DIR\']}")'
)
POSIX = pytest.mark.skipif(os.name == "nt", reason="signals as POSIX has them")


def carlib(*words: object) -> list[str]:
    return [sys.executable, "-m", "course", *map(str, words)]


def _environment(tmp_path: Path, **more: str) -> dict[str, str]:
    (tmp_path / "tmp").mkdir(exist_ok=True)
    return os.environ | {"TMPDIR": str(tmp_path / "tmp"), "TEMP": str(tmp_path / "tmp"), **more}


def _gone(pid: int) -> bool:
    """Whether that process ended; one that init has not buried yet has ended."""
    try:
        return psutil.Process(pid).status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True


def test_a_run_has_a_server_of_its_own_and_leaves_nothing(tmp_path: Path) -> None:
    write_lesson(tmp_path / "nb", "01_first")
    learners = tmp_path / "learners data"
    done = subprocess.run(
        carlib("run", "--notebooks", "nb", "--rows", "7", "-p", "schema", "mine"),
        cwd=tmp_path,
        env=_environment(
            tmp_path,
            CARLIB_DATA_DIR=str(learners),
            CARLIB_DATABASE_URL="postgresql://nobody@127.0.0.1:1/nothing",
        ),
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    # No warning, no half-drawn bar: one line for the lesson.
    assert re.fullmatch(r"\[1/1\] 01_first  ok  \d+\.\d s\n", done.stderr)
    index = Path("build", "run", "index.html")
    assert re.fullmatch(rf"1 lesson ok in \d+ s\. Read {re.escape(str(index))}\n", done.stdout)
    assert "schema = &#x27;mine&#x27;, rows = 7, seed = 0" in (tmp_path / index).read_text()
    assert not learners.exists()
    assert not list((tmp_path / "tmp").iterdir())


@POSIX
@pytest.mark.parametrize(
    ("number", "status"), [(signal.SIGINT, 130), (signal.SIGTERM, 128 + signal.SIGTERM)]
)
def test_a_stopped_run_stops_its_server_and_removes_it(
    tmp_path: Path, number: int, status: int
) -> None:
    told = tmp_path / "told"
    cells = [*BODY, TELL, "import time\ntime.sleep(60)"]
    write_lesson(
        tmp_path / "nb", "01_waits", cells, parameters='schema = "t"\nrows = 5\nfolder = ""'
    )
    running = subprocess.Popen(
        carlib("run", "--notebooks", "nb", "-p", "folder", tmp_path),
        cwd=tmp_path,
        env=_environment(tmp_path),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    try:
        end = time.monotonic() + 60
        while not (told.exists() and told.read_text()) and time.monotonic() < end:
            assert running.poll() is None, running.communicate()
            time.sleep(0.1)
        kernel, folder = told.read_text().split(maxsplit=1)
        server = int(Path(folder, "data", "postmaster.pid").read_text().split()[0])
        # Ctrl-C reaches every process of the terminal's foreground group, and the impatient press
        # it again while the server is being stopped.
        os.killpg(running.pid, number)
        time.sleep(1)
        if running.poll() is None:
            os.killpg(running.pid, number)
        out, err = running.communicate(timeout=60)
    finally:
        running.kill()
    assert running.returncode == status, err
    assert err == "Stopped.\n"
    assert out == ""
    index = (tmp_path / "build" / "run" / "index.html").read_text(encoding="utf-8")
    assert re.search(r"cell \[[67]\]: the run was stopped there", index)
    assert _gone(int(kernel))
    assert _gone(server)
    assert not Path(folder).exists()


@POSIX
def test_an_interrupt_that_python_lost_stops_the_run_at_the_next_cell(
    tmp_path: Path, database_url: str
) -> None:
    """As where it is raised in a destructor: Python prints it and goes on."""
    write_lesson(tmp_path / "nb", "01_first", [f"open({str(tmp_path / 'ran')!r}, 'w').close()"])
    code = (
        "import os, signal, sys\nfrom pathlib import Path\n"
        "from course.lessons import find_lessons\n"
        "from course.run import run_lessons\n"
        "from course.stopping import orderly_stop\n"
        "class Lossy:\n"
        "    def __del__(self): os.kill(os.getpid(), signal.SIGTERM)\n"
        "with orderly_stop():\n"
        "    Lossy()\n"
        "    run_lessons(find_lessons(Path('nb')), Path('out'), database_url=sys.argv[1])\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, database_url], cwd=tmp_path, capture_output=True, text=True
    )
    assert done.stderr.endswith("KeyboardInterrupt\n")
    assert (tmp_path / "out" / "index.html").exists()
    assert not (tmp_path / "ran").exists()


@POSIX
def test_an_interrupt_after_the_stop_does_not_change_the_status() -> None:
    """The impatient press again; the second one may come when all is done but the exit itself."""
    code = (
        "import os, signal, sys\n"
        "from course.stopping import orderly_stop, stop_status\n"
        "try:\n"
        "    with orderly_stop():\n"
        "        os.kill(os.getpid(), signal.SIGTERM)\n"
        "except KeyboardInterrupt:\n"
        "    os.kill(os.getpid(), signal.SIGINT)\n"
        "    os.kill(os.getpid(), signal.SIGTERM)\n"
        "    sys.exit(stop_status())\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (128 + signal.SIGTERM, "")


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--rowz", "5"], "--rowz"),
        (["-p", "rowz", "5"], "Did you mean 'rows'"),
        (["--rows", "many"], "'rows' takes a whole number"),
        (["--only", "07"], "No lesson '07'"),
        (["--rows", "5", "-p", "rows", "6"], "'rows' is given twice"),
        (["--notebooks", "missing"], "found none in missing"),
        (["--output", "nb/1_tiny/01_first.ipynb"], "is a file"),
    ],
)
def test_what_is_mistyped_is_refused_before_anything_runs(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    words: list[str],
    said: str,
) -> None:
    write_lesson(tmp_path / "nb", "01_first")
    monkeypatch.chdir(tmp_path)
    try:
        status = main(["run", "--notebooks", "nb", *words])
    except SystemExit as ended:  # what argparse refuses itself
        status = ended.code
    assert status == 2
    assert said in capsys.readouterr().err
    assert not (tmp_path / "build").exists()


def test_a_server_that_does_not_answer_fails_the_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    write_lesson(tmp_path / "nb", "01_first")
    monkeypatch.chdir(tmp_path)
    url = "postgresql://someone:secret-word@127.0.0.1:1/nothing"
    assert main(["run", "--notebooks", "nb", "--database-url", url]) == 1
    said = capsys.readouterr()
    assert said.err.startswith("carlib: ")
    assert "secret-word" not in said.err + said.out


@pytest.mark.parametrize("command", [[], ["run"], ["roles"], ["doctor"], ["lab"], ["grade"]])
def test_help_shows_examples_and_every_option(
    command: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ended:
        main([*command, "--help"])
    assert ended.value.code == 0
    text = capsys.readouterr().out
    if command == ["run"]:
        options = "--rows --seed -p --only --output --class --database-url --notebooks"
        assert all(option in text for option in options.split())
    if command != ["doctor"]:
        assert "examples:\n  carlib" in text
    assert "execute " not in text.replace("execute the", "").replace("execute all", "")


def test_the_version_is_the_packages(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["--version"])
    assert capsys.readouterr().out == f"carlib {metadata.version('carlib')}\n"


def test_the_installed_program_is_this_command() -> None:
    (found,) = metadata.entry_points(group="console_scripts", name="carlib")
    assert found.load() is main
