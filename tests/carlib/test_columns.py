"""Cleaning a column: each value as the oracle judges it, whatever the dtype around it."""

from decimal import ROUND_HALF_UP, Decimal, localcontext

import car_frames
import numpy as np
import oracle
import pandas as pd
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from carlib.loading.prepare import TABLE_COLUMNS, clean_column
from carlib.text import tidy_text


def judged(column):
    """What the oracle makes of a column: clean values, and the reasons value by value."""
    judge = oracle.JUDGES[column.name]
    both = [judge(column.name, value) for value in oracle.values_of(column)]
    return [None if reasons else clean for clean, reasons in both], [set(why) for _, why in both]


def cleaned(column):
    """The same from carlib."""
    array, faults = clean_column(column, TABLE_COLUMNS[column.name])
    assert isinstance(array, pa.Array)
    assert len(array) == len(column)
    return array.to_pylist(), [{faults[i]} if i in faults else set() for i in range(len(column))]


def as_postgresql_rounds(value):
    """What a column of type numeric(12, 2) makes of a number that COPY brings."""
    if value is None:
        return None
    with localcontext(prec=2000):
        return Decimal(str(value)).quantize(Decimal("0.01"), rounding=ROUND_HALF_UP)


def assert_as_judged(column):
    clean, reasons = cleaned(column)
    expected, expected_reasons = judged(column)
    assert reasons == expected_reasons
    if column.name in ("price", "engine_size"):
        clean = [as_postgresql_rounds(value) for value in clean]
    assert clean == expected


@pytest.mark.parametrize("name", sorted(TABLE_COLUMNS))
@pytest.mark.parametrize("kind", ["text", "number", "flag"])
def test_each_odd_value_alone_and_in_every_dtype(name, kind):
    # The random frames meet most of these; here each is met for certain, in every column.
    lists = {
        "text": (car_frames.NAMES + car_frames.ODD_TEXTS + car_frames.VINS, "brand"),
        "number": (car_frames.PRICES + car_frames.ODD_NUMBERS + car_frames.ODD_SIZES, "price"),
        "flag": (car_frames.FLAGS + car_frames.ODD_FLAGS + car_frames.NO_TEXT, "status"),
    }
    values, like = lists[kind]
    for value in values + car_frames.MISSING:
        for dtype in ["object", *car_frames.DTYPES[like]]:
            assert_as_judged(car_frames.as_dtype([value], dtype).rename(name))


@settings(max_examples=10 * settings.default.max_examples, deadline=None)
@given(st.lists(st.integers(0, 10**13 - 1), min_size=1, max_size=20))
def test_floats_with_three_decimals_round_half_away_from_zero(thousandths):
    column = pd.Series([n / 1000 for n in thousandths], name="price")
    assert_as_judged(column)
    assert_as_judged(column * 0.001)
    assert_as_judged((column / 1e6).astype("float32"))
    assert_as_judged((column / 1e9).astype("float16"))


def test_a_notebooks_decimal_context_changes_nothing():
    column = pd.Series([Decimal("12345678.905"), 1.005, 10**400], dtype=object, name="price")
    with localcontext(prec=3):
        clean, reasons = cleaned(column)
    assert clean[:2] == ["12345678.91", "1.01"]
    assert reasons[2] == {"price is out of range (must be below 10000000000)"}


def test_a_signalling_nan_which_pandas_itself_cannot_print_is_missing():
    for name in TABLE_COLUMNS:
        column = pd.Series([Decimal("sNaN")], name=name)
        assert cleaned(column) == (
            [None],
            [{f"{name} missing"} if name in oracle.REQUIRED else set()],
        )


@pytest.mark.parametrize("name", ["brand", "vin", "color"])
@pytest.mark.parametrize("dtype", ["object", "string[python]"])
def test_half_characters_are_refused_and_their_neighbours_are_not(name, dtype):
    column = pd.Series(["\ud800", "A", "A\udfffA"], dtype=dtype, name=name)
    half = {f"{name} is not valid Unicode"}
    assert cleaned(column) == ([None, "A", None], [half, set(), half])


def test_text_that_is_no_utf8_is_refused_and_its_neighbours_are_not():
    # As pyarrow reads it from a Parquet file that a careless program wrote.
    offsets = pa.py_buffer(np.array([0, 4, 6, 6], dtype=np.int32))
    array = pa.Array.from_buffers(pa.string(), 3, [None, offsets, pa.py_buffer(b"Fiat\xff\xfe")])
    assert cleaned(pd.Series(array, dtype=pd.ArrowDtype(pa.string()), name="brand")) == (
        ["Fiat", None, None],
        [set(), {"brand is not valid Unicode"}, {"brand missing"}],
    )


def test_chunked_arrow_columns_are_cleaned_whole():
    chunks = pa.chunked_array([["a", None], [], ["b"]])
    column = pd.Series(chunks, dtype=pd.ArrowDtype(pa.string()), name="color")
    assert cleaned(column) == (["a", None, "b"], [set()] * 3)


@given(st.text())
def test_tidying_twice_is_tidying_once(text):
    assert tidy_text(tidy_text(text)) == tidy_text(text)
    assert tidy_text(tidy_text(text, upper=True), upper=True) == tidy_text(text, upper=True)
