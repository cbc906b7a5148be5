"""An entity-relationship diagram drawn from the models, so that it can't grow out of date."""

import re
from collections.abc import Sequence

from sqlalchemy import MetaData, Table
from sqlalchemy.dialects import postgresql

from carlib.errors import BadArgument

# Where a table's `info` has this, it names the columns of a key that SQLAlchemy has no word for.
PRIMARY_KEY = "primary_key"


def entity_relationship_diagram(metadata: MetaData, tables: Sequence[str] | None = None) -> str:
    """Describe the tables of `metadata` in Mermaid's ``erDiagram`` language.

    Each table becomes a box with its columns, types and PK, FK or UK marks; each foreign key a line
    from the one side (``||``) to the many side (``o{``: none, one or several).

    Args:
        metadata: The tables to draw, for example `Base.metadata`.
        tables: The names of those to draw; None for all. A line is drawn where both ends are.

    Returns:
        Mermaid source text. JupyterLab draws it from a Markdown fence named ``mermaid``.

    Raises:
        BadArgument: There is no table of such a name.
    """
    unknown = set(tables or ()) - set(metadata.tables)
    if unknown:
        raise BadArgument(
            f"Expected names of tables among {', '.join(metadata.tables)}; "
            f"found {', '.join(sorted(unknown))}."
        )
    drawn = [t for t in metadata.sorted_tables if tables is None or t.name in tables]
    lines = ["erDiagram"]
    for table in drawn:
        for key in sorted(table.foreign_key_constraints, key=lambda key: key.referred_table.name):
            if key.referred_table not in drawn:
                continue
            lines.append(f"    {key.referred_table.name} ||--o{{ {table.name} : has")
    for table in drawn:
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
            ("PK", name in table.info.get(PRIMARY_KEY, table.primary_key.columns)),
            ("FK", bool(column.foreign_keys)),
            ("UK", bool(column.unique)),
        ]
        if holds
    ]
    return f"{re.sub(r'[, ]+', '_', kind)} {name} {', '.join(marks)}".rstrip()
