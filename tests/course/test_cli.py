"""The `carlib` command as a person uses it: from a shell, stopped by Ctrl-C, mistyped."""

import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import nullcontext
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


def carlib(*words: object) -> list[str]:
    return [sys.executable, "-m", "course.cli", *map(str, words)]


def _environment(tmp_path: Path, **more: str) -> dict[str, str]:
    (tmp_path / "tmp").mkdir(exist_ok=True)
    return os.environ | {"TMPDIR": str(tmp_path / "tmp"), "TEMP": str(tmp_path / "tmp"), **more}


def _ended(pid: int) -> bool:
    """Whether that process ended; one that init has not buried yet has ended."""
    try:
        return psutil.Process(pid).status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True


def test_a_run_has_a_server_of_its_own_and_leaves_nothing(tmp_path: Path) -> None:
    write_lesson(tmp_path / "nb", "01_first")
    learners_data = tmp_path / "learners data"
    url = "postgresql://nobody@127.0.0.1:1/nothing"
    done = subprocess.run(
        carlib("run", "--notebooks", "nb", "--rows", "7", "-p", "schema", "mine"),
        cwd=tmp_path,
        env=_environment(tmp_path, CARLIB_DATA_DIR=str(learners_data), CARLIB_DATABASE_URL=url),
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    # No warning, no half-drawn bar: one line for the lesson.
    assert re.fullmatch(r"\[1/1\] 01_first  ok  \d+\.\d s\n", done.stderr)
    index = Path("build", "run", "index.html")
    assert re.fullmatch(rf"1 lesson ok in \d+ s\. Read {re.escape(str(index))}\n", done.stdout)
    assert "schema = &#39;mine&#39;, rows = 7, seed = 0" in (tmp_path / index).read_text()
    assert not learners_data.exists()
    assert not list((tmp_path / "tmp").iterdir())


@pytest.mark.slow
@pytest.mark.skipif(os.name == "nt", reason="signals as POSIX has them")
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_stopped_run_stops_its_server_and_removes_it(tmp_path: Path, number: int) -> None:
    told = tmp_path / "told"
    cells = [*BODY, TELL, "import time\ntime.sleep(60)"]
    parameters = 'schema = "t"\nrows = 5\nfolder = ""'
    write_lesson(tmp_path / "nb", "01_waits", cells, parameters=parameters)
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
        for each in (signal.SIGINT, signal.SIGTERM):
            time.sleep(0.3)
            if running.poll() is None:
                os.killpg(running.pid, each)
        out, err = running.communicate(timeout=60)
    finally:
        running.kill()
    assert running.returncode == 128 + number, err
    *announced, last = err.splitlines()
    assert (out, last) == ("", "Stopped.")
    assert all(line.startswith("carlib: waiting ") for line in announced), "where a start is slow"
    index = (tmp_path / "build" / "run" / "index.html").read_text(encoding="utf-8")
    assert re.search(r"cell \[[67]\]: the run was stopped there", index)
    assert _ended(int(kernel))
    assert _ended(server)
    assert not Path(folder).exists()


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--rowz", "5"], "--rowz"),
        (["-p", "rowz", "5"], "Did you mean 'rows'"),
        (["--rows", "many"], "'rows' takes a whole number"),
        (["--rows", "0"], "'rows' takes a whole number, 1 or more (its default is 10), found '0'"),
        (["-p", "rows", "-5"], "1 or more"),
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
    message: str,
) -> None:
    write_lesson(tmp_path / "nb", "01_first")
    monkeypatch.chdir(tmp_path)
    try:
        status = main(["run", "--notebooks", "nb", *words])
    except SystemExit as ended:  # what argparse refuses itself
        status = ended.code
    assert status == 2
    assert message in capsys.readouterr().err
    assert not (tmp_path / "build").exists()


def test_a_server_that_does_not_answer_fails_the_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    write_lesson(tmp_path / "nb", "01_first")
    monkeypatch.chdir(tmp_path)
    url = "postgresql://someone:secret-word@127.0.0.1:1/nothing"
    assert main(["run", "--notebooks", "nb", "--database-url", url]) == 1
    shown = capsys.readouterr()
    assert shown.err.startswith("carlib: ")
    assert "secret-word" not in shown.err + shown.out
    assert not (tmp_path / "build").exists()


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 100 kB."""
    disk = tmp_path / "disk"
    disk.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=100k", "tmpfs", str(disk)]
    if shutil.which("mount") is None or subprocess.run(mount, capture_output=True).returncode:
        pytest.skip("only root can mount a small disk")
    yield disk
    subprocess.run(["umount", str(disk)], check=True)


def _run_into(output: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> int:
    write_lesson(tmp_path / "nb", "01_first", ["print('x' * 200_000)", "1 + 1"])
    monkeypatch.setattr("course.run.run_database", lambda _: nullcontext(({}, "no server")))
    return main(["run", "--notebooks", str(tmp_path / "nb"), "--output", str(output)])


def test_a_full_disk_is_named(
    small_disk: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert _run_into(small_disk / "out", tmp_path, monkeypatch) == 1
    message = capsys.readouterr().err.splitlines()[-1]
    assert message.startswith(f"carlib: can't write to {small_disk}/out: No space left on device. ")
    assert message.endswith("free space on its disk, or name another folder with --output.")


def test_a_read_only_disk_is_named(
    small_disk: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    subprocess.run(["mount", "-o", "remount,ro", str(small_disk)], check=True)
    assert _run_into(small_disk / "a" / "b", tmp_path, monkeypatch) == 1
    message = f"carlib: can't write to {small_disk}/a/b: Read-only file system. Make it writable"
    assert capsys.readouterr().err.startswith(message)


def test_a_folder_of_results_that_is_a_file_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "file").touch()
    assert _run_into(tmp_path / "file" / "out", tmp_path, monkeypatch) == 1
    message = f"carlib: can't write to {tmp_path / 'file' / 'out'}: "
    assert capsys.readouterr().err.startswith(message)


@pytest.mark.slow
def test_a_full_temporary_folder_is_named(small_disk: Path, tmp_path: Path) -> None:
    write_lesson(tmp_path / "nb", "01_first")
    done = subprocess.run(
        carlib("run", "--notebooks", "nb"),
        cwd=tmp_path,
        env=os.environ | {"TMPDIR": str(small_disk)},
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 1
    assert done.stderr.startswith("carlib: ")
    assert "Traceback" not in done.stderr
    assert "TMPDIR" in done.stderr
    assert "CARLIB_DATA_DIR" not in done.stderr


@pytest.mark.parametrize(
    ("command", "options"),
    [
        ("", "run lab doctor grade roles --version"),
        ("run", "--rows --seed -p --only --output --class --database-url --notebooks"),
        ("lab", "LESSON --original --notebooks"),
        ("doctor", "--database-url"),
        ("grade", "FOLDER --json --junit --only --rows --require --seconds --notebooks"),
        ("roles", "FILE --output --database-url"),
        ("execute", "NOTEBOOK --database-url"),
    ],
)
def test_help_shows_every_option(
    command: str, options: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ended:
        main([*command.split(), "--help"])
    assert ended.value.code == 0
    text = capsys.readouterr().out
    assert [option for option in options.split() if option not in text] == []


def test_the_installed_program_is_this_command(capsys: pytest.CaptureFixture[str]) -> None:
    (program,) = metadata.entry_points(group="console_scripts", name="carlib")
    with pytest.raises(SystemExit):
        program.load()(["--version"])
    assert capsys.readouterr().out == f"carlib {metadata.version('carlib')}\n"
