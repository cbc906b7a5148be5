"""How notebooks show DataFrames, and how they time things."""

import re
from functools import partial

import pandas as pd
import pytest

from exercises import display, timing

LEFT = 'style="text-align: left"'


def cells(frame):
    """For each row of a frame as it is shown: which of its cells are set left."""
    rows = re.findall(r"<tr.*?</tr>", display.to_html(frame), re.DOTALL)
    return [[LEFT in cell for cell in re.findall(r"<t[hd]\b[^>]*>", row)] for row in rows]


def test_texts_and_their_labels_are_set_left_and_numbers_are_not():
    frame = pd.DataFrame({"n": [1], "text": ["<td>a</td>"]}, index=["label"])
    assert cells(frame) == [[False, False, True], [True, False, True]]
    assert cells(frame.reset_index(drop=True)) == [[False, False, True], [False, False, True]]


def test_a_frame_without_texts_or_too_wide_is_shown_as_pandas_shows_it():
    numbers, wide = pd.DataFrame({"n": [1]}), pd.DataFrame({f"c{i}": ["x"] for i in range(50)})
    assert cells(numbers) == [[False, False]] * 2
    with pd.option_context("display.max_columns", 4):
        assert not any(cells(wide)[0])


def test_ways_take_turns_and_each_begins_prepared():
    calls = []
    ways = {name: partial(calls.append, name) for name in "ab"}
    times = timing.time_in_turn(ways, runs=2, before=lambda: calls.append("-"))
    assert "".join(calls) == "-a-b-a-b"
    assert (times.diff(axis=1).iloc[:, 1:] >= 0).all(axis=None)


@pytest.mark.parametrize(
    ("slow", "words"),
    [
        ((4.0, 5.0, 8.0), "2 to 8 times as long"),
        ((1.5, 5.0, 8.0), "no measurable difference"),
        ((0.1, 0.2, 0.25), "0.05 to 0.25 times as long"),
    ],
)
def test_a_difference_is_stated_no_more_exactly_than_it_was_measured(slow, words):
    columns = ["fastest", "median", "slowest"]
    times = pd.DataFrame([slow, (1.0, 1.5, 2.0)], index=["slow", "fast"], columns=columns)
    assert timing.times_as_long(times, "slow", "fast") == words
