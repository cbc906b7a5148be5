"""bootstrap.py, run for real on a tiny project; what only Windows does is not run here."""

from __future__ import annotations

import ast
import importlib.util
import json
import os
import re
import sys
from pathlib import Path

import pytest
from tiny_project import ROOT, TinyProject, wheel_of

pytestmark = pytest.mark.skipif(os.name == "nt", reason="stands shell scripts in for uv")

CALLS_REAL_UV = f'echo "$2" >> calls; exec "{Path(sys.executable).with_name("uv")}" "$@"'


@pytest.fixture(scope="module")
def wheels(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("wheels")
    for package in ("flit_core", "iniconfig"):
        wheel_of(package, folder)
    return folder


@pytest.fixture
def project(tmp_path: Path, wheels: Path) -> TinyProject:
    made = TinyProject(tmp_path / "a project", wheels)  # a path with a space
    made.uv()
    return made


@pytest.fixture
def ready(project: TinyProject) -> TinyProject:
    assert project.set_up()[0] == 0
    return project


def times(folder: Path) -> dict[Path, int]:
    return {path: path.lstat().st_mtime_ns for path in folder.rglob("*")}


def test_makes_an_environment_with_the_lock_and_the_project(project: TinyProject) -> None:
    code, output = project.set_up()
    assert code == 0
    assert re.search(r"set-up: ready after \d+ s\n$", output)
    assert project.can_import("flit_core", "tiny")
    (project.folder / "tiny.py").write_text("import flit_core, no_such_module")
    assert not project.can_import("tiny"), "the project is not installed as editable"


def test_second_run_installs_nothing(ready: TinyProject) -> None:
    for name in ("requirements.lock", "pyproject.toml"):
        os.utime(ready.folder / name)  # a clone or a checkout sets new times
    before = times(ready.venv)
    ready.uv("exit 9")
    assert ready.set_up() == (0, "")
    assert times(ready.venv) == before


def test_settings_of_tools_install_nothing(ready: TinyProject) -> None:
    with (ready.folder / "pyproject.toml").open("a") as file:
        file.write("[tool.ruff]\nline-length = 90\n")
    assert ready.set_up() == (0, "")


def test_changed_lock_is_installed_into_the_same_environment(ready: TinyProject) -> None:
    (ready.venv / "mine.txt").touch()
    ready.lock("flit_core", "iniconfig")
    assert not ready.can_import("iniconfig")
    assert ready.set_up()[0] == 0
    assert ready.can_import("iniconfig", "tiny")
    assert (ready.venv / "mine.txt").exists()


def test_killed_set_up_is_built_again(project: TinyProject) -> None:
    project.uv("kill -9 $PPID")
    assert project.set_up()[0] == -9
    (project.venv / "half.txt").touch()
    project.uv()
    assert project.set_up()[0] == 0
    assert project.can_import("tiny")
    assert not (project.venv / "half.txt").exists()
    assert not list(project.folder.glob(".venv-old-*"))


def test_outage_keeps_the_environment(ready: TinyProject) -> None:
    (ready.venv / "mine.txt").touch()
    ready.lock("flit_core", "iniconfig")
    code, output = ready.set_up(UV_FIND_LINKS="", PIP_FIND_LINKS="")
    assert code == 1
    assert "check the network" in output.lower()
    assert "Traceback" not in output
    assert ready.can_import("tiny")
    assert ready.set_up()[0] == 0
    assert ready.can_import("iniconfig")
    assert (ready.venv / "mine.txt").exists()


def test_program_that_outlives_a_killed_set_up_is_waited_for(project: TinyProject) -> None:
    project.uv("kill -9 $PPID; /bin/sleep 1; /bin/mkdir -p .venv/late; echo end > .venv/late/file")
    with project.start() as killed:
        assert killed.wait(timeout=60) == -9
    project.uv()
    code, output = project.set_up()
    assert code == 0
    assert output.startswith("set-up: another one is at work in this folder; waiting for it\n")
    assert not (project.venv / "late").exists()
    assert project.can_import("tiny")


@pytest.mark.parametrize("damage", ["python", "folder"])
def test_broken_or_moved_environment_is_built_again(ready: TinyProject, damage: str) -> None:
    if damage == "python":
        (ready.venv / "bin" / "python").unlink()
        (ready.venv / "bin" / "python").symlink_to("/nowhere/python")
    else:
        ready.folder = ready.folder.rename(ready.folder.with_name("moved"))
    code, output = ready.set_up()
    assert code == 0
    assert "making .venv" in output
    assert ready.can_import("tiny")


def test_environment_made_by_hand_is_completed(ready: TinyProject) -> None:
    (ready.venv / "set-up.json").unlink()
    (ready.venv / "mine.txt").touch()
    assert ready.set_up()[0] == 0
    assert (ready.venv / "mine.txt").exists()
    assert ready.set_up() == (0, "")


def test_two_at_once_install_once(project: TinyProject) -> None:
    project.uv(f"/bin/sleep 0.5; {CALLS_REAL_UV}")
    both = [project.start(), project.start()]
    outputs = sorted(process.communicate(timeout=60)[0] for process in both)
    assert [process.returncode for process in both] == [0, 0]
    assert outputs[0] == "set-up: another one is at work in this folder; waiting for it\n"
    assert (project.folder / "calls").read_text() == "install\ninstall\n"  # the lock, the project
    assert project.can_import("flit_core", "tiny")


def test_pip_takes_over_where_uv_fails(project: TinyProject) -> None:
    project.uv("echo uv has a bad day; exit 3")
    code, output = project.set_up()
    assert code == 0
    assert "uv could not do it (uv has a bad day)" in output
    assert project.can_import("flit_core", "tiny")


def test_mirror_that_only_pip_knows_is_left_to_pip(project: TinyProject) -> None:
    (project.tools / "uv").unlink()
    code, output = project.set_up(PIP_NO_INDEX="1")
    assert code == 0
    assert "with uv" not in output
    assert project.can_import("tiny")


@pytest.mark.parametrize("hashes", ["wrong", "missing"])
def test_lock_without_right_hashes_is_refused(project: TinyProject, hashes: str) -> None:
    lock = project.folder / "requirements.lock"
    hashed = r"sha256:\w{8}" if hashes == "wrong" else r" \\\n.*"
    lock.write_text(
        re.sub(hashed, "sha256:00000000" if hashes == "wrong" else "", lock.read_text())
    )
    code, output = project.set_up()
    assert code == 1
    assert "hash" in output.lower()
    assert not project.can_import("flit_core")


def bootstrap_with(patch: str) -> tuple[str, str]:
    """The arguments that run bootstrap.py after one line of Python."""
    return ("-c", f"{patch}; import runpy; runpy.run_path('bootstrap.py', run_name='__main__')")


def test_python_without_venv_is_told_what_to_install(project: TinyProject) -> None:
    (project.tools / "uv").unlink()
    code, output = project.set_up(
        *bootstrap_with("import importlib.util; importlib.util.find_spec = lambda *_: None")
    )
    assert code == 1
    assert "python3-venv" in output.splitlines()[-1]
    assert "Traceback" not in output


def test_old_python_is_told_in_one_line(project: TinyProject) -> None:
    source = (ROOT / "bootstrap.py").read_text()
    ast.parse(source, feature_version=(3, 7))  # what an old Python can't read, it can't refuse
    code, output = project.set_up(
        *bootstrap_with("import sys; sys.version_info = (3, 10, 1); sys.version = '3.10.1 (x)'")
    )
    assert code == 1
    assert output.startswith("The workbook needs Python 3.11 or newer, this is 3.10.1. ")
    assert "PYTHON=python3.13 make run" in output
    assert output.count("\n") == 1
    assert not project.venv.exists()


def test_another_python_is_taken_when_asked_for(
    ready: TinyProject, monkeypatch: pytest.MonkeyPatch
) -> None:
    specification = importlib.util.spec_from_file_location("b", ready.folder / "bootstrap.py")
    bootstrap = importlib.util.module_from_spec(specification)
    specification.loader.exec_module(bootstrap)
    wanted = json.loads((ready.venv / "set-up.json").read_text())["content"]
    monkeypatch.setattr(sys, "version_info", (3, 99, 0))
    monkeypatch.delenv("PYTHON", raising=False)
    assert bootstrap.needed(wanted) == "nothing"
    monkeypatch.setenv("PYTHON", "python3.99")
    assert bootstrap.needed(wanted) == "build"
