"""An entity-relationship diagram drawn from the models, so that it can't grow out of date."""

import re
from collections.abc import Sequence
from typing import Any

from sqlalchemy import Column, MetaData, Table
from sqlalchemy.dialects import postgresql

from carlib.errors import BadArgument


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
        parents = [key.referred_table for key in table.foreign_key_constraints]
        names = sorted(parent.name for parent in parents if parent in drawn)
        lines += [f"    {name} ||--o{{ {table.name} : has" for name in names]
    for table in drawn:
        columns = [f"        {_describe(table, column)}" for column in table.columns]
        lines += [f"    {table.name} {{", *columns, "    }"]
    return "\n".join(lines)


def _describe(table: Table, column: Column[Any]) -> str:
    """One line of a box: type, name and marks. Mermaid allows no blank or comma in a type."""
    kind = column.type.compile(postgresql.dialect()).lower()
    kind = kind.replace("timestamp with time zone", "timestamptz")
    # `info` names the columns of a key that SQLAlchemy has no word for.
    key = table.info.get("primary_key", [key.name for key in table.primary_key])
    holds = {"PK": column.name in key, "FK": column.foreign_keys, "UK": column.unique}
    marks = ", ".join(mark for mark, it_does in holds.items() if it_does)
    return f"{re.sub(r'[, ]+', '_', kind)} {column.name} {marks}".rstrip()
