"""The five tables of the workbook as SQLAlchemy models.

One word has two meanings here: a row of ``car_model`` is a model of car (the Corolla), while a
class of this module is a model in SQLAlchemy's sense, the description of a table. `LoadLog` and
`CarInfoHistory` remember: what was loaded when, and the *replaced* values of each changed or
deleted car. No foreign key ties the history to ``car_info``, so it outlives its car.
"""

from datetime import datetime
from decimal import Decimal
from typing import Annotated, Any, ClassVar
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy import CheckConstraint, ForeignKey, Index, String, func, text
from sqlalchemy.dialects.postgresql import TSTZRANGE
from sqlalchemy.exc import ProgrammingError
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column, relationship

from carlib.connection import driver_error
from carlib.errors import ConnectionFailed

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
Key = Annotated[UUID, mapped_column(primary_key=True, server_default=NEW_KEY)]
# Children go with their parent: the database deletes them, ON DELETE CASCADE.
CHILDREN: dict[str, Any] = {"cascade": "all, delete-orphan", "passive_deletes": True}


class Base(DeclarativeBase):
    """Collects the tables of the workbook in `Base.metadata`."""

    __table__: ClassVar[sa.Table]  # SQLAlchemy allows for models of joins too

    metadata = sa.MetaData(naming_convention=NAMES)
    type_annotation_map: ClassVar = {
        datetime: sa.DateTime(timezone=True),
        Decimal: sa.Numeric(12, 2),  # money
        float: sa.Numeric(4, 2, asdecimal=False),  # litres
    }


class CarBrand(Base):
    """A make of cars, such as Toyota."""

    __tablename__ = "car_brand"

    brand_id: Mapped[Key]
    name: Mapped[str] = mapped_column(String(100), unique=True)

    models: Mapped[list["CarModel"]] = relationship(back_populates="brand", **CHILDREN)


class CarModel(Base):
    """A model of one brand, such as the Corolla."""

    __tablename__ = "car_model"
    __table_args__ = (sa.UniqueConstraint("brand_id", "name"),)

    model_id: Mapped[Key]
    brand_id: Mapped[UUID] = mapped_column(ForeignKey("car_brand.brand_id", ondelete="CASCADE"))
    name: Mapped[str] = mapped_column(String(100))

    brand: Mapped["CarBrand"] = relationship(back_populates="models")
    cars: Mapped[list["CarInfo"]] = relationship(back_populates="model", **CHILDREN)


class CarInfo(Base):
    """One car: its identification number, and what may change about it.

    `engine_size` is in litres and empty for electric cars; `status` is true while the car is
    available; `valid_from` is the instant since which these values hold.
    """

    __tablename__ = "car_info"
    __table_args__ = (
        # PostgreSQL sorts NaN above every number: these bounds refuse it, and infinity too.
        CheckConstraint("engine_size > 0 AND engine_size < 'Infinity'", "engine_size_positive"),
        CheckConstraint("price >= 0 AND price < 'Infinity'", "price_not_negative"),
    )

    car_id: Mapped[Key]
    model_id: Mapped[UUID] = mapped_column(
        ForeignKey("car_model.model_id", ondelete="CASCADE"), index=True
    )
    engine_size: Mapped[float | None]
    vin: Mapped[str] = mapped_column(String(50), unique=True)  # before 1981 of any length
    color: Mapped[str | None] = mapped_column(String(50))
    price: Mapped[Decimal]
    status: Mapped[bool]
    valid_from: Mapped[datetime] = mapped_column(server_default=func.clock_timestamp())

    model: Mapped["CarModel"] = relationship(back_populates="cars")


DELETED = text("operation = 'delete'")


class CarInfoHistory(Base):
    """The values that a car had from `valid_from` until `timestamp`, when they were replaced.

    The key is the car with the range of the two instants, `WITHOUT OVERLAPS` (in PostgreSQL since
    18): no two versions of a car at one instant, none that is empty or ends before it begins.
    """

    __tablename__ = "car_info_history"
    __table_args__ = (
        CheckConstraint("operation IN ('update', 'delete')", name="operation"),
        Index(None, "car_id", "timestamp"),
        # Rows written together have neighboring timestamps: a few bytes a block find a period.
        Index("ix_car_info_history_timestamp", "timestamp", postgresql_using="brin"),
        # A deleted car that comes back is recognized by its VIN.
        Index("ix_car_info_history_deleted_vin", "vin", postgresql_where=DELETED),
        {"info": {"primary_key": ("car_id", "valid")}},  # for the diagram
    )
    # The mapper needs a key it can handle; the table's own is added by the DDL below.
    __mapper_args__ = {"primary_key": ["history_id"]}  # noqa: RUF012

    history_id: Mapped[UUID] = mapped_column(server_default=NEW_KEY)
    car_id: Mapped[UUID]
    model_id: Mapped[UUID]
    engine_size: Mapped[float | None]
    vin: Mapped[str] = mapped_column(String(50))
    color: Mapped[str | None] = mapped_column(String(50))
    price: Mapped[Decimal]
    status: Mapped[bool]
    valid_from: Mapped[datetime]
    timestamp: Mapped[datetime]
    valid: Mapped[Any] = mapped_column(
        TSTZRANGE, sa.Computed('tstzrange(valid_from, "timestamp")', persisted=True), nullable=False
    )
    operation: Mapped[str] = mapped_column(String(10))


class LoadLog(Base):
    """One load: its kind, its batch name if it had one, and the counts of its report."""

    __tablename__ = "load_log"
    __table_args__ = (CheckConstraint("kind IN ('initial', 'delta')", name="kind"),)

    load_id: Mapped[Key]
    kind: Mapped[str] = mapped_column(String(10))
    batch: Mapped[str | None] = mapped_column(String(200), unique=True)
    content: Mapped[str | None] = mapped_column(String(100))  # what the batch held, as a checksum
    loaded_at: Mapped[datetime]
    started_at: Mapped[datetime]
    ended_at: Mapped[datetime]
    received: Mapped[int]
    inserted: Mapped[int]
    updated: Mapped[int]
    deleted: Mapped[int]
    unchanged: Mapped[int]
    rejected: Mapped[int]


EXTENSION = "btree_gist"  # lets a GiST index, which WITHOUT OVERLAPS needs, hold a uuid


@sa.event.listens_for(CarInfoHistory.__table__, "before_create")
def _ensure_extension(_table: object, connection: sa.Connection, **_: object) -> None:
    """Install the extension into a schema of its own: in the lesson's it would go with it."""
    installed = text("SELECT FROM pg_extension WHERE extname = :name")
    if connection.execute(installed, {"name": EXTENSION}).first() is not None:
        return
    # Of the whole database: its schemas share the extension, and two may find it missing at once.
    connection.execute(text("SELECT pg_advisory_xact_lock(hashtext('carlib.extension'))"))
    try:
        connection.execute(text("CREATE SCHEMA IF NOT EXISTS extensions"))
        connection.execute(text(f"CREATE EXTENSION IF NOT EXISTS {EXTENSION} SCHEMA extensions"))
    except ProgrammingError as error:
        raise ConnectionFailed(
            f"Expected PostgreSQL's extension {EXTENSION}, or the right to install it; found "
            f"neither ({driver_error(error).diag.message_primary}). Have the database's owner run: "
            f"CREATE EXTENSION {EXTENSION}"
        ) from error


# SQLAlchemy has no word for WITHOUT OVERLAPS.
_KEY = "CONSTRAINT pk_car_info_history PRIMARY KEY (car_id, valid WITHOUT OVERLAPS)"
_ADD_KEY = sa.DDL(f"ALTER TABLE car_info_history ADD {_KEY}")
sa.event.listen(CarInfoHistory.__table__, "after_create", _ADD_KEY)
