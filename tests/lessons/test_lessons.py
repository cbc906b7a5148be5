"""Every lesson: executed, its outputs compared, its seconds counted.

A new lesson is found and covered without a change here. Once with each run of the tests, a lesson
is compared with its committed outputs; the slow tests execute it twice more, with other parameters
and beside another lesson.
"""

import os
import random
import re
import secrets
import shutil
import tempfile
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import nbformat
import psutil
import pytest
from nbval.plugin import get_sanitize_patterns
from nbval_lessons import SANITIZE, validate
from notebook_form import TEMPLATE

import carlib
from course.lessons import Lesson, find_lessons
from course.run import run_lessons
from servers.postgres import EmbeddedServer

LESSONS = find_lessons()
# Seconds for all cells of a lesson; CARLIB_TEST_BUDGET_FACTOR gives a slow machine more.
BUDGET = 15 * float(os.environ.get("CARLIB_TEST_BUDGET_FACTOR") or 1)

each_lesson = pytest.mark.parametrize("lesson", LESSONS, ids=lambda one: f"{one.part}/{one.name}")


@pytest.mark.parametrize(
    "lesson",
    [*LESSONS, pytest.param(Lesson(TEMPLATE), marks=pytest.mark.slow)],
    ids=lambda one: f"{one.part}/{one.name}",
)
def test_outputs_are_the_committed_ones_within_the_budget(
    lesson: Lesson, database_url: str, record_property: Callable[[str, object], None]
) -> None:
    """Where more programs want a core than there are cores, a lesson may take as much longer.

    One that is over its budget runs once more, in case it was a passing disturbance.
    """
    for _ in range(2):
        validation = validate(lesson.path, {"CARLIB_DATABASE_URL": database_url})
        assert validation.passed, validation.report
        crowding = max(1, psutil.getloadavg()[0] / psutil.cpu_count())
        seconds = f"{lesson.name} took {validation.seconds:.1f} s of {BUDGET * crowding:.1f} s"
        if validation.seconds <= BUDGET * crowding:
            break
    record_property("lesson_seconds", seconds)
    assert validation.seconds <= BUDGET * crowding, seconds


@pytest.mark.slow
@each_lesson
def test_other_parameters_give_other_results(
    lesson: Lesson, database_url: str, tmp_path: Path
) -> None:
    """In the schema that the lesson left behind, as for somebody who runs it again."""
    rows = lesson.parameters["rows"] // 8
    values = {"rows": rows, "seed": lesson.parameters["seed"] + 1}
    course = run_lessons([lesson], tmp_path, values=values, database_url=database_url)
    committed = _compared_outputs(lesson.notebook)
    executed = _compared_outputs(nbformat.read(course.lessons[0].notebook, as_version=4))
    assert committed.keys() == executed.keys()
    assert committed != executed
    # The number of cars is shown: 12,500 or 12500, now and not before.
    shown = re.compile(rf"(?<![\d,.]){f'{rows:,}'.replace(',', ',?')}(?![\d,.]\d)")
    assert shown.search(" ".join(executed.values()))
    assert not shown.search(" ".join(committed.values()))


@pytest.mark.slow
def test_lesson_2_takes_a_file_with_our_names_and_others_beside_them(
    database_url: str, tmp_path: Path
) -> None:
    """As the README shows it; what is left out is said."""
    path = tmp_path / "dealer.csv"
    cars = carlib.generate_cars(50, seed=3).assign(mileage=1, **{"dealer, city": "Köln"})
    cars.to_csv(path, index=False)
    values = {"rows": 1000, "cars_file": str(path), "schema": "own_file"}
    lessons = [lesson for lesson in LESSONS if lesson.name == "02_initial_load"]
    course = run_lessons(lessons, tmp_path / "out", values=values, database_url=database_url)
    shown = course.lessons[0].notebook.read_text(encoding="utf-8")
    assert "left out: mileage, dealer, city" in shown
    assert "50 inserted, 0 rejected" in shown


def _compared_outputs(notebook: nbformat.NotebookNode) -> dict[str, str]:
    """The text of each output that nbval compares, by its cell's id."""
    patterns = get_sanitize_patterns(SANITIZE.read_text(encoding="utf-8"))
    outputs = {}
    for cell in notebook.cells:
        ignored = {"nbval-ignore-output", "parameters", "injected-parameters"}
        if cell.cell_type == "code" and not ignored & set(cell.metadata.get("tags", [])):
            text = "\n".join(
                output.get("text") or output.get("data", {}).get("text/plain", "")
                for output in cell.outputs
            )
            for regex, replacement in patterns:
                text = re.sub(regex, replacement, text)
            outputs[cell.id] = text
    return outputs


@pytest.mark.slow
def test_in_any_order_and_two_at_once_on_a_server_that_the_first_one_starts() -> None:
    """As learners have it: without a URL. CARLIB_TEST_SEED brings an order back."""
    seed = int(os.environ.get("CARLIB_TEST_SEED") or secrets.randbelow(10**6))
    paths = random.Random(seed).sample([lesson.path for lesson in LESSONS], len(LESSONS))
    folder = Path(tempfile.mkdtemp(prefix="carlib-lessons-"))  # not tmp_path, as in conftest
    environment = {"CARLIB_DATA_DIR": str(folder)}
    with EmbeddedServer(folder):  # made beforehand: a start that takes long is announced on stderr
        pass
    try:
        with ThreadPoolExecutor(max_workers=2) as pool:
            validations = list(pool.map(lambda path: validate(path, environment), paths))
    finally:  # nbval kills its kernels, so none of them stops the server
        EmbeddedServer(folder, temporary=True).close()
        shutil.rmtree(folder, ignore_errors=True)
    failed = [one.report for one in validations if not one.passed]
    order = [path.stem for path in paths]
    assert not failed, f"CARLIB_TEST_SEED={seed}: {order}\n" + "\n".join(failed)
