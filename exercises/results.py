"""Results of every kind in one form: rows of cells that can be compared.

A number is its value (2, 2.0 and ``Decimal("2.00")`` are the same), NULL, None, NaN and NaT are
one and the same, an instant is the same in every time zone. A frame's index is not part of it.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from operator import itemgetter
from typing import Any
from uuid import UUID

import numpy as np
import pandas as pd
from psycopg2.extras import Range

Cell = tuple[str, Any]
"""The kind of a value, and the value in the one form in which it is compared."""

Row = tuple[Cell, ...]

_READABLE = str | date | time | timedelta | UUID | Range


@dataclass(frozen=True)
class Result:
    """What an answer gave, ready to be compared."""

    columns: tuple[str, ...]
    rows: list[Row]
    single: bool = False  # one value rather than rows: one row of one cell
    keyed: bool = False  # the first column says what each row is about


Results = dict[str, Result]
"""What an answer gave: results under labels, such as the call that returned each."""


def from_rows(columns: Iterable[str], rows: Iterable[Iterable], keyed: bool = False) -> Result:
    """Make a result of column names and rows of plain values."""
    return Result(tuple(columns), [tuple(map(cell, row)) for row in rows], keyed=keyed)


def as_result(value: object) -> Result:
    """Make a result of a frame, a series, a list of rows or of values, or one value."""
    if isinstance(value, pd.Series):
        value = value.to_frame()
    if isinstance(value, pd.DataFrame):
        return from_rows(map(str, value.columns), value.itertuples(index=False, name=None))
    value = list(value) if isinstance(value, set | frozenset) else _plain(value)
    if not _is_list(value):
        return Result(("value",), [(cell(value),)], single=True)
    if len(value) and all(isinstance(row, Mapping) for row in value):
        return as_result(pd.DataFrame.from_records(list(value)))
    widths = {len(row) if _is_list(row) else 0 for row in value}
    if len(widths) == 1 and 0 not in widths:
        return from_rows((f"column {n + 1}" for n in range(len(value[0]))), value)
    return from_rows(["value"], ((item,) for item in value))


def as_results(value: object, label: str = "") -> Results:
    """Like `as_result`, but the values of a dictionary become a result each, under its key."""
    if not isinstance(value, Mapping):
        return {label: as_result(value)}
    return {f"{label}[{key!r}]": as_result(item) for key, item in value.items()}


def _is_list(value: Any) -> bool:
    listed = isinstance(value, Sequence) and not isinstance(value, str | bytes)
    return listed or (isinstance(value, np.ndarray) and value.ndim > 0)


def _plain(value: Any) -> Any:
    """Take a single value out of NumPy's wrapping."""
    if isinstance(value, np.datetime64):
        return pd.Timestamp(value)
    return value.item() if isinstance(value, np.generic | np.ndarray) and not value.ndim else value


def cell(value: Any) -> Cell:
    """Bring one value of any type into the form in which it is compared."""
    value = _plain(value)
    if value is None or value is pd.NA or value is pd.NaT:
        return ("null", None)
    if isinstance(value, bool):
        return ("boolean", value)
    if isinstance(value, int | float | Decimal):
        return _number(value)
    if isinstance(value, datetime) and value.tzinfo is not None:
        return ("instant", value.astimezone(UTC))
    if isinstance(value, bytes | bytearray | memoryview):
        return ("bytes", bytes(value))
    if isinstance(value, pd.DataFrame | pd.Series):
        return ("list", tuple(("list", row) for row in as_result(value).rows))
    if isinstance(value, list | tuple | np.ndarray):
        return ("list", tuple(map(cell, value)))
    if isinstance(value, Mapping):
        items = ((str(key), cell(item)) for key, item in value.items())
        return ("dictionary", tuple(sorted(items, key=itemgetter(0))))
    if isinstance(value, _READABLE):
        return ("text", str(value))
    return ("object", (type(value).__name__, repr(value)))


def _number(value: int | float | Decimal) -> Cell:
    """Keep whole numbers exactly, others as floats; Python compares the two by value."""
    exact = Decimal(value)
    if exact.is_nan():
        return ("null", None)
    whole = not isinstance(value, float) and exact == exact.to_integral_value()
    return ("number", exact.to_integral_value() if whole else float(value))


_SHOW: dict[str, Callable[[Any], str]] = {
    "null": lambda _: "NULL",
    "boolean": lambda value: str(value).lower(),
    "number": lambda value: str(value).removesuffix(".0"),
    "text": lambda value: "'" + value.replace("'", "''") + "'",
    "list": lambda items: f"[{_join(items)}]",
    "dictionary": lambda items: "{" + ", ".join(f"{k}: {show(v)}" for k, v in items) + "}",
    "object": lambda value: f"an object of type {value[0]}",
}


def show(value: Cell) -> str:
    """Write a cell so that a person can tell its kind: texts in quotes, NULL and true bare."""
    kind, content = value
    text = _SHOW.get(kind, str)(content)
    return text if len(text) <= 100 else text[:100] + " [...]"


def show_row(row: Row) -> str:
    """Write a row: its one cell, or the first eight of them in parentheses."""
    return show(row[0]) if len(row) == 1 else f"({_join(row)})"


def _join(cells: Row) -> str:
    return ", ".join(map(show, cells[:8])) + ", ..." * (len(cells) > 8)
