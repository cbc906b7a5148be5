"""Lessons in JupyterLab, in a browser: Run All, widgets, exercises, diagrams."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from urllib.parse import unquote

import pytest
from browsing import Watched, browser, needs_chromium
from lab_process import Lab, copy_lessons, running_lab
from lesson_view import LessonView
from sqlalchemy import Engine
from widget_cases import CASES
from widget_driver import WidgetDriver

from course.lessons import Lesson, find_lessons
from exercises.notebook import exercises_of

pytestmark = [needs_chromium, pytest.mark.browser, pytest.mark.slow]
ROWS = 100
CHECK = re.compile(r"\bex\.(\w+)\.check\(")
CHECKED_TEXT = re.compile(r'^answer = """', re.MULTILINE)
MERMAID = re.compile(r"^```mermaid\n(.*?)^```$", re.MULTILINE | re.DOTALL)
LESSONS = find_lessons()
FIRST_OF_PARTS = list({lesson.part: lesson for lesson in reversed(LESSONS)}.values())


def of_each(lessons: list[Lesson]) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("lesson", lessons, ids=lambda one: f"{one.part}/{one.name}")


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
        views = {path.stem: LessonView(page, path.name) for path in reversed(copies)}
        views[last].wait_ready()
        for name in list(views)[1:]:
            views[name].open()
        for view in views.values():
            view.wait_ready().show()
            view.run_all()
        yield Course(lab, watched, views)


@of_each(LESSONS)
def test_run_all_and_the_widget(lesson: Lesson, course: Course, engine: Engine) -> None:
    view = course.lessons[lesson.name]
    cells = view.wait_done()
    for cell in cells:
        for output in cell["outputs"]:
            assert output["output_type"] != "error", (output["ename"], output["evalue"], cell)
            if output.get("name") == "stderr":  # said where a start takes longer than 2 s
                assert output["text"].startswith("carlib: waiting for "), (output["text"], cell)
    assert [cell["source"] for cell in cells if cell["kind"] == "code" and not cell["count"]] == []
    shown = [at for at, cell in enumerate(cells) if any(map(is_widget, cell["outputs"]))]
    assert len(shown) == (lesson.name in CASES), "a widget needs a case in widget_cases.py"
    for index in shown:
        view.show()
        evaluate = partial(course.lab.evaluate, view.state["kernel"])
        driver = WidgetDriver(view, index, settle=partial(evaluate, "None"))
        CASES[lesson.name](driver, evaluate, engine)
        assert len(driver.used) == driver.inputs


def is_widget(output: dict) -> bool:
    return "application/vnd.jupyter.widget-view+json" in output.get("data", {})


@of_each(FIRST_OF_PARTS)
def test_a_check_tells_right_wrong_and_not_tried_apart(lesson: Lesson, course: Course) -> None:
    view = course.lessons[lesson.name]
    cells = view.wait_done()
    checks = {name: at for at, cell in enumerate(cells) for name in CHECK.findall(cell["source"])}
    exercises = {one.name: one for one in exercises_of(f"lesson_{lesson.name[:2]}")}
    assert set(checks) == set(exercises)
    name = next(name for name in checks if CHECKED_TEXT.search(cells[checks[name]]["source"]))
    exercise = exercises[name]
    view.show()
    looks = [look_of(view, checks[name])]
    for answer in (exercise.written(exercise.wrong[0]), exercise.shown_solution):
        view.answer(checks[name], f'answer = """\n{answer}\n"""\nex.{name}.check(answer)')
        looks.append(look_of(view, checks[name]))
    assert looks == [
        (f"Not tried yet ({name})", "rgb(153, 153, 153)"),
        (f"Not right yet ({name})", "rgb(213, 94, 0)"),
        (f"Right ({name})", "rgb(0, 158, 115)"),
    ]


def look_of(view: LessonView, index: int) -> tuple[str, str]:
    """The heading of a check's feedback, and the color of the bar beside it."""
    feedback = view.cell(index).locator(".jp-OutputArea-output > div:has(> strong)")
    color = feedback.evaluate("one => getComputedStyle(one).borderLeftColor")
    return feedback.locator("> strong").inner_text(), color


def test_the_diagram_of_lesson_1_is_drawn(course: Course) -> None:
    view = course.lessons["01_schema"]
    outputs = [
        (at, output) for at, cell in enumerate(view.wait_done()) for output in cell["outputs"]
    ]
    texts = [(at, output.get("data", {}).get("text/markdown", "")) for at, output in outputs]
    index, diagram = next((at, text) for at, text in texts if MERMAID.search(text))
    view.show()
    picture = view.cell(index).locator(".jp-RenderedMermaid img")
    picture.wait_for()
    view.page.wait_for_function(
        "one => Math.min(one.offsetWidth, one.offsetHeight) > 200", arg=picture.element_handle()
    )
    source = unquote(picture.get_attribute("src"))
    assert source.startswith("data:image/svg+xml,")
    assert set(re.findall(r"\w+(?= \{)", diagram)) <= set(re.findall(r"\w+", source))


def test_no_page_complains_and_no_request_leaves_the_machine(course: Course) -> None:
    assert course.browser.errors == []
    assert course.browser.failures == []
    assert course.browser.strangers == []
