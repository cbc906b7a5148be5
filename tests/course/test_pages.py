"""Pages: readable without a network, with widgets as they stood."""

import re

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output
from tiny_lessons import write_lesson

from course.lessons import find_lessons
from course.run import run_lessons
from course.widgets import KEPT, freeze_widgets

WIDGETS = """\
import base64, ipywidgets as w
dot = base64.b64decode("R0lGODlhAQABAAAAACwAAAAAAQABAAA=")
knob = w.IntSlider(value=3, description="Rows <n>")
text = w.HTML("<b>three</b>")
knob.observe(lambda change: setattr(text, "value", f"<b>now {change['new']}</b>"), "value")
choice = w.Dropdown(options=[("COPY", 1), ("insert", 2)], value=2, description="Way")
grid = w.GridBox([w.Label("one")], layout={"grid_template_columns": "6em 12em"})
w.VBox([w.HBox([knob, choice]), text, w.Image(value=dot, format="gif"), grid, w.GridBox([])])"""
DIAGRAM = "```mermaid\nerDiagram\n    a ||--o{ b : has\n```"
DISPLAY = f"from IPython.display import Markdown, display\ndisplay(Markdown({DIAGRAM!r}))"
PLOT = "import matplotlib.pyplot as plt\n_ = plt.plot([1, 2])"


@pytest.fixture(scope="module")
def pages(database_url: str, tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """The pages of two lessons with everything in them that a page can show."""
    root = tmp_path_factory.mktemp("pages")
    texts = (
        "$x$\n\n[on](02_second.ipynb), [away](../other.ipynb), [all](../../README.md)\n\n" + DIAGRAM
    )
    cells = [new_markdown_cell(texts), WIDGETS, "knob.value = 7", DISPLAY, PLOT]
    write_lesson(root / "nb", "01_first", cells)
    write_lesson(root / "nb", "02_second", ["1 + 1"])
    course = run_lessons(find_lessons(root / "nb"), root / "out", database_url=database_url)
    assert "widgets" in nbformat.read(course.lessons[0].notebook, as_version=4).metadata
    return [run.page.read_text(encoding="utf-8") for run in course.lessons]


def test_a_page_fetches_nothing(pages: list[str]) -> None:
    for page in pages:
        assert "<script" not in page
        assert "@import" not in page
        sources = re.findall(r'\b(?:src|srcset|data|href)="([^"]*)"', page)
        assert not [source for source in sources if re.match(r"(https?:)?//", source)]
        urls = re.findall(r"url\(['\"]?([^)'\"]*)", page)
        assert not [url for url in urls if not url.startswith(("data:", "#"))]


def test_a_page_shows_widgets_as_they_stood_at_the_end(pages: list[str]) -> None:
    assert "Rows &lt;n&gt;: <b>7</b>" in pages[0]
    assert "Way: <b>insert</b>" in pages[0]
    assert "<b>now 7</b>" in pages[0]
    assert 'src="data:image/gif;base64,R0lGODlh' in pages[0]
    assert "data:image/png;base64," in pages[0]
    assert '<div style="display:grid;grid-template-columns:6em 12em"><div><b>one</b>' in pages[0]


def test_a_widget_without_its_state_is_shown_as_it_was_kept() -> None:
    """As in a lesson that `carlib execute` wrote."""
    output = new_output("display_data", {"text/plain": "IntSlider()"}, metadata={KEPT: "<b>3</b>"})
    notebook = new_notebook(cells=[new_code_cell(outputs=[output])])
    freeze_widgets(notebook)
    assert notebook.cells[0].outputs[0].data["text/html"] == "<b>3</b>"
    assert notebook.cells[0].outputs[0].metadata == {}


def test_a_page_shows_the_text_of_a_diagram(pages: list[str]) -> None:
    assert pages[0].count("a ||--o{ b : has") == 3  # in a text, in its source, in an output


def test_links_lead_to_the_pages_of_the_run(pages: list[str]) -> None:
    assert '<a href="02_second.html">on</a>' in pages[0]
    assert '<a href="../index.html">all</a>' in pages[0]
    assert '<a href="../other.ipynb">away</a>' in pages[0]
    assert all('<a href="../index.html">All lessons</a>' in page for page in pages)
    assert "<title>Lesson 01_first</title>" in pages[0]
