"""Frames to store, faults to put into what is stored, and how two frames differ."""

import os

import numpy as np
import pandas as pd
from sqlalchemy import text
from store_exact import differences

__all__ = ["SMALL", "Trap", "damage", "differences", "run", "wide"]

SMALL = pd.DataFrame({"A": [1, 2, 3], "B": ["X", "Y", "Z"]})


def wide(rows=20_000, columns=12):
    numbers = np.random.default_rng(0).random((rows, columns))
    return pd.DataFrame(numbers, columns=[f"c{i}" for i in range(columns)])


class Trap:
    """Makes a folder when it is unpickled."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return os.mkdir, (self.path,)


def run(engine, sql, **values):
    with engine.begin() as connection:
        return connection.execute(text(sql), values)


def damage(engine, position):
    """Flip the lowest bit of a byte."""
    run(
        engine,
        "UPDATE dataframe_store SET data = set_byte(data, :p, get_byte(data, :p) # 1)",
        p=position,
    )
