"""The pages of `carlib run`, as a reader sees them: light, dark and on paper, at 1300 pixels."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from browsing import Watched, browser, needs_chromium
from legible import faint_texts, wide_things
from playwright.sync_api import Page

from course.lessons import CourseRun, Lesson, LessonRun, find_lessons
from course.pages import write_index, write_page

pytestmark = [needs_chromium, pytest.mark.slow, pytest.mark.browser]
LESSONS = find_lessons()
each_lesson = pytest.mark.parametrize("lesson", LESSONS, ids=str)


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


@pytest.fixture(scope="module")
def watched(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Watched]:
    with browser(tmp_path_factory.mktemp("profile")) as found:
        yield found


@pytest.fixture(scope="module")
def page(watched: Watched) -> Page:
    return watched.context.new_page()


def open_page(page: Page, path: Path) -> None:
    page.goto(path.as_uri())
    page.evaluate("document.querySelectorAll('details').forEach(one => one.open = true)")


@each_lesson
def test_texts_stand_out_and_nothing_is_too_wide(lesson: Lesson, pages: Path, page: Page) -> None:
    page.emulate_media(color_scheme="light")
    open_page(page, pages / lesson.part / f"{lesson.name}.html")
    assert wide_things(page, "body") == []
    faint = {"light": faint_texts(page, "body")}
    light = page.evaluate("getComputedStyle(document.body).backgroundColor")
    page.emulate_media(color_scheme="dark")
    faint["dark"] = faint_texts(page, "body")
    dark = page.evaluate("getComputedStyle(document.body).backgroundColor")
    assert faint == {"light": [], "dark": []}
    assert (light, dark) == ("rgb(255, 255, 255)", "rgb(17, 17, 17)")


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_the_index_stands_out(pages: Path, page: Page, theme: str) -> None:
    page.emulate_media(color_scheme=theme)
    open_page(page, pages / "index.html")
    assert faint_texts(page, "body") == []
    assert wide_things(page, "body") == []


def test_no_page_complains_and_no_request_leaves_the_machine(
    pages: Path, page: Page, watched: Watched
) -> None:
    open_page(page, pages / "index.html")
    assert watched.errors == []
    assert watched.failures == []
    assert watched.strangers == []
