"""Files of cars for tests: written as they come, read in both ways."""

from pathlib import Path

import pandas as pd
from pandas.testing import assert_frame_equal

from carlib.cars import iter_cars, read_cars


def write(folder: Path, content: str | bytes, name: str = "cars.csv") -> Path:
    path = folder / name
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


def read_both_ways(path, rename=None, rows=2):
    """Read a file whole and in pieces, which have to agree, values and types."""
    whole = read_cars(path, rename)
    pieces = list(iter_cars(path, rename, rows=rows))
    sizes = [len(piece) for piece in pieces]
    assert sizes[:-1] == [rows] * (len(pieces) - 1)
    assert 0 < sizes[-1] <= rows or sizes == [0]
    for piece in pieces:
        assert_frame_equal(piece.dtypes.to_frame(), whole.dtypes.to_frame())
        assert piece.index.equals(pd.RangeIndex(len(piece)))
    assert_frame_equal(pd.concat(pieces, ignore_index=True), whole, check_exact=True)
    return whole
