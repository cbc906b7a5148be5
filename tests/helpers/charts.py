"""Takes down what each chart of a lesson shows, at the moment when it is drawn.

The kernels in which lessons run load this module when they start; there `DRAWN` fills up.
"""

import re
from typing import Any

from matplotlib.axes import Axes
from matplotlib.axis import Axis
from matplotlib.colors import to_hex
from matplotlib.figure import Figure

DRAWN: list[dict[str, Any]] = []


def describe(figure: Figure) -> dict[str, Any]:
    """What can be seen of a figure.

    Returns:
        The size in pixels; each axis of each panel with its label and whether its ticks are names;
        each panel's colors of data, and how else its series are told apart.
    """
    panels = figure.get_axes()
    return {
        "size": [float(side) for side in figure.get_size_inches() * figure.dpi],
        "axes": [
            {"label": axis.get_label_text(), "names": _ticks_are_names(axis)}
            for panel in panels
            for axis in (panel.xaxis, panel.yaxis)
            if any(tick.get_visible() for tick in axis.get_ticklabels())  # else its neighbor's
        ],
        "colors": [sorted(_colors(panel)) for panel in panels],
    }


def _ticks_are_names(axis: Axis) -> bool:
    """Whether the ticks are words, which need no unit."""
    texts = [tick.get_text().replace("mathdefault", "") for tick in axis.get_ticklabels()]
    return all(re.search(r"[^\W\d_]", text) for text in texts if text) and any(texts)


def _colors(panel: Axes) -> set[str]:
    drawn = [line.get_color() for line in panel.lines]
    drawn += [patch.get_facecolor() for patch in panel.patches if patch.get_fill()]
    drawn += [patch.get_edgecolor() for patch in panel.patches if not patch.get_fill()]
    for collection in panel.collections:
        drawn += list(collection.get_facecolor())
    return {to_hex(color) for color in drawn}


def take_down() -> None:
    """From here on, describe each figure that is drawn."""
    draw = Figure.draw

    def draw_and_describe(figure: Figure, renderer: Any) -> None:
        draw(figure, renderer)
        if (found := describe(figure)) not in DRAWN:
            DRAWN.append(found)

    Figure.draw = draw_and_describe


START_UP = f"""\
def take_down_charts():
    import importlib.util
    import sys

    spec = importlib.util.spec_from_file_location("charts", {__file__!r})
    sys.modules["charts"] = charts = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(charts)
    charts.take_down()


take_down_charts()
del take_down_charts  # a lesson finds no name that it has not made
"""
