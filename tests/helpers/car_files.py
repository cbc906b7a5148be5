"""Files of cars for tests: written as they come, read in both ways."""

from pathlib import Path

import pandas as pd
from pandas.testing import assert_frame_equal

from carlib.cars import iter_cars, read_cars

NARROWER = {"object": ["float64", "bool", "boolean"], "boolean": ["bool"]}


def write(folder: Path, content: str | bytes, name: str = "cars.csv") -> Path:
    path = folder / name
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


def read_both_ways(path, rename=None, rows=2):
    """Read a file whole and in pieces, which have to agree, each value and its type.

    The dtype of a piece may be narrower, where what widens the whole stands in another piece.
    """
    whole = read_cars(path, rename)
    pieces = list(iter_cars(path, rename, rows=rows))
    sizes = [len(piece) for piece in pieces]
    assert sizes[:-1] == [rows] * (len(pieces) - 1)
    assert 0 < sizes[-1] <= rows or sizes == [0]
    for piece in pieces:
        assert list(piece) == list(whole)
        for name, dtype in piece.dtypes.astype(str).items():
            assert dtype in {str(whole[name].dtype), *NARROWER.get(str(whole[name].dtype), [])}
        assert piece.index.equals(pd.RangeIndex(len(piece)))
    joined = pd.concat(pieces, ignore_index=True)
    assert_frame_equal(joined, whole, check_exact=True)
    for name in whole.columns[whole.dtypes == "object"]:
        assert joined[name].map(type).equals(whole[name].map(type))
    return whole
