"""Reading a frame back from JSON, as `carlib.store.json_layout` describes it."""

import json
from collections.abc import Callable, Sequence
from datetime import date, datetime, time
from decimal import Decimal
from uuid import UUID

import numpy as np
import pandas as pd

from carlib.store.exact import Values
from carlib.store.pandas_meta import dtype_of, objects, restore

# How objects are written and read, by the name of their class; as they are where there is no word.
OBJECTS: dict[str, tuple[Callable, Callable] | None] = {
    "nothing": None, "str": None, "int": None, "bool": None,
    "float": (repr, float),
    "Decimal": (str, Decimal),
    "date": (date.isoformat, date.fromisoformat),
    "datetime": (datetime.isoformat, datetime.fromisoformat),
    "time": (time.isoformat, time.fromisoformat),
    "bytes": (bytes.hex, bytes.fromhex),
    "UUID": (str, UUID),
}  # fmt: skip

NAT = np.iinfo(np.int64).min  # what stands for NaT among whole numbers

# Pandas' types for numbers and truth values that can also be missing.
NULLABLE = {"boolean", "Float32", "Float64"} | {
    f"{sign}Int{bits}" for sign in ("", "U") for bits in (8, 16, 32, 64)
}


def decode(
    text: str | bytes, description: dict, rows: int, positions: Sequence[int]
) -> pd.DataFrame:
    """Read a frame back, or those of its columns that stand at `positions`."""
    document = json.loads(text)
    labels, kinds = description["columns"]["labels"], description["dtypes"]
    columns = [_decode(document["columns"][str(labels[i])], kinds[i]) for i in positions]
    levels = [
        _decode(values, kind)
        for values, kind in zip(
            document["index"], description["index"].get("levels", ()), strict=True
        )
    ]
    return restore(columns, list(positions), levels, description, rows)


def category_dtype(kind: dict) -> pd.CategoricalDtype:
    """The dtype whose categories were described."""
    values = _decode(kind["categories"], kind["of"])
    categories = pd.Index(values, dtype=values.dtype, copy=False)
    return pd.CategoricalDtype(categories, kind["ordered"])


def _decode(values: list, kind: dict) -> Values:
    if "categories" in kind:
        # JSONB gives 1e22 out as a whole number of that value.
        key = float if kind["of"]["dtype"].lower().startswith("float") else lambda value: value
        codes = {key(value): code for code, value in enumerate(kind["categories"])}
        numbers = [-1 if value is None else codes[key(value)] for value in values]
        return pd.Categorical.from_codes(np.array(numbers, dtype=int), dtype=category_dtype(kind))
    if kind["dtype"] == "object":
        read = OBJECTS[kind["kind"]]
        if read:
            values = [None if value is None else read[1](value) for value in values]
        return objects(values, kind)
    dtype = dtype_of(kind)
    if isinstance(dtype, pd.DatetimeTZDtype):
        texts = ["NaT" if value is None else value[:-1] for value in values]
        utc = pd.DatetimeIndex(np.array(texts, dtype=f"datetime64[{dtype.unit}]"), tz="UTC")
        return utc.tz_convert(dtype.tz).array
    if isinstance(dtype, pd.PeriodDtype):
        numbers = [NAT if value is None else value for value in values]
        return pd.arrays.PeriodArray(np.array(numbers, dtype="int64"), dtype=dtype)
    if str(dtype) in NULLABLE:
        missing = np.array([value is None for value in values], dtype=bool)
        filled = [0 if value is None else value for value in values]
        data = np.array(filled, dtype=dtype.numpy_dtype)
        return dtype.construct_array_type()(data, missing)
    if isinstance(dtype, pd.StringDtype):
        return pd.array(values, dtype=dtype)
    if dtype.kind == "f":
        return np.array([np.nan if v is None else float(v) for v in values], dtype=dtype)
    if dtype.kind == "m":
        numbers = [NAT if value is None else value for value in values]
        return np.array(numbers, dtype="int64").view(dtype)
    if dtype.kind == "M":
        return np.array(["NaT" if value is None else value for value in values], dtype=dtype)
    return np.array(values, dtype=dtype)
