"""Every lesson in JupyterLab, in a browser: Run All, its widgets, its exercises, its diagrams."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import pytest
from browsing import Watched, browser, needs_chromium
from lab_process import Lab, copy_lessons, running_lab
from lesson_view import LessonView

from carlib.course.lessons import Lesson, find_lessons

pytestmark = needs_chromium
ROWS = 100
LESSONS = find_lessons()
each_lesson = pytest.mark.parametrize("lesson", LESSONS, ids=lambda one: f"{one.part}/{one.name}")


@dataclass
class Course:
    lab: Lab
    browser: Watched
    lessons: dict[str, LessonView]


@pytest.fixture(scope="module")
def course(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Course]:
    """One JupyterLab and one page, in which all lessons are open, each running from Run All."""
    folder = tmp_path_factory.mktemp("lab")
    copies = copy_lessons(folder / "course" / "notebooks", ROWS)
    last = copies[-1].stem
    with (
        running_lab(folder, folder / "course" / "notebooks", last) as lab,
        browser(folder / "profile") as watched,
    ):
        page = watched.context.new_page()
        page.goto(lab.address, wait_until="domcontentloaded")
        views = {}
        for path in reversed(copies):
            view = LessonView(page, path.name)
            view.wait_open() if path.stem == last else view.open()
            view.run_all()
            views[path.stem] = view
        yield Course(lab, watched, views)


@each_lesson
def test_run_all_runs_every_cell_without_an_error(lesson: Lesson, course: Course) -> None:
    cells = course.lessons[lesson.name].wait_done()
    outputs = [output for cell in cells for output in cell["outputs"]]
    assert [o["evalue"] for o in outputs if o["output_type"] == "error"] == []
    assert [o["text"] for o in outputs if o.get("name") == "stderr"] == []
    assert [cell["source"] for cell in cells if cell["kind"] == "code" and not cell["count"]] == []


def test_no_page_complains_and_no_request_leaves_the_machine(course: Course) -> None:
    assert course.browser.errors == []
    assert course.browser.failures == []
    assert course.browser.strangers == []
