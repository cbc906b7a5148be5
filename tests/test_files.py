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

from carlib.cars import COLUMNS, generate_cars, iter_cars, read_cars, sample_cars
from carlib.errors import BadArgument

TEXTS = ["brand", "model", "vin", "color"]
in_one_folder = settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)


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


def test_samples_come_back_equal(tmp_path):
    sample_cars().to_csv(tmp_path / "s.csv", index=False)
    expected = sample_cars().astype({"price": "float64"})
    assert_frame_equal(read_both_ways(tmp_path / "s.csv"), expected, check_exact=True)


def test_text_stays_text_and_only_empty_cells_are_missing(written):
    path = written(
        "brand,model,vin,engine_size,color,price,status\n"
        'NA,208,00012345678901234,,None,19999.99,TRUE\n'
        'nan,9-3,1e5,1.6,"",0.1, false \n'
        '"a ""b"", c",2008,"null",2,NULL,1E4,True\n'
    )  # fmt: skip
    cars = read_both_ways(path)
    expected = pd.DataFrame(
        {
            "brand": ["NA", "nan", 'a "b", c'],
            "model": ["208", "9-3", "2008"],
            "vin": ["00012345678901234", "1e5", "null"],
            "engine_size": [np.nan, 1.6, 2.0],
            "color": ["None", None, "NULL"],
            "price": [19999.99, 0.1, 10000.0],
            "status": [True, False, True],
        }
    )
    assert_frame_equal(cars, expected, check_exact=True)


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


wild = st.one_of(
    st.sampled_from(["", "1", "2.50", " 3 ", "$10,900", "nan", "true", "FALSE", "yes", "1e999"]),
    st.text(no_surrogates, max_size=3),
)


@in_one_folder
@given(st.lists(st.tuples(wild, wild, wild, wild), max_size=12), st.integers(1, 5))
def test_pieces_never_contradict_the_whole(tmp_path, rows, size):
    path = tmp_path / "wild.csv"
    frame = pd.DataFrame(rows, columns=["price", "engine_size", "status", "other"])
    frame.to_csv(path, index=False, lineterminator="\r\n")
    cars = read_both_ways(path, rows=size)
    for name in ["price", "engine_size"]:
        numeric = all(is_number(row[cars.columns.get_loc(name)]) for row in rows)
        assert (cars[name].dtype == "float64") == numeric
        if not numeric:
            expected = [row[cars.columns.get_loc(name)] or None for row in rows]
            assert cars[name].astype(object).where(cars[name].notna(), None).tolist() == expected


def is_number(text):
    """What a person calls a number, or an empty cell: Python's float without its words."""
    if text == "":
        return True
    try:
        value = float(text)
    except ValueError:
        return False
    return np.isfinite(value) and text.isascii() and "_" not in text


@pytest.mark.parametrize(
    ("cells", "dtype", "values"),
    [
        (["true", "False", "TRUE"], "bool", [True, False, True]),
        (["true", "", "false"], "boolean", [True, pd.NA, False]),
        (["", "", ""], "boolean", [pd.NA, pd.NA, pd.NA]),
        (["true", "yes", "false"], "str", ["true", "yes", "false"]),
        (["1", "0", "1"], "str", ["1", "0", "1"]),
    ],
)
def test_status_is_true_or_false_where_all_cells_are(written, cells, dtype, values):
    path = written("vin,status\n" + "".join(f"V{i},{cell}\n" for i, cell in enumerate(cells)))
    status = read_both_ways(path, rows=1)["status"]
    assert status.dtype == dtype
    assert status.tolist() == values


@pytest.mark.parametrize(
    ("cells", "dtype"),
    [
        (["15000", "10900.50"], "float64"),
        (["15000", ""], "float64"),
        (["15000", "$10,900"], "str"),
        (["15000", "10.900,00"], "str"),
        (["15000", "nan"], "str"),
        (["15000", "inf"], "str"),
        (["15000", "1e999"], "str"),
        (["15000", "1_000"], "str"),
        (["15000", "0x10"], "str"),
        (["15000", "١٢"], "str"),
    ],
)
def test_a_column_is_numeric_only_if_every_cell_is(written, cells, dtype):
    path = written("price,vin\n" + "".join(f'"{cell}",V\n' for cell in cells))
    prices = read_both_ways(path, rows=1)["price"]
    assert prices.dtype == dtype
    if dtype == "str":
        assert prices.tolist() == cells


def test_a_file_without_rows_has_its_columns(written, tmp_path):
    cars = read_both_ways(written("brand,price,status,other\n"))
    assert cars.dtypes.astype(str).tolist() == ["str", "float64", "bool", "str"]
    assert len(cars) == 0
    generate_cars(0).to_parquet(tmp_path / "none.parquet")
    assert_frame_equal(read_both_ways(tmp_path / "none.parquet"), generate_cars(0))


def test_byte_order_mark_blank_lines_and_windows_line_ends(written):
    cars = read_both_ways(written(b"\xef\xbb\xbfbrand,price\r\n\r\nCitro\xc3\xabn,1\r\n\r\n"))
    assert cars.to_dict("list") == {"brand": ["Citroën"], "price": [1.0]}


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


@pytest.mark.parametrize("kind", ["null", "string"])
def test_parquet_columns_without_a_value(tmp_path, kind):
    names = ["vin", "price", "status"]
    pq.write_table(
        pa.table({name: pa.nulls(3, kind) for name in names}), tmp_path / "nothing.parquet"
    )
    cars = read_both_ways(tmp_path / "nothing.parquet")
    assert cars.dtypes.astype(str).tolist() == ["str", "float64", "boolean"]
    assert cars.isna().all(axis=None)


def test_parquet_keeps_infinite_prices_for_preparing_to_refuse(tmp_path):
    pd.DataFrame({"price": [1.0, np.inf, np.nan]}).to_parquet(tmp_path / "inf.parquet")
    assert read_both_ways(tmp_path / "inf.parquet")["price"].tolist()[:2] == [1.0, np.inf]


# Names -------------------------------------------------------------------------------------------


def test_rename(written):
    path = written("Make,Type,Cost\nToyota,Corolla,15000\n")
    cars = read_both_ways(path, rename={"Make": "brand", "Cost": "price"})
    assert cars.to_dict("list") == {"brand": ["Toyota"], "Type": ["Corolla"], "price": [15000.0]}


def test_rename_can_swap_names(written):
    path = written("brand,model\nCorolla,Toyota\n")
    cars = read_both_ways(path, rename={"brand": "model", "model": "brand"})
    assert cars.to_dict("list") == {"model": ["Corolla"], "brand": ["Toyota"]}


@pytest.mark.parametrize("read", [read_cars, iter_cars])
@pytest.mark.parametrize(
    ("rename", "message"),
    [
        ({"Maker": "brand"}, "rename has 'Maker'.*Did you mean 'Make'"),
        ({"cost": "price"}, "rename has 'cost'.*Did you mean 'Cost'"),
        ({"Cost": "Make"}, "'Make', 'Cost'. are all 'Make'"),
        ({"Cost": "price", "Make": "price"}, "'Make', 'Cost'. are all 'price'"),
        ({"Cost": 1}, "new name that is a text; found 1"),
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
