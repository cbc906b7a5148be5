"""The tables of the models: made where they are missing, refused where they are others, drawn."""

import re
from collections.abc import Sequence
from typing import Any

from sqlalchemy import Column, Engine, MetaData, Table, text
from sqlalchemy.dialects import postgresql
from sqlalchemy.engine import Connection

from carlib.errors import BadArgument, TableMismatch, TablesMissing
from carlib.models import Base
from carlib.transactions import lock, read_committed

# In the order in which they are defined: the three of cars, then the two that remember.
TABLES = list(Base.metadata.tables.values())

CREATE_LOCK = "carlib.create_tables"


def create_tables(engine: Engine) -> list[str]:
    """Create the tables that are missing in the engine's schema.

    Args:
        engine: From `connect`; its schema is where the tables go.

    Returns:
        The names of the tables made by this call, parents first; `[]` when all were there.

    Raises:
        TableMismatch: Something of a table's name is no table or has other columns. Nothing is
            created then.
    """
    with read_committed(engine) as connection:
        return [table.name for table in create_missing(connection, Base.metadata, CREATE_LOCK)]


def create_missing(connection: Connection, metadata: MetaData, purpose: str) -> list[Table]:
    """Create those tables of `metadata` that are missing, and return them, parents first.

    Two processes may find the same table missing: the lock named `purpose` lets the second one look
    again. Raises TableMismatch as `create_tables` does.
    """
    lock(connection, purpose)
    missing = [table for table in metadata.tables.values() if not _exists(connection, table)]
    metadata.create_all(connection, tables=missing, checkfirst=False)
    return missing


def require_tables(connection: Connection) -> None:
    """Raise TablesMissing unless every table of the workbook is there."""
    names = [table.name for table in TABLES]
    absent = "SELECT name FROM unnest(CAST(:names AS text[])) name WHERE to_regclass(name) IS NULL"
    if missing := connection.scalars(text(absent), {"names": names}).all():
        raise TablesMissing(
            f"Expected the tables {', '.join(names)}, but {', '.join(missing)} "
            "is not there. Make them first: create_tables(engine)."
        )


def _exists(connection: Connection, table: Table) -> bool:
    """Whether a table exists; raises TableMismatch unless its columns are the model's.

    PostgreSQL spells the types of both sides, so that VARCHAR and character varying are the same.
    """
    relation = text(
        "SELECT oid, relkind::text FROM pg_class WHERE relname = :name"
        " AND relnamespace = to_regnamespace(quote_ident(current_schema()))"
    )
    row = connection.execute(relation, {"name": table.name}).one_or_none()
    if row is None:
        return False
    if row.relkind not in "rp":  # a table or a partitioned one
        raise TableMismatch(
            f"Expected {table.name} to be a table, but something else has that name (a view, an "
            "index or a sequence). Rename it, or choose another schema: connect(schema=...)."
        )
    spell = text("SELECT format_type(to_regtype(:type), to_regtypemod(:type))")
    expected = {
        (c.name, connection.scalar(spell, {"type": c.type.compile(connection.dialect)}), c.nullable)
        for c in table.columns
    }
    columns = text(
        "SELECT attname, format_type(atttypid, atttypmod), NOT attnotnull FROM pg_attribute"
        " WHERE attrelid = :oid AND attnum > 0 AND NOT attisdropped"
    )
    actual = {tuple(column) for column in connection.execute(columns, {"oid": row.oid})}
    if expected != actual:
        raise TableMismatch(
            f"The table {table.name} exists with other columns. "
            f"Expected but not found: {_listed(expected - actual)}. "
            f"Found but not expected: {_listed(actual - expected)}. "
            "Rename or drop that table, or choose another schema: connect(schema=...)."
        )
    return True


def _listed(columns: set[tuple[str, Any, bool | None]]) -> str:
    texts = [f"{name} {kind}{'' if nullable else ' NOT NULL'}" for name, kind, nullable in columns]
    return ", ".join(sorted(texts)) or "none"


def entity_relationship_diagram(metadata: MetaData, tables: Sequence[str] | None = None) -> str:
    """Describe the tables of `metadata` in Mermaid's ``erDiagram`` language.

    Each table becomes a box with its columns, types and PK, FK or UK marks; each foreign key a line
    from the one side (``||``) to the many side (``o{``: none, one or several).

    Args:
        metadata: The tables to draw, for example `Base.metadata`.
        tables: The names of those to draw; None for all.

    Returns:
        Mermaid source text. JupyterLab draws it from a Markdown fence named ``mermaid``.

    Raises:
        BadArgument: There is no table of such a name.
    """
    if unknown := set(tables or ()) - set(metadata.tables):
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
