"""The benchmarks compare what is comparable: every way ends in the same tables."""

from collections.abc import Callable

import pandas as pd
import pytest
from pandas.testing import assert_frame_equal
from sqlalchemy import Engine

from benchmarks.initial_load import run
from benchmarks.loaders import FLOOR, LOADERS, Floor
from benchmarks.timing import ratios, spread
from carlib import create_tables, generate_cars

CARS = generate_cars(300, seed=5)
LOADED = """
SELECT b.name AS brand, m.name AS model, c.vin, c.engine_size, c.color, c.price, c.status
FROM car_info c JOIN car_model m USING (model_id) JOIN car_brand b USING (brand_id)
"""


def _floor(engine: Engine, cars: pd.DataFrame) -> None:
    floor = Floor()
    floor.prepare(engine, cars)
    floor.load(engine, cars)


@pytest.mark.parametrize("load", [*LOADERS.values(), _floor], ids=[*LOADERS, FLOOR])
def test_every_way_loads_the_same_cars(load: Callable, engine: Engine) -> None:
    create_tables(engine)
    load(engine, CARS)
    loaded = pd.read_sql(LOADED, engine).sort_values("vin", ignore_index=True)
    expected = CARS.sort_values("vin", ignore_index=True)
    assert_frame_equal(loaded, expected[loaded.columns], check_exact=True)


def test_a_report_names_every_way_and_size(database_url: str) -> None:
    report = run(database_url, [50, 20], rounds=2)
    assert all(f"| {name} |" in report for name in [*LOADERS, FLOOR])
    assert "20 cars, s" in report
    assert "of 20 cars" in report
    assert "of 50 (" in report
    assert "not run" in report  # the slowest way, at the larger size


def test_ratios_are_of_runs_side_by_side() -> None:
    assert ratios([4.0, 9.0], [2.0, 3.0]) == [2.0, 3.0]
    assert ratios([8.0], [2.0, 4.0]) == [4.0]  # ran in the first round only
    assert spread([3.0, 1.0, 2.0]) == "2.0 (1.0 to 3.0)"
    assert spread([3.0]) == "3.0"
