"""The learner's copy of the lessons: made once, added to, never overwritten."""

from __future__ import annotations

import shutil
from pathlib import Path

import notebook_form
import pytest
from tiny_lessons import write_lesson

from course.cli import main
from course.errors import CopyFailed
from course.lessons import Lesson, find_lessons
from course.workbook import WorkbookCopy, copy_lessons

ROOT = Path(__file__).parents[2]


@pytest.fixture
def notebooks(tmp_path: Path) -> Path:
    write_lesson(tmp_path / "notebooks", "01_first")
    write_lesson(tmp_path / "notebooks", "02_second")
    return tmp_path / "notebooks"


def _copy(notebooks: Path) -> WorkbookCopy:
    return copy_lessons(find_lessons(notebooks))


def _names(lessons: list[Lesson]) -> list[str]:
    return [lesson.name for lesson in lessons]


def test_all_lessons_are_copied_once(notebooks: Path) -> None:
    copy = _copy(notebooks)
    assert copy.folder == notebooks.parent / "workbook"
    assert _names(copy.added) == ["01_first", "02_second"]
    for lesson in find_lessons(notebooks):
        assert copy.copy_of(lesson).path.read_bytes() == lesson.path.read_bytes()
    again = _copy(notebooks)
    assert (again.added, again.changed) == ([], [])


def test_answers_survive_a_newer_version(notebooks: Path) -> None:
    first, second = (_copy(notebooks).copy_of(one).path for one in find_lessons(notebooks))
    first.write_text("my answers")
    write_lesson(notebooks, "01_first", ["print('a newer version')"])
    write_lesson(notebooks, "03_third")
    newer = _copy(notebooks)
    assert first.read_text() == "my answers"
    assert (_names(newer.added), _names(newer.changed)) == (["03_third"], ["01_first"])
    assert "The original of 1_tiny/01_first has changed since it was copied. " in str(newer)
    assert f"rename {first} and start again" in str(newer)
    assert str(second) not in str(newer)


def test_what_was_renamed_is_copied_anew_and_counts_as_current(notebooks: Path) -> None:
    first = _copy(notebooks).copy_of(find_lessons(notebooks)[0]).path
    write_lesson(notebooks, "01_first", ["print('a newer version')"])
    first.rename(first.with_name("mine.ipynb"))
    assert _names(_copy(notebooks).added) == ["01_first"]
    assert _copy(notebooks).changed == []
    assert "a newer version" in first.read_text()
    assert first.with_name("mine.ipynb").exists()


@pytest.mark.parametrize("record", ["", "[1]", "{", '{"1_tiny/01_first": 5}'])
def test_without_its_record_a_copy_is_still_left_alone(notebooks: Path, record: str) -> None:
    copy = _copy(notebooks)
    first = copy.copy_of(find_lessons(notebooks)[0]).path
    first.write_text("my answers")
    (copy.folder / ".originals.json").write_text(record)
    assert _copy(notebooks).added == []
    assert first.read_text() == "my answers"


def test_where_no_copy_can_be_made_it_is_said(
    notebooks: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (notebooks.parent / "workbook").write_text("a file")
    with pytest.raises(CopyFailed, match="Expected to write your copy"):
        _copy(notebooks)
    assert main(["lab", "--notebooks", str(notebooks)]) == 1
    assert "Expected to write your copy" in capsys.readouterr().err


def test_git_ignores_the_copy() -> None:
    assert "workbook/" in (ROOT / ".gitignore").read_text("utf-8").split()


def test_links_between_lessons_and_to_the_readme_lead_somewhere(tmp_path: Path) -> None:
    shutil.copytree(ROOT / "notebooks", tmp_path / "notebooks")
    shutil.copy(ROOT / "README.md", tmp_path)
    lessons = find_lessons(tmp_path / "notebooks")
    copy = copy_lessons(lessons)
    assert len(lessons) >= 4
    for lesson in lessons:
        copied = copy.copy_of(lesson)
        assert list(notebook_form.links(copied, (None, None))) == []
        for target in notebook_form.link_targets(copied.notebook.cells[-1]):
            led = (copied.path.parent / target).resolve()
            inside = led.is_relative_to(copy.folder)
            assert inside or led == tmp_path / "README.md", "not to an original"
