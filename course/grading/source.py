"""The source that a handed-in function needs, taken out of the cells that ran before it.

A function is graded in another process, so it travels as text: the statements of the notebook that
define it, and those that define what it uses, in the notebook's order. Names inside a function are
told apart from those of the notebook by Python's own `symtable`.
"""

import ast
import symtable
from collections.abc import Sequence

ANSWER = "_handed_in"


def source_of_answer(cells: Sequence[str], exercise: str) -> str:
    """Collect what defines the argument of the last ``….<exercise>.check(…)`` in the last cell.

    Args:
        cells: The text of the cells that ran, in order; the last one holds the check.
        exercise: The exercise's name.

    Returns:
        Python text that calls the answer `ANSWER`, or an empty text where the check stands in no
        such form, as in a loop over exercises.
    """
    calls = [
        node.args[0]
        for statement in (_statements(cells[-1]) if cells else [])
        for node in ast.walk(statement)
        if isinstance(node, ast.Call) and node.args and _checks(node.func, exercise)
    ]
    if not calls:
        return ""
    answer = f"{ANSWER} = {ast.unparse(calls[-1])}"
    program = [_written(one, cell) for cell in cells for one in _statements(cell)]
    makers: dict[str, list[int]] = {}
    for number, text in enumerate(program):
        for name in _bound(text):
            makers.setdefault(name, []).append(number)
    seen = _used(answer)
    needed: set[int] = set()
    waiting = list(seen)
    while waiting:
        for number in makers.get(waiting.pop(), []):
            needed.add(number)
            more = _used(program[number]) - seen
            seen |= more
            waiting += more
    return "\n".join([*(program[number] for number in sorted(needed)), answer])


def _statements(cell: str) -> list[ast.stmt]:
    try:
        return ast.parse(cell).body
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return []  # it did not run either


def _written(statement: ast.stmt, cell: str) -> str:
    """The statement as it stands in the cell, so that lines in error messages are the learner's."""
    if getattr(statement, "decorator_list", None):  # the segment would begin below them
        return ast.unparse(statement)
    return ast.get_source_segment(cell, statement) or ast.unparse(statement)


def _checks(called: ast.expr, exercise: str) -> bool:
    return (
        isinstance(called, ast.Attribute)
        and called.attr == "check"
        and isinstance(called.value, ast.Attribute)
        and called.value.attr == exercise
    )


def _table(text: str) -> symtable.SymbolTable:
    return symtable.symtable(text, "<cell>", "exec")


def _bound(text: str) -> set[str]:
    """The names that a statement gives a value, outside of functions."""
    return {
        symbol.get_name()
        for symbol in _table(text).get_symbols()
        if symbol.is_assigned() or symbol.is_imported() or symbol.is_namespace()
    }


def _used(text: str) -> set[str]:
    """The names of the notebook that a statement uses, in functions inside it too."""
    table = _table(text)
    names = {symbol.get_name() for symbol in table.get_symbols() if symbol.is_referenced()}
    inner = list(table.get_children())
    while inner:
        table = inner.pop()
        names |= {symbol.get_name() for symbol in table.get_symbols() if symbol.is_global()}
        inner += table.get_children()
    return names
