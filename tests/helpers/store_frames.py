"""Frames of every dtype, index and label that the store is tried on, drawn by hypothesis."""

from datetime import UTC, date, datetime, time, timedelta, timezone
from decimal import Decimal

import numpy as np
import pandas as pd
from hypothesis import strategies as st

FORMATS = ("pickle", "json", "jsonb", "parquet", "feather")
TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=5)
FLOATS = st.floats(width=64) | st.sampled_from([0.1, -0.0, 5e-324, 1e16, 1.7e308, 2.0**53 + 2])


def _numpy(name, values):
    return st.lists(values, max_size=6).map(lambda v: np.array(v, dtype=name))


def _whole(name):
    info = np.iinfo(name.lower())
    return st.integers(int(info.min), int(info.max))


def _instants(name):
    # All of them: NaT is the least.
    return st.lists(st.integers(-(2**63), 2**63 - 1), max_size=6).map(
        lambda v: np.array(v, dtype="int64").view(name)
    )


def _aware(unit, zone):
    far = 2**62 if unit == "ns" else 10**15 if unit == "us" else 10**12
    numbers = st.lists(st.none() | st.integers(-far, far), max_size=6)
    return numbers.map(
        lambda v: (
            pd.DatetimeIndex(
                np.array(
                    [np.iinfo("int64").min if n is None else n for n in v], dtype="int64"
                ).view(f"datetime64[{unit}]")
            )
            .tz_localize("UTC")
            .tz_convert(zone)
            .array
        )
    )


def _objects(*values):
    def array(items):
        result = np.empty(len(items), dtype=object)
        result[:] = items
        return result

    return st.lists(st.one_of(*values), max_size=6).map(array)


def _pandas(dtype, values):
    return st.lists(st.none() | values, max_size=6).map(lambda v: pd.array(v, dtype=dtype))


def _categories(values):
    return st.tuples(
        st.lists(values, min_size=1, max_size=4, unique=True), st.booleans(), st.data()
    ).map(
        lambda drawn: pd.Categorical.from_codes(
            drawn[2].draw(st.lists(st.integers(-1, len(drawn[0]) - 1), max_size=6)),
            categories=drawn[0],
            ordered=drawn[1],
        )
    )


DECIMALS = st.decimals(allow_nan=False, allow_infinity=False, min_value=-(10**9), max_value=10**9)
SAME_SCALE = st.integers(-(10**9), 10**9).map(lambda n: Decimal(n).scaleb(-2))
ZONES = ("UTC", "Europe/Berlin", timezone(timedelta(hours=5, minutes=30)), UTC)

COLUMNS: dict[str, st.SearchStrategy] = {
    "bool": _numpy("bool", st.booleans()),
    **{
        name: _numpy(name, _whole(name))
        for name in ("int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64")
    },
    "float16": _numpy("float16", st.floats(width=16)),
    "float32": _numpy("float32", st.floats(width=32)),
    "float64": _numpy("float64", FLOATS),
    "finite float64": _numpy("float64", st.floats(allow_nan=False, allow_infinity=False)),
    "big-endian": _numpy(">i4", st.integers(-9, 9)),
    "complex128": _numpy("complex128", st.complex_numbers()),
    **{
        f"{kind}[{unit}]": _instants(f"{kind}[{unit}]")
        for kind in ("datetime64", "timedelta64")
        for unit in ("s", "ms", "us", "ns")
    },
    **{f"{unit} {zone}": _aware(unit, zone) for unit in ("s", "us", "ns") for zone in ZONES},
    **{
        name: _pandas(name, _whole(name))
        for name in ("Int8", "Int16", "Int32", "Int64", "UInt8", "UInt16", "UInt32", "UInt64")
    },
    "boolean": _pandas("boolean", st.booleans()),
    "Float64": _pandas("Float64", st.floats(allow_nan=False)),
    "Float32": _pandas("Float32", st.floats(width=32, allow_nan=False)),
    "str": _pandas("str", TEXT),
    "string": _pandas("string", TEXT),
    "string[python]": _pandas("string[python]", TEXT),
    "category of texts": _categories(TEXT),
    "category of numbers": _categories(st.integers(-5, 5)),
    "category of floats": _categories(st.floats(allow_nan=False)),
    "category of days": _categories(st.datetimes(datetime(1990, 1, 1), datetime(2030, 1, 1))),
    "period": st.lists(st.none() | st.integers(0, 500), max_size=6).map(
        lambda v: pd.array(
            [pd.NaT if n is None else pd.Period(ordinal=n, freq="M") for n in v], dtype="period[M]"
        )
    ),
    "interval": st.lists(st.integers(0, 9), max_size=6).map(
        lambda v: pd.arrays.IntervalArray.from_arrays(v, [n + 1 for n in v])
    ),
    "sparse": _numpy("int64", st.integers(0, 1)).map(pd.arrays.SparseArray),
    "int64[pyarrow]": _pandas("int64[pyarrow]", _whole("int64")),
    "texts": _objects(TEXT),
    "texts or None": _objects(TEXT, st.none()),
    "texts or NaN": _objects(TEXT, st.just(float("nan"))),
    "texts or NA": _objects(TEXT, st.just(pd.NA)),
    "decimals": _objects(DECIMALS, st.none()),
    "prices": _objects(SAME_SCALE, st.none()),
    "decimal or NaN": _objects(st.just(Decimal("NaN")), SAME_SCALE),
    "integers": _objects(st.integers(-(2**70), 2**70), st.none()),
    "floats": _objects(FLOATS, st.none()),
    "flags": _objects(st.booleans(), st.none()),
    "dates": _objects(st.dates(), st.none()),
    "times": _objects(st.times(), st.none()),
    "datetimes": _objects(st.datetimes(), st.none()),
    "aware datetimes": _objects(st.datetimes(timezones=st.just(UTC)), st.none()),
    "timestamps": _objects(
        st.datetimes(datetime(1990, 1, 1), datetime(2030, 1, 1)).map(pd.Timestamp)
    ),
    "bytes": _objects(st.binary(max_size=4), st.none()),
    "uuids": _objects(st.uuids()),
    "lists": _objects(st.lists(st.integers(0, 9), max_size=3)),
    "dicts": _objects(st.dictionaries(TEXT, st.integers(0, 9), max_size=2)),
    "mixed": _objects(
        TEXT, st.integers(0, 9), st.booleans(), FLOATS, st.just(date(2024, 1, 1)),
        st.just(time(1)), SAME_SCALE, st.sampled_from([None, pd.NA, pd.NaT]),
    ),
}  # fmt: skip

LABELS = TEXT | st.sampled_from(["a", "a.b", "__index_level_0__", "", "ä\0", "1"])
NAMES = st.none() | TEXT | st.integers(0, 3)


def _index(draw, rows):
    kind = draw(st.sampled_from(["range", "range", "column", "two"]))
    if kind == "range":
        start, step = draw(st.integers(-3, 3)), draw(st.sampled_from([1, 2, -1]))
        return pd.RangeIndex(start, start + step * rows, step, name=draw(NAMES))
    levels = [
        _as_index(fitted(draw(COLUMNS[draw(st.sampled_from(list(COLUMNS)))]), rows))
        for _ in range(1 if kind == "column" else 2)
    ]
    if kind == "two":
        return pd.MultiIndex.from_arrays(levels, names=[draw(NAMES), draw(NAMES)])
    return levels[0].rename(draw(NAMES))


def _as_index(array):
    return pd.Index(array, dtype=array.dtype)


def fitted(array, rows):
    """The array with that many rows: cut or repeated; rows of zeros where it is empty."""
    if len(array) == 0:
        return pd.RangeIndex(rows) if rows else array
    return array.take(np.arange(rows) % len(array))


@st.composite
def frames(draw, kinds=None):
    """A frame with up to 5 rows and 4 columns; hypothesis shrinks it to what matters."""
    rows = draw(st.integers(0, 5))
    chosen = draw(st.lists(st.sampled_from(kinds or list(COLUMNS)), max_size=4))
    arrays = [fitted(draw(COLUMNS[kind]), rows) for kind in chosen]
    try:
        index = _index(draw, rows)
    except (TypeError, ValueError, NotImplementedError):  # pandas has no such index
        index = pd.RangeIndex(rows)
    data = {
        place: pd.Series(array, index=index, dtype=array.dtype)
        for place, array in enumerate(arrays)
    }
    frame = pd.DataFrame(data, index=index, columns=range(len(arrays)))
    kind = draw(st.sampled_from(["text", "text", "object", "whole", "range", "any"]))
    if kind == "whole":
        frame.columns = pd.Index(np.arange(len(arrays), dtype="int64") * 3 + 1)
    elif kind != "range":
        one = LABELS if kind != "any" else LABELS | st.integers(0, 1)
        count = {"min_size": len(arrays), "max_size": len(arrays)}
        labels = draw(st.lists(one, unique=kind != "any", **count))
        frame.columns = pd.Index(labels, dtype="str" if kind == "text" else object)
    frame.columns.name = draw(NAMES)
    return frame
