"""A load that can't be done says why, by name, and leaves everything as it was."""

from datetime import datetime
from decimal import Decimal

import numpy as np
import pandas as pd
import pytest
from table_states import run, snapshot

from carlib import (
    create_tables,
    delta_load,
    generate_cars,
    get_car,
    initial_load,
    sample_cars,
)
from carlib.errors import (
    BadArgument,
    CarlibError,
    TablesMissing,
    TablesNotEmpty,
    UnreadableFile,
    WrongColumns,
)


@pytest.fixture
def tables(engine):
    """An engine on a schema with the tables, and a brand that somebody entered."""
    create_tables(engine)
    run(engine, "INSERT INTO car_brand (name) VALUES ('Trabant')")
    return engine


def breaking_iterator():
    yield sample_cars()
    raise ZeroDivisionError("the source broke")


def interrupted_iterator():
    yield sample_cars()
    raise KeyboardInterrupt


@pytest.mark.parametrize(
    ("cars", "arguments", "error"),
    [
        (breaking_iterator, {}, ZeroDivisionError),
        (interrupted_iterator, {}, KeyboardInterrupt),
        (lambda: [sample_cars(), "cars"], {}, BadArgument),
        (lambda: [sample_cars(), sample_cars().assign(colr=1)], {}, WrongColumns),
        (lambda: [sample_cars(), sample_cars().drop(columns="vin")], {}, WrongColumns),
        (lambda: None, {}, BadArgument),
        (lambda: 5, {}, BadArgument),
        (lambda: sample_cars().to_dict("records"), {}, BadArgument),
        (sample_cars, {"loaded_at": datetime(2024, 11, 10)}, BadArgument),
        (sample_cars, {"loaded_at": "2024-11-10"}, BadArgument),
        (sample_cars, {"loaded_at": pd.NaT}, BadArgument),
        (sample_cars, {"on_reject": "ignore"}, BadArgument),
        (lambda: "no/such/file.csv", {}, UnreadableFile),
    ],
)
def test_a_load_that_fails_leaves_everything_as_it_was(tables, cars, arguments, error):
    before = snapshot(tables)
    with pytest.raises(error):
        initial_load(tables, cars(), **arguments)
    assert snapshot(tables) == before
    assert initial_load(tables, sample_cars()).inserted == 2


def test_tables_with_cars_are_refused_before_the_source_is_begun(tables):
    initial_load(tables, sample_cars())
    before, source = snapshot(tables), iter([generate_cars(5)])
    with pytest.raises(TablesNotEmpty, match=r"delta_load\(engine, cars\)"):
        initial_load(tables, source)
    assert snapshot(tables) == before
    assert len(list(source)) == 1


def test_tables_that_are_missing_are_named(engine):
    with pytest.raises(TablesMissing, match=r"car_brand.*create_tables"):
        initial_load(engine, sample_cars())
    create_tables(engine)
    run(engine, "DROP TABLE car_info")
    with pytest.raises(TablesMissing, match="but car_info is not there"):
        initial_load(engine, sample_cars())


def test_what_a_trigger_swallows_is_noticed(tables):
    run(
        tables,
        "CREATE FUNCTION swallow() RETURNS trigger LANGUAGE plpgsql AS"
        " $$BEGIN IF NEW.vin = 'DEF456' THEN RETURN NULL; END IF; RETURN NEW; END$$",
        "CREATE TRIGGER swallow BEFORE INSERT ON car_info FOR EACH ROW EXECUTE FUNCTION swallow()",
    )
    before = snapshot(tables)
    with pytest.raises(CarlibError, match="Expected to insert 2 cars, but 1 arrived"):
        initial_load(tables, sample_cars())
    assert snapshot(tables) == before


@pytest.mark.parametrize(
    ("cars", "found"),
    [
        (sample_cars()["price"], "found Series."),
        (pd.Series(dtype=float), "found Series."),
        (sample_cars().to_dict(), "found dict."),
        ({}, "found dict."),
        (sample_cars().to_dict("records"), "found list with dict in it. Rows as dictionaries"),
        ([1.5], "found list with float in it."),
        (5, "found int."),
    ],
    ids=str,
)
@pytest.mark.parametrize("load", [initial_load, delta_load])
def test_what_was_passed_in_place_of_a_frame_is_named(tables, load, cars, found):
    with pytest.raises(BadArgument) as error:
        load(tables, cars)
    assert found in str(error.value)


def test_other_names_in_a_file_lead_to_the_way_to_rename_them(tables, tmp_path):
    path = tmp_path / "cars.csv"
    names = {"brand": "Make", "price": "Price", "vin": "VIN"}
    sample_cars().rename(columns=names).to_csv(path, index=False)
    with pytest.raises(WrongColumns, match=r"'Make'.*'VIN'.*'Price'.*read_cars\(path, rename="):
        initial_load(tables, path)


def test_a_half_precision_price_counts_as_the_decimal_that_it_prints_as(tables):
    cars = sample_cars().assign(price=np.array([1.005, 2.5], "float16"))
    initial_load(tables, cars)
    assert get_car(tables, vin="ABC123")["price"] == Decimal("1.01")
