import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from vin_check import check_digit, is_valid

from carlib import cars, vin
from carlib.cars import generate_cars
from carlib.errors import BadArgument


def test_year_codes_follow_the_standard():
    known = {1980: "A", 1987: "H", 1988: "J", 1994: "R", 1999: "X", 2000: "Y", 2001: "1", 2009: "9"}
    known |= {2010: "A", 2017: "H", 2018: "J", 2022: "N", 2023: "P", 2024: "R", 2025: "S"}
    assert {year: vin.year_code(year) for year in known} == known


@pytest.mark.parametrize(
    ("model", "engine", "expected"),
    [("Corolla", 3, "C0R4"), ("Mégane", 0, "MEG1"), ("e", -1, "EZZE"), ("#1", -1, "1ZZE")],
)
def test_descriptor_can_be_read(model, engine, expected):
    assert vin.descriptor(model, engine) == expected


numbers = st.lists(st.integers(0, vin.CAPACITY - 1), min_size=1, max_size=20, unique=True)


@settings(deadline=None)
@given(numbers, st.text(alphabet=vin.ALPHABET, min_size=7, max_size=7), st.sampled_from("AHS5"))
def test_assembled_vins_are_valid_distinct_and_keep_what_they_were_given(numbers, prefix, year):
    rows = len(numbers)
    vins = vin.assemble(
        np.tile(np.frombuffer(prefix.encode(), np.uint8), (rows, 1)),
        np.full(rows, ord(year), np.uint8),
        np.array(numbers, np.int64),
    ).to_pylist()
    assert len(set(vins)) == rows
    for each, number in zip(vins, numbers, strict=True):
        assert each[:7] == prefix
        assert each[8] == check_digit(each)
        assert each[9] == year
        assert each[11:] == f"{number % 1_000_000:06}"
        line, plant = divmod(number // 1_000_000, 33)
        assert (each[7], each[10]) == (vin.ALPHABET[line], vin.ALPHABET[plant])


def test_every_number_is_visited_before_one_comes_again():
    assert math.gcd(cars._STRIDE, vin.CAPACITY) == 1
    assert cars._STRIDE * vin.CAPACITY < 2**63, "the product has to fit an int64"


def test_the_far_end_of_a_seed_is_reachable():
    last = generate_cars(2, seed=5, start=vin.CAPACITY - 2)
    assert last["vin"].map(is_valid).all()
    with pytest.raises(BadArgument, match="1,089,000,000 cars"):
        generate_cars(3, seed=5, start=vin.CAPACITY - 2)
