"""Draws Mermaid's ``erDiagram`` as SVG: a page would have to fetch Mermaid from the internet.

Only what `carlib.entity_relationship_diagram` writes is drawn: tables, columns, one-to-many lines.
"""

import html
import re

_TABLE = re.compile(r"^ *(\w+) *\{\n(.*?)^ *\}$", re.MULTILINE | re.DOTALL)
_RELATION = re.compile(r'(\w+) +\|\|--o\{ +(\w+) *: *"?([^"]*)"?')
_ROW, _CHARACTER, _GAP, _PADDING = 20, 7.3, 110, 10  # pixels
_PEN = 'stroke="#4a6785"'


def draw_er_diagram(source: str) -> str | None:
    """Turn an entity-relationship diagram into an SVG picture.

    Args:
        source: Mermaid text whose first line is ``erDiagram``.

    Returns:
        One ``<svg>`` element without blank lines, its tables from left to right in the order of
        `source`; None when `source` holds something that is not drawn here, such as a line that
        leads back, since its text then says more than half a picture.
    """
    first, _, body = source.strip().partition("\n")
    tables = dict(_TABLE.findall(body))
    others = [line.strip() for line in _TABLE.sub("", body).splitlines() if line.strip()]
    relations = [match.groups() for match in map(_RELATION.fullmatch, others) if match]
    if first != "erDiagram" or len(relations) < len(others):
        return None
    for one, many, _ in relations:
        tables.setdefault(one, "")
        tables.setdefault(many, "")
    edges: dict[str, tuple[float, float]] = {}  # of each table, left and right
    boxes, x, height = "", 1.0, 0
    for name, columns in tables.items():
        lines = [name, *_aligned(columns)]
        width = max(map(len, lines)) * _CHARACTER + 2 * _PADDING
        boxes += _box(lines, x, width)
        edges[name] = (x, x + width)
        x, height = x + width + _GAP, max(height, len(lines) * _ROW + _PADDING + 2)
    if any(edges[one] >= edges[many] for one, many, _ in relations):
        return None
    connectors = "".join(_connector(edges[one][1], edges[many][0]) for one, many, _ in relations)
    label = html.escape("; ".join(f"one {one} {verb} many {many}" for one, many, verb in relations))
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" role="img" aria-label="{label or "tables"}" '
        f'viewBox="0 0 {x - _GAP + 1:g} {height}" '
        f'style="max-width:{x - _GAP + 1:g}px;width:100%;background:#fff" font-size="12" '
        f'font-family="ui-monospace, Menlo, Consolas, monospace">{connectors}{boxes}</svg>'
    )


def _aligned(columns: str) -> list[str]:
    """The lines of a table: types, names and marks each below each other."""
    rows = [[*line.split(maxsplit=2), "", ""][:3] for line in columns.splitlines()]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = ["  ".join(map(str.ljust, row, widths)).rstrip() for row in rows]
    return [line.replace(" ", "\N{NO-BREAK SPACE}") for line in lines]  # others would collapse


def _box(lines: list[str], x: float, width: float) -> str:
    corner = f'x="{x:g}" y="1" width="{width:g}" rx="4" {_PEN}'
    texts = "".join(
        f'<text x="{x + _PADDING:g}" y="{17 + row * _ROW}" font-weight="{400 if row else 700}">'
        f"{html.escape(line)}</text>"
        for row, line in enumerate(lines)
    )
    return (
        f'<rect {corner} height="{len(lines) * _ROW + _PADDING}" fill="#fff"/>'
        f'<rect {corner} height="{_ROW + 4}" fill="#dfe8f1"/>{texts}'
    )


def _connector(one: float, many: float) -> str:
    """A line from the one side (two bars) to the many side (circle and crow's foot)."""
    return (
        f'<path d="M{one:g} 13H{many:g}m0 -7l-12 7l12 7M{one + 7:g} 7v12m5 -12v12" '
        f'fill="none" {_PEN}/><circle cx="{many - 17:g}" cy="13" r="4" fill="#fff" {_PEN}/>'
    )
