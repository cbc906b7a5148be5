"""Random cars frames for property tests: whatever dtype, value and shape a learner's may have.

All but half characters (lone surrogates): a failing test could not be reported with one in it.
They have tests of their own.
"""

import warnings
from datetime import date
from decimal import Decimal
from fractions import Fraction
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
from hypothesis import strategies as st

MISSING = [None, np.nan, pd.NA, pd.NaT, Decimal("NaN"), np.datetime64("NaT")]
NO_TEXT = [5, 1.5, True, b"Fiat", date(2024, 11, 10), ["Fiat"], 10**400, 1j, object, Fraction(1, 3)]

NAMES = [
    "Toyota", "TOYOTA", " toyota ", "Fiat", "\tFiat\n", "\x1cFiat\x1f", "\xa0Fiat\u2003",
    "Citro\xebn", "Citroe\u0308n", "CITRO\xcbN", "Stra\xdfe", "STRASSE", "\u0130", "i\u0307", "I",
    "i", "\uff34oyota", "\u1fb3", "\u03b1\u0345", "\u0345", "A\rB", 'A"B', "A,B", "A\nB", "\\.",
    "NULL", "\\N", "'; --", "x" * 100, "208", "NaN", "\u8c50\u7530", "\U0001f697", "\u200b",
    "\ufeffFiat", "Alfa\xa0Romeo", "Alfa Romeo", "\u0301Fiat", "\u2028", "\u3164", "Fi\xadat",
]  # fmt: skip
ODD_TEXTS = ["", " ", "\u3000", "A\0B", "\0", "x" * 101, "\ufb01" * 26, "\ufb01" * 60]
VINS = [
    "ABC123", " abc123 ", "DEF456", "def456", "stra\xdfe", "STRASSE", "\xe9", "E\u0301", "GHI789",
]  # fmt: skip
PRICES = [
    0, 0.0, -0.0, 15000, 9999999999, 9999999999.99, 9999999999.994, 1.005, 2.675, 0.125, 0.005,
    0.004, 1e-300, 2.5, 1234567.885, Decimal("1.005"), Decimal("0.0049999999999999999999"),
    Decimal("9999999999.99499999999999"), np.float32(1.005), np.float32(16777217), np.int8(7),
    np.uint64(5), np.longdouble("0.1"), Decimal("1E+2"),
]  # fmt: skip
ODD_NUMBERS = [
    -1, -0.001, -0.01, 1e10, 9999999999.995, 1e15, 1e300, np.inf, -np.inf, 10**400, -(10**400),
    Decimal("Infinity"), Decimal("1E+400"), Decimal("-1E-300"), np.uint64(2**64 - 1), 2**63,
    "15000", "$10,900", "10,5", "", True, np.True_, 1j, np.complex128(1), np.timedelta64(5, "s"),
    date(2024, 11, 10), [1], b"1", Fraction(1, 3),
]  # fmt: skip
SIZES = [2.0, 1.5, 0.005, 99.99, 99.994, 0.01, 6, Decimal("1.995"), np.float32(1.6), 3.125]
ODD_SIZES = [0, -0.0, 0.004, 99.995, 100, -1.5, Decimal("0.0049"), *ODD_NUMBERS]
FLAGS = [True, False, 1, 0, 1.0, 0.0, np.True_, np.int64(0), Decimal(1)]
ODD_FLAGS = [2, -1, 0.5, "True", "", "0", b"1", [True], np.inf, np.timedelta64(1, "s"), Decimal(2)]

TEXT_DTYPES = [
    "str", "string", "string[python]", "string[pyarrow]", "category",
    pd.ArrowDtype(pa.string()), pd.ArrowDtype(pa.large_string()), pd.ArrowDtype(pa.string_view()),
    pd.ArrowDtype(pa.dictionary(pa.int32(), pa.string())),
]  # fmt: skip
NUMBER_DTYPES = [
    "float64", "float32", "float16", "Float64", "Float32", "float64[pyarrow]", "float32[pyarrow]",
    "int64", "Int64", "uint64", "UInt64", "int64[pyarrow]", "category", "str", "bool",
    "complex128", "Sparse[float64]", "timedelta64[ns]",
    pd.ArrowDtype(pa.decimal128(38, 15)),
]  # fmt: skip
FLAG_DTYPES = ["bool", "boolean", "bool[pyarrow]", "int64", "Int64", "float64", "category", "str"]


def mostly(good: st.SearchStrategy, *odd: st.SearchStrategy) -> st.SearchStrategy:
    """Nine times out of ten good, so that whole rows are accepted too."""
    return st.integers(0, 9).flatmap(lambda n: st.one_of(*odd) if n == 9 else good)


def pick(values: list[Any]) -> st.SearchStrategy:
    return st.sampled_from(range(len(values))).map(values.__getitem__)


missing = pick(MISSING)
names = mostly(pick(NAMES), st.text(max_size=4), pick(ODD_TEXTS), missing, pick(NO_TEXT))
cents = st.integers(0, 10**12 - 1).map(lambda cents: cents / 100)
CELLS = {
    "brand": names,
    "model": names,
    "vin": mostly(pick(VINS), pick(NAMES), st.text(max_size=4), pick(ODD_TEXTS), missing,
                  pick(NO_TEXT)),
    "engine_size": mostly(pick(SIZES) | missing, pick(ODD_SIZES), st.floats()),
    "color": mostly(pick(["Red", " red ", None, np.nan, ""]), names),
    "price": mostly(pick(PRICES) | cents, pick(ODD_NUMBERS), missing, st.floats(),
                    st.decimals(), st.integers()),
    "status": mostly(pick(FLAGS), pick(ODD_FLAGS), missing),
}  # fmt: skip
DTYPES = dict.fromkeys(["brand", "model", "vin", "color"], TEXT_DTYPES) | {
    "engine_size": NUMBER_DTYPES,
    "price": NUMBER_DTYPES,
    "status": FLAG_DTYPES,
}


def as_dtype(values: list[Any], dtype: Any) -> pd.Series:
    """A column of that dtype, or of objects where the values don't fit."""
    column = pd.Series(np.empty(len(values), dtype=object))
    for i, value in enumerate(values):
        column.array[i] = value
    try:
        with warnings.catch_warnings(action="ignore"):
            return column.astype(dtype)
    except (TypeError, ValueError, ArithmeticError, NotImplementedError):
        return column


@st.composite
def columns(draw: st.DrawFn, name: str, rows: int) -> pd.Series:
    values = draw(st.lists(CELLS[name], min_size=rows, max_size=rows))
    return as_dtype(values, draw(pick(["object", *DTYPES[name]]))).rename(name)


@st.composite
def car_frames(draw: st.DrawFn, max_rows: int = 8) -> pd.DataFrame:
    """Frames with the columns that a load needs, in any order, and with any index."""
    rows = draw(st.integers(0, max_rows))
    optional = draw(st.sets(st.sampled_from(["engine_size", "color"])))
    order = draw(st.permutations([name for name in CELLS if name not in optional]))
    frame = pd.DataFrame({name: draw(columns(name, rows)) for name in order})
    index = draw(st.sampled_from(["range", "same", "text", "pairs"]))
    if index == "same":
        frame.index = [7] * rows
    elif index == "text":
        frame.index = pd.Index([f"car {i}" for i in range(rows)], name="vin")
    elif index == "pairs":
        frame.index = pd.MultiIndex.from_arrays([range(rows), ["x"] * rows])
    return frame
