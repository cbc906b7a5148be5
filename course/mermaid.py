"""Draws Mermaid's ``erDiagram`` as SVG, so that a page shows its tables without a network.

JupyterLab brings Mermaid along; a page made by nbconvert would fetch it from the internet. Only the
part of the language that `carlib.diagram` writes is drawn: tables, columns, one-to-many lines.
"""

import html
import re
from dataclasses import dataclass, field

_RELATION = re.compile(r'(\w+) +\|\|--o\{ +(\w+) *: *"?([^"]*)"?')
_COLUMN_STYLES = ('fill="#567"', 'fill="#222"', 'fill="#a03"')  # type, name, marks
_ROW, _CHARACTER, _GAP, _PAD = 20, 7.3, 110, 10  # pixels


@dataclass
class _Box:
    """A table: its columns as (type, name, marks), and where its upper left corner lies."""

    name: str
    columns: list[list[str]] = field(default_factory=list)
    depth: int = 0
    x: float = 0
    y: float = 0

    @property
    def widths(self) -> list[int]:
        return [max((len(row[i]) for row in self.columns), default=0) for i in range(3)]

    @property
    def width(self) -> float:
        return max(sum(self.widths) + 4, len(self.name) + 2) * _CHARACTER + 2 * _PAD

    @property
    def height(self) -> float:
        return (len(self.columns) + 1) * _ROW + _PAD


def draw_er_diagram(source: str) -> str | None:
    """Turn an entity-relationship diagram into an SVG picture.

    Args:
        source: Mermaid text whose first line is ``erDiagram``.

    Returns:
        One ``<svg>`` element without blank lines, or None when `source` holds something that is not
        drawn here; its text then says more than half a picture.
    """
    boxes: dict[str, _Box] = {}
    relations: list[tuple[str, str, str]] = []
    current: _Box | None = None
    first, *lines = [line.strip() for line in source.strip().splitlines() if line.strip()] or [""]
    if first != "erDiagram":
        return None
    for line in lines:
        if line == "}":
            current = None
        elif current:
            current.columns.append([*line.split(maxsplit=2), "", ""][:3])
        elif found := _RELATION.fullmatch(line):
            relations.append((found[1], found[2], found[3]))
            for name in found.groups()[:2]:
                boxes.setdefault(name, _Box(name))
        elif found := re.fullmatch(r"(\w+) *\{", line):
            current = boxes.setdefault(found[1], _Box(found[1]))
        else:
            return None
    width, height = _place(boxes, relations)
    lines = [_connector(boxes[one], boxes[many], label) for one, many, label in relations]
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" role="img" aria-label="{_describe(relations)}" '
        f'viewBox="0 0 {width:g} {height:g}" '
        f'style="max-width:{width:g}px;width:100%;background:#fff" '
        'font-family="ui-monospace, Menlo, Consolas, monospace" font-size="12">'
        + "".join([*lines, *map(_box, boxes.values())])
        + "</svg>"
    )


def _place(boxes: dict[str, _Box], relations: list[tuple[str, str, str]]) -> tuple[float, float]:
    """Put each table to the right of those it depends on; returns the picture's size."""
    for _ in boxes:
        for one, many, _label in relations:
            if one != many:
                boxes[many].depth = max(boxes[many].depth, min(boxes[one].depth + 1, len(boxes)))
    x, height = 1.0, 0.0
    for depth in sorted({box.depth for box in boxes.values()}):
        y, column = 1.0, [box for box in boxes.values() if box.depth == depth]
        for box in column:
            box.x, box.y = x, y
            y += box.height + _ROW
        x += max(box.width for box in column) + _GAP
        height = max(height, y)
    return x - _GAP + 1, height - _ROW + 1


def _box(box: _Box) -> str:
    parts = [
        f'<rect x="{box.x:g}" y="{box.y:g}" width="{box.width:g}" height="{box.height:g}" rx="4" '
        'fill="#fff" stroke="#4a6785"/>',
        f'<rect x="{box.x:g}" y="{box.y:g}" width="{box.width:g}" height="{_ROW + 4}" rx="4" '
        'fill="#dfe8f1" stroke="#4a6785"/>',
        _text(box.x + _PAD, box.y + 16, box.name, 'font-weight="bold"'),
    ]
    for index, row in enumerate(box.columns, 1):
        x = box.x + _PAD
        for text, width, style in zip(row, box.widths, _COLUMN_STYLES, strict=True):
            parts.append(_text(x, box.y + index * _ROW + 18, text, style))
            x += (width + 2) * _CHARACTER
    return "".join(parts)


def _connector(one: _Box, many: _Box, label: str) -> str:
    """A line from the one side (two bars) to the many side (circle and crow's foot)."""
    x1, y1 = one.x + one.width, one.y + _ROW * 1.5
    x2, y2 = many.x, many.y + _ROW * 1.5
    middle = (x1 + x2) / 2
    path = (
        f"M{x1:g} {y1:g}H{middle:g}V{y2:g}H{x2:g}"
        f"M{x1 + 7:g} {y1 - 6:g}v12M{x1 + 12:g} {y1 - 6:g}v12"
        f"M{x2 - 12:g} {y2:g}L{x2:g} {y2 - 7:g}M{x2 - 12:g} {y2:g}L{x2:g} {y2 + 7:g}"
    )
    return (
        f'<path d="{path}" fill="none" stroke="#4a6785"/>'
        f'<circle cx="{x2 - 17:g}" cy="{y2:g}" r="4" fill="#fff" stroke="#4a6785"/>'
        + _text(middle, min(y1, y2) - 6, label, 'text-anchor="middle" fill="#567"')
    )


def _text(x: float, y: float, text: str, style: str) -> str:
    return f'<text x="{x:g}" y="{y:g}" {style}>{html.escape(text)}</text>'


def _describe(relations: list[tuple[str, str, str]]) -> str:
    said = "; ".join(f"one {one} {label} many {many}" for one, many, label in relations)
    return html.escape(said or "tables")
