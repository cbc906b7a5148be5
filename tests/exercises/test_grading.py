"""Results compared as tables, and differences said in words."""

import math
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta, timezone
from decimal import Decimal
from random import Random
from uuid import UUID

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from exercises.grading import difference, table_difference
from exercises.tables import as_parts, as_table, cell, from_rows, show, show_row

NOON = datetime(2024, 11, 10, 12, tzinfo=UTC)

cells = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(),
    st.decimals(allow_nan=True, places=2),
    st.text(max_size=5),
    st.dates(),
    st.datetimes(),
    st.uuids(),
    st.binary(max_size=5),
    st.lists(st.integers(), max_size=3),
)
rows = st.lists(st.tuples(cells, cells), max_size=8)
few = st.sampled_from([None, 0, 1, "", "1", True])
few_rows = st.lists(st.tuples(few, few), max_size=3)


class Unshowable:
    def __repr__(self):
        raise RuntimeError("no")


def table(*rows, columns=("name", "cars")):
    return from_rows(columns, rows)


@pytest.mark.parametrize(
    "same",
    [
        [2, 2.0, Decimal("2.00"), np.int64(2), np.float32(2), pd.Series([2])[0]],
        [None, math.nan, Decimal("NaN"), np.nan, pd.NA, pd.NaT, np.datetime64("NaT")],
        [
            NOON,
            NOON.astimezone(timezone(timedelta(hours=5))),
            pd.Timestamp(NOON),
            pd.Timestamp(NOON).tz_convert("Asia/Tokyo"),
        ],
        [datetime(2024, 1, 1), pd.Timestamp("2024-01-01"), np.datetime64("2024-01-01")],
        [b"ab", bytearray(b"ab"), memoryview(b"ab")],
        [UUID(int=7), str(UUID(int=7))],
        [[1, 2], (1.0, 2), np.array([1, 2])],
        [{"a": 1, "b": [None]}, {"b": [math.nan], "a": 1.0}],
        [True, np.bool_(True)],
        [math.inf, Decimal("Infinity"), np.float64("inf")],
        [10**40, Decimal(10) ** 40, Decimal("1E+40")],
        [pd.Interval(1, 2), pd.Interval(1, 2)],
    ],
)
def test_what_is_written_differently_but_means_the_same_is_the_same(same):
    assert len({cell(value) for value in same}) == 1


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (1, True),
        (np.array(5), 6),
        (0, None),
        (1, "1"),
        ("", None),
        (Decimal("0.1"), Decimal("0.2")),
        (10**20, 10**20 + 1),
        pytest.param(10**5000, 10**5000 + 1, id="huge"),
        pytest.param(10**5000, 1.5, id="huge-float"),
        pytest.param(10**5000, math.inf, id="huge-inf"),
        (math.inf, -math.inf),
        ("a", b"a"),
        (date(2024, 1, 1), datetime(2024, 1, 1)),
        ([1], [1, 1]),
        ({"a": 1}, {"a": 2}),
        (object(), 1),
        (object(), object()),
        (pd.Interval(1, 2), pd.Interval(1, 3)),
        (pd.DataFrame({"a": [1]}), pd.DataFrame({"a": [2]})),
    ],
)
def test_what_means_something_else_differs(one, other):
    assert cell(one) != cell(other)
    assert table_difference(as_table([[one, 1]]), as_table([[other, 1]]))


@settings(deadline=None)  # the machine may be busy
@given(rows, st.randoms())
def test_a_table_equals_itself_in_any_order(rows, random: Random):
    shuffled = random.sample(rows, len(rows))
    assert table_difference(table(*rows), table(*shuffled)) is None


@settings(deadline=None)
@given(rows, st.tuples(cells, cells))
def test_one_row_more_or_less_is_seen(rows, extra):
    assert table_difference(table(*rows), table(*rows, extra))
    assert table_difference(table(*rows, extra), table(*rows))


@settings(deadline=None)
@given(few_rows, few_rows)
def test_bags_are_equal_exactly_when_each_row_is_there_equally_often(one, other):
    same = sorted(map(repr, one)) == sorted(map(repr, other))
    assert (table_difference(table(*one), table(*other)) is None) == same


def test_rounding_errors_of_floats_are_forgiven_but_cents_in_billions_are_not():
    assert sum([0.1] * 10) != 1.0
    assert table_difference(table(("a", sum([0.1] * 10))), table(("a", 1.0))) is None
    billions = Decimal("3000000000.01")
    cent_more = billions + Decimal("0.01")
    assert table_difference(table(("a", billions)), table(("a", cent_more)))


def test_duplicates_count():
    once, twice = table(("Honda", 1)), table(("Honda", 1), ("Honda", 1))
    assert table_difference(once, twice) == (
        "Expected 1 row, found 2 rows. Not expected: the row ('Honda', 1) a second time."
    )
    assert table_difference(twice, once) == (
        "Expected 2 rows, found 1 row. Missing: the row ('Honda', 1)."
    )


def test_order_counts_only_on_request():
    expected, found = table(("Honda", 2), ("Saab", 1)), table(("Saab", 1), ("Honda", 2))
    assert table_difference(expected, found) is None
    assert table_difference(expected, found, ordered=True) == (
        "The rows are right, their order is not: expected row 1 to be ('Honda', 2), "
        "found ('Saab', 1)."
    )
    assert table_difference(expected, expected, ordered=True) is None


def test_names_of_columns_count_only_on_request():
    expected, found = table(("Saab", 1)), table(("Saab", 1), columns=("brand", "count"))
    assert table_difference(expected, found) is None
    assert table_difference(expected, found, names=True) == (
        "Expected 2 columns (name, cars), found 2 columns (brand, count)."
    )


def test_columns_in_another_order_are_named_as_the_mistake():
    found = table((1, "Saab"), columns=("cars", "name"))
    assert table_difference(table(("Saab", 1)), found) == (
        "Expected 2 columns (name, cars) in this order, found 2 columns (cars, name)."
    )


def test_too_many_columns():
    assert table_difference(table(("Saab", 1)), from_rows(["name"], [("Saab",)])) == (
        "Expected 2 columns (name, cars), found 1 column (name)."
    )


def test_a_wrong_row_is_shown_beside_the_one_that_speaks_of_the_same():
    expected = table(("Fiat", 3), ("Honda", 2), ("Saab", 0))
    found = table(("Honda", 2), ("Fiat", 3), ("Saab", 1))
    assert table_difference(expected, found) == ("Expected the row ('Saab', 0), found ('Saab', 1).")


def test_rows_cut_off_are_counted_as_more_than():
    cut = from_rows(["n"], [(1,), (1,)], cut=True)
    assert table_difference(from_rows(["n"], [(1,)]), cut).startswith(
        "Expected 1 row, found more than 2 rows."
    )
    assert table_difference(from_rows(["n"], [(1,), (1,)]), cut)


def test_one_value_is_not_a_table():
    assert table_difference(as_table(9), as_table(Decimal(9))) is None
    assert table_difference(as_table(9), as_table(8)) == "Expected 9, found 8."
    assert table_difference(table(("Saab", 1)), as_table(None)) == (
        "Expected 1 row of 2 columns (name, cars), found NULL."
    )
    assert table_difference(as_table(9), as_table([])) is not None


def test_a_result_with_named_rows_is_compared_row_by_name():
    def probe(**outcomes):
        return from_rows(["what", "outcome"], outcomes.items())

    def said(expected, found):
        return table_difference(replace(expected, keyed=True), found)

    assert said(probe(a="yes", b="no"), probe(b="no", a="yes")) is None
    assert said(probe(a="yes", b="no"), probe(a="yes", b="yes")) == "b: expected 'no', found 'yes'."
    assert said(probe(a="yes"), probe()) == "a: expected 'yes', found nothing."
    assert said(probe(), probe(a="yes")) == "a: expected nothing, found 'yes'."
    twice = from_rows(["what", "outcome"], [("a", "yes"), ("a", "no")])
    assert said(probe(a="yes"), twice) == "a: expected 'yes', found 'yes' and 'no'."


def test_several_results_are_compared_under_their_labels():
    expected = as_parts({"a": [1], "b": 2}, "f()")
    assert difference(expected, as_parts({"b": 2, "a": [1]}, "f()")) is None
    assert difference(expected, as_parts({"a": [1], "b": 3}, "f()")) == (
        "f()['b']: Expected 2, found 3."
    )
    assert difference(expected, as_parts({"a": [1]}, "f()")) == (
        "Expected f()['b'], found f()['a']."
    )
    assert difference(expected, as_parts(None, "f()")) == "Expected f()['a'], found f()."
    more = as_parts({"a": [1], "b": 2, "c": 3}, "f()")
    assert difference(expected, more) == "Not expected: f()['c']."


@pytest.mark.parametrize(
    "same",
    [
        [
            pd.DataFrame({"a": [1, 2], "b": ["x", "y"]}, index=[5, 5]),
            [(1, "x"), (2, "y")],
            [[1, "x"], [2, "y"]],
            [{"a": 1, "b": "x"}, {"a": 2, "b": "y"}],
            np.array([[1, "x"], [2, "y"]], dtype=object),
        ],
        [pd.Series([1, 2]), [1, 2], {1, 2}, (2, 1), pd.DataFrame({"a": [1, 2]}), [(1,), (2,)]],
        [[], pd.Series([], dtype=float), set()],
        [[[1, 2], [3]], [(1, 2), (3,)]],
    ],
)
def test_frames_lists_and_records_become_the_same_table(same):
    first, *others = map(as_table, same)
    for other in others:
        assert table_difference(first, other) is None
    assert not first.single


@settings(deadline=None)
@given(st.recursive(cells, lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner)))
def test_any_value_becomes_a_table_that_equals_itself_and_can_be_shown(value):
    parts = as_parts(value)
    assert difference(parts, as_parts(value)) is None
    for part in parts.values():
        for row in part.rows:
            assert len(show_row(row)) < 1200


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (None, "NULL"),
        (True, "true"),
        (Decimal("2.50"), "2.5"),
        ("O'Leary", "'O''Leary'"),
        ([1, None, "a"], "[1, NULL, 'a']"),
        (object(), "an object of type object"),
        ({"b": 1, "a": [None]}, "{a: [NULL], b: 1}"),
        (pd.DataFrame({"a": [1, 2]}), "a frame of 2 rows"),
        (2.0**60, "1152921504606846976"),
        pytest.param(10**5000, "1.000000E+5000", id="huge"),
        (Decimal("-1E+5000"), "-1.000000E+5000"),
        (Decimal("1E-5000"), "1.000000E-5000"),
        (Unshowable(), "an object of type Unshowable"),
        (math.inf, "inf"),
        (NOON, "2024-11-10 12:00:00+00:00"),
        ("x" * 200, "'" + "x" * 99 + " [...]"),
    ],
)
def test_values_are_shown_so_that_their_kind_is_seen(value, shown):
    assert show(cell(value)) == shown


def test_wide_rows_are_shown_in_part():
    row = as_table([tuple(range(20))]).rows[0]
    assert show_row(row) == "(0, 1, 2, 3, 4, 5, 6, 7, ...)"
