"""Shows widgets as they stood at the end of a run, in a page that has no kernel and no network."""

import html
from collections.abc import Mapping
from typing import Any

import nbformat

VIEW = "application/vnd.jupyter.widget-view+json"
STATE = "application/vnd.jupyter.widget-state+json"
KEPT = "carlib_widget"  # in an output's metadata: its widget's last state, as HTML
_REFERENCE = "IPY_MODEL_"


def freeze_widgets(notebook: nbformat.NotebookNode) -> None:
    """Replace each widget in the outputs by the HTML of its last state; changes `notebook`.

    Knobs become ``label: value``, text and pictures stay what they are, boxes keep their order.
    A lesson as it is committed has no states left; there the HTML that was kept is shown.
    """
    keep_widgets(notebook)
    for cell in notebook.cells:
        for output in cell.get("outputs", []):
            if kept := output.get("metadata", {}).pop(KEPT, None):
                output.data["text/html"] = kept


def keep_widgets(notebook: nbformat.NotebookNode) -> None:
    """Move each widget's last state, as HTML, into its output's metadata; changes `notebook`.

    There it survives where states may not stay: viewers ignore it, and nbval does not compare it.
    """
    widgets = notebook.metadata.pop("widgets", {}).get(STATE, {}).get("state", {})
    for cell in notebook.cells:
        for output in cell.get("outputs", []):
            view = output.get("data", {}).pop(VIEW, None)
            if view and view["model_id"] in widgets:
                output.metadata[KEPT] = _as_html(view["model_id"], widgets)


def _as_html(model_id: str, widgets: Mapping[str, Any]) -> str:
    widget = widgets[model_id]
    kind, state = widget["model_name"], widget["state"]
    if "children" in state:
        layout = widgets.get(state.get("layout", "").removeprefix(_REFERENCE), {"state": {}})
        columns = layout["state"].get("grid_template_columns") or "auto"
        styles = {
            "HBoxModel": "display:flex;gap:1em",
            "GridBoxModel": f"display:grid;grid-template-columns:{html.escape(columns)}",
        }
        children = (child.removeprefix(_REFERENCE) for child in state["children"])
        inside = "".join(_as_html(child, widgets) for child in children if child in widgets)
        return f'<div style="{styles.get(kind, "")}">{inside}</div>'
    if kind == "ImageModel":
        buffers = {tuple(buffer["path"]): buffer["data"] for buffer in widget.get("buffers", [])}
        source = f"data:image/{state.get('format', 'png')};base64,{buffers.get(('value',), '')}"
        return f'<img alt="a picture made by the knob" src="{html.escape(source)}">'
    if kind in ("HTMLModel", "HTMLMathModel"):
        return f"<div>{state.get('value', '')}</div>"
    value = state.get("value", "")
    if state.get("_options_labels") and isinstance(state.get("index"), int):
        value = state["_options_labels"][state["index"]]
    label, value = html.escape(str(state.get("description", ""))), html.escape(str(value))
    return f"<div>{label}{': ' if label and value else ''}<b>{value}</b></div>"
