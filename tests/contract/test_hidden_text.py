"""Text that looks like another one is refused by name, on every way into the tables."""

import sys
import unicodedata

import pandas as pd
import pytest

from carlib import (
    create_tables,
    delta_load,
    get_car,
    initial_load,
    sample_cars,
    sample_delta,
    update_car,
)
from carlib.errors import RejectedRows

HIDDEN = [c for c in map(chr, range(sys.maxunicode + 1)) if unicodedata.category(c) in ("Cc", "Cf")]
TEXTS = ("brand", "model", "vin", "color")


def reason(column, character):
    return f"{column} has an invisible character (U+{ord(character):04X})"


def with_each_hidden(rows=HIDDEN):
    """A row for each character, in one of its texts, and the reason why it is refused."""
    frame = pd.concat([sample_cars().iloc[:1]] * len(rows), ignore_index=True)
    reasons = []
    for row, character in enumerate(rows):
        column = TEXTS[row % len(TEXTS)]
        at = frame.columns.get_loc(column)
        text = frame.iat[row, at]
        frame.iat[row, at] = f"{text[:2]}{character}{text[2:]}"
        reasons.append(reason(column, character))
    return frame, reasons


@pytest.fixture
def cars(engine):
    create_tables(engine)
    initial_load(engine, sample_cars())
    return engine


def loaded_as(load, engine, frame, **options):
    report = load(engine, frame, on_reject="report", **options)
    assert report.received == len(frame)
    return report


@pytest.mark.parametrize("shift", range(len(TEXTS)))
def test_each_hidden_character_in_each_text_is_refused_by_loads(cars, make_engine, shift):
    # Rotated, so that each character is met in each of the four texts.
    frame, reasons = with_each_hidden(HIDDEN[shift:] + HIDDEN[:shift])
    fresh = make_engine()
    create_tables(fresh)
    for report in (
        loaded_as(initial_load, fresh, frame),
        loaded_as(delta_load, cars, frame.assign(price=1.0)),
    ):
        assert report.rejected["reason"].tolist() == reasons
        assert (report.inserted, report.updated) == (0, 0)
    assert get_car(cars, vin="ABC123")["price"] == 15000


def test_a_snapshot_does_not_delete_the_car_whose_vin_has_a_hidden_character(cars):
    others = ["AB\ud800C123", "AB\u034fC123", "\u0301ABC123"]
    for vin in [*(f"AB{character}C123" for character in HIDDEN[::8]), *others]:
        snapshot = sample_cars().drop(columns="vin")
        snapshot["vin"] = pd.Series([vin, "def456"], dtype=object)
        report = delta_load(cars, snapshot, missing="delete", on_reject="report", max_deleted=1)
        assert (report.deleted, report.unchanged, len(report.rejected)) == (0, 1, 1)


def test_one_car_takes_no_hidden_character_and_is_not_found_by_one(cars):
    car_id = get_car(cars, vin="ABC123")["car_id"]
    for number, character in enumerate(HIDDEN):
        column = TEXTS[2 + number % 2]
        with pytest.raises(RejectedRows) as error:
            update_car(cars, car_id, {column: f"A{character}B"})
        assert error.value.rejected["reason"].tolist() == [reason(column, character)]
        assert get_car(cars, vin=f"ABC{character}123") is None


@pytest.mark.parametrize(
    ("brand", "why"),
    [
        ("\u0301Fiat", "begins with a combining mark (U+0301)"),
        ("\ufe0fFiat", "has an invisible character (U+FE0F)"),
        ("Fi\u3164at", "has an invisible character (U+3164)"),
        ("Fi\u2028at", "has an invisible character (U+2028)"),
        ("\u200b", "has an invisible character (U+200B)"),
    ],
)
def test_what_else_prints_as_nothing_is_refused(cars, brand, why):
    report = loaded_as(delta_load, cars, sample_delta().assign(brand=brand))
    assert set(report.rejected["reason"]) == {f"brand {why}"}


def test_legitimate_text_passes_and_texts_that_look_equal_are_equal(cars):
    names = ["Citroe\u0308n", "\u8c50\u7530", "\u041b\u0430\u0434\u0430", "Se\xf1or Ngu\u1ebf"]
    names += ["\u0939\u093f\u0928\u094d\u0926\u0940", "Alfa\xa0Romeo", " Alfa Romeo\t", "A&B/1'"]
    frame = pd.concat([sample_cars().iloc[:1]] * len(names), ignore_index=True)
    frame = frame.assign(brand=names, vin=[f"VIN {i}" for i in range(len(names))])
    assert delta_load(cars, frame).inserted == len(names)
    kept = [get_car(cars, vin=f"vin\xa0{i}")["brand"] for i in range(len(names))]
    assert kept == ["Citro\xebn", *names[1:5], "Alfa Romeo", "Alfa Romeo", names[-1]]
