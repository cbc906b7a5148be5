"""The blob benchmark: every way gives back the bytes it was given, and the report compares them."""

import re

import pytest
from sqlalchemy import Engine, text

from benchmarks import blobs
from benchmarks.timing import Options
from carlib import connect

pytestmark = pytest.mark.slow

ROWS = 50


def test_the_report_measures_every_way_and_leaves_no_table(database_url: str) -> None:
    report = [*blobs.run(database_url, Options([ROWS], 2, []))][-1]
    for way in blobs.WAYS:
        assert re.search(rf"^\| {re.escape(way)} +\| [\d.]+ \(", report, re.M), way
    for what in ("put", "get"):
        assert re.search(rf"^\| {what}, times as fast as the ORM +\| +\| [\d.]+ \(", report, re.M)
    assert "one of 20 columns, times as fast as the whole" in report
    with connect(database_url, schema=blobs.SCHEMA).connect() as connection:
        query = text("SELECT count(*) FROM pg_tables WHERE schemaname = :schema")
        assert connection.scalar(query, {"schema": blobs.SCHEMA}) == 0


def test_bytes_that_come_back_changed_stop_the_run(engine: Engine, tmp_path, monkeypatch) -> None:
    monkeypatch.setattr(blobs.rows, "read", lambda *_: memoryview(b"other"))
    ways, _ = blobs._ways(engine, ROWS, tmp_path / "blob", Options([ROWS], 1, []))
    ways[f"{blobs.STORE}: put"]()
    with pytest.raises(RuntimeError, match="give back the bytes"):
        ways[f"{blobs.STORE}: get"]()


@pytest.mark.parametrize("way", [blobs.STORE, blobs.ORM, blobs.LARGE, blobs.FILE])
def test_each_way_gives_back_what_it_was_given(engine: Engine, tmp_path, way: str) -> None:
    """The ways check it themselves, each time; here for an empty database and a second put."""
    ways, size = blobs._ways(engine, ROWS, tmp_path / "blob", Options([ROWS], 1, []))
    assert size > ROWS * blobs.COLUMNS * 8
    for _ in range(2):
        assert ways[f"{way}: put"]() > 0
        assert ways[f"{way}: get"]() > 0
