"""The log of loads: what came when, and whether a batch was loaded before."""

import hashlib
from datetime import datetime

from sqlalchemy import insert, select, text
from sqlalchemy.engine import Connection

from carlib.errors import BatchConflict
from carlib.loading.report import LoadReport
from carlib.models import LoadLog


def content_of_staging(connection: Connection, columns: list[str]) -> str:
    """A checksum of the staged rows that does not depend on their order.

    Two sums of 64-bit hashes with different seeds, over the rows as text: equal rows give equal
    sums in any order, and a sum of hashes, unlike XOR, also tells how often a row is there.
    """
    # Brands and models as they compare: which spelling was staged depends on what was known then.
    values = [f"lower({name})" if name in ("brand", "model") else name for name in columns]
    row = f"CAST(ROW({', '.join(values)}) AS text)"
    count, first, second = connection.execute(
        text(
            f"SELECT count(*), sum(hashtextextended({row}, 0)), sum(hashtextextended({row}, 1))"
            " FROM staging"
        )
    ).one()
    known = f"{','.join(columns)}:{count}:{first or 0}:{second or 0}"
    return hashlib.sha256(known.encode()).hexdigest()  # of one length, however many rows


def was_loaded(connection: Connection, batch: str, content: str) -> bool:
    """Say whether this batch was loaded before.

    Raises:
        BatchConflict: A batch of that name was, with other content.
    """
    known = connection.execute(
        select(LoadLog.content, LoadLog.loaded_at).where(LoadLog.batch == batch)
    ).one_or_none()
    if known is None:
        return False
    if known.content != content:
        raise BatchConflict(
            f"Expected the batch {batch!r} to hold what it held when it was loaded "
            f"({known.loaded_at:%Y-%m-%d %H:%M:%S %Z}), but found other content. "
            "Give a corrected batch a name of its own."
        )
    return True


def log_load(
    connection: Connection,
    kind: str,
    report: LoadReport,
    started_at: datetime,
    content: str | None = None,
) -> None:
    """Write one row for a load, in the load's own transaction."""
    connection.execute(
        insert(LoadLog).values(
            kind=kind,
            batch=report.batch,
            content=content,
            loaded_at=report.loaded_at,
            started_at=started_at,
            ended_at=text("clock_timestamp()"),
            received=report.received,
            inserted=report.inserted,
            updated=report.updated,
            deleted=report.deleted,
            unchanged=report.unchanged,
            rejected=len(report.rejected),
        )
    )
