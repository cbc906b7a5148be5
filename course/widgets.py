"""Shows widgets as they stood at the end of a run, in a page that has no kernel and no network."""

import html
from collections.abc import Mapping
from typing import Any

import nbformat

VIEW = "application/vnd.jupyter.widget-view+json"
STATE = "application/vnd.jupyter.widget-state+json"
KEPT = "carlib_widget"  # in an output's metadata: its widget's last state, as HTML


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
    if kind == "OutputModel":
        return "".join(map(_output, state.get("outputs", [])))
    if "children" in state:
        across = "display:flex;gap:1em" if kind == "HBoxModel" else ""
        if kind == "GridBoxModel":
            layout = widgets[state["layout"].removeprefix("IPY_MODEL_")]["state"]
            columns = html.escape(layout.get("grid_template_columns") or "auto")
            across = f"display:grid;grid-template-columns:{columns}"
        ids = [child.removeprefix("IPY_MODEL_") for child in state["children"]]
        inside = "".join(_as_html(child, widgets) for child in ids if child in widgets)
        return f'<div style="{across}">{inside}</div>'
    if kind == "ImageModel":
        data = next((b["data"] for b in widget.get("buffers", []) if b["path"] == ["value"]), "")
        form = html.escape(state.get("format", "png"))
        return f'<img alt="a picture made by the knob" src="data:image/{form};base64,{data}">'
    if kind in ("HTMLModel", "HTMLMathModel"):
        return f"<div>{state.get('value', '')}</div>"
    label = html.escape(str(state.get("description", "")))
    value = html.escape(_value(state))
    return f"<div>{label}{': ' if label and value else ''}<b>{value}</b></div>"


def _value(state: Mapping[str, Any]) -> str:
    """What a knob points at: an option's label, or a value."""
    options, index = state.get("_options_labels"), state.get("index")
    if options and isinstance(index, int):
        return str(options[index])
    return str(state.get("value", ""))


def _output(output: Mapping[str, Any]) -> str:
    """What an Output widget caught: text as it was printed, HTML as it is."""
    data = output.get("data", {})
    if "text/html" in data:
        return data["text/html"]
    if "image/png" in data:
        return f'<img alt="" src="data:image/png;base64,{data["image/png"]}">'
    return f"<pre>{html.escape(output.get('text', data.get('text/plain', '')))}</pre>"
