"""JupyterLab as `carlib lab` opens it; long work in it is watched, interrupted, restarted."""

import re
from collections.abc import Iterator
from dataclasses import dataclass

import pytest
from browsing import Watched, browser, needs_chromium
from lab_process import Lab, running_lab
from lesson_view import LessonView
from tiny_lessons import write_lesson

pytestmark = [needs_chromium, pytest.mark.slow, pytest.mark.browser]
START = """\
from carlib import connect, create_tables, generate_cars, initial_load, sample_cars
import pandas as pd
engine = connect(schema=schema, fresh=True)
create_tables(engine)"""
COUNT = "pd.read_sql('SELECT count(*) FROM car_info', engine).iat[0, 0]"
LOAD = """\
many = pd.concat([generate_cars(100_000)] * 60, ignore_index=True)
initial_load(engine, many)"""
QUERY = "pd.read_sql('SELECT pg_sleep(3600)', engine)"
SECOND = "initial_load(engine, sample_cars()).inserted"
BODY = [START, LOAD, COUNT, QUERY, SECOND, COUNT]
LONG_LOAD, AFTER_LOAD, LONG_QUERY, AFTER_QUERY, LAST = range(3, 8)


@dataclass
class Opened:
    lab: Lab
    browser: Watched
    lesson: LessonView


@pytest.fixture(scope="module")
def opened(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Opened]:
    """A lesson of long work, open, run as far as its start."""
    folder = tmp_path_factory.mktemp("lab")
    notebooks = folder / "course" / "notebooks"
    write_lesson(notebooks, "01_first")
    lesson = write_lesson(notebooks, "02_long", BODY)
    with running_lab(folder, notebooks, "long") as lab, browser(folder / "profile") as watched:
        page = watched.context.new_page()
        page.goto(lab.address, wait_until="domcontentloaded")
        view = LessonView(page, lesson.name).wait_ready()
        run(view, 1)
        run(view, 2)
        yield Opened(lab, watched, view)


def run(view: LessonView, index: int) -> list[dict]:
    """Run a cell, as Shift+Enter does, and wait for its end."""
    start(view, index)
    return view.wait_done()[index]["outputs"]


def start(view: LessonView, index: int) -> None:
    view.cell(index).locator(".cm-content").click()
    view.page.keyboard.press("Shift+Enter")


def number(outputs: list[dict]) -> int:
    """What a cell of one number shows, `np.int64(3)` or `3`."""
    (output,) = outputs
    return int(re.search(r"\d+", output["data"]["text/plain"].removeprefix("np.int64"))[0])


def interrupt(view: LessonView) -> None:
    view.panel.locator('[data-jp-item-name="interrupt"]').click()


def test_it_opens_the_lesson_and_asks_for_nothing(opened: Opened) -> None:
    view = opened.lesson
    front = view.page.locator("#jp-main-dock-panel .lm-TabBar-tab.lm-mod-current")
    assert front.inner_text().strip() == "02_long.ipynb"
    assert view.page.locator(".jp-Dialog").count() == 0
    assert view.page.locator(".Toastify__toast").all_inner_texts() == []
    assert view.page.locator(".jp-DirListing-item").all_inner_texts()


def test_a_long_load_shows_its_progress_and_can_be_interrupted(opened: Opened) -> None:
    view = opened.lesson
    start(view, LONG_LOAD)
    bar = view.located(LONG_LOAD).locator(".jp-OutputArea-output").filter(has_text="cars/s")
    bar.wait_for()
    shown: set[str] = set()

    def moves() -> bool:
        shown.add(bar.inner_text())
        return len(shown) > 2

    view.wait(moves, "the bar moves")
    interrupt(view)
    outputs = view.wait_done()[LONG_LOAD]["outputs"]
    errors = [output for output in outputs if output["output_type"] == "error"]
    assert len(errors) == 1, errors
    (error,) = errors
    assert error["ename"] == "KeyboardInterrupt"
    assert number(run(view, AFTER_LOAD)) == 0, "the transaction is gone"


def test_a_long_query_can_be_interrupted(opened: Opened) -> None:
    view = opened.lesson
    start(view, LONG_QUERY)
    view.wait(lambda: view.state["status"] == "busy", "it runs")
    view.page.wait_for_timeout(500)
    interrupt(view)
    (error,) = view.wait_done()[LONG_QUERY]["outputs"]
    assert error["ename"] == "KeyboardInterrupt"
    assert "canceling statement" not in "\n".join(error["traceback"])
    assert number(run(view, AFTER_QUERY)) == 2, "the next cell loads cars"


def test_after_a_restart_the_lesson_goes_on_from_its_start_cell(opened: Opened) -> None:
    view = opened.lesson
    kernel = view.state["kernel"]
    view.panel.locator('[data-jp-item-name="restart"]').click()
    view.page.locator(".jp-Dialog .jp-mod-accept").click()
    view.wait(lambda: view.state["status"] == "idle", "the kernel is back")
    assert view.state["kernel"] == kernel
    (error,) = run(view, LAST)
    assert error["ename"] == "NameError", "nothing is left of what the kernel knew"
    run(view, 1)
    run(view, 2)
    assert number(run(view, AFTER_QUERY)) == 2, "the parameters and the start are all it takes"
    assert number(run(view, LAST)) == 2


def test_no_page_complains_and_no_request_leaves_the_machine(opened: Opened) -> None:
    assert opened.browser.errors == []
    assert opened.browser.failures == []
    assert opened.browser.strangers == []
