"""`carlib execute`: a lesson is written back in one form, or not at all."""

from pathlib import Path

import nbformat
import pytest
from nbformat.v4 import new_code_cell
from tiny_lessons import BODY, write_lesson

from course.cli import main
from course.widgets import KEPT

WIDGET = "import ipywidgets as w\nw.IntSlider(value=3)"


def _execute(path: Path, database_url: str) -> int:
    return main(["execute", str(path), "--database-url", database_url])


def test_a_lesson_is_written_in_the_form_that_is_committed(
    tmp_path: Path, database_url: str
) -> None:
    timed = new_code_cell(
        "1 + 1\n1 + 2",
        metadata={"tags": ["keep"], "execution": {"iopub.busy": "x"}, "papermill": {"a": 1}},
    )
    where = "import os\nos.path.basename(os.getcwd())"
    path = write_lesson(tmp_path, "01_first", [*BODY, WIDGET, timed, where, "print(1)\nprint(2)"])
    before = nbformat.read(path, as_version=4)
    before.metadata["papermill"] = {"start_time": "now"}
    before.metadata["language_info"] = {"name": "python", "version": "3.99"}
    before.cells[1].execution_count = 42
    nbformat.write(before, path)

    assert _execute(path, database_url) == 0

    first = path.read_bytes()
    notebook = nbformat.read(path, as_version=4)
    nbformat.validate(notebook)
    assert set(notebook.metadata) == {"kernelspec", "language_info"}
    assert notebook.metadata.kernelspec.name == "python3"
    assert "version" not in notebook.metadata.language_info
    assert [cell.id for cell in notebook.cells] == [cell.id for cell in before.cells]
    assert [cell.source for cell in notebook.cells] == [cell.source for cell in before.cells]
    code = [cell for cell in notebook.cells if cell.cell_type == "code"]
    assert [cell.execution_count for cell in code] == list(range(1, len(code) + 1))
    assert [dict(cell.metadata) for cell in code if cell.metadata] == [
        {"tags": ["parameters"]},
        {"tags": ["keep"]},
    ]
    slider, three, folder, lines = (cell.outputs for cell in code[-4:])
    assert slider[0].data == {"text/plain": "IntSlider(value=3)"}
    assert slider[0].metadata == {KEPT: "<div><b>3</b></div>"}
    assert three[0].data == {"text/plain": "3"}
    assert folder[0].data == {"text/plain": "'1_tiny'"}
    assert [output.text for output in lines] == ["1\n2\n"]

    assert _execute(path, database_url) == 0
    assert path.read_bytes() == first


@pytest.mark.parametrize(
    ("cell", "said"),
    [
        ("1 / 0", "ZeroDivisionError"),
        ("import warnings\nwarnings.warn('take care', stacklevel=1)", "take care"),
        ("import sys\nprint('not this way', file=sys.stderr)", "cell [3] wrote to stderr"),
        ("import sys\nsys.exit(0)", "SystemExit"),
    ],
)
def test_a_lesson_that_fails_or_warns_is_left_as_it_was(
    tmp_path: Path, database_url: str, capsys: pytest.CaptureFixture[str], cell: str, said: str
) -> None:
    path = write_lesson(tmp_path, "01_first", ["1 + 1", cell])
    before = path.read_bytes()
    assert _execute(path, database_url) == 1
    assert said in capsys.readouterr().err
    assert path.read_bytes() == before
