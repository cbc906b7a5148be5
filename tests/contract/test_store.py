"""The store: versions, listing, deleting, damage, partial reads, the pickle gate."""

import itertools
import os
from functools import partial

import numpy as np
import pandas as pd
import pytest
from store_faults import SMALL, Trap, damage, differences, run, wide

from carlib import DataFrameStore, compare_formats, generate_cars
from carlib.errors import (
    BadArgument,
    DamagedData,
    NotFound,
    PickleNotAllowed,
    TableMismatch,
)

FORMATS = ("pickle", "json", "jsonb", "parquet", "feather")


@pytest.fixture
def store(engine):
    return DataFrameStore(engine)


def test_versions_count_up_and_stay(store):
    frames = [SMALL, SMALL.assign(A=0), SMALL[["A"]]]
    stored = [
        store.put("x", frame, format=f) for frame, f in zip(frames, FORMATS[1:], strict=False)
    ]
    assert [s.version for s in stored] == [1, 2, 3]
    assert differences(frames[2], store.get("x")) == []
    for number, frame in enumerate(frames, start=1):
        assert differences(frame, store.get("x", version=number)) == []
    assert (stored[0].rows, stored[0].columns, stored[0].format) == (3, 2, "json")


def test_a_deleted_number_is_not_used_again(store):
    for _ in range(3):
        store.put("x", SMALL)
    store.put("other", SMALL)
    assert store.delete("x", version=3) == 1
    assert differences(SMALL, store.get("x", 2)) == []
    assert store.delete("x") == 2
    assert list(store.list()["name"]) == ["other"]
    assert store.put("x", SMALL).version == 4
    for call in (store.get, store.delete):
        with pytest.raises(NotFound, match="'x' in version 3"):
            call("x", version=3)
        with pytest.raises(LookupError, match="'no such'"):
            call("no such")


def test_list_shows_everything(store):
    assert store.list().empty
    frame = wide().round(6)  # which JSON keeps too
    stored = [store.put("x", frame, format=f, compression="none") for f in FORMATS]
    listed = store.list()
    assert list(listed.columns) == [
        "name", "version", "format", "compression", "rows", "columns", "bytes", "stored_bytes",
        "created_at",
    ]  # fmt: skip
    for column in ("version", "format", "bytes", "rows", "columns", "created_at"):
        assert list(listed[column]) == [getattr(one, column) for one in stored]
    kept = dict(zip(listed["format"], listed.to_dict("records"), strict=True))
    for format in ("pickle", "json", "parquet", "feather"):
        assert 0 <= kept[format]["stored_bytes"] - kept[format]["bytes"] < 1000
    assert kept["jsonb"]["stored_bytes"] < kept["jsonb"]["bytes"]


@pytest.mark.parametrize(
    "name",
    ["", " ", "'; DROP TABLE dataframe_store; --", "%s %(x)s", "ä😀\n\t\\", "x" * 1000, ":n"],
)
def test_names_with_any_text(store, name):
    store.put(name, SMALL)
    store.put(name, SMALL, format="jsonb")
    assert list(store.list()["name"]) == [name, name]
    assert differences(SMALL[["B"]], store.get(name, 1, columns=["B"])) == []
    assert store.delete(name) == 2


@pytest.mark.parametrize("name", ["a\0b", "\ud800", "x" * 1001, None, 3, b"x"])
def test_names_that_cannot_be(store, name):
    for call in (partial(store.put, frame=SMALL), store.get, store.delete):
        with pytest.raises(BadArgument, match="name is a text"):
            call(name)


@pytest.mark.parametrize("version", [0, -1, True, 1.0, "1", 2**31])
def test_versions_that_cannot_be(store, version):
    store.put("x", SMALL)
    with pytest.raises(BadArgument, match="version is"):
        store.get("x", version=version)
    with pytest.raises(BadArgument, match="version is"):
        store.delete("x", version=version)


@pytest.mark.parametrize("format", ["pickle", "json", "parquet", "feather"])
def test_a_flipped_byte_anywhere_is_noticed(store, engine, format):
    size = store.put("cars", generate_cars(500), format=format).bytes
    places = {0, 1, 3, 4, size // 3, size // 2, size - 9, size - 8, size - 5, size - 4, size - 1}
    for place in sorted(places):
        damage(engine, place)
        with pytest.raises(DamagedData, match="'cars', version 1"):
            store.get("cars", allow_pickle=True)
        damage(engine, place)  # as it was
    store.get("cars", allow_pickle=True)


def test_a_changed_document_is_noticed(store, engine):
    store.put("x", SMALL, format="jsonb")
    run(engine, "UPDATE dataframe_store SET document = jsonb_set(document, '{data,1,A}', '7')")
    with pytest.raises(DamagedData, match="'x', version 1"):
        store.get("x")
    run(engine, "UPDATE dataframe_store SET document = NULL")
    with pytest.raises(DamagedData):
        store.get("x")


def test_the_checksum_is_that_of_sql(store, engine):
    for format in FORMATS:
        stored = store.put("x", SMALL, format=format)
        what = "convert_to(document::text, 'UTF8')" if format == "jsonb" else "data"
        found = run(
            engine,
            f"SELECT encode(sha256({what}), 'hex'), octet_length({what}) FROM dataframe_store"
            " WHERE version = :v",
            v=stored.version,
        ).one()
        assert tuple(found) == (stored.sha256, stored.bytes)


def test_bytes_are_stored_as_they_are(store, engine):
    found = run(
        engine,
        "SELECT attstorage::text FROM pg_attribute WHERE attname = 'data'"
        " AND attrelid = 'dataframe_store'::regclass",
    ).scalar()
    assert found == "e"


def test_a_partial_read_is_the_whole_for_every_selection(store):
    frame = generate_cars(200)
    labels = list(frame.columns)
    store.put("cars", frame)
    whole = store.get("cars")
    for count in range(len(labels) + 1):
        for some in itertools.combinations(labels, count):
            chosen = list(some)[::-1]
            assert differences(whole[chosen], store.get("cars", columns=chosen)) == [], chosen


def test_a_partial_read_brings_index_and_odd_names(store):
    frame = pd.DataFrame(
        [[1, 2.0, "x", None]] * 3,
        columns=["a", "a.b", "a.b.c", ""],
        index=pd.MultiIndex.from_product([["k"], [3, 1, 2]], names=["a", None]),
    )
    store.put("odd", frame)
    for count in range(5):
        for some in itertools.permutations(frame.columns, count):
            assert differences(frame[list(some)], store.get("odd", columns=list(some))) == []


def test_a_partial_read_moves_only_what_it_needs(store, engine):
    frame = wide(100_000, 20)
    stored = store.put("wide", frame, compression="none")
    part = store.get("wide", columns=["c5"])
    moved = part.attrs["bytes_moved"]
    assert 800_000 < moved < stored.bytes / 10
    assert differences(frame[["c5"]], part) == []
    assert store.get("wide").attrs == {}
    store.put("wide", frame, format="feather")
    assert store.get("wide", columns=["c5"]).attrs["bytes_moved"] == store.list()["bytes"].iloc[-1]


@pytest.mark.parametrize("columns", ["A", ["A", "A"], ["C"], ["A", None], [0]])
@pytest.mark.parametrize("format", ["parquet", "json", "pickle"])
def test_columns_that_cannot_be(store, columns, format):
    store.put("x", SMALL, format=format)
    with pytest.raises(BadArgument):
        store.get("x", columns=columns, allow_pickle=True)


def test_a_pickle_is_loaded_only_when_allowed(store, tmp_path):
    path = str(tmp_path / "trap")
    store.put("x", pd.DataFrame({"a": [Trap(path)]}), format="pickle")
    assert not os.path.exists(path)
    for version in (None, 1):
        for columns in (None, ["a"], []):
            for not_true in (False, None, 1, "yes", np.True_):
                with pytest.raises(PickleNotAllowed, match=r"'x', version 1.*rights"):
                    store.get("x", version=version, columns=columns, allow_pickle=not_true)
    assert not os.path.exists(path)
    store.get("x", allow_pickle=True)
    assert os.path.isdir(path)


def test_tables_are_made_once_and_foreign_ones_left_alone(engine):
    DataFrameStore(engine).put("x", SMALL)
    assert len(DataFrameStore(engine).list()) == 1
    run(engine, "ALTER TABLE dataframe_store ADD COLUMN more integer")
    with pytest.raises(TableMismatch, match="dataframe_store"):
        DataFrameStore(engine)


def test_attrs_are_not_stored(store):
    frame = SMALL.copy()
    frame.attrs["note"] = "mine"
    for format in FORMATS:
        store.put("x", frame, format=format)
        assert store.get("x", allow_pickle=True).attrs == {}
    assert frame.attrs == {"note": "mine"}


def test_compare_formats(engine):
    frame = generate_cars(300).assign(price=lambda f: f["price"].astype(float))
    frame["tuple"] = pd.Series([(1, 2)] * 300, dtype=object)
    frame["raw"] = [b"\xff"] * 300
    table = compare_formats(frame, engine, [*FORMATS, ("parquet", "snappy")])
    assert list(table.columns) == [
        "format", "compression", "bytes", "stored_bytes", "write_seconds", "write_spread",
        "read_seconds", "read_spread", "exact", "lost",
    ]  # fmt: skip
    assert list(table["format"]) == [*FORMATS, "parquet"]
    by = table.set_index(["format", "compression"])
    assert by.loc[("pickle", "zstd"), "exact"]
    assert not by["exact"].drop(("pickle", "zstd")).any()
    assert "tuple" in by.loc[("parquet", "zstd"), "lost"]
    refused = by.loc[("json", "zstd")]
    assert "'raw'" in refused["lost"]
    assert pd.isna(refused["bytes"])
    held = by[by["bytes"].notna()]
    assert (held[["bytes", "stored_bytes", "write_seconds", "read_seconds"]] > 0).all(axis=None)
    assert (held[["write_spread", "read_spread"]] >= 0).all(axis=None)
    clean = compare_formats(SMALL, engine)
    assert clean["exact"].all()
    assert (clean["lost"] == "").all()
    assert run(engine, "SELECT count(*) FROM dataframe_store_name").scalar() == 0
    assert run(engine, "SELECT count(*) FROM dataframe_store").scalar() == 0
    for formats in (["csv"], [("jsonb", "gzip")]):
        with pytest.raises(BadArgument):
            compare_formats(SMALL, engine, formats)
