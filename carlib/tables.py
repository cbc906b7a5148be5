"""Making the tables of the workbook where they are missing, and saying so where they are not.

`create_tables` makes the tables that are missing and leaves the others alone.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from sqlalchemy import Engine, Table, text
from sqlalchemy.engine import Connection

import carlib.history_models  # noqa: F401  registers its tables in Base.metadata
from carlib.errors import TableMismatch, TablesMissing
from carlib.models import Base

# In the order in which they are defined: the three of cars, then the two that remember.
TABLES = list(Base.metadata.tables.values())

MAKING = text("SELECT pg_advisory_xact_lock(hashtext(:what), hashtext(current_schema()))")


@contextmanager
def read_committed(engine: Engine) -> Iterator[Connection]:
    """Begin a transaction in which each statement sees what others committed before it.

    That is PostgreSQL's default, and what waiting for a lock and then looking again needs; the
    engine may have been made with another isolation level.
    """
    connection = engine.connect().execution_options(isolation_level="READ COMMITTED")
    with connection, connection.begin():
        yield connection


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
        # Two processes may find the same table missing; the lock lets the second one look again.
        # Of this schema only: other learners of the same database are not kept waiting.
        connection.execute(MAKING, {"what": "carlib.create_tables"})
        found = relations(connection)
        for table in TABLES:
            if table.name in found:
                require_same_columns(connection, table, *found[table.name])
        missing = [t for t in TABLES if t.name not in found]
        Base.metadata.create_all(connection, tables=missing, checkfirst=False)
    return [table.name for table in missing]


def require_tables(connection: Connection) -> None:
    """Raise TablesMissing unless every table of the workbook is there."""
    names = [table.name for table in TABLES]
    missing = [n for n in names if not connection.scalar(text("SELECT to_regclass(:n)"), {"n": n})]
    if missing:
        raise TablesMissing(
            f"Expected the tables {', '.join(names)}, but {', '.join(missing)} "
            "is not there. Make them first: create_tables(engine)."
        )


def relations(connection: Connection) -> dict[str, tuple[int, str]]:
    """Map each relation of the current schema to its oid and PostgreSQL's letter for its kind."""
    query = text(
        "SELECT relname, oid, relkind::text FROM pg_class"
        " WHERE relnamespace = to_regnamespace(quote_ident(current_schema()))"
    )
    return {name: (oid, kind) for name, oid, kind in connection.execute(query)}


def require_same_columns(connection: Connection, table: Table, oid: int, kind: str) -> None:
    """Raise TableMismatch unless the table has the model's columns, types and NOT NULLs."""
    if kind not in "rp":  # r: table, p: partitioned table
        raise TableMismatch(
            f"Expected {table.name} to be a table, but something else has that name (a view, an "
            "index or a sequence). Rename it, or choose another schema: connect(schema=...)."
        )
    # PostgreSQL spells both sides, so that VARCHAR and character varying are the same.
    spell = text("SELECT format_type(to_regtype(:type), to_regtypemod(:type))")
    wanted = {
        (c.name, connection.scalar(spell, {"type": c.type.compile(connection.dialect)}), c.nullable)
        for c in table.columns
    }
    query = text(
        "SELECT attname, format_type(atttypid, atttypmod), NOT attnotnull FROM pg_attribute"
        " WHERE attrelid = :oid AND attnum > 0 AND NOT attisdropped"
    )
    found = {tuple(row) for row in connection.execute(query, {"oid": oid})}
    if wanted != found:
        raise TableMismatch(
            f"The table {table.name} exists with other columns. "
            f"Expected but not found: {_listed(wanted - found)}. "
            f"Found but not expected: {_listed(found - wanted)}. "
            "Rename or drop that table, or choose another schema: connect(schema=...)."
        )


def _listed(columns: set[tuple[str, Any, bool | None]]) -> str:
    texts = [f"{name} {kind}{'' if nullable else ' NOT NULL'}" for name, kind, nullable in columns]
    return ", ".join(sorted(texts)) or "none"
