"""Tells the columns of numbers in outputs from those of words, for the style sheet."""

import re

from bs4 import BeautifulSoup, Tag

_NUMBER = re.compile(r"[-+]?(\d[\d,]*)?\.?\d+(e[-+]?\d+)?%?", re.IGNORECASE)
_NOTHING = {"", "NaN", "NaT", "None", "<NA>"}


def mark_numbers(html: str) -> str:
    """Give the class ``number`` to the cells and the head of each column that holds only numbers.

    Columns are counted from the right: on the left, cells of an index may span several rows.
    """
    page = BeautifulSoup(html, "html.parser")
    for table in page.select("table"):
        rows = [row.find_all("td")[::-1] for row in table.select("tbody tr")]
        for index in range(min(map(len, rows), default=0)):
            column = [row[index] for row in rows]
            if _are_numbers([cell.get_text(strip=True) for cell in column]):
                heads = [_head(row, index) for row in table.select("thead tr")]
                for cell in [*column, *filter(None, heads)]:
                    cell["class"] = "number"
    return str(page)


def _are_numbers(texts: list[str]) -> bool:
    told = [text for text in texts if text not in _NOTHING]
    return bool(told) and all(_NUMBER.fullmatch(text) for text in told)


def _head(row: Tag, index: int) -> Tag | None:
    """The heading over a column; None in a row where headings span several columns."""
    cells = row.find_all("th")[::-1]
    return None if any("colspan" in cell.attrs for cell in cells) else cells[index]
