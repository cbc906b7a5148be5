"""An entity-relationship diagram drawn from the models, so that it can't grow out of date."""

import re

from sqlalchemy import MetaData, Table
from sqlalchemy.dialects import postgresql


def entity_relationship_diagram(metadata: MetaData) -> str:
    """Describe the tables of `metadata` in Mermaid's ``erDiagram`` language.

    Each table becomes a box with its columns, types and PK, FK or UK marks; each foreign key a line
    from the one side (``||``) to the many side (``o{``: none, one or several).

    Args:
        metadata: The tables to draw, for example `Base.metadata`.

    Returns:
        Mermaid source text. JupyterLab draws it from a Markdown fence named ``mermaid``.
    """
    lines = ["erDiagram"]
    for table in metadata.sorted_tables:
        for key in sorted(table.foreign_key_constraints, key=lambda key: key.referred_table.name):
            lines.append(f"    {key.referred_table.name} ||--o{{ {table.name} : has")
    for table in metadata.sorted_tables:
        lines.append(f"    {table.name} {{")
        lines.extend(f"        {_column(table, name)}" for name in table.columns.keys())  # noqa: SIM118
        lines.append("    }")
    return "\n".join(lines)


def _column(table: Table, name: str) -> str:
    """One line of a box: type, name and marks. Mermaid allows no blank or comma in a type."""
    column = table.columns[name]
    kind = column.type.compile(postgresql.dialect()).lower()
    kind = {"timestamp with time zone": "timestamptz"}.get(kind, kind)
    marks = [
        mark
        for mark, holds in [
            ("PK", column.primary_key),
            ("FK", bool(column.foreign_keys)),
            ("UK", bool(column.unique)),
        ]
        if holds
    ]
    return f"{re.sub(r'[, ]+', '_', kind)} {name} {', '.join(marks)}".rstrip()
