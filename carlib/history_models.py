"""The two tables that remember: what cars were before, and what was loaded when.

`CarInfoHistory` holds the *replaced* values of each changed or deleted car, never the new ones:
those are in ``car_info``. No foreign key ties it to ``car_info``, so history outlives its car.
"""

from datetime import datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

from sqlalchemy import (
    DDL,
    CheckConstraint,
    Computed,
    DateTime,
    Index,
    Numeric,
    String,
    Uuid,
    event,
    text,
)
from sqlalchemy.dialects.postgresql import TSTZRANGE
from sqlalchemy.engine import Connection
from sqlalchemy.exc import ProgrammingError
from sqlalchemy.orm import Mapped, mapped_column

from carlib._driver import driver_error
from carlib.diagram import PRIMARY_KEY
from carlib.errors import ConnectionFailed
from carlib.models import NEW_KEY, Base


class CarInfoHistory(Base):
    """The values that a car had from `valid_from` until `timestamp`, when they were replaced.

    The key is the car with the range of the two instants, `WITHOUT OVERLAPS`: PostgreSQL refuses
    two versions of one car for the same instant, an empty version, and one that ends before it
    begins (SQL:2011 application-time periods, in PostgreSQL since 18).
    """

    __tablename__ = "car_info_history"
    __table_args__ = (
        CheckConstraint("operation IN ('update', 'delete')", name="operation"),
        Index(None, "car_id", "timestamp"),
        # Blocks of rows written together have neighboring timestamps: a few bytes a block are
        # enough to find a period in millions of rows.
        Index("ix_car_info_history_timestamp", "timestamp", postgresql_using="brin"),
        # A deleted car that comes back is recognized by its VIN.
        Index(
            "ix_car_info_history_deleted_vin",
            "vin",
            postgresql_where=text("operation = 'delete'"),
        ),
        {"info": {PRIMARY_KEY: ("car_id", "valid")}},
    )
    # The mapper needs a key it can handle; the table's own is added by the DDL below.
    __mapper_args__ = {"primary_key": ["history_id"]}  # noqa: RUF012

    history_id: Mapped[UUID] = mapped_column(Uuid, server_default=NEW_KEY)
    car_id: Mapped[UUID]
    model_id: Mapped[UUID]
    engine_size: Mapped[float | None] = mapped_column(Numeric(4, 2, asdecimal=False))
    vin: Mapped[str] = mapped_column(String(50))
    color: Mapped[str | None] = mapped_column(String(50))
    price: Mapped[Decimal] = mapped_column(Numeric(12, 2))
    status: Mapped[bool]
    valid_from: Mapped[datetime] = mapped_column(DateTime(timezone=True))
    timestamp: Mapped[datetime] = mapped_column(DateTime(timezone=True))
    valid: Mapped[Any] = mapped_column(
        TSTZRANGE, Computed('tstzrange(valid_from, "timestamp")', persisted=True), nullable=False
    )
    operation: Mapped[str] = mapped_column(String(10))


class LoadLog(Base):
    """One load: its kind, its batch name if it had one, and the counts of its report."""

    __tablename__ = "load_log"
    __table_args__ = (CheckConstraint("kind IN ('initial', 'delta')", name="kind"),)

    load_id: Mapped[UUID] = mapped_column(Uuid, primary_key=True, server_default=NEW_KEY)
    kind: Mapped[str] = mapped_column(String(10))
    batch: Mapped[str | None] = mapped_column(String(200), unique=True)
    content: Mapped[str | None] = mapped_column(String(100))  # what the batch held, as a checksum
    loaded_at: Mapped[datetime] = mapped_column(DateTime(timezone=True))
    started_at: Mapped[datetime] = mapped_column(DateTime(timezone=True))
    ended_at: Mapped[datetime] = mapped_column(DateTime(timezone=True))
    received: Mapped[int]
    inserted: Mapped[int]
    updated: Mapped[int]
    deleted: Mapped[int]
    unchanged: Mapped[int]
    rejected: Mapped[int]


EXTENSION = "btree_gist"  # lets a GiST index, which WITHOUT OVERLAPS needs, hold a uuid


@event.listens_for(CarInfoHistory.__table__, "before_create")
def _ensure_extension(_table: object, connection: Connection, **_: object) -> None:
    """Install the extension into a schema of its own: in the lesson's it would go with it."""
    found = text("SELECT FROM pg_extension WHERE extname = :name")
    if connection.execute(found, {"name": EXTENSION}).first() is not None:
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
event.listen(
    CarInfoHistory.__table__,
    "after_create",
    DDL(
        "ALTER TABLE car_info_history ADD CONSTRAINT pk_car_info_history"
        " PRIMARY KEY (car_id, valid WITHOUT OVERLAPS)"
    ),
)
