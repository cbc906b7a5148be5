"""Making the tables that are missing, and refusing those that are not the models'."""

from typing import Any

from sqlalchemy import Engine, MetaData, Table, text
from sqlalchemy.engine import Connection

from carlib.errors import TableMismatch, TablesMissing
from carlib.models import Base
from carlib.transactions import lock, read_committed

# In the order in which they are defined: the three of cars, then the two that remember.
TABLES = list(Base.metadata.tables.values())

CREATE_LOCK = "carlib.create_tables"


def create_tables(engine: Engine) -> list[str]:
    """Create the tables that are missing in the engine's schema, and say which.

    Args:
        engine: From `connect`; its schema is where the tables go.

    Returns:
        The names of the tables made by this call, parents first; `[]` when all were there.

    Raises:
        TableMismatch: Something of a table's name exists, but it is no table or has other columns.
            Nothing is created then.
    """
    with read_committed(engine) as connection:
        return [table.name for table in create_missing(connection, Base.metadata, CREATE_LOCK)]


def create_missing(connection: Connection, metadata: MetaData, purpose: str) -> list[Table]:
    """Create those tables of `metadata` that are missing, in the connection's transaction.

    Two processes may find the same table missing: the lock named `purpose` lets the second one look
    again. Returns the tables made, parents first; raises TableMismatch as `create_tables` does.
    """
    lock(connection, purpose)
    tables = metadata.tables.values()
    missing = [table for table in tables if not _exists(connection, table)]
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
    """Return whether a table exists; raise TableMismatch if it is another than the model's.

    The columns have to be the model's, with their types and NOT NULLs. PostgreSQL spells both
    sides, so that VARCHAR and character varying are the same.
    """
    relation = text(
        "SELECT oid, relkind::text FROM pg_class WHERE relname = :name"
        " AND relnamespace = to_regnamespace(quote_ident(current_schema()))"
    )
    row = connection.execute(relation, {"name": table.name}).one_or_none()
    if row is None:
        return False
    if row.relkind not in "rp":  # r: table, p: partitioned table
        raise TableMismatch(
            f"Expected {table.name} to be a table, but something else has that name (a view, an "
            "index or a sequence). Rename it, or choose another schema: connect(schema=...)."
        )
    spell = text("SELECT format_type(to_regtype(:type), to_regtypemod(:type))")
    expected = {
        (c.name, connection.scalar(spell, {"type": c.type.compile(connection.dialect)}), c.nullable)
        for c in table.columns
    }
    query = text(
        "SELECT attname, format_type(atttypid, atttypmod), NOT attnotnull FROM pg_attribute"
        " WHERE attrelid = :oid AND attnum > 0 AND NOT attisdropped"
    )
    actual = {tuple(column) for column in connection.execute(query, {"oid": row.oid})}
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
