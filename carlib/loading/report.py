"""What a load did, as numbers that add up, as a table that reads well, and as a row of the log."""

import hashlib
from dataclasses import dataclass
from datetime import datetime
from html import escape

import pandas as pd
from sqlalchemy import insert, select, text
from sqlalchemy.engine import Connection

from carlib.errors import BatchConflict, RejectedRows
from carlib.models import LoadLog
from carlib.text import printable

COUNTS = ("received", "inserted", "updated", "deleted", "unchanged")
FIRST, WIDTH = 5, 30  # rows that a message shows, and characters of a cell


@dataclass(frozen=True, eq=False)
class LoadReport:
    """The outcome of a load; every row received is accounted for.

    ``received == inserted + updated + unchanged + len(rejected)`` holds always. Cars that a full
    snapshot no longer mentions were not received; they count in `deleted` alone.

    Attributes:
        received: Rows that came in.
        inserted: New cars.
        updated: Cars of which at least one value changed.
        deleted: Cars removed since the snapshot did not mention them.
        unchanged: Rows that say what was known already, exact repetitions included.
        rejected: The refused rows with a column `reason`, indexed by their number `row` from 0.
        seconds: How long the load took.
        loaded_at: The instant since which the loaded values hold.
        batch: The name of the batch, if it was given one.
        loaded_before: Whether that batch had been loaded already, so that nothing was compared.
    """

    received: int
    inserted: int
    updated: int
    deleted: int
    unchanged: int
    rejected: pd.DataFrame
    seconds: float
    loaded_at: datetime
    batch: str | None = None
    loaded_before: bool = False

    def _counts(self) -> dict[str, int]:
        return {name: getattr(self, name) for name in COUNTS} | {"rejected": len(self.rejected)}

    def _notes(self, reason: str) -> list[str]:
        notes = [reason.format(count, why) for why, count in count_reasons(self.rejected)]
        return notes + [f"batch {self.batch!r} was loaded before"] * self.loaded_before

    def __repr__(self) -> str:
        lines = [f"{name:<9} {count:>11,}" for name, count in self._counts().items()][1:]
        lines += self._notes(" " * 10 + "{:>11,}: {}")
        return "\n  ".join([f"LoadReport of {self.received:,} rows", *lines])

    def _repr_html_(self) -> str:
        head = "".join(f"<th>{name}</th>" for name in self._counts())
        body = "".join(f"<td>{value:,}</td>" for value in self._counts().values())
        notes = "".join(f"<li>{escape(note)}</li>" for note in self._notes("{:,} rejected: {}"))
        return (
            f"<table><thead><tr>{head}</tr></thead><tbody><tr>{body}</tr></tbody></table>"
            f"{f'<ul>{notes}</ul>' if notes else ''}"
        )


def count_reasons(rejected: pd.DataFrame) -> list[tuple[str, int]]:
    """How many rows have each reason, the most frequent first; a row with two counts twice."""
    each = rejected["reason"].str.split("; ").explode().value_counts()
    counts = [(str(reason), count) for reason, count in each.items()]
    return sorted(counts, key=lambda item: (-item[1], item[0]))


def rejected_rows(rejected: pd.DataFrame, received: int) -> RejectedRows:
    """Say how many rows were refused, why, and show the first of them, each cell shortened."""
    reasons = "\n".join(f"  {count:,} x {reason}" for reason, count in count_reasons(rejected))
    first = rejected.head(FIRST)
    cells = {
        name: [_shown(first, row, at, name != "reason") for row in range(len(first))]
        for at, name in enumerate(first.columns)
    }
    return RejectedRows(
        f"{len(rejected):,} of {received:,} rows can't be loaded, so none was:\n{reasons}\n"
        f"The first of them:\n{pd.DataFrame(cells, index=first.index).to_string()}\n"
        "Mend these rows, or load the others with on_reject='report' and find the refused ones in "
        "the report's `rejected`.",
        rejected,
    )


def _shown(frame: pd.DataFrame, row: int, column: int, shorten: bool) -> str:
    """Return a cell as text that can be printed anywhere; a cell may hold anything at all."""
    try:
        cell = str(frame.iat[row, column])
    except Exception as error:  # an object that can't print itself must not hide the reasons
        return f"<{type(error).__name__}>"
    return printable(cell[: WIDTH - 3] + "..." if shorten and len(cell) > WIDTH else cell)


def content_of_staging(connection: Connection, columns: list[str]) -> str:
    """A checksum of the staged rows that does not depend on their order.

    Two sums of 64-bit hashes with different seeds, over the rows as text: equal rows give equal
    sums in any order, and a sum of hashes, unlike XOR, also tells how often a row is there.
    """
    # Brands and models as they compare: which spelling was staged depends on what was known then.
    values = [f"lower({name})" if name in ("brand", "model") else name for name in columns]
    hashed = f"hashtextextended(CAST(ROW({', '.join(values)}) AS text),"
    query = f"SELECT count(*), sum({hashed} 0)), sum({hashed} 1)) FROM staging"
    count, first, second = connection.execute(text(query)).one()
    known = f"{','.join(columns)}:{count}:{first or 0}:{second or 0}"
    return hashlib.sha256(known.encode()).hexdigest()  # of one length, however many rows


def was_loaded(connection: Connection, batch: str, content: str) -> bool:
    """Say whether this batch was loaded before; raise BatchConflict if it had other content."""
    query = select(LoadLog.content, LoadLog.loaded_at).where(LoadLog.batch == batch)
    known = connection.execute(query).one_or_none()
    if known is not None and known.content != content:
        raise BatchConflict(
            f"Expected the batch {batch!r} to hold what it held when it was loaded "
            f"({known.loaded_at:%Y-%m-%d %H:%M:%S %Z}), but found other content. "
            "Give a corrected batch a name of its own."
        )
    return known is not None


def log_load(
    connection: Connection,
    kind: str,
    report: LoadReport,
    started_at: datetime,
    content: str | None = None,
) -> None:
    """Write one row for a load, in the load's own transaction."""
    values = {name: getattr(report, name) for name in ("batch", "loaded_at")} | report._counts()
    row = insert(LoadLog).values(kind=kind, started_at=started_at, content=content, **values)
    connection.execute(row.values(ended_at=text("clock_timestamp()")))
