"""What a learner's code may take when it is graded, and what is left of it afterwards: nothing."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import psutil
import pytest
from learner_notebooks import START, hand_in, sql

from course.grading.limits import Limits, Watch, end_marked, system_limits_memory
from course.grading.schemas import examinee_url
from course.grading.sitting import Sitting, sit
from course.grading.trial import try_function
from servers.postgres import temporary_server

POSIX = pytest.mark.skipif(sys.platform == "win32", reason="forks, as POSIX has them")
NAMES = ("dealer_table", "foreign_keys", "rows_deleted")
BEGIN = 'schema = "x"\n' + START.format(module="lesson_01")
# A process that leaves its parent, its group and its session, and tells where it is.
LEAVE = """\
import os, time
if os.fork() == 0:
    os.setsid()
    if os.fork() == 0:
        open({place!r}, "w").write(str(os.getpid()))
        time.sleep(600)
    os._exit(0)"""


def _sit(*cells: str, **limits: float) -> Sitting:
    with temporary_server() as server:
        return sit(list(enumerate(cells, 1)), NAMES, server, Limits(**limits))


def _gone(pid: int) -> bool:
    try:
        return psutil.Process(pid).status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True


def _watched(code: str, limits: Limits) -> tuple[str, bool]:
    """Why a process was ended, and whether it and all that it started are gone."""
    process = subprocess.Popen([sys.executable, "-c", code], start_new_session=True)
    started: set[psutil.Process] = set()
    with Watch(limits) as watch:
        watch.include(process.pid)
        while process.poll() is None:
            with suppress(psutil.Error):
                started |= set(psutil.Process(process.pid).children(recursive=True))
            time.sleep(0.05)
    psutil.wait_procs(started, timeout=10)
    return watch.reason, all(_gone(one.pid) for one in started)


def test_too_long_is_ended() -> None:
    assert _watched("while True: pass", Limits(seconds=1)) == ("it took longer than 1 s", True)


def test_too_much_memory_in_all_processes_together_is_ended() -> None:
    one = "x = bytearray(300_000_000); import time; time.sleep(60)"
    each = f"for _ in '123': subprocess.Popen([sys.executable, '-c', {one!r}])"
    code = f"import subprocess, sys, time\n{each}\ntime.sleep(60)"
    reason, gone = _watched(code, Limits(60, 600))
    assert (reason, gone) == ("it took more than 600 MB of memory", True)


@POSIX
def test_too_many_processes_are_ended() -> None:
    code = "import os, time\nfor _ in range(80):\n    if not os.fork(): break\ntime.sleep(60)"
    reason, gone = _watched(code, Limits(60))
    assert (reason, gone) == ("it started more than 64 processes", True)


def test_what_ends_in_time_is_left_alone() -> None:
    assert _watched("pass", Limits(60)) == ("", True)


@POSIX
def test_what_leaves_its_family_is_found_by_its_mark(tmp_path: Path) -> None:
    place = tmp_path / "pid"
    environment = {"CARLIB_GRADING": "a-mark", "PATH": ""}
    code = LEAVE.format(place=str(place))
    subprocess.run([sys.executable, "-c", code], env=environment, check=True)
    while not (place.exists() and place.read_text()):
        time.sleep(0.05)
    pid = int(place.read_text())
    assert not _gone(pid)
    end_marked("another-mark")
    assert not _gone(pid)
    end_marked("a-mark")
    assert _gone(pid)


@POSIX
def test_a_notebook_without_end_is_ended_and_what_came_before_counts(tmp_path: Path) -> None:
    place = tmp_path / "pid"
    flood = "for _ in range(3000): print('x' * 10_000)\nwhile True: time.sleep(1)"
    sitting = _sit(
        BEGIN, sql("dealer_table", "SELECT 1"), LEAVE.format(place=str(place)), flood, seconds=20
    )
    assert sitting.problems == ["The notebook was ended in cell [4]: it took longer than 20 s."]
    assert sitting.answers == {"dealer_table": {"form": "text", "content": "SELECT 1"}}
    assert _gone(int(place.read_text()))


def test_a_kernel_has_its_limits_no_secrets_and_none_of_our_data(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("SOME_TOKEN", "secret-word")
    ours = os.environ["CARLIB_DATA_DIR"]
    sitting = _sit(
        BEGIN,
        "import os, sys\nraise ValueError('secret-word' in str(os.environ))",
        f"raise ValueError(os.listdir('.') + [os.environ['CARLIB_DATA_DIR'] == {ours!r}])",
        "sys.exit(3)",
        "x = bytearray(3 * 10**9)" if system_limits_memory() else "raise MemoryError",
        "raise ValueError('\\x1b[31mred\\nand more')",
        sql("dealer_table", "SELECT 1"),
        "os._exit(1)",
        sql("foreign_keys", "SELECT 1"),
        megabytes=1500,
    )
    assert sitting.problems == [
        "Cell [2] ended in an error: ValueError: False.",
        "Cell [3] ended in an error: ValueError: ['ipython', False].",
        "Cell [4] ended in an error: SystemExit: 3.",
        "Cell [5] ended in an error: MemoryError.",
        "Cell [6] ended in an error: ValueError: red.",
        "The notebook was ended in cell [8]: the kernel ended (it exited by itself).",
    ]
    assert list(sitting.answers) == ["dealer_table"]


@POSIX
def test_a_stopped_command_leaves_nothing_behind(tmp_path: Path) -> None:
    told = tmp_path / "told"
    tell = f"import os\nopen({str(told)!r}, 'w').write(f'{{os.getpid()}} {{engine.url}}')"
    hand_in(tmp_path / "ann", tell, "import time\ntime.sleep(600)")
    (tmp_path / "tmp").mkdir()
    running = subprocess.Popen(
        [sys.executable, "-m", "course", "grade", "ann", "--only", "01"],
        cwd=tmp_path,
        env=os.environ | {"TMPDIR": str(tmp_path / "tmp")},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    try:
        while not (told.exists() and told.read_text()):
            assert running.poll() is None, running.communicate()
            time.sleep(0.1)
        kernel, _ = told.read_text().split()
        for _ in "twice":  # the impatient press it again
            os.killpg(running.pid, signal.SIGINT)
            time.sleep(0.3)
            if running.poll() is not None:
                break
        out, err = running.communicate(timeout=120)
    finally:
        running.kill()
    assert (running.returncode, out, err) == (130, "", "Stopped.\n")
    assert _gone(int(kernel))
    assert list((tmp_path / "tmp").iterdir()) == []


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    with temporary_server() as server:
        yield examinee_url(server)


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ("import time; time.sleep(60)", "The function was ended: it took longer than 5 s."),
        ("return bytearray(5 * 10**9)", "Memory"),
        ("return type('X', (), {'__repr__': lambda x: 1 / 0})()", ""),
    ],
)
def test_a_function_is_ended_or_what_it_gives_is_kept(url: str, body: str, said: str) -> None:
    source = f"def intact(data, digest):\n    {body}\n_handed_in = intact"
    seconds = 5 if "sleep" in body else 60
    found = try_function("lesson_06", "intact", source, url, Limits(seconds, 2000))
    assert said in str(found.get("failure", ""))
    assert ("parts" in found) == (not said)
