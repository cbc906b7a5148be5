"""`carlib doctor`: each requirement is met here, and each can be found missing."""

import contextlib
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from importlib import metadata
from pathlib import Path

import pytest
from tiny_lessons import write_lesson

from course import doctor, lessons
from course.cli import main
from servers.postgres import temporary_server

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
    text = "\n".join(["Metadata-Version: 2.1", f"Name: {name}", f"Version: {version}", *lines])
    (info / "METADATA").write_text(text + "\n", encoding="utf-8")


def test_everything_is_ok_here(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("CARLIB_DATA_DIR", str(tmp_path / "data"))
    assert main(["doctor"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert all(line.startswith("ok  ") for line in lines)
    declared = [line.split(">")[0] for line in metadata.requires("carlib") or []]
    assert len(declared) >= 10
    places = ["free disk", "write access to the data", "write access to the notebooks", "ports"]
    for name in ["Python 3.", *declared, *places]:
        assert len([line for line in lines if line.startswith(f"ok  {name}")]) == 1, name
    (server,) = [line for line in lines if line.startswith("ok  PostgreSQL 18.")]
    assert server.endswith(", embedded")
    assert len(lines) == len(declared) + 6


def test_a_server_at_a_url_is_asked(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    with temporary_server(tcp=True) as server:
        url = server.url.render_as_string(hide_password=False)
        monkeypatch.setenv("CARLIB_DATABASE_URL", url)
        assert main(["doctor"]) == 0
        said = capsys.readouterr().out
        assert "PostgreSQL 18." in said
        assert "at your URL" in said
        assert server.url.password not in said

        wrong = server.url.set(password="not-the-word").render_as_string(hide_password=False)
        assert main(["doctor", "--database-url", wrong]) == 1
        said = capsys.readouterr().out
        assert "not-the-word" not in said
        assert sum(line.startswith("NO  PostgreSQL") for line in said.splitlines()) == 1
        # It made nothing that stays.
        with contextlib.closing(_raw(url)) as connection, connection.cursor() as cursor:
            cursor.execute("SELECT count(*) FROM pg_namespace WHERE nspname LIKE 'carlib%'")
            assert cursor.fetchone() == (0,)


def _raw(url: str):
    import psycopg2

    return psycopg2.connect(url.replace("+psycopg2", ""))


def test_a_server_that_is_not_there_has_a_line_and_the_others_follow(
    capsys: pytest.CaptureFixture[str],
) -> None:
    url = "postgresql://someone:secret-word@127.0.0.1:1/nothing"
    assert main(["doctor", "--database-url", url]) == 1
    said = capsys.readouterr().out
    lines = said.splitlines()
    (no,) = [line for line in lines if line.startswith("NO")]
    assert no.startswith("NO  PostgreSQL, the server at your URL (ConnectionFailed)")
    assert "secret-word" not in said
    assert lines[lines.index(no) + 1].startswith("ok  ports")
    assert lines[-1] == "Not ready: 1 of the lines above says NO and what to do."


@pytest.mark.parametrize(
    ("package", "said"),
    [
        (("tqdm", "0.1"), "NO  tqdm 0.1: >=4.67 is needed; install the locked set again"),
        (("papermill", "2.7rc1"), "NO  papermill 2.7rc1: >=2.7 is needed"),
    ],
)
def test_a_dependency_out_of_range_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, package: tuple[str, str], said: str
) -> None:
    _install(tmp_path, *package)
    monkeypatch.syspath_prepend(tmp_path)
    found = [str(check) for check in doctor.dependencies() if not check.ok]
    assert len(found) == 1
    assert found[0].startswith(said)


def test_a_missing_dependency_is_named_and_one_for_other_systems_is_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    required = ["no-such-package>=1", "tqdm>=4", "for-an-extra; extra == 'x'"]
    required.append("for-another-system; sys_platform == 'plan9'")
    _install(tmp_path, "carlib", "9", *(f"Requires-Dist: {line}" for line in required))
    monkeypatch.syspath_prepend(tmp_path)
    found = [str(check) for check in doctor.dependencies()]
    assert len(found) == 2
    assert found[0].startswith("NO  no-such-package is not installed: install the locked set")
    assert found[1].startswith("ok  tqdm ")


def test_a_python_that_is_too_old_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert doctor.python_version().ok
    _install(tmp_path, "carlib", "9", "Requires-Python: >=3.99")
    monkeypatch.syspath_prepend(tmp_path)
    assert str(doctor.python_version()).startswith("NO  Python 3.")
    assert ">=3.99 is needed" in str(doctor.python_version())


def test_carlib_without_metadata_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.path", [])  # where metadata is looked for
    (found,) = doctor.dependencies()
    assert str(found).startswith("NO  carlib is not installed as a package")
    assert doctor.python_version().ok


def test_a_full_disk_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert doctor.free_disk(tmp_path / "not yet" / "there").ok
    usage = shutil.disk_usage(tmp_path)
    monkeypatch.setattr(shutil, "disk_usage", lambda folder: usage._replace(free=1_900_000_000))
    found = str(doctor.free_disk(tmp_path))
    assert found.startswith(f"NO  free disk 1.9 GB in {tmp_path}: the lessons need 2 GB")


def test_a_folder_that_is_read_only_is_named(open_folder: Path) -> None:
    open_folder.chmod(0o555)
    with ordinary_user():
        checks = [
            doctor.write_access("data folder", folder, "choose another with CARLIB_DATA_DIR")
            for folder in (open_folder, open_folder / "below" / "it")
        ]
    for check in checks:
        assert str(check).startswith(f"NO  data folder {open_folder}")
        assert "Permission denied" in str(check)
        assert "choose another with CARLIB_DATA_DIR" in str(check)
    open_folder.chmod(0o777)
    with ordinary_user():
        assert doctor.write_access("data folder", open_folder / "below", "").ok
    assert not list(open_folder.iterdir())


def test_a_data_folder_that_is_a_file_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    assert not doctor.write_access("data folder", tmp_path / "file" / "data", "").ok


def test_lessons_that_are_read_only_or_missing_are_named(
    open_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_lesson(open_folder / "notebooks", "01_first")
    package = open_folder / "carlib" / "__init__.py"
    monkeypatch.setattr(lessons.carlib, "__file__", str(package))
    monkeypatch.chdir(open_folder)
    assert doctor.notebooks_folder().ok
    (open_folder / "notebooks").chmod(0o555)
    with ordinary_user():
        assert "clone the workbook where you may write" in str(doctor.notebooks_folder())
    shutil.rmtree(open_folder / "notebooks")
    found = str(doctor.notebooks_folder())
    assert found.startswith("NO  notebooks: ")
    assert "checkout" in found


def test_ports_are_told_for_each_way() -> None:
    assert "none opened here" in str(doctor.ports("postgresql://x"))
    if os.name != "nt":
        assert "none needed" in str(doctor.ports(None))


def test_a_broken_set_up_ends_with_status_1(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("CARLIB_DATA_DIR", str(tmp_path / "file" / "data"))
    (tmp_path / "file").write_text("")
    assert main(["doctor"]) == 1
    said = capsys.readouterr().out
    assert "NO  data folder" in said
    assert "NO  PostgreSQL, embedded" in said
    assert "Not ready: 2 of the lines above say NO and what to do." in said


def test_it_works_where_packages_are_missing() -> None:
    """In a process in which none of carlib's larger dependencies can be imported."""
    gone = ["pandas", "sqlalchemy", "psycopg2", "nbformat", "filelock", "packaging"]
    code = (
        f"import sys; sys.modules.update(dict.fromkeys({gone}))\n"
        "from course.cli import main; sys.exit(main(['doctor']))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert done.returncode == 1
    assert done.stderr == ""
    assert "NO  PostgreSQL, embedded" in done.stdout
    assert "install the locked set again" in done.stdout
