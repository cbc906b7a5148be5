"""A load streams: memory for one chunk, and a progress bar when it takes long."""

import os
import subprocess
import sys
import time

import pandas as pd
import pytest
import tqdm.std
from table_states import stored_cars

from carlib import create_tables, generate_cars, initial_load
from carlib.loading import staging

MEMORY = """
import os, resource, sys
from carlib import connect, create_tables, delta_load, generate_cars, initial_load

load = {"initial": initial_load, "delta": delta_load}[sys.argv[2]]

def pieces(rows):
    for start in range(0, rows, 10_000):
        yield generate_cars(10_000, start=start)

def peak():
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit

engine = connect(os.environ["URL"], schema=sys.argv[1])
create_tables(engine)
for rows in (30_000, 300_000):
    before = peak()
    assert load(engine, pieces(rows)).inserted == rows
    with engine.begin() as connection:
        connection.exec_driver_sql("TRUNCATE car_brand CASCADE")
print(peak() - before)
engine.dispose()
"""


@pytest.mark.slow
@pytest.mark.parametrize("load", ["initial", "delta"])
def test_memory_does_not_grow_with_the_rows(make_engine, database_url, schema_name, load):
    pytest.importorskip("resource", reason="peak memory is measured by a call of Unix")
    make_engine(schema_name)
    answer = subprocess.run(
        [sys.executable, "-W", "error", "-c", MEMORY, schema_name, load],
        env=os.environ | {"URL": database_url},
        capture_output=True,
        text=True,
        check=False,
    )
    assert answer.returncode == 0, answer.stderr
    grown = int(answer.stdout.split()[-1])
    assert grown < 12_000_000  # ten times the rows; in memory they would take 25 MB


def slowly(seconds):
    """A thousand cars in four pieces, over so many seconds."""
    for start in range(0, 1000, 250):
        time.sleep(seconds / 4)
        yield generate_cars(250, start=start)


def last_line_shown(stream):
    """What a terminal shows on its last line: a carriage return begins it anew."""
    shown = ""
    for part in stream.split("\n")[-1].split("\r"):
        shown = part + shown[len(part) :]
    return shown.strip()


def test_a_bar_shows_the_progress_of_a_long_load_and_is_gone_afterwards(
    engine, capsys, monkeypatch
):
    def copy(*arguments):
        time.sleep(0.8)
        staging_copy(*arguments)

    staging_copy = staging._copy
    monkeypatch.setattr(staging, "_copy", copy)
    monkeypatch.setattr(staging, "CHUNK_ROWS", 250)
    create_tables(engine)
    capsys.readouterr()
    assert initial_load(engine, generate_cars(1000)).inserted == 1000
    shown = capsys.readouterr()
    assert shown.out == ""
    assert "75%" in shown.err
    assert last_line_shown(shown.err) == ""
    assert staging.tqdm is tqdm.std.tqdm, "in a notebook too: text, no widget that may be missing"


def test_a_short_load_shows_none(engine, capsys):
    create_tables(engine)
    capsys.readouterr()
    initial_load(engine, slowly(0))
    assert capsys.readouterr() == ("", "")


@pytest.mark.parametrize("ending", ["csv", "parquet"])
def test_a_file_is_loaded_in_pieces_as_its_frame_is(make_engine, monkeypatch, tmp_path, ending):
    monkeypatch.setattr(staging, "CHUNK_ROWS", 7)
    cars = generate_cars(60).assign(price=lambda frame: frame["price"].where(frame.index % 9 > 0))
    cars.loc[40:50, "brand"] = " " + cars["brand"].str.upper()
    path = tmp_path / f"cars.{ending}"
    cars.to_parquet(path) if ending == "parquet" else cars.to_csv(path, index=False)
    reports = []
    for source in (cars, path, str(path)):
        engine = make_engine()
        create_tables(engine)
        reports.append((initial_load(engine, source, on_reject="report"), stored_cars(engine)))
    (whole, rows), *others = reports
    assert (whole.inserted, len(whole.rejected)) == (53, 7)
    for pieces, same_rows in others:
        assert rows == same_rows
        pd.testing.assert_frame_equal(pieces.rejected, whole.rejected, check_exact=True)
