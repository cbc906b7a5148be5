"""Compare the results of an answer with the solution's, and put the difference into words.

The order of rows counts only on request, duplicates always do. Columns are compared by position,
their names only on request. The words show no more than a row of the expected result.
"""

import math
from collections import Counter

from exercises.results import Cell, Result, Results, Row, show, show_row

# Sums of floats depend on the order of summing; cents in a sum of billions must still count.
RELATIVE_ERROR = 1e-12
# Rounding errors are looked for among this many unequal rows; with more, something else is wrong.
FEW = 300


def difference(
    expected: Results, actual: Results, ordered: bool = False, names: bool = False
) -> str | None:
    """Return one to three sentences on the first result that differs; None where nothing does.

    `ordered` says whether the order of rows counts, `names` whether the names of columns do.
    """
    for label, result in expected.items():
        if label not in actual:
            return f"Expected {label or 'one result'}, found {', '.join(actual) or 'nothing'}."
        if text := _difference(result, actual[label], ordered, names):
            return f"{label}: {text}" if label else text
    extra = ", ".join(label for label in actual if label not in expected)
    return f"Not expected: {extra}." if extra else None


def _difference(expected: Result, actual: Result, ordered: bool, names: bool) -> str | None:
    if expected.single or actual.single:
        same = expected.single == actual.single and _close(expected.rows[0], actual.rows[0])
        return None if same else f"Expected {_describe(expected)}, found {_describe(actual)}."
    moved = Counter(expected.columns) == Counter(actual.columns)
    renamed = expected.columns != actual.columns and (names or moved)
    if renamed or len(expected.columns) != len(actual.columns):
        order = " in this order" if moved else ""
        return f"Expected {_columns(expected)}{order}, found {_columns(actual)}."
    missing, extra = _unequal_rows(expected.rows, actual.rows)
    if (missing or extra) and expected.keyed:
        key = (missing or extra)[0][0]
        about = key[1] if key[0] == "text" else show(key)
        return f"{about}: expected {_rows_of(key, expected)}, found {_rows_of(key, actual)}."
    if missing or extra:
        return _row_difference(expected, actual, missing, extra)
    pairs = zip(expected.rows, actual.rows, strict=True)
    for number, (row, other) in enumerate(pairs if ordered else (), 1):
        if not _close(row, other):
            return (
                "The rows are right, their order is not: "
                f"expected row {number} to be {show_row(row)}, found {show_row(other)}."
            )
    return None


def _unequal_rows(expected: list[Row], actual: list[Row]) -> tuple[list[Row], list[Row]]:
    """Return the rows that only one side has, each as often as that side has it too much."""
    missing = list((Counter(expected) - Counter(actual)).elements())
    extra = list((Counter(actual) - Counter(expected)).elements())
    if max(len(missing), len(extra)) <= FEW:
        for row in list(missing):
            twin = next((n for n, other in enumerate(extra) if _close(row, other)), None)
            if twin is not None:
                missing.remove(row)
                del extra[twin]
    return missing, extra


def _close(first: Row, second: Row) -> bool:
    return len(first) == len(second) and all(map(_close_cells, first, second))


def _close_cells(first: Cell, second: Cell) -> bool:
    """Compare two cells, with room for the rounding errors of floats."""
    (kind, value), (other_kind, other) = first, second
    if kind == other_kind == "number" and float in (type(value), type(other)):
        return math.isclose(value, other, rel_tol=RELATIVE_ERROR)
    if kind == other_kind == "list":
        return _close(value, other)
    return first == second


def _row_difference(expected: Result, actual: Result, missing: list[Row], extra: list[Row]) -> str:
    text = ""
    if len(expected.rows) != len(actual.rows):
        text = f"Expected {_rows(expected)}, found {_rows(actual)}. "
    # A row that begins like the missing one is about the same thing: it tells more than another.
    alike = [row for row in extra if missing and row[:1] == missing[0][:1]]
    if missing and (alike or len(missing) == len(extra)):
        other = (alike or extra)[0]
        return f"{text}Expected the row {show_row(missing[0])}, found {show_row(other)}."
    if missing:
        return f"{text}Missing: the row {show_row(missing[0])}."
    again = " a second time" if extra[0] in expected.rows else ""
    return f"{text}Not expected: the row {show_row(extra[0])}{again}."


def _rows_of(key: Cell, result: Result) -> str:
    rows = [show_row(row[1:]) for row in result.rows if row[0] == key]
    more = [f"{len(rows) - 3} more"] if len(rows) > 3 else []
    return " and ".join(rows[:3] + more) or "nothing"


def _describe(result: Result) -> str:
    return show(result.rows[0][0]) if result.single else f"{_rows(result)} of {_columns(result)}"


def _rows(result: Result) -> str:
    return f"{len(result.rows)} row" + "s" * (len(result.rows) != 1)


def _columns(result: Result) -> str:
    names = f" ({', '.join(result.columns)})" if result.columns else ""
    return f"{len(result.columns)} column" + "s" * (len(result.columns) != 1) + names
