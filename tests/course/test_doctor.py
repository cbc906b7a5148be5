"""`carlib doctor`: each requirement is met here, and each can be found missing."""

import contextlib
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import create_engine, make_url, text
from tiny_lessons import write_lesson

from course import doctor, lessons
from course.cli import main

NOBODY = 65534


@contextlib.contextmanager
def ordinary_user() -> Iterator[None]:
    """Give up root's right to write everywhere, for a moment."""
    if os.name == "nt" or os.geteuid() != 0:
        yield
        return
    os.seteuid(NOBODY)
    try:
        yield
    finally:
        os.seteuid(0)


@pytest.fixture
def open_folder() -> Iterator[Path]:
    """A temporary folder that every user may read (pytest's own are for one user)."""
    folder = Path(tempfile.mkdtemp(prefix="carlib-doctor-"))
    folder.chmod(0o755)
    yield folder
    shutil.rmtree(folder)


def _install(site: Path, name: str, version: str, *lines: str) -> None:
    """Write the metadata of an installed package."""
    info = site / f"{name.replace('-', '_')}-{version}.dist-info"
    info.mkdir()
    content = "\n".join(["Metadata-Version: 2.1", f"Name: {name}", f"Version: {version}", *lines])
    (info / "METADATA").write_text(content + "\n", encoding="utf-8")


def test_everything_is_ok_here(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("CARLIB_DATA_DIR", str(tmp_path / "data"))
    assert main(["doctor"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert all(line.startswith("ok  ") for line in lines)
    begin = ["Python 3.", "each package", "free disk", "write access to the data"]
    begin += ["write access to the notebooks", "PostgreSQL 18."]
    assert all(line[4:].startswith(text) for line, text in zip(lines, begin, strict=True))
    assert lines[-1].endswith(", embedded")


def test_a_server_at_a_url_is_asked_and_left_as_it_was(
    database_url: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("CARLIB_DATABASE_URL", database_url)
    assert main(["doctor"]) == 0
    shown = capsys.readouterr().out
    assert "PostgreSQL 18." in shown
    assert "at your URL" in shown
    assert "free disk" not in shown
    engine = create_engine(make_url(database_url).set(drivername="postgresql+psycopg2"))
    with engine.connect() as connection:
        left = "SELECT count(*) FROM pg_namespace WHERE nspname LIKE 'carlib_check%'"
        assert connection.scalar(text(left)) == 0
    engine.dispose()

    url = "postgresql://someone:secret-word@127.0.0.1:1/nothing"
    assert main(["doctor", "--database-url", url]) == 1
    shown = capsys.readouterr().out
    lines = shown.splitlines()
    (no,) = [line for line in lines if line.startswith("NO")]
    assert no.startswith("NO  PostgreSQL, the server at your URL (ConnectionFailed)")
    assert "secret-word" not in shown
    assert lines[-1] == "Not ready: 1 of the lines above says NO and what to do."


def test_a_package_that_does_not_fit_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    _install(tmp_path, "tqdm", "0.1")
    _install(tmp_path, "carlib", "9", "Requires-Dist: no-such-package>=1", "Requires-Dist: tqdm>4")
    unmet = [str(check) for check in doctor.packages() if check.to_do]
    assert [line.partition(":")[0] for line in unmet] == [
        "NO  carlib 9 requires no-such-package, which is not installed",
        "NO  carlib 9 has requirement tqdm>4, but you have tqdm 0.1",
    ]
    assert unmet[0].endswith("install the locked set again, with `make run` or as the README says")


def test_carlib_without_metadata_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.path", [])  # where metadata is looked for
    python, carlib = doctor.packages()
    assert str(python).startswith("ok  Python 3.")
    assert str(carlib).startswith("NO  carlib is not installed as a package")


def test_a_full_disk_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CARLIB_DATA_DIR", str(tmp_path / "not yet" / "there"))
    assert [check.to_do for check in doctor.data_folder()] == ["", ""]
    usage = shutil.disk_usage(tmp_path)
    monkeypatch.setattr(shutil, "disk_usage", lambda folder: usage._replace(free=1_900_000_000))
    disk = str(next(doctor.data_folder()))
    assert disk.startswith(f"NO  free disk 1.9 GB in {tmp_path / 'not yet' / 'there'}: the lessons")


def test_a_folder_that_is_read_only_is_named(
    open_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_lesson(open_folder / "notebooks", "01_first")
    monkeypatch.setattr(lessons, "__file__", str(open_folder / "course" / "lessons.py"))
    monkeypatch.chdir(open_folder)
    assert not doctor.notebooks_folder().to_do
    for folder in (open_folder / "notebooks", open_folder):
        folder.chmod(0o555)
    with ordinary_user():
        data = str(doctor.write_access("data folder", open_folder / "below" / "it", "move it"))
        found = str(doctor.notebooks_folder())
    assert data.startswith(f"NO  data folder {open_folder}/below/it (Permission denied): make it")
    assert data.endswith(", or move it")
    assert "clone the workbook where you may write" in found
    open_folder.chmod(0o755)
    shutil.rmtree(open_folder / "notebooks")
    found = str(doctor.notebooks_folder())
    assert found.startswith("NO  notebooks: ")
    assert "checkout" in found


def test_a_broken_set_up_ends_with_status_1(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("CARLIB_DATA_DIR", str(tmp_path / "file" / "data"))
    (tmp_path / "file").write_text("")
    assert main(["doctor"]) == 1
    shown = capsys.readouterr().out
    assert "NO  data folder" in shown
    assert "NO  PostgreSQL, embedded" in shown
    assert "Not ready: 2 of the lines above say NO and what to do." in shown


def test_it_works_where_packages_are_missing() -> None:
    """In a process in which neither carlib nor its larger dependencies can be imported."""
    gone = ["carlib", "pandas", "sqlalchemy", "psycopg2", "nbformat", "filelock", "packaging"]
    code = (
        f"import sys; sys.modules.update(dict.fromkeys({gone}))\n"
        "from course.cli import main; sys.exit(main(['doctor']))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stderr) == (1, "")
    assert "NO  PostgreSQL, embedded" in done.stdout
    assert "install the locked set again" in done.stdout
