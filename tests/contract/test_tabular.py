"""Files that can't be read, or only with care."""

import gzip
import io
import os
from functools import partial
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet as pq
import pytest
from car_files import read_both_ways, write
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from carlib import generate_cars, iter_cars, read_cars
from carlib.errors import BadArgument, UnreadableFile


@pytest.fixture
def written(tmp_path):
    return partial(write, tmp_path)


WHOLE = "brand,model,price\n" + "Toyota,Corolla,1\n" * 1000
LONG = WHOLE + "Honda,Civic,13000\n" * 100_000  # more than Arrow reads at a time
GERMAN = "brand;price\nCitroën;2500,50\n"
POINTER = "version https://git-lfs.github.com/spec/v1\noid sha256:4d7a21\nsize 12345\n"
EXCEL = b"PK\x03\x04\x14\x00\x06\x00\x08\x00\x00\x00!\x00\xa4U"
SEPARATED = r"';' between the names instead of ','\. Read it with pd.read_csv\(path, sep=';', "


@pytest.mark.parametrize("read", [read_cars, iter_cars])
@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("cars.xlsx", WHOLE, "name that ends in .csv.*found 'cars.xlsx'"),
        ("cars.parquet.gz", WHOLE, "name that ends in .csv"),
        ("cars.csv", "", "found: nothing. Write it again, with names in the first line"),
        ("cars.csv", "\n \r\n".replace(" ", ""), "found: nothing"),
        ("cars.csv", "brand;price\nToyota;1\n", SEPARATED + "dtype="),
        ("cars.csv", "brand;price\nToyota;1\n" + "x;2,5\n" * 9, SEPARATED + 'decimal=",", dtype'),
        ("cars.csv", GERMAN, SEPARATED + "decimal=\",\", dtype={'vin': str}"),
        ("cars.csv", GERMAN.encode("cp1252"), SEPARATED + 'decimal=",", encoding="cp1252", dtype'),
        ("cars.csv", "brand\tprice\nToyota\t1\n", r"sep='\\t', dtype"),
        ("cars.csv", "brand|price\nToyota|1\n", "sep='|', dtype"),
        ("cars.tsv", "brand,price\nToyota,1\n", "sep=',', dtype"),
        ("cars.csv", WHOLE.encode("utf-16"), 'text in UTF-16. Pass encoding="utf-16"'),
        ("cars.csv", "märke,price\nx,1\n".encode("cp1252"), "in line 1, .*'märke', pass encoding="),
        ("cars.csv", "brand,brand\nx,1\n", "2 columns named 'brand'. Give each its own name"),
        ("cars.csv", '"brand,price\nx,1\n', "in line 1, a quote that is never closed. Close"),
        ("cars.csv", WHOLE + 'Saab,900,"130', "in line 1002, a quote that is never closed"),
        ("cars.csv", WHOLE + '"Saab,900,1\n' + WHOLE, "line 1002, a quote that is never closed"),
        ("cars.csv", EXCEL, "Excel or a zip. Save the sheet as CSV, or unpack it"),
        ("cars.csv", b"\xd0\xcf\x11\xe0\xa1\xb1", "Excel or a zip"),
        ("cars.csv", gzip.compress(WHOLE.encode()), "gzip. Give it a name that ends in .csv.gz"),
        ("cars.tsv", b"\x28\xb5\x2f\xfd\x24\x05", "compressed bytes. Unpack it"),
        ("cars.csv", b"PAR1\x15\x04", "Parquet. Give it a name that ends in .parquet"),
        ("cars.csv.gz", WHOLE, "other bytes. Give its name the ending of what it is"),
        ("cars.parquet", WHOLE, "to be Parquet, whole; found: other bytes"),
        ("cars.parquet", b"PAR1" + bytes(20), "to be Parquet, whole; .*Write it, or download it"),
        ("cars.csv", POINTER, "a Git LFS pointer. Type `git lfs pull`"),
        ("cars.parquet", POINTER, "a Git LFS pointer. Type `git lfs pull`"),
        ("cars.csv", "\n<!DOCTYPE html>\n<html>", "a web page. Download the file itself"),
        ("cars.tsv", "<html lang='en'>\n", "a web page"),
    ],
)
def test_a_file_that_cannot_be_read_is_refused_at_once(written, read, name, content, message):
    path = written(content, name)
    with pytest.raises(UnreadableFile, match=message) as caught:
        read(path)
    assert str(caught.value).isprintable()


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("cars.csv", LONG + "Honda,Civic\n", "in line 101002, 2 cells instead of 3, 'Honda,Civic"),
        ("cars.csv", LONG + "\n\nHonda,Civic,1,2\n", "in line 101004, 4 cells instead of 3"),
        ("cars.csv", LONG + '"a\nb",c,1\nx\n', "in line 101004, 1 cells instead of 3"),
        ("cars.csv", LONG.encode() + b"\nCitro\xebn,C3,1\n", "in line 101003, .*'Citroën', pass"),
        ("cars.csv", LONG + '"Saab,900\n"Volvo,XC,1\n', "in line 101002, ',' expected after"),
        ("cars.csv", LONG + '"Saab,900,1\n"Volvo,XC,1\n', "in line 101002, ',' expected after"),
        ("cars.csv", LONG + "x," + "y" * 3_000_000, "line 101002, more than 1 MiB, the most a row"),
        ("cars.csv", LONG + "x," + "ü" * 900_000, "line 101002, more than 1 MiB, the most a row"),
        ("cars.csv.gz", gzip.compress(LONG.encode())[:-9], "Truncated.*Write it, or download it"),
    ],
)
def test_what_is_wrong_further_down_is_found_on_the_way(written, name, content, message):
    path = written(content, name)
    with pytest.raises(UnreadableFile, match=message):
        read_cars(path)
    handed_out = []
    with pytest.raises(UnreadableFile, match=message) as caught:
        collect(iter_cars(path, rows=10_000), handed_out)
    assert handed_out or name != "cars.csv"
    assert {price for piece in handed_out for price in piece["price"]} <= {1.0, 13000.0}
    assert str(caught.value).isprintable()


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


def test_quotes_inside_cells_are_letters(written):
    cars = read_both_ways(written('brand,color\nSaab,3.5" wheels\n"Volvo ""P""","Red\nand blue"\n'))
    assert cars.values.tolist() == [["Saab", '3.5" wheels'], ['Volvo "P"', "Red\nand blue"]]


@pytest.mark.parametrize("encoding", ["cp1252", "utf-16", "utf-16-le", "utf-8-sig", "shift_jis"])
def test_encodings(written, encoding):
    brand = "トヨタ" if encoding == "shift_jis" else "Citroën"
    content = "brand,price\n" + f"{brand},1\n" * 200_000
    path = written(content.encode(encoding))
    assert set(read_cars(path, encoding=encoding)["brand"]) == {brand}
    pieces = list(iter_cars(path, rows=150_000, encoding=encoding))
    assert [len(piece) for piece in pieces] == [150_000, 50_000]
    header = written(f"{brand},price".encode(encoding), "header.csv")
    assert list(read_cars(header, encoding=encoding)) == [brand, "price"]


PLAIN = "cars.csv"


@pytest.mark.parametrize(
    ("path", "options", "message"),
    [
        (None, {}, "path is the name of a file, .*found None, of type NoneType"),
        (5, {}, "found 5, of type int"),
        (b"cars.csv", {}, "found b'cars.csv', of type bytes"),
        (io.StringIO(WHOLE), {}, "of type StringIO"),
        (["cars.csv"], {}, "of type list"),
        (PLAIN, {"rename": ["brand"]}, r"rename is a dictionary .*found \['brand'\]"),
        (PLAIN, {"rename": "brand"}, "found 'brand'"),
        (PLAIN, {"rename": 5}, "found 5"),
        (PLAIN, {"encoding": "cp99999"}, "encoding is a name that Python knows.*'cp99999'"),
        (PLAIN, {"encoding": "base64"}, "found 'base64'"),
        (PLAIN, {"encoding": 5}, "found 5"),
    ],
)
def test_arguments_of_other_types(tmp_path, monkeypatch, path, options, message):
    monkeypatch.chdir(tmp_path)
    write(tmp_path, WHOLE, PLAIN)
    for read in (read_cars, iter_cars):
        with pytest.raises(BadArgument, match=message):
            read(path, **options)


def test_an_open_file_is_no_path(written):
    with written(WHOLE).open() as file, pytest.raises(BadArgument, match="of type TextIOWrapper"):
        read_cars(file)


@pytest.mark.parametrize(
    ("path", "message"),
    [
        ("cars.csv", "found nothing there. A path that is not absolute begins"),
        ("~/cars.csv", "found nothing there"),
        ("a\0.csv", "found nothing there"),
        ("x" * 5000 + ".csv", "found nothing there"),
        ("folder.parquet", "found a folder there"),
        ("pipe.csv", "found a pipe or a device there. Write what comes from it into a file first"),
        ("https://example.org/cars.csv?raw=1", "found an address there. Download it first: urllib"),
        ("s3://bucket/cars.parquet", "found an address there"),
    ],
)
def test_what_is_no_plain_file(tmp_path, monkeypatch, path, message):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "folder.parquet").mkdir()
    if path == "pipe.csv" and hasattr(os, "mkfifo"):
        os.mkfifo(path)
    elif path == "pipe.csv":
        pytest.skip("this system has no pipes with a name")
    with pytest.raises(UnreadableFile, match=message):
        read_cars(path)


def test_a_tilde_is_the_home_folder(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("USERPROFILE", str(tmp_path))
    write(tmp_path, WHOLE)
    assert len(read_cars("~/cars.csv")) == 1000
    assert len(read_cars(Path("~/cars.csv"))) == 1000


# Any bytes ---------------------------------------------------------------------------------------

PARQUET = io.BytesIO()
generate_cars(3).to_parquet(PARQUET)
SEEDS = [WHOLE[:60].encode(), GERMAN.encode("utf-16"), gzip.compress(b"a,b\n1,2\n"), EXCEL]
SEEDS += [PARQUET.getvalue(), b'a,"b\n",c\r1,"2"",3\n', b"\xef\xbb\xbf,\x00", POINTER.encode()]
broken = st.builds(
    lambda seed, at, bytes_, cut: seed[:at] + bytes_ + seed[at + cut :],
    st.sampled_from(SEEDS),
    st.integers(0, 3000),
    st.binary(max_size=40),
    st.integers(0, 40),
)
ENDINGS = [".csv", ".tsv", ".csv.gz", ".parquet"]
ENCODINGS = [None, "cp1252", "utf-16", "ascii", "shift_jis", "utf-7"]


def _outcome(read, path, encoding):
    try:
        return read(path, encoding=encoding).shape
    except UnreadableFile as error:
        return str(error)


def _frame_or_unreadable(folder, content, ending, encoding):
    path = write(folder, content, f"cars{ending}")
    whole = _outcome(read_cars, path, encoding)
    pieces = _outcome(lambda *a, **k: pd.concat(iter_cars(*a, rows=2, **k)), path, encoding)
    assert whole == pieces
    assert not isinstance(whole, str) or whole.isprintable()


any_bytes = given(
    broken | st.binary(max_size=200), st.sampled_from(ENDINGS), st.sampled_from(ENCODINGS)
)
in_one_folder = {"deadline": None, "suppress_health_check": [HealthCheck.function_scoped_fixture]}


@settings(max_examples=100, **in_one_folder)
@any_bytes
def test_any_bytes_are_a_frame_or_unreadable(tmp_path, content, ending, encoding):
    _frame_or_unreadable(tmp_path, content, ending, encoding)


@pytest.mark.slow
@settings(max_examples=3000, **in_one_folder)
@any_bytes
def test_many_bytes_are_a_frame_or_unreadable(tmp_path, content, ending, encoding):
    _frame_or_unreadable(tmp_path, content, ending, encoding)


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
