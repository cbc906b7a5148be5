"""DataFrameStore against other ways to keep a frame's bytes: PostgreSQL's, and a plain file.

All ways carry the same bytes, a Parquet file of 20 columns of random numbers. "Put" is from bytes
to committed row or synced file; "get" is from there to bytes. The store's put and get include its
checksums; what its put does before, encoding and comparing, is not in it. One column is read
through the store beside the whole frame, both decoded.
"""

import os
import tempfile
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd
from sqlalchemy import Engine, LargeBinary, text
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column

from benchmarks.timing import (
    Options,
    checkpoint,
    interleaved,
    machine,
    markdown,
    ratios,
    spread,
    stopwatch,
)
from carlib import connect
from carlib.store import blob as store_rows
from carlib.store import formats
from carlib.store.store import DataFrameStore
from carlib.transactions import read_committed

SCHEMA = "benchmark_blobs"
COLUMNS = 20
STORE, ORM, LARGE, FILE = "carlib.DataFrameStore", "ORM, LargeBinary", "large object", "file, fsync"
ONE, WHOLE = "one of 20 columns", "the whole frame"
WAYS = [
    *(f"{way}: {what}" for way in (STORE, ORM, LARGE, FILE) for what in ("put", "get")),
    f"{STORE}: {ONE}",
    f"{STORE}: {WHOLE}",
]


class _Base(DeclarativeBase):
    pass


class Blob(_Base):
    """The table that one would write first: its default storage makes TOAST try to compress."""

    __tablename__ = "blob"

    blob_id: Mapped[int] = mapped_column(primary_key=True)
    data: Mapped[bytes] = mapped_column(LargeBinary)


def run(database_url: str, options: Options) -> Iterator[str]:
    """Measure all ways at each size, smallest first.

    Yields:
        After each run, a report in Markdown on what was measured so far.
    """
    results: dict[int, dict[str, list[float]]] = {}
    engine = connect(database_url, schema=SCHEMA, fresh=True)
    try:
        with tempfile.TemporaryDirectory() as folder:
            for count in sorted(set(options.rows)):
                print(f"blobs of {count:,} rows", flush=True)
                ways, size = _ways(engine, count, Path(folder) / "blob", options)
                for seconds in interleaved(ways, options.rounds, frozenset(WAYS)):
                    results[size] = seconds
                    yield f"{_report(results)}\n\nMedian (least to greatest). {machine(engine)}.\n"
    finally:
        engine.dispose()
        connect(database_url, schema=SCHEMA, fresh=True).dispose()  # leaves no rows behind


def _ways(
    engine: Engine, count: int, path: Path, options: Options
) -> tuple[dict[str, Callable[[], float]], int]:
    numbers = np.random.default_rng(0).random((count, COLUMNS))
    frame = pd.DataFrame(numbers, columns=[f"c{i}" for i in range(COLUMNS)])
    data = bytes(formats.encode(frame, "parquet", "none"))
    values = {
        "name": "x", "format": "parquet", "compression": "none", "rows": count, "columns": COLUMNS,
    }  # fmt: skip
    store = DataFrameStore(engine)
    _Base.metadata.create_all(engine)
    kept: dict[str, int] = {}

    def put_store() -> None:
        schema = formats.describe(frame, "parquet", memoryview(data))
        with read_committed(engine) as connection:
            store_rows.insert(connection, values | {"schema": schema}, memoryview(data))

    def get_store() -> memoryview:
        with store_rows.one_snapshot(engine) as connection:
            return store_rows.fetch_all(connection, store_rows.find(connection, "x", None))

    def put_orm() -> None:
        with Session(engine) as session:
            session.add(blob := Blob(data=data))
            session.commit()
            kept[ORM] = blob.blob_id

    def get_orm() -> bytes:
        with Session(engine) as session:
            return session.get(Blob, kept[ORM]).data

    def put_large() -> None:
        with engine.begin() as connection:
            large = connection.connection.dbapi_connection.lobject(0, "wb")
            large.write(data)
            kept[LARGE] = large.oid
            large.close()

    def get_large() -> bytes:
        with engine.begin() as connection:
            large = connection.connection.dbapi_connection.lobject(kept[LARGE], "rb")
            try:
                return large.read()
            finally:
                large.close()

    def put_file() -> None:
        with path.open("wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())

    puts = {STORE: put_store, ORM: put_orm, LARGE: put_large, FILE: put_file}
    gets = {STORE: get_store, ORM: get_orm, LARGE: get_large, FILE: path.read_bytes}

    def put(way: str) -> float:
        with engine.begin() as connection:  # each put meets the same tables, empty
            connection.execute(text("TRUNCATE dataframe_store, blob"))
            if LARGE in kept:
                connection.execute(text("SELECT lo_unlink(:o)"), {"o": kept.pop(LARGE)})
        checkpoint(engine)
        return stopwatch(puts[way])

    def get(way: str) -> float:
        found: list[bytes | memoryview] = []
        seconds = stopwatch(lambda: found.append(gets[way]()))
        if found[0] != data:
            raise RuntimeError(f"Expected {way} to give back the bytes that it was given.")
        return seconds

    def frame_of(columns: list[str] | None) -> float:
        with engine.connect() as connection:
            if connection.scalar(text("SELECT count(*) FROM dataframe_store")) == 0:
                connection.rollback()
                put_store()
        return stopwatch(partial(store.get, "x", columns=columns))

    every = {}
    for way in puts:
        every |= {f"{way}: put": partial(put, way), f"{way}: get": partial(get, way)}
    every |= {
        f"{STORE}: {ONE}": partial(frame_of, ["c7"]),
        f"{STORE}: {WHOLE}": partial(frame_of, None),
    }
    parts = {way for way in puts if way == STORE or options.chosen(way)}
    return {name: way for name, way in every.items() if name.split(":")[0] in parts}, len(data)


def _report(results: dict[int, dict[str, list[float]]]) -> str:
    parts = []
    for size, seconds in results.items():
        table = [[name, spread(seconds[name])] for name in WAYS if seconds.get(name)]
        parts += [f"{size / 1e6:.0f} MB:", markdown(["way", "s"], table)]
        aims = [
            *((f"{what}, times as fast as the ORM", "at least 3", f"{ORM}: {what}",
               f"{STORE}: {what}") for what in ("put", "get")),
            *((f"{what}, times as fast as a large object", "", f"{LARGE}: {what}",
               f"{STORE}: {what}") for what in ("put", "get")),
            *((f"{what}, time by that of a file", "", f"{STORE}: {what}",
               f"{FILE}: {what}") for what in ("put", "get")),
            ("one of 20 columns, times as fast as the whole", "at least 10",
             f"{STORE}: {WHOLE}", f"{STORE}: {ONE}"),
        ]  # fmt: skip
        lines = [
            [what, aim if size > 100e6 else "", spread(ratios(seconds[one], seconds[other]))]
            for what, aim, one, other in aims
            if seconds.get(one) and seconds.get(other)
        ]
        if lines:
            parts.append(markdown(["carlib.DataFrameStore", "aim", "measured"], lines))
    return "\n\n".join(parts)
