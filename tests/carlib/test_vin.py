import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from carlib import vin
from carlib.errors import BadArgument

PUBLISHED = [
    "1M8GDM9AXKP042788",  # an MCI coach, the example most often printed
    "5GZCZ43D13S812715",  # a Saturn Vue
    "11111111111111111",  # the usual test number: every value is 1
    "1HGCM82633A004352",
    "JH4TB2H26CC000000",
]
texts = st.text(alphabet=vin.ALPHABET, min_size=17, max_size=17)


def reference(text: str) -> str:
    """The rule of 49 CFR 565.15(c) from its printed tables, without carlib's own."""
    table = {
        1: "1AJ", 2: "2BKS", 3: "3CLT", 4: "4DMU", 5: "5ENV", 6: "6FW", 7: "7GPX", 8: "8HY",
        9: "9RZ", 0: "0",
    }  # fmt: skip
    value = {letter: number for number, letters in table.items() for letter in letters}
    weights = [8, 7, 6, 5, 4, 3, 2, 10, 0, 9, 8, 7, 6, 5, 4, 3, 2]
    remainder = sum(value[text[i]] * weights[i] for i in range(17)) % 11
    return "X" if remainder == 10 else str(remainder)


@pytest.mark.parametrize("published", PUBLISHED)
def test_published_vins_are_valid(published):
    assert vin.check_digit(published) == published[8]
    assert vin.is_valid(published)


@settings(deadline=None)
@given(texts)
def test_check_digit_is_the_printed_rule(text):
    assert vin.check_digit(text) == reference(text)
    assert vin.is_valid(text) == (text[8] == reference(text))


@settings(deadline=None)
@given(st.sampled_from(PUBLISHED[:2]), st.integers(0, 16), st.sampled_from(vin.ALPHABET))
def test_one_changed_character_is_found_unless_it_has_the_same_value(published, position, other):
    changed = published[:position] + other + published[position + 1 :]
    assert vin.is_valid(changed) == (reference(changed) == changed[8])
    if other.isdigit() and published[position].isdigit() and other != published[position]:
        assert not vin.is_valid(changed)


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("", "0 characters"),
        ("ABC123", "6 characters"),
        ("1M8GDM9AXKP0427888", "18 characters"),
        ("1M8GDM9AXKP04278O", "['O']"),
        ("1m8gdm9axkp042788", "'a'"),
        ("1M8GDM9AXKP04278٣", "['٣']"),
    ],
)
def test_what_is_no_vin_is_invalid_and_has_no_check_digit(text, found):
    assert not vin.is_valid(text)
    with pytest.raises(BadArgument, match="17 characters") as caught:
        vin.check_digit(text)
    assert found in str(caught.value)


def test_year_codes_follow_the_standard():
    known = {1980: "A", 1987: "H", 1988: "J", 1994: "R", 1999: "X", 2000: "Y", 2001: "1", 2009: "9"}
    known |= {2010: "A", 2017: "H", 2018: "J", 2022: "N", 2023: "P", 2024: "R", 2025: "S"}
    assert {year: vin.year_code(year) for year in known} == known


@pytest.mark.parametrize(
    ("model", "engine", "expected"),
    [
        ("Corolla", 3, "C0R4"),
        ("Mégane", 0, "MEG1"),
        ("e", -1, "EZZE"),
        ("#1", -1, "1ZZE"),
        ("9-3", 0, "93Z1"),
        ("Q5", 1, "95Z2"),
        ("Ioniq", 0, "10N1"),
    ],
)
def test_descriptor_can_be_read(model, engine, expected):
    assert vin.descriptor(model, engine) == expected


numbers = st.lists(st.integers(0, vin.CAPACITY - 1), min_size=1, max_size=20, unique=True)


@settings(deadline=None)
@given(numbers, st.text(alphabet=vin.ALPHABET, min_size=7, max_size=7), st.sampled_from("AHS5"))
def test_assembled_vins_are_valid_distinct_and_keep_what_they_were_given(numbers, prefix, year):
    rows = len(numbers)
    made = vin.assemble(
        np.tile(np.frombuffer(prefix.encode(), np.uint8), (rows, 1)),
        np.full(rows, ord(year), np.uint8),
        np.array(numbers, np.int64),
    ).to_pylist()
    assert len(set(made)) == rows
    for each, number in zip(made, numbers, strict=True):
        assert each[:7] == prefix
        assert each[8] == reference(each)
        assert each[9] == year
        assert each[11:] == f"{number % 1_000_000:06}"
        line, plant = divmod(number // 1_000_000, 33)
        assert (each[7], each[10]) == (vin.ALPHABET[line], vin.ALPHABET[plant])


def test_no_rows_make_no_vins():
    none = vin.assemble(np.empty((0, 7), np.uint8), np.empty(0, np.uint8), np.empty(0, np.int64))
    assert none.to_pylist() == []
