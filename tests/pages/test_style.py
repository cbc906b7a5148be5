"""The linter, the formatter, the type checker and the spell checker find nothing.

What each one looks at and for is set in pyproject.toml; the lessons are part of it.
"""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import nbformat
import pytest

ROOT = Path(__file__).parents[2]
LESSON = ROOT / "notebooks" / "1_core" / "01_schema.ipynb"
MISSPELLED = "sentance"  # codespell:ignore
BRITISH = "colour"  # codespell:ignore

MISTAKEN = """\
import pandas as pd
import psycopg2

from carlib.models import CarInfo


def untyped(engine):
    return engine


def wrong(cars: pd.DataFrame) -> int:
    return cars.columns


def unknown() -> object:
    return CarInfo.__table__.colums  # codespell:ignore


def empty(connection: psycopg2.extensions.connection) -> object:
    return connection.cursor().description.pop()


silenced: int = ""  # type: ignore
"""


def run(*command: str | Path) -> subprocess.CompletedProcess[str]:
    """Run one of the checkers from the root, where it finds its settings."""
    called = [sys.executable, "-m", *command]
    return subprocess.run(called, cwd=ROOT, capture_output=True, text=True, check=False)


@pytest.mark.parametrize("check", [("check",), ("format", "--check")], ids=["lint", "format"])
def test_ruff_finds_nothing(check: tuple[str, ...]) -> None:
    answer = run("ruff", *check, "--no-cache", ROOT)
    assert answer.returncode == 0, answer.stdout + answer.stderr


class TestTypes:
    """mypy, with the settings of pyproject.toml."""

    def test_carlib_is_sound(self) -> None:
        answer = run("mypy")
        assert answer.returncode == 0, answer.stdout + answer.stderr
        assert "no issues found" in answer.stdout

    def test_mistakes_are_found(self, tmp_path: Path) -> None:
        path = tmp_path / "module.py"
        path.write_text(MISTAKEN, encoding="utf-8")
        answer = run("mypy", "--config-file", ROOT / "pyproject.toml", path)
        found = re.findall(r"module\.py:(\d+): error: .*\[([\w-]+)\]", answer.stdout)
        assert {int(line): code for line, code in found} == {
            7: "no-untyped-def",
            12: "return-value",
            16: "attr-defined",
            20: "union-attr",
            23: "ignore-without-code",
        }, answer.stdout


class TestSpelling:
    """Codespell knows common misspellings, and British ones: the workbook is in American."""

    def test_nothing_is_misspelled(self) -> None:
        answer = run("codespell_lib")
        assert answer.returncode == 0, answer.stdout + answer.stderr

    @pytest.mark.parametrize("name", ["README.md", "module.py", "hidden/.file.yml"])
    @pytest.mark.parametrize("word", [MISSPELLED, BRITISH])
    def test_a_misspelled_word_is_found(self, tmp_path: Path, name: str, word: str) -> None:
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(f"# It has\n# a {word}.\n", encoding="utf-8")
        assert f"{path.name}:2: {word} ==>" in run("codespell_lib", tmp_path).stdout

    def test_a_misspelled_word_is_found_in_every_cell_of_a_lesson(self, tmp_path: Path) -> None:
        notebook = nbformat.read(LESSON, as_version=4)
        for cell in notebook.cells:
            mark = "#" if cell.cell_type == "code" else ""
            cell.source = f"{mark}{MISSPELLED} {BRITISH}\n{cell.source}\n{mark}{MISSPELLED}"
        nbformat.write(notebook, tmp_path / LESSON.name)
        answer = run("codespell_lib", tmp_path)
        assert answer.stdout.count(f"{MISSPELLED} ==>") == 2 * len(notebook.cells)
        assert answer.stdout.count(f"{BRITISH} ==>") == len(notebook.cells)

    def test_pictures_and_checksums_are_no_words(self, tmp_path: Path) -> None:
        path = tmp_path / "lesson.ipynb"
        path.write_text(
            f'      "image/png": "iVBORw0KGgo/{MISSPELLED}+fPR/="\n'
            '      "04e3a1c07c7d9b2f2f2b1a9d8c7e6f50",\n',
            encoding="utf-8",
        )
        answer = run("codespell_lib", path)
        assert answer.returncode == 0, answer.stdout
