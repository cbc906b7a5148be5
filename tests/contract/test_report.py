"""What a load says about itself: the report, and the message about refused rows."""

import copy
import pickle
from datetime import UTC, datetime
from decimal import Decimal

import pandas as pd
import pytest

from carlib import LoadReport, create_tables, generate_cars, initial_load, sample_cars
from carlib.errors import RejectedRows


@pytest.fixture
def tables(engine):
    """An engine on a schema with the tables, and none of their rows."""
    create_tables(engine)
    return engine


def report_of(reasons, **changes):
    rejected = pd.DataFrame({"vin": ["X"] * len(reasons), "reason": pd.Series(reasons, dtype=str)})
    values = {
        "received": 12345 + len(reasons), "inserted": 12000, "updated": 300, "deleted": 7,
        "unchanged": 45, "rejected": rejected, "seconds": 1.0, "loaded_at": datetime.now(UTC),
    }  # fmt: skip
    return LoadReport(**values | changes)


def test_a_report_reads_well_as_text():
    report = report_of(["price missing", "vin missing; price missing"])
    assert repr(report) == (
        "LoadReport of 12,347 rows\n"
        "  inserted       12,000\n"
        "  updated           300\n"
        "  deleted             7\n"
        "  unchanged          45\n"
        "  rejected            2\n"
        "                      2: price missing\n"
        "                      1: vin missing"
    )


def test_a_report_reads_well_as_html_and_reasons_are_escaped():
    html = report_of(["<script>alert('x')</script> & co"])._repr_html_()
    assert "<td>12,346</td><td>12,000</td><td>300</td><td>7</td><td>45</td><td>1</td>" in html
    assert "<li>1 rejected: &lt;script&gt;alert(&#x27;x&#x27;)&lt;/script&gt; &amp; co</li>" in html
    assert "<script>" not in html
    assert "<ul>" not in report_of([])._repr_html_()


# The message about refused rows ----------------------------------------------------------------


class Unprintable:
    def __str__(self):
        raise RuntimeError("no text for this")

    __repr__ = __str__


def test_a_message_about_any_refused_rows_is_short_and_can_be_printed(tables):
    odd = ["\ud800" * 99, "x" * 10**6, Unprintable(), ["y"] * 10**5, 10**5000, Decimal("sNaN")]
    cars = generate_cars(len(odd)).astype(object).assign(color=pd.Series(odd, dtype=object))
    cars.loc[0, ["brand", "price"]] = ["\n\0\t", "\u202e1"]
    cars = cars.iloc[[0, 2, 1, 3, 4]]
    with pytest.raises(RejectedRows) as error:
        initial_load(tables, cars)
    message = str(error.value)
    assert "5 of 5 rows" in message
    assert "\\ud800\\ud800" in message
    assert "<RuntimeError>" in message
    assert "\\u202e1" in message
    assert len(message.encode()) < 3000
    assert all(line.isprintable() for line in message.splitlines())
    assert list(error.value.rejected["color"])[1] is odd[2]


def test_a_message_shows_the_first_rows_and_what_to_do(tables):
    cars = generate_cars(10).assign(price=-1.0)
    with pytest.raises(RejectedRows) as error:
        initial_load(tables, cars)
    message = str(error.value)
    assert [vin in message for vin in cars["vin"]] == [True] * 5 + [False] * 5
    assert "on_reject='report'" in message
    assert message.startswith("10 of 10 rows can't be loaded, so none was:\n  10 x price is neg")


def test_the_error_survives_copying_and_pickling(tables):
    with pytest.raises(RejectedRows) as error:
        initial_load(tables, sample_cars().assign(price=-1))
    for twin in (copy.copy(error.value), pickle.loads(pickle.dumps(error.value))):
        assert str(twin) == str(error.value)
        pd.testing.assert_frame_equal(twin.rejected, error.value.rejected)
