"""Two results compared, and the difference said in words.

Rows are compared as a bag: duplicates count, their order only on request. Columns are compared by
position, their names only on request. The words never show more than a row of the expected result.
"""

import math
from collections import Counter

from exercises.tables import Cell, Row, Table, show, show_row

# Sums of floats differ in their last digits with the order of summing; cents in a sum of billions
# must still count.
RELATIVE_ERROR = 1e-12
# Rounding errors are looked for among this many unequal rows; with more, something else is wrong.
FEW = 300
FEW_SHOWN = 3


def difference(
    expected: dict[str, Table],
    found: dict[str, Table],
    *,
    ordered: bool = False,
    names: bool = False,
) -> str | None:
    """Say how the answer's result differs from the solution's.

    Args:
        expected: The solution's tables, each under a label such as the call that gave it.
        found: The answer's.
        ordered: Whether the order of rows counts.
        names: Whether the names of columns count.

    Returns:
        One to three sentences on the first table that differs; None where nothing does.
    """
    for label, wanted in expected.items():
        if label not in found:
            return f"Expected {label or 'one result'}, found {', '.join(found) or 'nothing'}."
        if said := table_difference(wanted, found[label], ordered=ordered, names=names):
            return f"{label}: {said}" if label else said
    extra = [label for label in found if label not in expected]
    return f"Not expected: {', '.join(extra)}." if extra else None


def table_difference(
    expected: Table, found: Table, *, ordered: bool = False, names: bool = False
) -> str | None:
    """Like `difference`, for one table."""
    if expected.keyed:
        return _keyed_difference(expected, found)
    if expected.single or found.single:
        same = expected.single == found.single and close(expected.rows[0][0], found.rows[0][0])
        return None if same else f"Expected {describe(expected)}, found {describe(found)}."
    if len(expected.columns) != len(found.columns):
        return f"Expected {_columns(expected)}, found {_columns(found)}."
    moved = Counter(expected.columns) == Counter(found.columns)
    if expected.columns != found.columns and (names or moved):
        order = " in this order" if moved else ""
        return f"Expected {_columns(expected)}{order}, found {_columns(found)}."
    missing, extra = _unequal_rows(expected.rows, found.rows)
    if missing or extra or found.cut:
        return _row_difference(expected, found, missing, extra)
    if ordered:
        for number, (wanted, given) in enumerate(zip(expected.rows, found.rows, strict=True), 1):
            if not close(("list", wanted), ("list", given)):
                return (
                    "The rows are right, their order is not: "
                    f"expected row {number} to be {show_row(wanted)}, found {show_row(given)}."
                )
    return None


def describe(table: Table) -> str:
    """Say what kind of result this is: one value, or how many rows of which columns."""
    if table.single:
        return show(table.rows[0][0])
    return f"{_rows(table)} of {_columns(table)}"


def close(one: Cell, other: Cell) -> bool:
    """Compare two cells, with room for the rounding errors of floats."""
    if one == other:
        return True
    if one[0] == other[0] == "number" and float in (type(one[1]), type(other[1])):
        try:
            return math.isclose(one[1], other[1], rel_tol=RELATIVE_ERROR)
        except OverflowError:  # an integer larger than any float
            return False
    if one[0] == other[0] == "list":
        return len(one[1]) == len(other[1]) and all(map(close, one[1], other[1]))
    return False


def _keyed_difference(expected: Table, found: Table) -> str | None:
    wanted, given = _by_first_cell(expected), _by_first_cell(found)
    for key in [*wanted, *(key for key in given if key not in wanted)]:
        if wanted.get(key) != given.get(key):
            about = str(key[1]) if key[0] == "text" else show(key)
            return f"{about}: expected {_several(wanted, key)}, found {_several(given, key)}."
    return None


def _by_first_cell(table: Table) -> dict[Cell, Counter[Row]]:
    grouped: dict[Cell, Counter[Row]] = {}
    for first, *rest in table.rows:
        grouped.setdefault(first, Counter())[tuple(rest)] += 1
    return grouped


def _several(grouped: dict[Cell, Counter[Row]], key: Cell) -> str:
    rows = list(grouped.get(key, Counter()).elements())
    shown = [show_row(row) for row in rows[:FEW_SHOWN]]
    more = f" and {len(rows) - FEW_SHOWN} more" if len(rows) > FEW_SHOWN else ""
    return (" and ".join(shown) + more) or "nothing"


def _row_difference(expected: Table, found: Table, missing: list[Row], extra: list[Row]) -> str:
    said = []
    if len(expected.rows) != len(found.rows) or found.cut:
        more = "more than " if found.cut else ""
        said.append(f"Expected {_rows(expected)}, found {more}{_rows(found)}.")
    wanted = missing[0] if missing else None
    # A row that begins like the missing one speaks of the same thing: it tells more than another.
    alike = [row for row in extra if wanted and row[:1] == wanted[:1]]
    if wanted and (alike or len(missing) == len(extra)):
        given = (alike or extra)[0]
        said.append(f"Expected the row {show_row(wanted)}, found {show_row(given)}.")
    elif wanted:
        said.append(f"Missing: the row {show_row(wanted)}.")
    elif extra:
        again = " a second time" if extra[0] in expected.rows else ""
        said.append(f"Not expected: the row {show_row(extra[0])}{again}.")
    return " ".join(said)


def _unequal_rows(expected: list[Row], found: list[Row]) -> tuple[list[Row], list[Row]]:
    """Return the rows that only one side has, each as often as that side has it too much."""
    missing = list((Counter(expected) - Counter(found)).elements())
    extra = list((Counter(found) - Counter(expected)).elements())
    if max(len(missing), len(extra)) <= FEW:
        for row in list(missing):
            twin = next((i for i, r in enumerate(extra) if close(("list", row), ("list", r))), None)
            if twin is not None:
                missing.remove(row)
                del extra[twin]
    return missing, extra


def _rows(table: Table) -> str:
    return f"{len(table.rows)} row" + "s" * (len(table.rows) != 1)


def _columns(table: Table) -> str:
    count = len(table.columns)
    return f"{count} column" + "s" * (count != 1) + f" ({', '.join(table.columns)})" * (count > 0)
