"""How a notebook shows DataFrames: texts set left, as they are read; numbers right."""

import re

import pandas as pd
from IPython import get_ipython

_ROW = re.compile(r"<tr>.*?</tr>", re.DOTALL)


def align_text_left() -> None:
    """Have this notebook show columns of text set left from now on.

    JupyterLab sets each cell of a table to the right, which makes sentences hard to read.
    """
    shell = get_ipython()
    if shell is not None:
        formatter = shell.display_formatter.formatters["text/html"]
        formatter.for_type(pd.DataFrame, to_html)


def to_html(frame: pd.DataFrame) -> str | None:
    """Return pandas' own HTML of a frame, with the cells and headings of text set left."""
    html = frame._repr_html_()  # type: ignore[operator]  # pandas' types leave it out
    is_text = [not pd.api.types.is_numeric_dtype(dtype) for dtype in frame.dtypes]
    labels = not pd.api.types.is_numeric_dtype(frame.index.dtype)
    if html is None or not any([*is_text, labels]):
        return html

    def align(row: re.Match) -> str:
        tag = "td" if "<td" in row[0] else "th"
        cells = re.split(rf"(?=<{tag}\b)", row[0])
        first = len(cells) - len(is_text)
        if first < 1:  # columns left out for width
            return row[0]
        for place, left in enumerate(is_text, first):
            if left:
                cells[place] = cells[place].replace(
                    f"<{tag}", f'<{tag} style="text-align: left"', 1
                )
        if labels:
            cells[0] = cells[0].replace("<th", '<th style="text-align: left"')
        return "".join(cells)

    return _ROW.sub(align, html.replace('<tr style="text-align: right;">', "<tr>"))
