"""The three tables of the workbook as SQLAlchemy models, and how they are made.

`CarBrand` has many `CarModel`, a `CarModel` has many `CarInfo`. One word has two meanings here: a
row of ``car_model`` is a model of car (the Corolla), while a class of this module is a model in
SQLAlchemy's sense, the description of a table.

`create_tables` makes the tables that are missing and leaves the others alone.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from decimal import Decimal
from uuid import UUID

from sqlalchemy import (
    CheckConstraint,
    DateTime,
    Engine,
    ForeignKey,
    MetaData,
    Numeric,
    String,
    Table,
    UniqueConstraint,
    Uuid,
    func,
    text,
)
from sqlalchemy.engine import Connection
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column, relationship

from carlib.errors import TableMismatch

# Every constraint gets a predictable name, so that an error message and a later ALTER TABLE can
# refer to it (SQLAlchemy documentation, "Configuring Constraint Naming Conventions").
NAMES = {
    "pk": "pk_%(table_name)s",
    "fk": "fk_%(table_name)s_%(column_0_name)s",
    "uq": "uq_%(table_name)s_%(column_0_N_name)s",
    "ck": "ck_%(table_name)s_%(constraint_name)s",
    "ix": "ix_%(table_name)s_%(column_0_N_name)s",
}

# The server makes the keys: version 7 UUIDs begin with the time, so new rows land side by side in
# the index (RFC 9562, section 5.7). `uuidv7()` exists since PostgreSQL 18.
NEW_KEY = text("uuidv7()")


class Base(DeclarativeBase):
    """Collects the tables of the workbook in `Base.metadata`."""

    metadata = MetaData(naming_convention=NAMES)


class CarBrand(Base):
    """A make of cars, such as Toyota."""

    __tablename__ = "car_brand"

    brand_id: Mapped[UUID] = mapped_column(Uuid, primary_key=True, server_default=NEW_KEY)
    name: Mapped[str] = mapped_column(String(100), unique=True)

    models: Mapped[list["CarModel"]] = relationship(
        back_populates="brand", cascade="all, delete-orphan", passive_deletes=True
    )


class CarModel(Base):
    """A model of one brand, such as the Corolla."""

    __tablename__ = "car_model"
    __table_args__ = (UniqueConstraint("brand_id", "name"),)

    model_id: Mapped[UUID] = mapped_column(Uuid, primary_key=True, server_default=NEW_KEY)
    brand_id: Mapped[UUID] = mapped_column(ForeignKey("car_brand.brand_id", ondelete="CASCADE"))
    name: Mapped[str] = mapped_column(String(100))

    brand: Mapped["CarBrand"] = relationship(back_populates="models")
    cars: Mapped[list["CarInfo"]] = relationship(
        back_populates="model", cascade="all, delete-orphan", passive_deletes=True
    )


class CarInfo(Base):
    """One car: its identification number, and what may change about it.

    `engine_size` is in litres and empty for electric cars; `price` is in currency units, to two
    decimals; `status` is true while the car is available; `valid_from` is the instant since
    which these values hold.
    """

    __tablename__ = "car_info"
    __table_args__ = (
        # PostgreSQL sorts NaN above every number: these bounds refuse it, and infinity too.
        CheckConstraint(
            "engine_size > 0 AND engine_size < 'Infinity'", name="engine_size_positive"
        ),
        CheckConstraint("price >= 0 AND price < 'Infinity'", name="price_not_negative"),
    )

    car_id: Mapped[UUID] = mapped_column(Uuid, primary_key=True, server_default=NEW_KEY)
    model_id: Mapped[UUID] = mapped_column(
        ForeignKey("car_model.model_id", ondelete="CASCADE"), index=True
    )
    engine_size: Mapped[float | None] = mapped_column(Numeric(4, 2, asdecimal=False))
    # 17 characters since 1981 (ISO 3779); chassis numbers of older cars follow no rule.
    vin: Mapped[str] = mapped_column(String(50), unique=True)
    color: Mapped[str | None] = mapped_column(String(50))
    price: Mapped[Decimal] = mapped_column(Numeric(12, 2))
    status: Mapped[bool]
    valid_from: Mapped[datetime] = mapped_column(
        DateTime(timezone=True), server_default=func.clock_timestamp()
    )

    model: Mapped["CarModel"] = relationship(back_populates="cars")


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
        connection.execute(text("SELECT pg_advisory_xact_lock(hashtext('carlib.create_tables'))"))
        found = _relations(connection)
        for table in Base.metadata.sorted_tables:
            if table.name in found:
                _require_same_columns(connection, table, *found[table.name])
        missing = [t for t in Base.metadata.sorted_tables if t.name not in found]
        Base.metadata.create_all(connection, tables=missing, checkfirst=False)
    return [table.name for table in missing]


def _relations(connection: Connection) -> dict[str, tuple[int, str]]:
    """Map each relation of the current schema to its oid and PostgreSQL's letter for its kind."""
    query = text(
        "SELECT relname, oid, relkind::text FROM pg_class"
        " WHERE relnamespace = to_regnamespace(quote_ident(current_schema()))"
    )
    return {name: (oid, kind) for name, oid, kind in connection.execute(query)}


def _require_same_columns(connection: Connection, table: Table, oid: int, kind: str) -> None:
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


def _listed(columns: set[tuple[str, str, bool]]) -> str:
    texts = [f"{name} {kind}{'' if nullable else ' NOT NULL'}" for name, kind, nullable in columns]
    return ", ".join(sorted(texts)) or "none"
