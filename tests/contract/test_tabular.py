"""Files that can't be read, or only with care."""

import gzip
from functools import partial

import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet as pq
import pytest
from car_files import read_both_ways, write

from carlib import generate_cars, iter_cars, read_cars
from carlib.errors import UnreadableFile


@pytest.fixture
def written(tmp_path):
    return partial(write, tmp_path)


WHOLE = "brand,model,price\n" + "Toyota,Corolla,1\n" * 1000
LONG = WHOLE + "Honda,Civic,13000\n" * 300_000  # more than Arrow reads at a time


@pytest.mark.parametrize("read", [read_cars, iter_cars])
@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("cars.xlsx", WHOLE, "name that ends in .csv.*found 'cars.xlsx'"),
        ("cars.parquet.gz", WHOLE, "name that ends in .csv"),
        ("cars.csv", "", "Empty CSV"),
        ("cars.csv", "brand;price\nToyota;1\n", "';' between the names"),
        ("cars.csv", "brand\tprice\nToyota\t1\n", "t' between the names"),
        ("cars.csv", WHOLE.encode("utf-16"), "encoded in UTF-16"),
        ("cars.csv", "märke,price\nx,1\n".encode("latin-1"), "UTF-8.*can't decode"),
        ("cars.csv", "brand,brand\nx,1\n", "two columns with the name 'brand'"),
        ("cars.csv.gz", WHOLE, "UTF-8 with a header, whole; found: zlib"),
        ("cars.parquet", WHOLE, "to be Parquet, whole; found: Parquet magic bytes"),
    ],
)
def test_a_file_that_cannot_be_read_is_refused_at_once(written, read, name, content, message):
    path = written(content, name)
    with pytest.raises(UnreadableFile, match=message):
        read(path)


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("cars.csv", LONG + "Honda,Civic\n", "Expected 3 columns, got 2: Honda,Civic"),
        ("cars.csv", LONG + "Honda,Civic,1,2\n", "Expected 3 columns, got 4"),
        ("cars.csv", LONG + 'Honda,Civic,"1\n' + "x,y,2\n" * 9, "never closed"),
        ("cars.csv", LONG.encode() + b"Citro\xebn,C3,1\n", "invalid UTF8"),
        ("cars.csv.gz", gzip.compress(LONG.encode())[:-9], "Truncated"),
    ],
)
def test_what_is_wrong_further_down_is_found_on_the_way(written, name, content, message):
    path = written(content, name)
    with pytest.raises(UnreadableFile, match=message):
        read_cars(path)
    handed_out = []
    with pytest.raises(UnreadableFile, match=message):
        collect(iter_cars(path, rows=10_000), handed_out)
    assert handed_out or name != "cars.csv"  # Arrow may unpack all before it hands out any
    assert {price for piece in handed_out for price in piece["price"]} <= {1.0, 13000.0}


def collect(pieces, into):
    for piece in pieces:
        into.append(piece)


def test_cells_of_several_lines_may_lie_where_arrow_cuts_the_file(written):
    path = written("vin,color\n" + '"V",",\n,\n,"\n' * 150_000)
    cars = read_both_ways(path, rows=70_000)
    assert len(cars) == 150_000
    assert (cars["color"] == ",\n,\n,").all()


@pytest.mark.parametrize("odd", [0, 60_000, 119_999])
def test_an_odd_cell_leaves_the_other_rows_as_they_are(written, odd):
    lines = ["1,2.5,true\n"] * 120_000
    lines[odd] = "$1,2.5,\n"
    path = written("price,engine_size,status\n" + "".join(lines))
    cars = read_both_ways(path, rows=50_000)
    assert cars.dtypes.astype(str).tolist() == ["object", "float64", "boolean"]
    assert cars.index[cars["price"] == "$1"].tolist() == [odd]
    assert cars["price"].drop(odd).tolist() == [1.0] * 119_999
    assert cars.index[cars["status"].isna()].tolist() == [odd]
    pieces = [piece["price"].dtype for piece in iter_cars(path, rows=50_000)]
    assert [dtype == "object" for dtype in pieces] == [i == odd // 50_000 for i in range(3)]


def test_a_last_cell_may_end_with_a_line_break(written):
    assert read_both_ways(written('price,color\n1,"Red\n"\n'))["color"].tolist() == ["Red\n"]


def test_nothing_and_folders_are_no_files(tmp_path):
    with pytest.raises(UnreadableFile, match=r"found nothing there"):
        read_cars(tmp_path / "cars.csv")
    (tmp_path / "parts.parquet").mkdir()
    with pytest.raises(UnreadableFile, match=r"found a folder there"):
        read_cars(tmp_path / "parts.parquet")


def test_a_file_can_be_removed_after_an_unfinished_reading(written):
    path = written(WHOLE)
    pieces = iter_cars(path, rows=10)
    assert len(next(pieces)) == 10
    pieces.close()
    path.unlink()


# Size --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("ending", [".csv", ".parquet"])
def test_pieces_need_no_more_memory_for_a_longer_file(tmp_path, ending):
    peaks = []
    usual = pa.default_memory_pool()
    for rows in (100_000, 800_000):
        path = tmp_path / f"cars{rows}{ending}"
        table = pa.Table.from_pandas(generate_cars(rows), preserve_index=False)
        if ending == ".csv":
            pyarrow.csv.write_csv(table, path)
        else:
            pq.write_table(table, path, row_group_size=100_000)
        counted = pa.proxy_memory_pool(usual)
        pa.set_memory_pool(counted)
        try:
            assert sum(map(len, iter_cars(path, rows=20_000))) == rows
        finally:
            pa.set_memory_pool(usual)
        peaks.append(counted.max_memory())
    # Arrow reads ahead by some blocks, so the longer file may need a little more.
    assert peaks[1] < peaks[0] + 40e6
    assert peaks[1] < 80e6
