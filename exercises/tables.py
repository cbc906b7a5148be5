"""Results of every kind brought into one form: a table of cells that can be compared.

A number is its value (2, 2.0 and ``Decimal("2.00")`` are the same), NULL, None, NaN and NaT are
one and the same, an instant is the same in every time zone. A frame's index is not part of it.
"""

import math
from collections.abc import Mapping, Sequence
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
_SHOWN_CELLS = 8
_SHOWN_CHARACTERS = 100
_LARGE = 30  # numbers with more digits are shown by their size alone


@dataclass(frozen=True)
class Table:
    """A result to be graded.

    Attributes:
        columns: The columns' names.
        rows: The rows, each with one cell a column.
        single: Whether this is one value rather than a table; it then has one row and one cell.
        cut: Whether there were more rows than were fetched.
        keyed: Whether the first column says what each row is about.
    """

    columns: tuple[str, ...]
    rows: list[Row]
    single: bool = False
    cut: bool = False
    keyed: bool = False


def as_table(value: object) -> Table:
    """Bring a frame, a series, a list of rows or of values, or one value into a table."""
    if isinstance(value, pd.Series):
        value = value.to_frame()
    if isinstance(value, pd.DataFrame):
        return from_rows(map(str, value.columns), value.itertuples(index=False, name=None))
    if isinstance(value, set | frozenset):
        value = list(value)
    value = _plain(value)
    if not isinstance(value, Sequence | np.ndarray) or isinstance(value, str | bytes):
        return Table(("value",), [(cell(value),)], single=True)
    if len(value) and all(isinstance(row, Mapping) for row in value):
        return as_table(pd.DataFrame.from_records(list(value)))
    if len(value) and all(_is_row(item) for item in value):
        widths = {len(row) for row in value}
        if len(widths) == 1 and 0 not in widths:
            return from_rows((f"column {n + 1}" for n in range(*widths)), value)
    return from_rows(["value"], ((item,) for item in value))


def _plain(value: Any) -> Any:
    """Take a single value out of NumPy's wrapping."""
    if isinstance(value, np.datetime64):
        return pd.Timestamp(value)
    single = isinstance(value, np.generic) or (isinstance(value, np.ndarray) and value.ndim == 0)
    return value.item() if single else value


def _is_row(item: object) -> bool:
    if isinstance(item, np.ndarray):
        return item.ndim > 0
    return isinstance(item, Sequence) and not isinstance(item, str | bytes)


def as_parts(value: object, label: str = "") -> dict[str, Table]:
    """Like `as_table`, but the values of a dictionary become a table each, under its key."""
    if not isinstance(value, Mapping):
        return {label: as_table(value)}
    return {f"{label}[{key!r}]": as_table(item) for key, item in value.items()}


def from_rows(columns: Any, rows: Any, cut: bool = False) -> Table:
    """Make a table of column names and rows of plain values."""
    return Table(tuple(columns), [tuple(cell(item) for item in row) for row in rows], cut=cut)


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
    if isinstance(value, list | tuple | np.ndarray):
        return ("list", tuple(cell(item) for item in value))
    if isinstance(value, Mapping):
        items = ((str(key), cell(item)) for key, item in value.items())
        return ("object", tuple(sorted(items, key=itemgetter(0))))
    if isinstance(value, pd.DataFrame | pd.Series):
        return ("frame", tuple(as_table(value).rows))
    if isinstance(value, _READABLE):
        return ("text", str(value))
    return ("thing", (type(value).__name__, _written(value)))


def _number(value: int | float | Decimal) -> Cell:
    if isinstance(value, Decimal):
        if value.is_nan():
            return ("null", None)
        if value.is_infinite():
            return ("number", float(value))
        if abs(value.adjusted()) > _LARGE:
            return ("number", value)
    if isinstance(value, float):
        return ("null", None) if math.isnan(value) else ("number", value)
    whole = int(value)
    return ("number", whole if whole == value else float(value))


def _written(value: object) -> str:
    """Return what tells an object of an unknown type from others of that type."""
    try:
        return repr(value)
    except Exception:
        return f"at {id(value)}"


def show(value: Cell) -> str:
    """Write a cell so that a person can tell its kind: texts in quotes, NULL and true bare."""
    kind, content = value
    if kind == "null":
        return "NULL"
    if kind == "boolean":
        return "true" if content else "false"
    if kind == "list":
        written = "[" + ", ".join(show(item) for item in content[:_SHOWN_CELLS]) + "]"
    elif kind == "thing":
        return f"an object of type {content[0]}"
    elif kind == "object":
        written = "{" + ", ".join(f"{key}: {show(item)}" for key, item in content) + "}"
    elif kind == "frame":
        written = f"a frame of {len(content)} rows"
    elif kind == "number":
        written = _show_number(content)
    elif kind == "text":
        written = "'" + content.replace("'", "''") + "'"
    else:
        written = str(content)
    long = len(written) > _SHOWN_CHARACTERS
    return written[:_SHOWN_CHARACTERS] + " [...]" if long else written


def _show_number(number: int | float | Decimal) -> str:
    if isinstance(number, float) and number.is_integer():
        number = int(number)
    if isinstance(number, int) and abs(number) >= 10**_LARGE:
        number = Decimal(number)
    return f"{number:.6E}" if isinstance(number, Decimal) else str(number)


def show_row(row: Row) -> str:
    """Write a row: its one cell, or the first few of them in parentheses."""
    if len(row) == 1:
        return show(row[0])
    more = ", ..." if len(row) > _SHOWN_CELLS else ""
    return "(" + ", ".join(show(item) for item in row[:_SHOWN_CELLS]) + more + ")"
