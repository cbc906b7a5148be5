import csv
import hashlib
import math
import time
from importlib.resources import files

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pandas.testing import assert_frame_equal
from vin_check import is_valid

from carlib import generate_cars, generate_delta, sample_cars, sample_delta
from carlib.errors import BadArgument, CarlibError

COLUMNS = ("brand", "model", "vin", "engine_size", "color", "price", "status")
DTYPES = ["str", "str", "str", "float64", "str", "float64", "bool"]


def test_samples_are_the_cars_of_the_requirements():
    expected = pd.DataFrame(
        {
            "brand": ["Toyota", "Honda", "Toyota"],
            "model": ["Corolla", "Civic", "Corolla"],
            "vin": ["ABC123", "DEF456", "GHI789"],
            "engine_size": [2.0, 1.5, 2.2],
            "color": ["Red", "Blue", "Black"],
            "price": [15000, 13000, 16000],
            "status": [True, False, True],
        }
    )
    assert_frame_equal(sample_cars(), expected[:2], check_exact=True)
    assert_frame_equal(sample_delta(), expected[2:].reset_index(drop=True), check_exact=True)
    assert tuple(sample_cars().columns) == tuple(sample_delta().columns) == COLUMNS


@pytest.fixture(scope="module")
def catalogue():
    with (files("carlib") / "catalogue.csv").open(encoding="utf-8", newline="") as file:
        return pd.DataFrame(list(csv.DictReader(file)))


@pytest.fixture(scope="module")
def many():
    return generate_cars(200_000, seed=7)


def test_generated_frame_has_the_agreed_columns_and_types(many):
    assert tuple(many.columns) == COLUMNS
    assert many.dtypes.astype(str).tolist() == DTYPES
    assert many.index.equals(pd.RangeIndex(200_000))
    assert many.drop(columns="engine_size").notna().all(axis=None)


def test_generated_vins_are_all_valid_and_distinct(many):
    assert many["vin"].is_unique
    assert all(map(is_valid, many["vin"]))


def test_generated_cars_are_of_the_catalogue(many, catalogue):
    known = {
        (row.brand, row.model, float(size) if size else None, row.wmi)
        for row in catalogue.itertuples()
        for size in row.engine_sizes.split("|")
    }
    sizes = many["engine_size"].astype(object).where(many["engine_size"].notna(), None)
    made = set(zip(many["brand"], many["model"], sizes, many["vin"].str[:3], strict=True))
    assert made <= known
    assert len(made) > 0.95 * len(known)


FIRST = """\
brand,model,vin,engine_size,color,price,status
Renault,Arkana,VF1ARK2J9FE711556,1.6,Gray,7430.0,True
MINI,Clubman,WMWCLU155DU749569,1.5,White,5500.0,True
Nissan,Navara,VSKNAV1T8R7787582,2.3,Blue,31100.0,True
"""


def test_same_seed_gives_the_same_cars_everywhere():
    assert generate_cars(3).to_csv(index=False) == FIRST
    text = generate_cars(20_000, seed=2024).to_csv(index=False).encode()
    assert (
        hashlib.sha256(text).hexdigest()
        == "c8765fa12ed89c67fa1ffe34d79f8cc56c7a240518357a84e2ca79cbc085b7f3"
    )


def test_other_seeds_give_other_cars():
    some = [generate_cars(1000, seed=seed) for seed in (0, 1, 2**40)]
    for one, other in [(0, 1), (0, 2), (1, 2)]:
        assert not some[one]["vin"].isin(some[other]["vin"]).any()
        assert not some[one]["price"].equals(some[other]["price"])


@settings(deadline=None)
@given(st.integers(0, 500), st.integers(0, 500), st.integers(0, 10**6), st.integers(0, 2**64))
def test_pieces_of_a_seed_are_one_list(rows, more, start, seed):
    whole = generate_cars(rows + more, seed, start=start)
    pieces = [generate_cars(rows, seed, start=start), generate_cars(more, seed, start=start + rows)]
    assert_frame_equal(whole, pd.concat(pieces, ignore_index=True), check_exact=True)
    assert whole["vin"].is_unique


def test_no_rows():
    none = generate_cars(0)
    assert tuple(none.columns) == COLUMNS
    assert none.dtypes.astype(str).tolist() == DTYPES
    assert len(none) == 0


@pytest.mark.parametrize("name", ["rows", "seed", "start"])
@pytest.mark.parametrize("value", [-1, 1.0, "10", True, np.True_, None, math.nan])
def test_wrong_arguments_are_named(name, value):
    with pytest.raises(BadArgument) as caught:
        generate_cars(**{"rows": 1, name: value})
    assert str(caught.value) == f"{name} is a whole number, 0 or more; found {value!r}."
    assert isinstance(caught.value, ValueError)
    assert isinstance(caught.value, CarlibError)


def test_a_million_cars_in_ten_seconds():
    before = time.perf_counter()
    million = generate_cars(1_000_000)
    assert time.perf_counter() - before < 10
    assert million["vin"].is_unique
    assert million.memory_usage(deep=True).sum() < 100e6


@pytest.mark.parametrize(("new", "changed"), [(0.1, 0.1), (0, 0.5), (1.5, 0), (0, 1), (0, 0)])
def test_a_delta_changes_and_adds_as_many_as_asked(new: float, changed: float) -> None:
    known = generate_cars(2_000, seed=1)  # the same seed as the new ones: VINs in common
    later = generate_delta(known, new=new, changed=changed, seed=1)

    same = later.iloc[: len(known)]
    differs = (same != known) & ~(same.isna() & known.isna())
    assert differs.any(axis=1).sum() == round(changed * len(known))
    assert not differs[["brand", "model", "vin", "engine_size"]].any(axis=None)
    assert len(later) == len(known) + round(new * len(known))
    assert later["vin"].is_unique
    assert (later["price"] > 0).all()
    pd.testing.assert_frame_equal(later, generate_delta(known, new, changed, seed=1))


@pytest.mark.parametrize("shares", [{"new": -0.1}, {"changed": 1.1}, {"new": float("nan")}])
def test_a_delta_out_of_range_is_named(shares: dict[str, float]) -> None:
    with pytest.raises(BadArgument, match="from 0"):
        generate_delta(sample_cars(), **shares)
