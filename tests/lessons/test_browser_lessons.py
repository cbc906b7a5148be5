"""Every lesson in JupyterLab, in a browser: Run All, its widgets, its exercises, its diagrams."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from urllib.parse import unquote

import pytest
from browsing import Watched, browser, needs_chromium
from color_vision import least_difference
from hands import Hands
from knobs import SCENES
from lab_process import Lab, copy_lessons, running_lab
from lesson_view import LessonView
from sqlalchemy import Engine

from course.lessons import Lesson, find_lessons
from exercises.notebook import exercises_of

pytestmark = needs_chromium
ROWS = 100
CHECK = re.compile(r"\bex\.(\w+)\.check\(")
CHECKED_TEXT = re.compile(r'^answer = """', re.MULTILINE)
MERMAID = re.compile(r"^```mermaid\n(.*?)^```$", re.MULTILINE | re.DOTALL)
UNIT = re.compile(
    r"\((bytes|kB|MB|ms|s|rows|UTC|currency units)\)| per (key|second)|^day of \d{4}$"
)
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
        views = {path.stem: LessonView(page, path.name) for path in reversed(copies)}
        views[last].wait_ready()
        for name in list(views)[1:]:
            views[name].open()
        for view in views.values():
            view.wait_ready().show()
            view.run_all()
        yield Course(lab, watched, views)


@each_lesson
def test_run_all_runs_every_cell_without_an_error(lesson: Lesson, course: Course) -> None:
    cells = course.lessons[lesson.name].wait_done()
    for cell in cells:
        for output in cell["outputs"]:
            assert output["output_type"] != "error", (output["ename"], output["evalue"], cell)
            assert output.get("name") != "stderr", (output["text"], cell)
    assert [cell["source"] for cell in cells if cell["kind"] == "code" and not cell["count"]] == []


@each_lesson
def test_hands_on_the_knobs(lesson: Lesson, course: Course, engine: Engine) -> None:
    view = course.lessons[lesson.name]
    cells = view.wait_done()
    shown = [at for at, cell in enumerate(cells) if any(map(is_widget, cell["outputs"]))]
    assert len(shown) == (lesson.name in SCENES), "a lesson with a widget needs a scene in knobs.py"
    for index in shown:
        view.show()
        evaluate = partial(course.lab.evaluate, view.state["kernel"])
        hands = Hands(view, index, settle=partial(evaluate, "None"))
        SCENES[lesson.name](hands, evaluate, engine)
        assert len(hands.moved) == hands.movable, "each knob was moved"


def is_widget(output: dict) -> bool:
    return "application/vnd.jupyter.widget-view+json" in output.get("data", {})


@each_lesson
def test_exercises_tell_right_wrong_and_not_tried_apart(lesson: Lesson, course: Course) -> None:
    view = course.lessons[lesson.name]
    cells = view.wait_done()
    asked = {name: at for at, cell in enumerate(cells) for name in CHECK.findall(cell["source"])}
    exercises = {one.name: one for one in exercises_of(f"lesson_{lesson.number}")}
    assert set(asked) == set(exercises)
    for name, at in asked.items():
        (output,) = cells[at]["outputs"]
        assert output["data"]["text/plain"].startswith(f"Not tried yet ({name})")
    name = next(name for name in asked if CHECKED_TEXT.search(cells[asked[name]]["source"]))
    exercise = exercises[name]
    view.show()
    looks = [look_of(view, asked[name])]
    for answer in (exercise.written(exercise.wrong[0]), exercise.shown_solution):
        view.answer(asked[name], f'answer = """\n{answer}\n"""\nex.{name}.check(answer)')
        looks.append(look_of(view, asked[name]))
    headings, colors = zip(*looks, strict=True)
    assert [heading.removesuffix(f" ({name})") for heading in headings] == [
        "Not tried yet", "Not right yet", "Right",
    ]  # fmt: skip
    assert colors == ("rgb(153, 153, 153)", "rgb(213, 94, 0)", "rgb(0, 158, 115)")


def look_of(view: LessonView, index: int) -> tuple[str, str]:
    """The heading of what a check answered, and the color of the bar beside it."""
    answer = view.cell(index).locator(".jp-OutputArea-output > div:has(> strong)")
    color = answer.evaluate("one => getComputedStyle(one).borderLeftColor")
    return answer.locator("> strong").inner_text(), color


def test_diagrams_are_drawn(course: Course) -> None:
    drawn = 0
    for view in course.lessons.values():
        for index, cell in enumerate(view.wait_done()):
            texts = [o.get("data", {}).get("text/markdown", "") for o in cell["outputs"]]
            if cell["kind"] == "markdown":
                texts.append(cell["source"])
            for diagram in MERMAID.findall("\n".join(texts)):
                view.show()
                picture = view.cell(index).locator(".jp-RenderedMermaid img")
                picture.wait_for()
                picture.evaluate("one => one.decode()")
                view.page.wait_for_function(
                    "one => Math.min(one.offsetWidth, one.offsetHeight) > 200",
                    arg=picture.element_handle(),
                )
                source = unquote(picture.get_attribute("src"))
                assert source.startswith("data:image/svg+xml,")
                tables = set(re.findall(r"\w+(?= \{)", diagram))
                assert tables <= set(re.findall(r"\w+", source))
                drawn += 1
    assert drawn, "lesson 1 has one"


@each_lesson
def test_charts_can_be_read_by_everybody(lesson: Lesson, course: Course) -> None:
    view = course.lessons[lesson.name]
    cells = view.wait_done()
    charts = course.lab.evaluate(view.state["kernel"], "__import__('charts').DRAWN")
    pictures = [o for cell in cells for o in cell["outputs"] if "image/png" in o.get("data", {})]
    assert len(charts) >= len(pictures)
    for chart in charts:
        for axis in chart["axes"]:
            assert axis["names"] or UNIT.search(axis["label"]), axis
        for colors in chart["colors"]:
            assert least_difference(colors) > (1, ""), colors


def test_a_restart_in_the_middle_takes_one_command_to_go_on(course: Course) -> None:
    view = course.lessons["03_delta_load"]
    before = view.wait_done()
    code = [at for at, cell in enumerate(before) if cell["kind"] == "code"]
    middle = code[len(code) // 2]
    view.show()
    view.cell(middle).locator(".cm-content").click()
    view.menu("Kernel", "Restart Kernel and Run up to Selected Cell…")
    view.page.locator(".jp-Dialog .jp-mod-accept").click()

    view.wait(lambda: any(cell["waits"] for cell in view.state["cells"]), "it runs again")
    view.wait_done()
    view.page.keyboard.press("Escape")
    for at in code[len(code) // 2 + 1 :][:3]:
        view.cell(at).locator(".cm-content").click()
        view.page.keyboard.press("Shift+Enter")
    outputs = [output for cell in view.wait_done() for output in cell["outputs"]]
    assert [output["evalue"] for output in outputs if output["output_type"] == "error"] == []
    assert view.state["cells"][code[len(code) // 2 + 3]]["count"] == len(code) // 2 + 4


def test_no_page_complains_and_no_request_leaves_the_machine(course: Course) -> None:
    assert course.browser.errors == []
    assert course.browser.failures == []
    assert course.browser.strangers == []
