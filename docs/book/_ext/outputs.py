"""Shows what JupyterLab would draw: widgets as they stood at the end, hidden code folded."""

import re
from collections.abc import Iterator

import ipywidgets
import nbformat
from number_columns import mark_numbers
from pygments.lexers.special import TextLexer
from sphinx.application import Sphinx

from course.widgets import freeze_widgets


def prepare_notebook(app: Sphinx, docname: str, source: list[str]) -> None:
    """Replace a notebook's text by one with all outputs in forms that a page can show."""
    if not str(app.env.doc2path(docname)).endswith(".ipynb"):
        return
    notebook = nbformat.reads(source[0], as_version=4)
    freeze_widgets(notebook)
    for cell in notebook.cells:
        if cell.metadata.get("jupyter", {}).get("source_hidden"):
            cell.metadata.tags = [*cell.metadata.get("tags", []), "hide-input"]
    for data in _outputs(notebook):
        if is_widget(data.get("text/plain", "")):
            data["text/html"] = _framed(data.get("text/html", ""))
        if "<table" in data.get("text/html", ""):
            data["text/html"] = mark_numbers(data["text/html"])
    source[0] = nbformat.writes(notebook)


def is_widget(text: str) -> bool:
    """Tell from its ``repr``, ``VBox(children=…``, whether an output was a widget."""
    name = re.match(r"(\w+)\(", text)
    kind = getattr(ipywidgets, name[1], None) if name else None
    return isinstance(kind, type) and issubclass(kind, ipywidgets.Widget)


def _outputs(notebook: nbformat.NotebookNode) -> Iterator[dict[str, str]]:
    for cell in notebook.cells:
        for output in cell.get("outputs", []):
            yield output.get("data", {})


def _framed(state: str) -> str:
    """A widget's last state, or where none was kept, a word about what would be there."""
    note = "At the end of the lesson they stood so:" if state else "The next cell turns them."
    note = f"<small>In JupyterLab, controls stand here. {note}</small>"
    return f'<div class="widget-state">{note}{state}</div>'


def setup(app: Sphinx) -> dict[str, bool]:
    """Connect with Sphinx."""
    app.add_lexer("mermaid", TextLexer)  # a page without scripts shows a diagram's text
    app.connect("source-read", prepare_notebook)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
