"""Round trips: equal, or refused, or announced as lossy, never silently different."""

import json
import math
import pickle
from decimal import Decimal

import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from store_frames import COLUMNS, FORMATS, frames

from carlib.connection import connect
from carlib.errors import BadArgument, LossyFormat
from carlib.store.exact import differences
from carlib.store.formats import COMPRESSIONS, decode, encode
from carlib.store.store import DataFrameStore

LOCAL = [format for format in FORMATS if format != "jsonb"]
SETTINGS = settings(
    deadline=None,
    derandomize=True,
    database=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)


@pytest.fixture(scope="module")
def store(database_url):
    engine = connect(database_url, schema="test_store_formats", fresh=True)
    yield DataFrameStore(engine)
    engine.dispose()
    connect(database_url, schema="test_store_formats", fresh=True).dispose()


def read_back(frame, format, compression="none"):
    """The frame after encoding and decoding, and what was announced; None where it was refused."""
    try:
        encoded = encode(frame, format, compression)
    except LossyFormat:
        return None, []
    schema = json.loads(encoded.schema)
    back = decode(encoded.data, format, compression, schema, len(frame))
    return back, encoded.losses


def check(frame, format):
    """The frame is refused, or announced as lossy, or equal by our eyes and by pandas'."""
    back, losses = read_back(frame, format)
    if back is None:
        return
    assert bool(differences(frame, back)) == bool(losses), (format, differences(frame, back))
    if not losses and len(frame) and frame.index.nlevels == 1:
        pd.testing.assert_frame_equal(frame, back, check_exact=True)


@given(frame=frames())
@SETTINGS
def test_no_frame_comes_back_silently_different(frame):
    for format in LOCAL:
        check(frame, format)


@given(frame=frames())
@SETTINGS
def test_no_frame_comes_back_from_jsonb_silently_different(store, frame):
    try:
        losses = store.put("frame", frame, format="jsonb", accept_loss=True).losses
    except LossyFormat:
        return
    found = differences(frame, store.get("frame"))
    assert bool(found) == bool(losses), found


# What must come back exactly, whatever the values are. Of the rest it is said what is lost.
EXACT_IN_ARROW = {
    "bool", "int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64", "float32",
    "float64", "finite float64", "datetime64[ms]", "datetime64[us]", "datetime64[ns]",
    "timedelta64[s]", "timedelta64[ns]", "us UTC", "ns UTC", "ns Europe/Berlin", "Int8", "Int64",
    "UInt64", "boolean", "Float64", "Float32", "str", "string", "string[python]", "period",
    "interval", "category of texts", "category of numbers", "category of days", "int64[pyarrow]",
    "texts", "texts or None", "texts or NaN", "texts or NA", "prices", "flags", "dates", "times",
    "bytes",
}  # fmt: skip
EXACT_IN_JSON = (EXACT_IN_ARROW - {"interval", "int64[pyarrow]"}) | {
    "decimals", "integers", "floats", "datetimes", "aware datetimes", "uuids", "datetime64[s]",
    "float16", "category of floats",
}  # fmt: skip


@pytest.mark.parametrize("kind", sorted(EXACT_IN_JSON | EXACT_IN_ARROW))
@given(data=st.data())
@settings(SETTINGS, max_examples=8)
def test_what_must_come_back_exactly_does(kind, data):
    frame = pd.DataFrame({"a": pd.Series(array := data.draw(COLUMNS[kind]), dtype=array.dtype)})
    arrow = ("parquet", "feather") if kind in EXACT_IN_ARROW else ()
    for format in (*arrow, *(("json",) if kind in EXACT_IN_JSON else ())):
        back, losses = read_back(frame, format)
        assert losses == [], format
        assert differences(frame, back) == [], format


HARD = pd.DataFrame(
    {
        "whole": [2**63 - 1, -(2**63), 0],
        "float": [0.1 + 0.2, 5e-324, -1.7e308],
        "text": ["", "ä\u2028😀", 'a "b"\\'],
        "vin": ["00012345678901234", "1", None],
        "instant": pd.to_datetime(
            ["2024-01-01 00:00:00.123456789", None, "1700-01-01"], format="ISO8601"
        ),
        "zone": pd.date_range("2024-10-27", periods=3, freq="h", tz="Europe/Berlin"),
        "category": pd.Categorical(["b", None, "a"], ["b", "unused", "a"], ordered=True),
        "nullable": pd.array([2**62 + 1, None, 3], dtype="Int64"),
        "flag": pd.array([True, None, False], dtype="boolean"),
        "price": pd.Series([Decimal("1.50"), None, Decimal("2.00")], dtype=object),
        "span": pd.to_timedelta([1, None, 3], unit="ns"),
    },
    index=pd.DatetimeIndex(["2024-01-01", "2024-01-02", "2024-01-03"], freq="D", name="day"),
)


@pytest.mark.parametrize("format", FORMATS)
def test_what_is_hard_to_keep_is_kept(store, format):
    for compression in COMPRESSIONS[format]:
        stored = store.put("hard", HARD, format=format, compression=compression)
        back = store.get("hard", allow_pickle=True)
        assert stored.losses == ()
        assert differences(HARD, back) == []
        pd.testing.assert_frame_equal(HARD, back, check_exact=True, check_freq=True)


@pytest.mark.parametrize("format", FORMATS)
@pytest.mark.parametrize(
    "frame",
    [
        pd.DataFrame(),
        pd.DataFrame(index=range(3)),
        pd.DataFrame(index=["x", "y"]),
        pd.DataFrame({"a": []}),
        pd.DataFrame(
            {"a": pd.Series([], dtype="datetime64[ns, UTC]")}, index=pd.Index([], name="i")
        ),
        pd.DataFrame({3: [1], 1: [2]}),
        pd.DataFrame({"a": [1, 2]}, index=pd.MultiIndex.from_tuples([("x", 1), ("y", 2)])),
    ],
    ids=["nothing", "no columns", "only an index", "no rows", "no instants", "numbers", "levels"],
)
def test_small_and_odd_frames_come_back(store, format, frame):
    store.put("small", frame, format=format)
    assert differences(frame, store.get("small", allow_pickle=True)) == []
    part = store.get("small", columns=list(frame.columns)[::-1], allow_pickle=True)
    assert differences(frame.iloc[:, ::-1], part) == []


@pytest.mark.slow
@pytest.mark.parametrize("format", ["jsonb", "parquet"])
def test_ten_thousand_columns(store, format):
    wide = pd.DataFrame(np.arange(20_000).reshape(2, -1), columns=[f"c{i}" for i in range(10_000)])
    store.put("wide", wide, format=format, compression="none")
    assert differences(wide, store.get("wide", allow_pickle=True)) == []


def objects(*values):
    return pd.DataFrame({"bad": pd.Series(values, dtype=object)})


NO_PICKLE = tuple(format for format in FORMATS if format != "pickle")
REFUSED = {
    "twins": (pd.DataFrame([[1, 2]], columns=["a", "a"]), NO_PICKLE, "'a'"),
    "tuples": (pd.DataFrame({("a", 1): [1]}), NO_PICKLE, "('a', 1)"),
    "mixed names": (pd.DataFrame({"1": [1], 1: [2]}), NO_PICKLE, "column 1"),
    "mixed objects": (objects(1, "x").assign(ok=1), NO_PICKLE, "'bad'"),
    "complex": (pd.DataFrame({"bad": [1j]}), NO_PICKLE, "'bad'"),
    "half a pair": (objects("\ud800"), NO_PICKLE, "'bad'"),
    "NaN": (pd.DataFrame({"bad": [1.0, math.nan]}), ("jsonb",), "'bad'"),
    "infinity": (pd.DataFrame({"bad": [math.inf]}), ("jsonb",), "'bad'"),
    "NUL": (pd.DataFrame({"bad": ["a\0b"]}), ("jsonb",), "'bad'"),
    "NUL in an object": (objects("a\0b"), ("jsonb",), "'bad'"),
    "NUL in a name": (pd.DataFrame({"b\0d": [1]}), ("jsonb",), "'b\\x00d'"),
    "NUL in a category": (pd.DataFrame({"bad": pd.Categorical(["a\0b"])}), ("jsonb",), "'bad'"),
    "a function": (objects(lambda: 1), FORMATS, ""),
    "an interval": (pd.DataFrame({"bad": pd.interval_range(1, 2)}), ("json", "jsonb"), "'bad'"),
    "a large integer": (objects(2**80), ("parquet", "feather"), "'bad'"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_a_format_cannot_hold_is_refused_with_the_column_and_a_way_out(store, case):
    frame, formats, named = REFUSED[case]
    before = len(store.list())
    for format in formats:
        with pytest.raises(LossyFormat) as caught:
            store.put("refused", frame, format=format, accept_loss=True)
        assert named in str(caught.value), format
        better = str(caught.value).split('format="')[1].split('"')[0]
        if case != "a function":  # which nothing but Python's own memory holds
            back, losses = read_back(frame, better)
            assert losses == []
            assert differences(frame, back) == []
    assert len(store.list()) == before
    if len(formats) == 1:
        store.put("held", frame, format="json")
        assert differences(frame, store.get("held")) == []


def test_what_would_be_lost_is_said_and_can_be_accepted(store):
    mixed_scales = pd.DataFrame({"price": [Decimal("1.5"), Decimal("2.25")]})
    with pytest.raises(LossyFormat, match=r"'price'.*Decimal\('1.5'\).*accept_loss") as caught:
        store.put("lossy", mixed_scales)
    assert len(caught.value.losses) == 1
    assert str(pickle.loads(pickle.dumps(caught.value))) == str(caught.value)
    for not_true in (1, "yes", None):
        with pytest.raises(LossyFormat):
            store.put("lossy", mixed_scales, accept_loss=not_true)
    assert "lossy" not in set(store.list()["name"])
    stored = store.put("lossy", mixed_scales, accept_loss=True)
    assert stored.losses == tuple(caught.value.losses)
    assert list(store.get("lossy")["price"]) == [Decimal("1.50"), Decimal("2.25")]
    zero = pd.DataFrame({"a": [-0.0]})
    with pytest.raises(LossyFormat, match=r"-0\.0"):
        store.put("lossy", zero, format="jsonb")


def test_a_class_of_frames_is_not_lost_silently(store):
    class Cars(pd.DataFrame):
        pass

    with pytest.raises(LossyFormat, match="class Cars"):
        store.put("cars", Cars({"a": [1]}))
    with pytest.raises(LossyFormat, match="allows_duplicate_labels"):
        store.put("cars", pd.DataFrame({"a": [1]}).set_flags(allows_duplicate_labels=False))


def test_formats_and_compressions_that_do_not_exist(store):
    frame = pd.DataFrame({"a": [1]})
    for format, compression in [
        ("csv", "none"), ("Pickle", "none"), ("jsonb", "gzip"), ("json", "snappy"),
        ("feather", "gzip"), ("parquet", "brotli"), ("pickle", "lz4"), (None, "none"),
    ]:  # fmt: skip
        with pytest.raises(BadArgument):
            store.put("x", frame, format=format, compression=compression)
    with pytest.raises(BadArgument, match="DataFrame"):
        store.put("x", {"a": [1]})
    assert store.put("x", frame, format="jsonb", compression="none").compression == "none"


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ([1], [2]), ([1], [1.0]), ([0.0], [-0.0]), ([0.1], [np.nextafter(0.1, 1)]),
        ([None], [math.nan]), ([Decimal("1.5")], [Decimal("1.50")]), (["a"], ["b"]),
        ([[1]], [[1.0]]), ([{"a": 1}], [{"a": True}]), ([1, 2], [1]),
    ],
)  # fmt: skip
def test_differences_are_seen(one, other):
    kind = object if one in ([None], [Decimal("1.5")]) else None
    pair = [pd.DataFrame({"a": pd.Series(values, dtype=kind)}) for values in (one, other)]
    assert differences(*pair)
    assert differences(pair[0], pair[0].copy()) == []
    assert differences(pair[1], pair[1].copy()) == []


def test_differences_beside_the_values_are_seen():
    frame = pd.DataFrame({"a": [1, 2], "b": pd.Categorical(["x", "y"])}, index=[5, 6])
    others = [
        frame[["b", "a"]], frame.rename_axis("i"), frame.rename_axis("c", axis=1),
        frame.set_axis([5, 7]), frame.set_axis([5.0, 6.0]), frame.astype({"a": "int32"}),
        frame.assign(b=frame["b"].cat.as_ordered()),
        frame.assign(b=frame["b"].cat.add_categories("z")),
        frame.assign(b=frame["b"].cat.reorder_categories(["y", "x"])), frame[["a"]], frame.iloc[:1],
        frame.set_axis(pd.Index(["a", "b"], dtype=object), axis=1), frame.reset_index(drop=True),
    ]  # fmt: skip
    for number, other in enumerate(others):
        assert differences(frame, other), number
    zones = [
        pd.DataFrame({"t": pd.date_range("2024", periods=2, tz=z)}) for z in ("UTC", "Etc/UCT")
    ]
    assert differences(*zones)
    ordinary, named = pd.DataFrame(index=[1, 2]), pd.DataFrame(index=pd.RangeIndex(1, 3))
    assert differences(ordinary, named)
