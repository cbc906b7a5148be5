"""The formats compared on a frame of one's own: sizes, times, and what each keeps."""

import uuid
from collections.abc import Sequence
from statistics import median
from time import perf_counter
from typing import Any

import pandas as pd
from sqlalchemy import Engine, text

from carlib.errors import BadArgument, LossyFormat
from carlib.store.formats import COMPRESSIONS, DEFAULT_COMPRESSION, check_format
from carlib.store.store import DataFrameStore

RUNS = 3
COLUMNS = {
    "format": "str", "compression": "str", "bytes": "Int64", "stored_bytes": "Int64",
    "write_seconds": "float64", "write_spread": "float64", "read_seconds": "float64",
    "read_spread": "float64", "exact": "bool", "lost": "str",
}  # fmt: skip


def compare_formats(
    frame: pd.DataFrame, engine: Engine, formats: Sequence[str | tuple[str, str]] | None = None
) -> pd.DataFrame:
    """Store a frame in each format and get it back, and tell what that cost and what it kept.

    The formats take turns, three times, so that a slow minute slows all of them. Nothing of it
    stays in the store. A put includes reading back and comparing.

    Args:
        frame: The frame.
        engine: From `connect`.
        formats: Names of formats, or pairs of a format and a compression, such as
            ("parquet", "snappy"); None is all five formats with the compression that `put` takes.

    Returns:
        A row for each: format, compression, bytes (of the blob), stored_bytes (in the table, after
        TOAST), write_seconds and read_seconds (medians), write_spread and read_spread (the slowest
        run less the fastest), exact (everything came back equal), lost (what did not, or why the
        format refused the frame; then sizes and times are missing).

    Raises:
        BadArgument: A format or a compression that is not there, or `frame` is no DataFrame.
    """
    asked = [
        (format, DEFAULT_COMPRESSION) if isinstance(format, str) else format
        for format in (COMPRESSIONS if formats is None else formats)
    ]
    pairs = [(format, check_format(format, compression)) for format, compression in asked]
    if not isinstance(frame, pd.DataFrame):
        raise BadArgument(f"frame is a DataFrame; found a {type(frame).__name__}.")
    store, name = DataFrameStore(engine), f"compare_formats {uuid.uuid4()}"
    rows: dict[tuple[str, str], dict[str, Any]] = {
        pair: {"exact": False, "write": [], "read": []} for pair in dict.fromkeys(pairs)
    }
    try:
        for pair, row in [*rows.items()] * RUNS:
            if "lost" in row and not row["write"]:
                continue  # refused
            try:
                start = perf_counter()
                stored = store.put(name, frame, *pair, accept_loss=True)
                row["write"].append(perf_counter() - start)
            except LossyFormat as error:
                row["lost"] = str(error)
                continue
            start = perf_counter()
            store.get(name, stored.version, allow_pickle=True)
            row["read"].append(perf_counter() - start)
            listed = store.list().query("name == @name").iloc[0]
            row |= {"bytes": stored.bytes, "stored_bytes": listed["stored_bytes"]}
            row |= {"exact": not stored.losses, "lost": "; ".join(stored.losses)}
            store.delete(name, stored.version)
    finally:
        with engine.begin() as connection:
            for table in ("dataframe_store", "dataframe_store_name"):
                connection.execute(text(f"DELETE FROM {table} WHERE name = :name"), {"name": name})
    for pair, row in rows.items():
        row["format"], row["compression"] = pair
        for what in ("write", "read"):
            seconds = row.pop(what)
            if seconds:
                row[f"{what}_seconds"] = median(seconds)
                row[f"{what}_spread"] = max(seconds) - min(seconds)
    return pd.DataFrame([*rows.values()], columns=list(COLUMNS)).astype(COLUMNS)
