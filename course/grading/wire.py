"""Results as JSON: what a process that runs a learner's code may say to one that trusts nobody.

Data only, no pickle: reading a pickle runs whatever its writer put into it (the warning at the top
of the `pickle` chapter in Python's manual).
"""

import base64
from collections.abc import Callable
from datetime import datetime
from decimal import Decimal
from typing import Any

from exercises.exercise import Parts
from exercises.tables import Cell, Table

_SIMPLE = {"null": type(None), "boolean": bool, "text": str}


def parts_to_json(parts: Parts) -> dict[str, Any]:
    """Write results in the form that `parts_from_json` reads."""
    return {
        label: {
            "columns": list(table.columns),
            "rows": [[_cell_to_json(cell) for cell in row] for row in table.rows],
            "single": table.single,
            "cut": table.cut,
            "keyed": table.keyed,
        }
        for label, table in parts.items()
    }


def parts_from_json(data: Any) -> Parts:
    """Read what `parts_to_json` wrote.

    Args:
        data: Anything that JSON can hold, for its writer is not trusted.

    Raises:
        ValueError: It is not in that form.
    """
    try:
        return {_text(label): _table(found) for label, found in data.items()}
    except (AttributeError, TypeError, KeyError, ArithmeticError, RecursionError) as error:
        raise ValueError(f"not a result: {type(error).__name__}") from error


def _table(data: Any) -> Table:
    flags = {name: _is(bool, data[name]) for name in ("single", "cut", "keyed")}
    columns = tuple(_text(name) for name in data["columns"])
    rows = [tuple(_cell_from_json(cell) for cell in row) for row in data["rows"]]
    if flags["single"] and [len(row) for row in rows] != [1]:
        raise ValueError("not a result: one value of several cells")
    return Table(columns, rows, **flags)


def _cell_to_json(cell: Cell) -> list[Any]:
    kind, content = cell
    if kind == "number":
        return [kind, _number_to_json(content)]
    if kind == "instant":
        return [kind, content.isoformat()]
    if kind == "bytes":
        return [kind, base64.b64encode(content).decode()]
    if kind == "list":
        return [kind, [_cell_to_json(item) for item in content]]
    if kind == "frame":
        return [kind, [[_cell_to_json(item) for item in row] for row in content]]
    if kind == "object":
        return [kind, [[key, _cell_to_json(item)] for key, item in content]]
    return [kind, list(content) if kind == "thing" else content]


def _cell_from_json(data: Any) -> Cell:
    kind, content = data
    if kind in _SIMPLE:
        return kind, _is(_SIMPLE[kind], content)
    return kind, _READERS[_text(kind)](content)


def _number_to_json(number: int | float | Decimal) -> list[str]:
    # Hexadecimal, since Python refuses to write more than 4300 decimal digits.
    if isinstance(number, int):
        return ["int", f"{number:x}"]
    return ["float", number.hex()] if isinstance(number, float) else ["decimal", str(number)]


def _number_from_json(data: Any) -> int | float | Decimal:
    kind, text = data
    if kind == "int":
        return int(_text(text), 16)
    return float.fromhex(_text(text)) if kind == "float" else Decimal(_text(text))


def _is(kind: type, value: Any) -> Any:
    if type(value) is not kind:
        raise ValueError(f"not a result: expected {kind.__name__}, found {type(value).__name__}")
    return value


def _text(value: Any) -> str:
    return _is(str, value)


_READERS: dict[str, Callable[[Any], Any]] = {
    "number": _number_from_json,
    "instant": lambda text: datetime.fromisoformat(_text(text)),
    "bytes": lambda text: base64.b64decode(_text(text), validate=True),
    "list": lambda items: tuple(_cell_from_json(item) for item in items),
    "frame": lambda rows: tuple(tuple(_cell_from_json(c) for c in row) for row in rows),
    "object": lambda pairs: tuple((_text(key), _cell_from_json(c)) for key, c in pairs),
    "thing": lambda names: tuple(_text(name) for name in names),
}
