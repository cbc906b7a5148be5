"""What is stored damaged, changed, forged, or written by other tools."""

import hashlib
import io
import json
import os
from functools import partial
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from store_exact import differences
from store_faults import SMALL, Trap, damage, run, wide

from carlib.errors import DamagedData
from carlib.interrupts import InterruptibleCursor
from carlib.store import blob
from carlib.store.formats import describe, encode, read_columns
from carlib.store.store import DataFrameStore


@pytest.fixture
def store(engine):
    return DataFrameStore(engine)


@pytest.mark.parametrize("compression", ["none", "snappy"])
def test_no_flipped_byte_changes_what_a_partial_read_returns(compression):
    frame = wide(18, 4).assign(text=["x", None, "yy"] * 6, day=pd.Timestamp("2024-11-10"))
    frame.index = pd.date_range("2024-01-01", periods=18, name="when")._with_freq(None)
    data = encode(frame, "parquet", compression)
    description = json.loads(describe(frame, "parquet", data))
    chosen = ["c1", "text"]
    choose = partial(pd.Index.get_indexer_for, target=chosen)
    noticed, masks = 0, np.random.default_rng(0)
    pages = len(data) - description["footer"]["bytes"]
    for place in [*range(pages), *range(pages, len(data), 9)]:
        damaged = bytearray(data)
        damaged[place] ^= int(masks.integers(1, 256))
        fetch = partial(lambda file, start, stop: file[start:stop], memoryview(damaged))
        try:
            part = read_columns(len(data), description, fetch, choose)
        except ValueError:
            noticed += 1
        else:
            assert differences(frame[chosen], part) == [], place
    assert pages / 4 < noticed < pages


def test_a_damaged_blob_is_named_by_a_partial_read(store, engine):
    frame = wide(9_000)
    size = store.put("wide", frame, compression="none").bytes
    noticed = 0
    for place in [0, *range(1000, size, 40_000), size - 1]:
        damage(engine, place)
        try:
            assert differences(frame[["c3", "c7"]], store.get("wide", columns=["c3", "c7"])) == []
        except DamagedData as error:
            assert "'wide', version 1" in str(error)  # noqa: PT017
            noticed += 1
        with pytest.raises(DamagedData):
            store.get("wide")
        damage(engine, place)
    assert 3 <= noticed <= 9


@pytest.mark.parametrize(
    "change",
    [
        "format = 'feather'", "format = 'json'", "format = 'jsonb'", "format = 'pickle'",
        "format = 'PARQUET'", "compression = 'brotli'", "data = substring(data FROM 2)",
        "data = data || '\\x00'", "data = NULL", "data = ''", "schema = '{\"footer\": 1}'",
        "schema = replace(schema::text, 'sha256', 'sha1')::json",
    ],
)  # fmt: skip
def test_a_changed_row_is_an_error_by_name(store, engine, change):
    store.put("x", SMALL)
    run(engine, f"UPDATE dataframe_store SET {change}")
    with pytest.raises(DamagedData, match="'x', version 1"):
        store.get("x", columns=["A"], allow_pickle=True)
    if "schema" not in change:
        with pytest.raises(DamagedData, match="'x', version 1"):
            store.get("x", allow_pickle=True)


def test_what_another_tool_has_written_is_read(store, engine):
    frame = pd.DataFrame({"a": [1, 2], "b": ["x", None]})
    insert = (
        "INSERT INTO dataframe_store"
        ' (name, version, format, compression, "rows", columns, bytes, sha256, data)'
        " VALUES ('theirs', :v, :format, 'none', 2, 2, length(:d), encode(sha256(:d), 'hex'), :d)"
    )
    plain = io.BytesIO()
    pq.write_table(pa.table({"a": [1, 2], "b": ["x", None]}), plain)  # nothing in it is of pandas
    run(engine, insert, v=1, format="parquet", d=plain.getvalue())
    run(engine, insert, v=2, format="json", d=frame.to_json(orient="table").encode())
    run(engine, insert, v=3, format="pickle", d=b"\x80\x05cnowhere\nFrame\n.")
    for version in (1, 2):
        assert differences(frame, store.get("theirs", version)) == []
        part = store.get("theirs", version, columns=["b"])
        assert differences(frame[["b"]], part) == []
        assert part.attrs["bytes_moved"] == store.list()["bytes"].iloc[version - 1]
    with pytest.raises(DamagedData, match="'theirs', version 3"):
        store.get("theirs", allow_pickle=True)
    assert store.put("theirs", frame).version == 4
    run(engine, insert, v=9, format="parquet", d=plain.getvalue())
    assert store.put("theirs", frame).version == 10
    damage(engine, 8)
    with pytest.raises(DamagedData):
        store.get("theirs", 1, columns=["a"])


@pytest.mark.parametrize("format", ["json", "parquet", "feather", "jsonb"])
def test_no_other_format_unpickles(store, engine, tmp_path, format):
    path = str(tmp_path / "trap")
    store.put("x", pd.DataFrame({"a": [Trap(path)]}), format="pickle", compression="none")
    run(engine, "UPDATE dataframe_store SET format = :format", format=format)
    for columns in (None, ["a"]):
        with pytest.raises(DamagedData):
            store.get("x", columns=columns, allow_pickle=True)
    assert not os.path.exists(path)


def test_the_parts_of_a_file_have_their_checksums_in_the_table(store, engine):
    store.put("x", wide(3_000, 3))
    schema, data = run(engine, "SELECT schema, data FROM dataframe_store").one()
    footer = bytes(data)[-schema["footer"]["bytes"] :]
    assert hashlib.sha256(footer).hexdigest() == schema["footer"]["sha256"]
    assert footer.endswith(b"PAR1")
    assert schema["columns"][2] == {"name": "c2", "dtype": "float64"}
    assert len(set(schema["parts"])) == 3


def test_pieces_are_bounded(store, monkeypatch):
    sizes = []
    copy = InterruptibleCursor.copy_expert

    def copy_expert(cursor, command, file, *size):
        def write(message):
            sizes.append(len(message))
            return file.write(message)

        def read(size):
            piece = file.read(size)
            sizes.append(len(piece))
            return piece

        copy(cursor, command, SimpleNamespace(read=read, write=write), *size)

    monkeypatch.setattr(InterruptibleCursor, "copy_expert", copy_expert)
    frame = wide(100_000, 10)
    store.put("x", frame, compression="none")
    assert differences(frame, store.get("x")) == []
    assert max(sizes) <= blob.PIECE + 100
    assert sum(sizes) > 16_000_000
