"""The three tables of the workbook as SQLAlchemy models, and how they are made.

`CarBrand` has many `CarModel`, a `CarModel` has many `CarInfo`. One word has two meanings here: a
row of ``car_model`` is a model of car (the Corolla), while a class of this module is a model in
SQLAlchemy's sense, the description of a table.

What happened to cars and what was loaded is remembered in the tables of `carlib.history_models`;
`carlib.tables.create_tables` makes them all.
"""

from datetime import datetime
from decimal import Decimal
from typing import TYPE_CHECKING, ClassVar
from uuid import UUID

from sqlalchemy import (
    CheckConstraint,
    DateTime,
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
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column, relationship

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

    if TYPE_CHECKING:
        __table__: ClassVar[Table]  # SQLAlchemy allows for models of joins too

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
