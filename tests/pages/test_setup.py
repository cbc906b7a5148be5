"""bootstrap.py, run for real on a tiny project; what only Windows does is not run here."""

import ast
import os
import runpy
import sys
from pathlib import Path

import pytest
from tiny_project import ROOT, TinyProject

slow = pytest.mark.slow
pytestmark = pytest.mark.skipif(os.name == "nt", reason="stands a shell script in for uv")


@pytest.fixture
def project(tmp_path: Path) -> TinyProject:
    return TinyProject(tmp_path)


@slow
@pytest.mark.parametrize("tool", ["uv", "pip"])
def test_a_fresh_clone_gets_core_and_the_project_in_place(project: TinyProject, tool: str) -> None:
    if tool == "pip":  # no uv here, and none to be had
        (project.tools / "uv").unlink()
        with project.lock("dev").open("a") as lock:
            lock.write(f"uv==1.0 \\\n    --hash=sha256:{'0' * 64}\n")
    code, output = project.set_up()
    assert code == 0, output
    assert "set-up: installing the core packages into .venv, once\n" in output
    assert project.can_import("hatchling")
    assert not project.can_import("iniconfig"), "that is dev's"
    (project.folder / "tiny" / "__init__.py").write_text("import no_such_module")
    assert not project.can_import("tiny"), "the project is not installed in place"


@slow
def test_what_is_there_is_neither_installed_again_nor_removed(project: TinyProject) -> None:
    assert project.set_up()[0] == 0
    assert project.set_up("dev")[0] == 0
    for path in project.folder.rglob("*.t[xo]*"):
        os.utime(path)  # a clone or a checkout sets new times
    project.uv("exit 9")
    assert project.set_up() == project.set_up("dev") == (0, "")
    assert project.can_import("iniconfig")


@slow
def test_an_interrupted_set_up_starts_again_and_an_outage_leaves_what_is_there(
    project: TinyProject,
) -> None:
    assert project.set_up()[0] == 0
    half = project.folder / ".venv" / "half.txt"
    half.touch()
    project.uv("kill -9 $PPID")
    assert project.set_up("dev")[0] == -9
    project.uv()
    assert project.set_up()[0] == 0
    assert project.can_import("tiny")
    assert not half.exists()
    lock = project.lock("dev").read_text()
    project.lock("dev").write_text(lock.replace("==", "==9"))  # nowhere to be had
    code, output = project.set_up("dev")
    assert code == 1
    assert "check the network" in output.splitlines()[-1]
    assert project.set_up() == (0, "")
    project.lock("dev").write_text(lock.replace("sha256:", "sha256:0"))
    assert project.set_up("dev")[0] == 1, "a hash that differs is refused"


def test_an_old_python_is_told_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    ast.parse((ROOT / "bootstrap.py").read_text("utf-8"), feature_version=(3, 7))
    monkeypatch.setattr(sys, "version_info", (3, 10, 1))
    with pytest.raises(SystemExit, match=r"needs Python 3.11 or newer.*PYTHON=python3.13 make run"):
        runpy.run_path(str(ROOT / "bootstrap.py"))
