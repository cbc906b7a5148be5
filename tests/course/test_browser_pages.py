"""The pages of `carlib run`, as a reader sees them: light and dark, at 1300 pixels."""

import shutil
from pathlib import Path

import pytest
from browsing import browser, needs_chromium
from legible import faint_texts, wide_things

from course.lessons import CourseRun, LessonRun, find_lessons
from course.pages import write_index, write_page

pytestmark = [needs_chromium, pytest.mark.slow, pytest.mark.browser]
LESSONS = find_lessons()


@pytest.fixture(scope="module")
def pages(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The page of each lesson, with the outputs that are committed, and the index."""
    folder = tmp_path_factory.mktemp("pages")
    runs = []
    for lesson in LESSONS:
        notebook = folder / lesson.part / lesson.path.name
        notebook.parent.mkdir(exist_ok=True)
        shutil.copyfile(lesson.path, notebook)
        runs.append(LessonRun(lesson, {}, notebook, notebook.with_suffix(".html"), "ok", 1.0))
    for run in runs:
        write_page(run, runs)
    failed = [LessonRun(LESSONS[0], {}, folder / "a", folder / "b", "failed", 1.0, "cell [3]: no")]
    failed.append(LessonRun(LESSONS[0], {}, folder / "a", folder / "b"))
    write_index(CourseRun(runs + failed, folder / "index.html", server="PostgreSQL"))
    return folder


def test_texts_stand_out_nothing_is_too_wide_and_nothing_is_fetched(
    pages: Path, tmp_path: Path
) -> None:
    with browser(tmp_path) as watched:
        page = watched.context.new_page()
        for path in sorted(pages.rglob("*.html")):
            page.goto(path.as_uri())
            page.evaluate("document.querySelectorAll('details').forEach(one => one.open = true)")
            assert wide_things(page) == [], path
            for theme, background in (("light", "255, 255, 255"), ("dark", "17, 17, 17")):
                page.emulate_media(color_scheme=theme)
                if path.name != "index.html":  # which has the browser's own colors
                    shown = page.evaluate("getComputedStyle(document.body).backgroundColor")
                    assert shown == f"rgb({background})", path
                assert faint_texts(page, "body") == [], (path, theme)
    assert (watched.errors, watched.failures, watched.strangers) == ([], [], [])
