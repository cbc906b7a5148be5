"""Round trips: equal, or refused, or announced as lossy, never silently different."""

import math
import pickle
from decimal import Decimal

import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from store_exact import differences
from store_frames import COLUMNS, FORMATS, frames

from carlib.connection import connect
from carlib.errors import BadArgument, LossyFormat
from carlib.store import store as store_module
from carlib.store.formats import COMPRESSIONS, decode, encode, losses
from carlib.store.formats import differences as told
from carlib.store.store import DataFrameStore

ARROW, TEXT = ("parquet", "feather"), ("json", "jsonb")
NO_PICKLE = (*ARROW, *TEXT)
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
        data = encode(frame, format, compression)
        announced = losses(frame, data, format, compression)
    except LossyFormat:
        return None, ["refused"]
    return decode(data, format, compression), announced


@given(frame=frames())
@SETTINGS
def test_no_frame_comes_back_silently_different(frame):
    for format in LOCAL:
        back, announced = read_back(frame, format)
        if not announced:
            assert differences(frame, back) == [], format


@given(frame=frames())
@SETTINGS
def test_no_frame_comes_back_from_jsonb_silently_different(store, frame):
    try:
        announced = store.put("frame", frame, format="jsonb", accept_loss=True).losses
    except LossyFormat:
        return
    if not announced:
        assert differences(frame, store.get("frame")) == []


# What must come back exactly whatever the values are; of the rest it is told what is lost.
EXACT_IN_ARROW = {
    "bool", "int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64", "float16",
    "float32", "float64", "datetime64[ms]", "datetime64[us]", "datetime64[ns]", "timedelta64[s]",
    "timedelta64[ns]", "us UTC", "ns UTC", "ns Europe/Berlin", "Int8", "Int64", "UInt64", "boolean",
    "Float64", "Float32", "str", "string", "period", "interval", "int64[pyarrow]", "prices",
    "dates", "bytes",
}  # fmt: skip
EXACT_IN_JSON = {
    "bool", "int64", "datetime64[ns]", "Int8", "Int64", "UInt64", "boolean", "str", "string",
}  # fmt: skip


@pytest.mark.parametrize("kind", sorted(EXACT_IN_JSON | EXACT_IN_ARROW))
@given(data=st.data())
@settings(SETTINGS, max_examples=8)
def test_what_must_come_back_exactly_does(kind, data):
    frame = pd.DataFrame({"a": pd.Series(array := data.draw(COLUMNS[kind]), dtype=array.dtype)})
    arrow = ("parquet", "feather") if kind in EXACT_IN_ARROW else ()
    for format in (*arrow, *(("json",) if kind in EXACT_IN_JSON else ())):
        back, announced = read_back(frame, format)
        assert announced == [], format
        assert differences(frame, back) == [], format


HARD = pd.DataFrame(
    {
        "whole": [2**63 - 1, -(2**63), 0],
        "text": ["", "ä\u2028😀", 'a "b"\\'],
        "vin": ["00012345678901234", "1", None],
        "nullable": pd.array([2**31, None, 3], dtype="Int64"),
        "flag": pd.array([True, None, False], dtype="boolean"),
    }
)
HARDER = (
    HARD.assign(
        float=[0.1 + 0.2, 5e-324, -1.7e308],
        instant=pd.to_datetime(
            ["2024-01-01 00:00:00.123456789", None, "1700-01-01"], format="ISO8601"
        ),
        zone=pd.date_range("2024-10-27", periods=3, freq="h", tz="Europe/Berlin"),
        price=pd.Series([Decimal("1.50"), None, Decimal("2.00")], dtype=object),
        span=pd.to_timedelta([1, None, 3], unit="ns"),
    )
    .set_axis(pd.date_range("2024-01-01", periods=3, freq="D", name="day"))
    .rename_axis("c", axis=1)
)


@pytest.mark.parametrize("format", FORMATS)
def test_what_is_hard_to_keep_is_kept(store, format):
    frame = HARD if format in TEXT else HARDER
    if format in ARROW:
        frame = frame.set_axis(frame.index._with_freq(None)).rename_axis(None, axis=1)
    for compression in COMPRESSIONS[format]:
        stored = store.put("hard", frame, format=format, compression=compression)
        back = store.get("hard", allow_pickle=True)
        assert stored.losses == ()
        assert differences(frame, back) == []


@pytest.mark.parametrize("format", FORMATS)
@pytest.mark.parametrize(
    "frame",
    [
        pd.DataFrame(),
        pd.DataFrame(index=range(3)),
        pd.DataFrame({"a": pd.Series([], dtype="str")}),
        pd.DataFrame({"a": [1, 2]}, index=pd.MultiIndex.from_tuples([("x", 1), ("y", 2)])),
        pd.DataFrame({"a": [1], "b": [2]}, index=["x"]),
        pd.DataFrame({"a": [1], "a.b": [2], "": ["x"]}),
    ],
    ids=["nothing", "no columns", "no rows", "levels", "texts", "odd names"],
)
def test_small_and_odd_frames_come_back(store, format, frame):
    losses = store.put("small", frame, format=format, accept_loss=True).losses
    assert losses == () or format in TEXT or frame.shape[1] == 0
    back = store.get("small", allow_pickle=True)
    assert bool(differences(frame, back)) == bool(losses)
    part = store.get("small", columns=list(frame.columns)[::-1], allow_pickle=True)
    assert differences(back.iloc[:, ::-1], part) == []


@pytest.mark.slow
@pytest.mark.parametrize("format", ["jsonb", "parquet"])
def test_ten_thousand_columns(store, format):
    wide = pd.DataFrame(np.arange(20_000).reshape(2, -1), columns=[f"c{i}" for i in range(10_000)])
    store.put("wide", wide, format=format, compression="none")
    assert differences(wide, store.get("wide", allow_pickle=True)) == []
    assert differences(wide[["c7", "c1"]], store.get("wide", columns=["c7", "c1"])) == []


def objects(*values):
    return pd.DataFrame({"good": range(len(values)), "bad": pd.Series(values, dtype=object)})


FAR = (
    pd.DatetimeIndex(np.array([10**12], dtype="M8[s]"))
    .tz_localize("UTC")
    .tz_convert("Europe/Berlin")
)
REFUSED = {
    "twins": (pd.DataFrame([[1, 2]], columns=["a", "a"]), NO_PICKLE, "'?a'?"),
    "mixed objects": (objects(1, "x"), ARROW, "column 'bad'"),
    "complex": (objects(1j, 2j).infer_objects(), NO_PICKLE, "column 'bad'"),
    "half a pair": (objects("\ud800"), NO_PICKLE, "column 'bad'"),
    "two levels": (pd.DataFrame({("a", 1): [1]}), TEXT, "MultiIndex"),
    "NUL": (pd.DataFrame({"bad": ["a\0b"]}), ("jsonb",), "JSONB can hold.*u0000"),
    "a large integer": (objects(2**80), ARROW, "column 'bad'"),
    # pandas' to_json crashes Python on some of these.
    "far": (pd.DataFrame({"good": [1], "bad": FAR}), TEXT, "column 'bad'"),
    "far index": (pd.DataFrame({"a": [1]}, index=FAR), TEXT, "names or an index"),
    "far names": (pd.DataFrame([[1]], columns=FAR), TEXT, "year 33658"),
    "far category": (
        pd.DataFrame({"bad": pd.Categorical.from_codes([0], FAR)}),
        TEXT,
        "column 'bad'",
    ),
    "a function": (objects(lambda: 1), ("pickle", *ARROW), ""),
    "itself": (objects(loop := [], loop.append(loop)), TEXT, "column 'bad'"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_a_format_cannot_hold_is_refused_by_name(store, case):
    frame, formats, named = REFUSED[case]
    before = len(store.list())
    for format in formats:
        with pytest.raises(LossyFormat, match=f"(?s){named}.*Nothing was written"):
            store.put("refused", frame, format=format, accept_loss=True)
    assert len(store.list()) == before


def test_what_would_be_lost_is_told_by_column_and_can_be_accepted(store):
    frame = pd.DataFrame({"ok": [1, 2], "price": [Decimal("1.5"), Decimal("2.25")], "f": [-0.0, 1]})
    with pytest.raises(LossyFormat, match=r"'price'.*Decimal\('1.5'\).*accept_loss") as caught:
        store.put("lossy", frame)
    assert [loss.split(":")[0] for loss in caught.value.losses] == ["column 'price'"]
    assert str(pickle.loads(pickle.dumps(caught.value))) == str(caught.value)
    for not_true in (1, "yes", None):
        with pytest.raises(LossyFormat):
            store.put("lossy", frame, accept_loss=not_true)
    assert "lossy" not in set(store.list()["name"])
    stored = store.put("lossy", frame, accept_loss=True)
    assert stored.losses == tuple(caught.value.losses)
    assert list(store.get("lossy")["price"]) == [Decimal("1.50"), Decimal("2.25")]
    for format in TEXT:
        losses = store.put("lossy", frame, format=format, accept_loss=True).losses
        assert [loss.split(":")[0] for loss in losses] == ["column 'price'", "column 'f'"]


def test_what_is_too_large_is_refused_with_a_way_out(store, monkeypatch):
    texts = pd.DataFrame({"a": [f"{n}" + "x" * 1000 for n in range(30)]})
    monkeypatch.setattr(store_module, "MAX_BYTES", 20_000)
    for format in FORMATS:
        with pytest.raises(LossyFormat, match=r"0,000 bytes.*found .*several parts.*to_parquet"):
            store.put("x", texts, format=format, compression="none")
        if format != "jsonb":
            store.put("x", texts, format=format)  # compressed, it fits


@pytest.mark.slow
def test_more_rows_than_jsonb_holds_are_refused_by_name(store):
    texts = pd.DataFrame({"a": ["x" * 10_000_000] * 28})
    with pytest.raises(LossyFormat, match=r"at most 256 MiB of rows.*268435455.*several parts"):
        store.put("x", texts, format="jsonb")


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


def test_all_that_can_differ_is_told():
    frame = pd.DataFrame({"a": [1, 2], "b": pd.Categorical(["x", "y"])}, index=[5, 6])
    others = [
        frame[["b", "a"]], frame.rename_axis("i"), frame.rename_axis("c", axis=1),
        frame.set_axis([5, 7]), frame.set_axis([5.0, 6.0]), frame.astype({"a": "int32"}),
        frame.assign(b=frame["b"].cat.as_ordered()),
        frame.assign(b=frame["b"].cat.add_categories("z")),
        frame.assign(b=frame["b"].cat.reorder_categories(["y", "x"])), frame[["a"]], frame.iloc[:1],
        frame.set_axis(pd.Index(["a", "b"], dtype=object), axis=1), frame.reset_index(drop=True),
    ]  # fmt: skip
    pairs = [(frame, other) for other in others]
    for one, other in [
        ([1], [2]), ([0.0], [-0.0]), ([0.1], [np.nextafter(0.1, 1)]), ([None], [math.nan]),
        ([Decimal("1.5")], [Decimal("1.50")]), (["a"], ["b"]), ([[1]], [[1.0]]), ([True], [1]),
        ([{"a": 1}], [{"a": True}]), ([math.nan], [pd.NaT]), ([np.array([1])], [np.array([2])]),
        ([np.array([1])], [np.array([1.0])]), ([[1]], [(1,)]),
    ]:  # fmt: skip
        frames = [pd.DataFrame({"a": pd.Series(v, dtype=object)}) for v in (one, other)]
        pairs.append(frames)
        if type(one[0]) in (int, float):
            pairs.append([made.infer_objects() for made in frames])
    for kind in ("str", "string"):
        texts = [pd.Series(["x", text], dtype=kind) for text in ("y", None)]
        pairs += [[pd.DataFrame({"a": each}) for each in pair] for pair in (texts, texts[::-1])]
    zones = [pd.date_range("2024", periods=2, tz=zone) for zone in ("UTC", "Etc/UCT")]
    pairs.append([pd.DataFrame({"t": zone}) for zone in zones])
    days = pd.DataFrame({"a": [1, 2]}, index=pd.date_range("2024", periods=2))
    pairs.append([days, days.set_axis(days.index._with_freq(None))])
    for before, after in pairs:
        assert told(before, after), (before, after)
        assert told(before, before.copy()) == []
