"""Results of every kind in one form, compared, and the differences in words."""

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

from exercises.compare import difference
from exercises.results import as_result, as_results, cell, from_rows, show, show_row

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


def differ(expected, actual, **options):
    return difference({"": expected}, {"": actual}, **options)


def table(*rows, columns=("name", "cars")):
    return from_rows(columns, rows)


@pytest.mark.parametrize(
    "same",
    [
        [2, 2.0, Decimal("2.00"), np.int64(2), np.float32(2), pd.Series([2])[0]],
        [None, math.nan, Decimal("NaN"), np.nan, pd.NA, pd.NaT, np.datetime64("NaT")],
        [NOON, NOON.astimezone(timezone(timedelta(hours=5))), pd.Timestamp(NOON)],
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
    ("first", "second"),
    [
        (1, True),
        (np.array(5), 6),
        (0, None),
        ("", None),
        (Decimal("3000000000.01"), Decimal("3000000000.02")),
        (10**20, 10**20 + 1),
        pytest.param(10**5000, 1.5, id="huge"),
        (math.inf, -math.inf),
        ("a", b"a"),
        (date(2024, 1, 1), datetime(2024, 1, 1)),
        ({"a": 1}, {"a": 2}),
        (object(), object()),
        (pd.DataFrame({"a": [1]}), pd.DataFrame({"a": [2]})),
    ],
)
def test_what_means_something_else_differs(first, second):
    assert cell(first) != cell(second)
    assert differ(as_result([[first, 1]]), as_result([[second, 1]]))


@settings(deadline=None)  # the machine may be busy
@given(rows, st.tuples(cells, cells), st.randoms())
def test_a_result_equals_itself_in_any_order_and_one_row_more_or_less_is_seen(
    rows, extra, random: Random
):
    assert differ(table(*rows), table(*random.sample(rows, len(rows)))) is None
    assert differ(table(*rows), table(*rows, extra))
    assert differ(table(*rows, extra), table(*rows))


@settings(deadline=None)
@given(few_rows, few_rows)
def test_results_are_equal_exactly_when_each_row_is_there_equally_often(first, second):
    same = sorted(map(repr, first)) == sorted(map(repr, second))
    assert (differ(table(*first), table(*second)) is None) == same


def test_rounding_errors_of_floats_are_forgiven():
    assert sum([0.1] * 10) != 1.0
    assert differ(table(("a", sum([0.1] * 10))), table(("a", 1))) is None
    assert differ(as_result([[[0.1 + 0.2]]]), as_result([[[Decimal("0.3")]]])) is None


SAAB, HONDA = ("Saab", 1), ("Honda", 2)
ONE, TWICE, BOTH, SWAPPED = table(SAAB), table(SAAB, SAAB), table(HONDA, SAAB), table(SAAB, HONDA)
NEAR, MORE = table(HONDA, ("Saab", 0)), table(("Audi", 5), HONDA, SAAB)
RENAMED = table(SAAB, columns=("brand", "count"))
TURNED = table((1, "Saab"), columns=("cars", "name"))
NARROW = table(("Saab",), columns=["name"])


@pytest.mark.parametrize(
    ("expected", "actual", "options", "text"),
    [
        (as_result(9), as_result(Decimal(9)), {}, None),
        (as_result(9), as_result(8), {}, "Expected 9, found 8."),
        (as_result(9), as_result([]), {}, "Expected 9, found 0 rows of 1 column (value)."),
        (ONE, as_result(None), {}, "Expected 1 row of 2 columns (name, cars), found NULL."),
        (ONE, TWICE, {}, "1 row, found 2 rows. Not expected: the row ('Saab', 1) a second time."),
        (TWICE, ONE, {}, "Expected 2 rows, found 1 row. Missing: the row ('Saab', 1)."),
        (NEAR, MORE, {}, "found 3 rows. Expected the row ('Saab', 0), found ('Saab', 1)."),
        (BOTH, SWAPPED, {}, None),
        (BOTH, BOTH, {"ordered": True}, None),
        (BOTH, SWAPPED, {"ordered": True}, "row 1 to be ('Honda', 2), found ('Saab', 1)."),
        (ONE, RENAMED, {}, None),
        (ONE, RENAMED, {"names": True}, "(name, cars), found 2 columns (brand, count)."),
        (ONE, TURNED, {}, "(name, cars) in this order, found 2 columns (cars, name)."),
        (ONE, NARROW, {}, "Expected 2 columns (name, cars), found 1 column (name)."),
    ],
)
def test_a_difference_is_said_in_words(expected, actual, options, text):
    assert str(differ(expected, actual, **options)).endswith(str(text))


YES = ("a", "yes")


@pytest.mark.parametrize(
    ("expected", "actual", "text"),
    [
        ([YES, ("b", "no")], [("b", "no"), YES], None),
        ([YES, ("b", "no")], [YES, ("b", "yes")], "b: expected 'no', found 'yes'."),
        ([YES], [], "a: expected 'yes', found nothing."),
        ([], [YES], "a: expected nothing, found 'yes'."),
        ([YES], [("a", n) for n in range(9)], "a: expected 'yes', found 0 and 1 and 2 and 6 more."),
    ],
)
def test_rows_with_a_key_are_compared_by_key(expected, actual, text):
    assert differ(replace(table(*expected), keyed=True), table(*actual)) == text


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ({"b": 2, "a": [1]}, None),
        ({"a": [1], "b": 3}, "f()['b']: Expected 2, found 3."),
        ({"a": [1]}, "Expected f()['b'], found f()['a']."),
        (None, "Expected f()['a'], found f()."),
        ({"a": [1], "b": 2, "c": 3}, "Not expected: f()['c']."),
    ],
)
def test_several_results_are_compared_under_their_labels(value, text):
    assert difference(as_results({"a": [1], "b": 2}, "f()"), as_results(value, "f()")) == text


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
def test_frames_lists_and_records_become_the_same_rows(same):
    first, *others = map(as_result, same)
    assert not first.single
    assert [differ(first, other) for other in others] == [None] * len(others)


@settings(deadline=None)
@given(st.recursive(cells, lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner)))
def test_any_value_becomes_a_result_that_equals_itself_and_can_be_shown(value):
    results = as_results(value)
    assert difference(results, as_results(value)) is None
    assert all(len(show_row(row)) < 1200 for result in results.values() for row in result.rows)


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (None, "NULL"),
        (True, "true"),
        (Decimal("2.50"), "2.5"),
        ("O'Leary", "'O''Leary'"),
        (list(range(20)), "[0, 1, 2, 3, 4, 5, 6, 7, ...]"),
        (object(), "an object of type object"),
        ({"b": 1, "a": [None]}, "{a: [NULL], b: 1}"),
        (pd.DataFrame({"a": [1, 2]}), "[[1], [2]]"),
        (math.inf, "inf"),
        (NOON, "2024-11-10 12:00:00+00:00"),
        ("x" * 200, "'" + "x" * 99 + " [...]"),
        pytest.param(10**5000, "1" + "0" * 99 + " [...]", id="huge"),
    ],
)
def test_values_are_shown_so_that_their_kind_is_seen(value, shown):
    assert show(cell(value)) == shown
