"""The store's own form: blocks, chunks and seals, and what of them is damaged or forged."""

import os

import pandas as pd
import pytest
from sqlalchemy import text
from store_faults import SMALL, Trap, damage, differences, run, wide

from carlib.errors import DamagedData
from carlib.store import binary_copy, rows
from carlib.store.seal import BLOCK, seal
from carlib.store.store import DataFrameStore


@pytest.fixture
def store(engine):
    return DataFrameStore(engine)


def test_a_flipped_byte_that_a_partial_read_meets_is_noticed(store, engine):
    frame = wide(9_000)
    size = store.put("wide", frame, compression="none").bytes
    noticed = 0
    for place in [0, 100, *range(BLOCK // 2, size, BLOCK), size - 100, size - 8, size - 1]:
        damage(engine, place)
        try:
            assert differences(frame[["c3", "c7"]], store.get("wide", columns=["c3", "c7"])) == []
        except DamagedData as error:
            assert "'wide', version 1" in str(error)  # noqa: PT017
            noticed += 1
        with pytest.raises(DamagedData):
            store.get("wide")
        damage(engine, place)
    assert 5 <= noticed < size // BLOCK  # the footer, and these columns' blocks


@pytest.mark.parametrize(
    "change",
    [
        "format = 'feather'", "format = 'pickle'", "compression = 'gzip'", "rows = 4",
        "columns = 3", "name = 'x', version = 7",
        "schema = replace(schema::text, 'int64', 'int32')::json",
        "bytes = bytes - 1", "sha256 = repeat('0', 64)", "seal = ''", "chunk_bytes = 10",
        "blocks = set_byte(blocks, 5, 255 - get_byte(blocks, 5))", "blocks = ''",
        "data = substring(data FROM 2)", "data = data || '\\x00'", "data = NULL", "data = ''",
        "schema = (schema::text || ' ')::json",
    ],
)  # fmt: skip
def test_a_changed_description_is_noticed(store, engine, change):
    store.put("x", SMALL)
    run(engine, f"UPDATE dataframe_store SET {change}")
    with pytest.raises(DamagedData, match="'x', version"):
        store.get("x", allow_pickle=True)
    with pytest.raises(DamagedData):
        store.get("x", columns=["A"], allow_pickle=True)


@pytest.mark.parametrize("size", [10, 1000, BLOCK, 100_001])
def test_a_large_blob_is_stored_in_chunks(store, engine, monkeypatch, size):
    frame = {10: SMALL, 1000: wide(400)}.get(size)
    frame = wide(5_000) if frame is None else frame
    monkeypatch.setattr(rows, "CHUNK_BYTES", size)
    for format in ("pickle", "json", "parquet", "feather"):
        stored = store.put("x", frame, format=format, compression="none")
        monkeypatch.setattr(rows, "CHUNK_BYTES", 10**9)  # another carlib reads it
        assert differences(frame, store.get("x", allow_pickle=True)) == []
        some = list(frame.columns[[-1, 0]])
        assert differences(frame[some], store.get("x", columns=some, allow_pickle=True)) == []
        monkeypatch.setattr(rows, "CHUNK_BYTES", size)
        count = run(
            engine,
            "SELECT count(*) FROM dataframe_store_chunk c"
            " JOIN dataframe_store USING (blob_id) WHERE version = :v",
            v=stored.version,
        ).scalar()
        assert count == -(-stored.bytes // size) > 1
    damage(engine, 0, "dataframe_store_chunk")
    with pytest.raises(DamagedData):
        store.get("x")
    run(engine, "DELETE FROM dataframe_store_chunk WHERE number = 1")
    with pytest.raises(DamagedData):
        store.get("x")
    store.delete("x")
    assert run(engine, "SELECT count(*) FROM dataframe_store_chunk").scalar() == 0


def resealed(engine, **changes):
    """Change a row and make its seal fit, as one who may write to the database could."""
    for column, value in changes.items():
        run(engine, f"UPDATE dataframe_store SET {column} = :v", v=value)
    with engine.begin() as connection:
        row = connection.execute(
            text("SELECT *, schema::text AS schema_text FROM dataframe_store")
        ).one()
        fits = seal(row._asdict(), row.schema_text, bytes(row.blocks))
        connection.execute(text("UPDATE dataframe_store SET seal = :s"), {"s": fits})


@pytest.mark.parametrize("format", ["json", "parquet", "feather", "jsonb"])
def test_no_other_format_unpickles(store, engine, tmp_path, format):
    path = str(tmp_path / "trap")
    store.put("x", pd.DataFrame({"a": [Trap(path)]}), format="pickle", compression="none")
    resealed(engine, format=format)
    for columns in (None, ["a"]):
        with pytest.raises(Exception):  # noqa: B017, PT011  whatever it is, nothing ran
            store.get("x", columns=columns, allow_pickle=True)
    assert not os.path.exists(path)


@pytest.mark.parametrize("format", ["PICKLE", "pickle ", "cloudpickle", "", "parquet2"])
def test_an_unknown_format_is_an_error(store, engine, format):
    store.put("x", SMALL, format="pickle")
    resealed(engine, format=format)
    with pytest.raises(DamagedData, match="'x', version 1"):
        store.get("x", allow_pickle=True)
    resealed(engine, format="pickle", compression="lz4")
    with pytest.raises(DamagedData):
        store.get("x", allow_pickle=True)


def test_memory_and_pieces_are_bounded(store, engine, monkeypatch):
    largest = []
    sink = binary_copy._Sink.write
    source = binary_copy._Source.read

    def write(self, message):
        largest.append(len(message))
        return sink(self, message)

    def read(self, size):
        piece = source(self, size)
        largest.append(len(piece))
        return piece

    monkeypatch.setattr(binary_copy._Sink, "write", write)
    monkeypatch.setattr(binary_copy._Source, "read", read)
    frame = wide(100_000, 10)
    store.put("x", frame, compression="none")
    assert differences(frame, store.get("x")) == []
    assert max(largest) <= binary_copy.PIECE + 100
    assert sum(largest) > 16_000_000
