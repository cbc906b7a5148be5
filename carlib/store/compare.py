"""The formats compared on a frame of one's own: sizes, times, and what each keeps."""

import uuid
from collections.abc import Sequence
from time import perf_counter
from typing import Any

import pandas as pd
from sqlalchemy import Engine, text

from carlib.errors import LossyFormat
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
        frame: Any frame.
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
    pairs = [
        (each, DEFAULT_COMPRESSION) if isinstance(each, str) else each
        for each in (COMPRESSIONS if formats is None else formats)
    ]
    pairs = [(format, check_format(format, compression)) for format, compression in pairs]
    store, name, runs = DataFrameStore(engine), f"compare_formats {uuid.uuid4()}", list[dict]()
    try:
        for format, compression in [*dict.fromkeys(pairs)] * RUNS:
            run: dict[str, Any] = {"format": format, "compression": compression, "exact": False}
            runs.append(run)
            begun = perf_counter()
            try:
                stored = store.put(name, frame, format, compression, accept_loss=True)
            except LossyFormat as error:
                run["lost"] = str(error)
                continue
            run["write_seconds"] = perf_counter() - begun
            begun = perf_counter()
            store.get(name, allow_pickle=True)
            run["read_seconds"] = perf_counter() - begun
            listed = store.list().query("name == @name").iloc[0]
            run |= {"bytes": stored.bytes, "stored_bytes": listed["stored_bytes"]}
            run |= {"exact": not stored.losses, "lost": "; ".join(stored.losses)}
            store.delete(name)
    finally:
        with engine.begin() as connection:
            for table in ("dataframe_store", "dataframe_store_name"):
                connection.execute(text(f"DELETE FROM {table} WHERE name = :name"), {"name": name})
    measured = pd.DataFrame(runs, columns=list(COLUMNS)).astype(COLUMNS)
    by_format = measured.groupby(["format", "compression"], sort=False)
    summary = by_format.first()
    for kind in ("write", "read"):
        seconds = by_format[f"{kind}_seconds"]
        summary[f"{kind}_seconds"] = seconds.median()
        summary[f"{kind}_spread"] = seconds.max() - seconds.min()
    return summary.reset_index()
