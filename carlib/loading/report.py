"""What a load did, as numbers that add up and as a table that reads well."""

from dataclasses import dataclass
from datetime import datetime
from html import escape

import pandas as pd

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

    def __repr__(self) -> str:
        rows = [*((name, getattr(self, name)) for name in COUNTS), ("rejected", len(self.rejected))]
        lines = [f"LoadReport of {self.received:,} rows"]
        lines += [f"  {name:<9} {count:>11,}" for name, count in rows[1:]]
        lines += [f"  {'':<9} {count:>11,}: {why}" for why, count in count_reasons(self.rejected)]
        return "\n".join([*lines, *self._notes()])

    def _notes(self) -> list[str]:
        return [f"  batch {self.batch!r} was loaded before"] * self.loaded_before

    def _repr_html_(self) -> str:
        names = [*COUNTS, "rejected"]
        values = [*(getattr(self, name) for name in COUNTS), len(self.rejected)]
        head = "".join(f"<th>{name}</th>" for name in names)
        body = "".join(f"<td>{value:,}</td>" for value in values)
        reasons = "".join(
            f"<li>{count:,} rejected: {escape(reason)}</li>"
            for reason, count in count_reasons(self.rejected)
        ) + "".join(f"<li>{escape(note.strip())}</li>" for note in self._notes())
        return (
            f"<table><thead><tr>{head}</tr></thead><tbody><tr>{body}</tr></tbody></table>"
            f"{f'<ul>{reasons}</ul>' if reasons else ''}"
        )


def count_reasons(rejected: pd.DataFrame) -> list[tuple[str, int]]:
    """How many rows were refused for each reason, the most frequent first.

    A row with two reasons counts under each of them.
    """
    each = rejected["reason"].str.split("; ").explode().value_counts()
    counts = [(str(reason), count) for reason, count in each.items()]
    return sorted(counts, key=lambda item: (-item[1], item[0]))


def describe_rejected(rejected: pd.DataFrame, received: int) -> str:
    """Say how many rows were refused, why, and show the first of them, each cell shortened."""
    reasons = "\n".join(f"  {count:,} x {reason}" for reason, count in count_reasons(rejected))
    first = rejected.head(FIRST)
    cells = {
        name: [_shown(first, row, at, name != "reason") for row in range(len(first))]
        for at, name in enumerate(first.columns)
    }
    return (
        f"{len(rejected):,} of {received:,} rows can't be loaded, so none was:\n{reasons}\n"
        f"The first of them:\n{pd.DataFrame(cells, index=first.index).to_string()}"
    )


def _shown(frame: pd.DataFrame, row: int, column: int, shorten: bool) -> str:
    """Return a cell as text that can be printed anywhere; a cell may hold anything at all."""
    try:
        text = str(frame.iat[row, column])
    except Exception as error:  # an object that can't print itself must not hide the reasons
        return f"<{type(error).__name__}>"
    if shorten and len(text) > WIDTH:
        text = text[: WIDTH - 3] + "..."
    return printable(text)
