import datetime
import decimal
from functools import partial

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from car_files import read_both_ways, write
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pandas.testing import assert_frame_equal

from carlib import (
    generate_cars,
    iter_cars,
    read_cars,
)
from carlib.errors import BadArgument

COLUMNS = ["brand", "model", "vin", "engine_size", "color", "price", "status"]
TEXTS = ["brand", "model", "vin", "color"]
in_one_folder = settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


@pytest.fixture
def written(tmp_path):
    return partial(write, tmp_path)


# What a file says, however it was written ------------------------------------------------------


@pytest.mark.parametrize("name", ["c.csv", "c.csv.gz", "c.tsv", "c.tsv.gz", "C.CSV", "c.parquet"])
@pytest.mark.parametrize("index", [False, True])
def test_generated_cars_come_back_equal(tmp_path, name, index):
    cars, path = generate_cars(5000, seed=3), tmp_path / name
    indexed = cars.set_axis(range(7, 5007)) if index else cars
    if name.endswith("parquet"):
        indexed.to_parquet(path)
    else:
        indexed.to_csv(path, index=index, sep="\t" if ".tsv" in name else ",")
    assert_frame_equal(read_both_ways(path, rows=1999), cars, check_exact=True)


no_surrogates = st.characters(exclude_categories=["Cs"])
cell = st.one_of(
    st.none(),
    st.text(no_surrogates, min_size=1, max_size=12),
    st.text("\",\n\r\t'; \x00\ufeff", min_size=1, max_size=6),
    st.text("0123456789", min_size=17, max_size=17),
    st.sampled_from(["NA", "nan", "None", "null", "-", "inf", "1e400", "true", "Citroën", "Škoda"]),
)
price = st.one_of(
    st.decimals(0, 10**9, places=2).map(float), st.floats(allow_nan=False, allow_infinity=False)
)
car = st.tuples(
    cell, cell, cell, st.one_of(st.none(), price), cell, st.one_of(st.none(), price), st.booleans()
)
frames = st.lists(car, min_size=1, max_size=8).map(
    lambda rows: pd.DataFrame(rows, columns=list(COLUMNS)).astype(
        dict.fromkeys(TEXTS, "str") | dict.fromkeys(["engine_size", "price"], "float64")
    )
)


@in_one_folder
@given(frames, st.sampled_from([".csv", ".tsv", ".csv.gz", ".parquet"]), st.integers(1, 4))
def test_any_text_and_number_come_back_as_written(tmp_path, frame, ending, rows):
    path = tmp_path / f"cars{ending}"
    if ending == ".parquet":
        frame.to_parquet(path)
    else:
        # With this line end pandas also quotes a lone carriage return.
        separator = "\t" if ending == ".tsv" else ","
        frame.to_csv(path, index=False, sep=separator, lineterminator="\r\n")
    assert_frame_equal(read_both_ways(path, rows=rows), frame, check_exact=True)


WILD = "1,2.50,+7,-.5,2.,true,FALSE,yes,$10.900,nan,inf,1e999,1_000,0x10,١٢,-,.,+-1,, , 3 , 1e4 "
wild = st.one_of(
    st.sampled_from([*WILD.split(","), "$10,900", "10.900,00"]),
    st.text(no_surrogates, max_size=3),
)


@in_one_folder
@given(st.lists(st.tuples(wild, wild, wild, wild), max_size=12), st.integers(1, 5))
def test_pieces_never_contradict_the_whole(tmp_path, rows, size):
    path = tmp_path / "wild.csv"
    frame = pd.DataFrame(rows, columns=["price", "engine_size", "status", "other"])
    frame.to_csv(path, index=False, lineterminator="\r\n")
    cars = read_both_ways(path, rows=size)
    for at, name in enumerate(["price", "engine_size", "status"]):
        says = says_flag if name == "status" else says_number
        expected = [says(row[at]) for row in rows]
        found = cars[name].astype(object).where(cars[name].notna(), None).tolist()
        assert [(type(cell), cell) for cell in found] == [(type(cell), cell) for cell in expected]
        assert (cars[name].dtype == "object") == any(isinstance(cell, str) for cell in expected)


def says_number(text):
    """What a person reads in a cell: a number as Python's float without its words, else text."""
    try:
        value = float(text)
    except ValueError:
        return text or None
    # Python also takes digits of other scripts, 1_000, and ASCII's separators as blanks.
    plain = text.isascii() and not set(text) & set("_\x1c\x1d\x1e\x1f")
    return value if plain and np.isfinite(value) else text


def says_flag(text):
    return {"true": True, "false": False, "": None}.get(text.lower(), text)


@pytest.mark.parametrize(
    ("cells", "dtype", "values"),
    [
        (["true", " False ", "TRUE"], "bool", [True, False, True]),
        (["true", "", "false"], "boolean", [True, pd.NA, False]),
        (["", "", ""], "boolean", [pd.NA, pd.NA, pd.NA]),
        (["true", "yes", "False"], "object", [True, "yes", False]),
        (["", "true", "yes"], "object", [pd.NA, True, "yes"]),
        (["1", "0", "1"], "object", ["1", "0", "1"]),
    ],
)
def test_a_status_is_true_or_false_where_its_cell_is(written, cells, dtype, values):
    path = written("vin,status\n" + "".join(f"V{i},{cell}\n" for i, cell in enumerate(cells)))
    status = read_both_ways(path, rows=1)["status"]
    assert status.dtype == dtype
    assert status.tolist() == values


def test_a_file_without_rows_has_its_columns(written, tmp_path):
    cars = read_both_ways(written("brand,price,status,other\n"))
    assert cars.dtypes.astype(str).tolist() == ["str", "float64", "bool", "str"]
    assert len(cars) == 0
    generate_cars(0).to_parquet(tmp_path / "none.parquet")
    assert_frame_equal(read_both_ways(tmp_path / "none.parquet"), generate_cars(0))


def test_byte_order_mark_blank_lines_and_windows_line_ends(written):
    cars = read_both_ways(
        written(b'\xef\xbb\xbfbrand,price\r\n\r\nCitro\xc3\xabn,1\r\n\r\n"",2\r\n')
    )
    assert cars["price"].tolist() == [1.0, 2.0]
    assert cars["brand"][0] == "Citroën"
    assert cars["brand"].isna().tolist() == [False, True]


def test_columns_without_a_name_are_an_index(written):
    rows = [f"{number},a,Toyota,x\n" for number in range(100_000)]  # more than one block
    cars = read_both_ways(written(",,brand,\n" + "".join(rows) + "none,b,Saab,y\n"), rows=70_000)
    assert list(cars) == ["brand"]
    assert cars["brand"].tolist()[-2:] == ["Toyota", "Saab"]


def test_a_header_without_a_line_end(written):
    cars = read_both_ways(written("\ufeffbrand,model,vin,price,status"))
    assert (list(cars), len(cars)) == (["brand", "model", "vin", "price", "status"], 0)
    assert cars.dtypes.astype(str).tolist() == ["str", "str", "str", "float64", "bool"]


def test_unknown_columns_are_kept_as_text(written):
    cars = read_both_ways(written("price,doors\n1,05\n2,\n"))
    assert cars["doors"].tolist()[0] == "05"
    assert cars["doors"].isna().tolist() == [False, True]


# Parquet has types of its own --------------------------------------------------------------------


def test_parquet_types_that_mean_the_same_become_one(tmp_path):
    path = tmp_path / "types.parquet"
    table = pa.table(
        {
            "brand": pa.array(["Peugeot", None, "Peugeot"]).dictionary_encode(),
            "model": pa.array([208, 308, None], pa.int64()),
            "vin": pa.array([12345678901234567, None, 3], pa.int64()),
            "color": pa.array(["Red", None, "NA"], pa.string_view()),
            "engine_size": pa.array([1.6, None, 1.25], pa.float32()),
            "price": pa.array([decimal.Decimal("19999.99"), None, decimal.Decimal("0.07")]),
            "status": [True, False, None],
            "doors": pa.array([5, None, 3], pa.int8()),
            "sold": [datetime.date(2024, 11, 10), None, datetime.date(2024, 11, 12)],
            "__index_level_0__": [7, 8, 9],
        }
    )
    pq.write_table(table, path)
    cars = read_both_ways(path, rows=1)
    assert list(cars) == table.column_names[:-1]
    assert cars.dtypes.astype(str).tolist()[:8] == [
        "str", "str", "str", "str", "float64", "float64", "boolean", "Int8",
    ]  # fmt: skip
    assert cars.loc[[0, 2]].astype(object).values.tolist()[0] == [
        "Peugeot", "208", "12345678901234567", "Red", 1.6, 19999.99, True, 5,
        datetime.date(2024, 11, 10),
    ]  # fmt: skip
    assert cars.loc[2, ["engine_size", "price", "color"]].tolist() == [1.25, 0.07, "NA"]
    assert cars.loc[1, cars.columns != "status"].isna().tolist()[:6] == [True, False] + [True] * 4


def test_a_named_parquet_index_is_a_column(tmp_path):
    cars = generate_cars(5)
    cars.set_index("vin").to_parquet(tmp_path / "by_vin.parquet")
    back = read_both_ways(tmp_path / "by_vin.parquet")
    assert_frame_equal(back[list(COLUMNS)], cars, check_exact=True)


@pytest.mark.parametrize(
    ("kind", "dtypes"),
    [("null", ["str", "float64", "boolean"]), ("string", ["str", "str", "str"])],
)
def test_parquet_columns_without_a_value(tmp_path, kind, dtypes):
    names = ["vin", "price", "status"]
    pq.write_table(
        pa.table({name: pa.nulls(3, kind) for name in names}), tmp_path / "nothing.parquet"
    )
    cars = read_both_ways(tmp_path / "nothing.parquet")
    assert cars.dtypes.astype(str).tolist() == dtypes
    assert cars.isna().all(axis=None)


@pytest.mark.parametrize("kind", [pa.string(), pa.dictionary(pa.int32(), pa.string())])
def test_text_in_parquet_was_declared_text_and_stays_it(tmp_path, kind):
    cells = {"price": ["15000", None, "$10,900"], "status": ["true", None, "False"]}
    table = pa.table({name: pa.array(texts, kind) for name, texts in cells.items()})
    pq.write_table(table, tmp_path / "texts.parquet")
    cars = read_both_ways(tmp_path / "texts.parquet", rows=1)
    assert_frame_equal(cars, pd.DataFrame(cells, dtype="str"))


def test_parquet_keeps_infinite_prices_for_preparing_to_refuse(tmp_path):
    pd.DataFrame({"price": [1.0, np.inf, np.nan]}).to_parquet(tmp_path / "inf.parquet")
    assert read_both_ways(tmp_path / "inf.parquet")["price"].tolist()[:2] == [1.0, np.inf]


# Names -------------------------------------------------------------------------------------------


def test_rename(written):
    path = written("Make,Type,Cost\nToyota,Corolla,15000\n")
    cars = read_both_ways(path, rename={"Make": "brand", "Cost": "price"})
    assert cars.to_dict("list") == {"brand": ["Toyota"], "Type": ["Corolla"], "price": [15000.0]}


@pytest.mark.parametrize("read", [read_cars, iter_cars])
@pytest.mark.parametrize(
    ("rename", "message"),
    [
        ({"Maker": "brand"}, "rename has 'Maker'.*Did you mean 'Make'"),
        ({"cost": "price"}, "rename has 'cost'.*Did you mean 'Cost'"),
        ({"Cost": "Make"}, "'Make', 'Cost'. are all 'Make'"),
        ({"Cost": "price", "Make": "price"}, "'Make', 'Cost'. are all 'price'"),
        ({"Cost": 1}, "new name, a text of its own; found 1"),
    ],
)
def test_a_rename_that_does_not_fit_is_refused_at_once(written, read, rename, message):
    path = written("Make,Type,Cost\nToyota,Corolla,15000\n")
    with pytest.raises(BadArgument, match=message):
        read(path, rename=rename)


@pytest.mark.parametrize("rows", [0, -1, 1.5, True, "10", None])
def test_pieces_have_a_whole_number_of_rows(written, rows):
    with pytest.raises(BadArgument, match="rows is a whole number, 1 or more"):
        iter_cars(written("brand\nToyota\n"), rows=rows)
