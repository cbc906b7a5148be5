"""Preparing a frame: every row comes out once, clean or refused, as the oracle judges it."""

from decimal import ROUND_HALF_UP, Decimal, localcontext

import car_frames
import numpy as np
import oracle
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from carlib.cars import sample_cars
from carlib.errors import BadArgument, WrongColumns
from carlib.loading.prepare import REQUIRED, TABLE_COLUMNS, CanonicalNames, prepare

CENT = Decimal("0.01")  # as PostgreSQL rounds what COPY brings
KNOWN = [("TOYOTA", "COROLLA"), ("Citroe\u0308n", "2CV"), ("toyota", "corolla"), ("Fiat", None)]


def accepted(clean):
    """The clean rows by their number, with numbers as the decimals that they print as."""
    rows = {}
    for row in clean.to_pylist():
        number = row.pop("row")
        for name in ("price", "engine_size"):
            if row.get(name) is not None:
                with localcontext(prec=2000):
                    row[name] = Decimal(str(row[name])).quantize(CENT, rounding=ROUND_HALF_UP)
        rows[number] = dict.fromkeys(oracle.JUDGES) | row
    return rows


def refused(rejected):
    """The reasons of each refused row by its number."""
    return {row: sorted(why.split("; ")) for row, why in rejected["reason"].items()}


@settings(max_examples=5 * settings.default.max_examples, deadline=None)
@given(car_frames.car_frames(), st.integers(0, 10**12))
def test_every_row_is_accepted_or_refused_with_the_oracles_reasons(frame, first):
    rows = oracle.rows_of(frame)
    expected = oracle.judge_each(rows)
    untouched = repr(oracle.rows_of(frame))
    prepared = prepare(frame, CanonicalNames(), first_row=first)
    assert prepared.clean.num_rows + len(prepared.rejected) == len(frame)
    assert accepted(prepared.clean) == {first + i: row for i, row in expected.accepted.items()}
    assert refused(prepared.rejected) == {
        first + i: sorted(reasons) for i, reasons in expected.rejected.items()
    }
    # The refused rows are handed back as they came, and the frame is left as it was.
    assert list(prepared.rejected.columns) == [*frame.columns, "reason"]
    assert prepared.rejected.index.name == "row"
    came = oracle.rows_of(prepared.rejected.drop(columns="reason"))
    assert repr(came) == repr([rows[i] for i in expected.rejected])
    assert repr(oracle.rows_of(frame)) == untouched


def spelled(pairs, known=()):
    brands, models = zip(*pairs, strict=True)
    frame = pd.DataFrame({"brand": brands, "model": models}).assign(
        vin=[f"VIN{i}" for i in range(len(pairs))], price=1, status=True
    )
    clean = prepare(frame, CanonicalNames(known)).clean
    return list(zip(clean["brand"].to_pylist(), clean["model"].to_pylist(), strict=True))


def test_names_are_spelled_as_in_the_tables_the_oldest_first():
    assert spelled([("Toyota", "Corolla"), ("citro\xebn", "2cv"), ("FIAT", "Uno")], KNOWN) == [
        ("TOYOTA", "COROLLA"),
        ("Citroe\u0308n", "2CV"),
        ("Fiat", "Uno"),
    ]


@pytest.mark.parametrize(
    ("first", "same"),
    [
        ("Stra\xdfe", "STRASSE"),
        ("\u1fb3", "\u03b1\u0345"),
        ("\u03b1\u0345\u0301", "\u1fb4"),
        ("CITRO\xcbN", "citroe\u0308n"),
    ],
)
def test_names_that_unicode_holds_for_the_same_but_for_case(first, same):
    clean = spelled([(first, "A"), (same, "A")])
    assert clean[0] == clean[1]
    # In the tables there may be names that nobody normalized.
    assert spelled([(same, "A")], known=[(first, "a")]) == [(first, "a")]


def test_a_refused_row_teaches_no_spelling():
    frame = sample_cars().iloc[[0, 0]].assign(brand=["TOYOTA", "Toyota"], price=[-1, 1])
    assert prepare(frame, CanonicalNames()).clean["brand"].to_pylist() == ["Toyota"]


def test_a_row_has_all_its_reasons_in_the_order_of_the_columns():
    frame = pd.DataFrame(
        [[" ", 5, "x" * 51 + "\0", "2.0", b"", -np.inf, None]], columns=list(TABLE_COLUMNS)
    )
    rejected = prepare(frame, CanonicalNames(), first_row=41).rejected
    assert rejected["reason"].to_dict() == {
        41: "brand missing; model is not text; vin has an invisible character (U+0000); "
        "engine_size is text, not a number; "
        "color is not text; price is infinite; status missing"
    }


@pytest.mark.parametrize("name", REQUIRED)
def test_a_required_column_that_is_absent_is_named(name):
    with pytest.raises(WrongColumns, match=f"Expected the column {name}, found "):
        prepare(sample_cars().drop(columns=name), CanonicalNames())


@pytest.mark.parametrize(
    ("labels", "message"),
    [
        (["colour"], "Unknown column: 'colour' (do you mean 'color'?)."),  # codespell:ignore
        (["Engine Size"], "Unknown column: 'Engine Size' (do you mean 'engine_size'?)."),
        (["VIN"], "Unknown column: 'VIN' (do you mean 'vin'?)."),
        (["vin"], "more than one named vin"),
        (range(300), "0, 1, 2, 3, 4, 5, 6, 7, 8, 9 and 290 more."),
        *(
            ([label], "Unknown")
            for label in [None, 1.5, ("a", "b"), "\ud800", "x" * 10_000, pd.NaT]
        ),
    ],
    ids=str,
)
def test_columns_that_no_car_has_are_named_in_few_words(labels, message):
    names = pd.Index([*TABLE_COLUMNS, *labels], dtype=object, tupleize_cols=False)
    with pytest.raises(WrongColumns) as error:
        prepare(pd.DataFrame(0, range(2), names), CanonicalNames())
    assert message in str(error.value)
    assert len(str(error.value).encode()) < 600


@pytest.mark.parametrize("cars", [None, 5, "text", [1], sample_cars().to_dict(), pd.Series([1])])
def test_what_is_no_frame_is_refused(cars):
    with pytest.raises(BadArgument, match=f"found {type(cars).__name__}"):
        prepare(cars, CanonicalNames())
