import math

import pytest
from vin_check import is_valid

from carlib import cars
from carlib.cars import CAPACITY, generate_cars
from carlib.errors import BadArgument


@pytest.mark.parametrize(
    ("model", "engine", "expected"),
    [("Corolla", 3, "C0R4"), ("Mégane", 0, "MEG1"), ("e", -1, "EZZE"), ("#1", -1, "1ZZE")],
)
def test_descriptor_can_be_read(model, engine, expected):
    assert cars._descriptor(model, engine) == expected


def test_every_number_is_visited_before_one_comes_again():
    assert math.gcd(cars._STRIDE, CAPACITY) == 1
    assert cars._STRIDE * CAPACITY < 2**63, "the product has to fit an int64"


def test_the_far_end_of_a_seed_is_reachable():
    last = generate_cars(2, seed=5, start=CAPACITY - 2)
    assert last["vin"].map(is_valid).all()
    with pytest.raises(BadArgument, match="1,089,000,000 cars"):
        generate_cars(3, seed=5, start=CAPACITY - 2)
