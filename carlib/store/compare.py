"""The formats compared on a frame of one's own: sizes, times, and what each keeps."""

import uuid
from collections.abc import Sequence
from statistics import median
from time import perf_counter

import pandas as pd
from sqlalchemy import Engine, text

from carlib.errors import BadArgument, LossyFormat
from carlib.store.exact import differences
from carlib.store.formats import COMPRESSIONS, DEFAULT_COMPRESSION, check_format
from carlib.store.store import DataFrameStore

RUNS = 3
COLUMNS = {
    "format": "str", "compression": "str", "bytes": "Int64", "stored_bytes": "Int64",
    "write_seconds": "float64", "write_spread": "float64", "read_seconds": "float64",
    "read_spread": "float64", "exact": "bool", "lost": "str",
}  # fmt: skip
FORGET = text("DELETE FROM dataframe_store_name WHERE name = :name")


def compare_formats(
    frame: pd.DataFrame, engine: Engine, formats: Sequence[str | tuple[str, str]] | None = None
) -> pd.DataFrame:
    """Store a frame in each format and get it back, and tell what that cost and what it kept.

    The formats take turns, three times, so that a slow minute slows all of them. Nothing of it
    stays in the store.

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
    pairs = [_pair(given) for given in (COMPRESSIONS if formats is None else formats)]
    if not isinstance(frame, pd.DataFrame):
        raise BadArgument(f"frame is a DataFrame; found a {type(frame).__name__}.")
    store, name = DataFrameStore(engine), f"compare_formats {uuid.uuid4()}"
    measured: dict[tuple[str, str], list[tuple]] = {pair: [] for pair in pairs}
    refused: dict[tuple[str, str], str] = {}
    sizes: dict[tuple[str, str], tuple] = {}
    try:
        for _ in range(RUNS):
            for pair in [pair for pair in measured if pair not in refused]:
                try:
                    start = perf_counter()
                    stored = store.put(name, frame, *pair, accept_loss=True)
                    written = perf_counter()
                    back = store.get(name, stored.version, allow_pickle=True)
                    measured[pair].append((written - start, perf_counter() - written))
                except LossyFormat as error:
                    refused[pair] = str(error)
                    continue
                if pair not in sizes:
                    listed = store.list()
                    row = listed[(listed["name"] == name) & (listed["version"] == stored.version)]
                    sizes[pair] = (
                        row["bytes"].item(),
                        row["stored_bytes"].item(),
                        frame_lost(frame, back),
                    )
                store.delete(name, stored.version)
    finally:
        with engine.begin() as connection:
            connection.execute(
                text("DELETE FROM dataframe_store WHERE name = :name"), {"name": name}
            )
            connection.execute(FORGET, {"name": name})
    rows = [
        (*pair, None, None, None, None, None, None, False, refused[pair])
        if pair in refused
        else (*pair, *sizes[pair][:2], *_times(measured[pair]), not sizes[pair][2], sizes[pair][2])
        for pair in measured
    ]
    return pd.DataFrame(rows, columns=list(COLUMNS)).astype(COLUMNS)


def frame_lost(frame: pd.DataFrame, back: pd.DataFrame) -> str:
    """What of a frame did not come back, in one text; empty where all did."""
    return "; ".join(differences(frame, back))


def _pair(given: str | tuple[str, str]) -> tuple[str, str]:
    format, compression = (given, DEFAULT_COMPRESSION) if isinstance(given, str) else given
    return format, check_format(format, compression)


def _times(runs: list[tuple]) -> tuple[float, float, float, float]:
    writes, reads = zip(*runs, strict=True)
    return (
        median(writes), max(writes) - min(writes), median(reads), max(reads) - min(reads),
    )  # fmt: skip
