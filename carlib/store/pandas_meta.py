"""What a file of columns can't say about a DataFrame: its labels, its index, its exact dtypes.

`describe` turns that into a dictionary for JSON, the `schema` of a stored frame; `restore` gives a
decoded frame what was described.
"""

import re
from collections import Counter
from functools import cache
from typing import Any

import numpy as np
import pandas as pd
from pandas.api.types import is_integer_dtype, pandas_dtype

from carlib.errors import LossyFormat
from carlib.store.exact import Values, values_of

LEVEL = "__index_level_{}__"
_MISSING: dict[str, Any] = {"None": None, "nan": float("nan"), "NaT": pd.NaT, "<NA>": pd.NA}


def describe(frame: pd.DataFrame, format: str) -> dict:
    """Describe a frame's labels, index and dtypes.

    Raises:
        LossyFormat: Its labels are not texts or whole numbers, or not unique.
    """
    columns = [column for _, column in frame.items()]
    return {
        "columns": _describe_labels(frame.columns, format),
        "dtypes": [describe_values(values_of(c), repr(c.name), format) for c in columns],
        "index": _describe_index(frame.index, format),
    }


def refuse(format: str, what: str, why: str, better: str = "pickle") -> LossyFormat:
    """The error for something that a format can't hold."""
    return LossyFormat(
        f"Expected a frame that {format} can hold; found {what}: {why}. Nothing was written. "
        f'Change that, or put the frame with format="{better}", which can hold it.'
    )


def describe_values(values: Values, what: str, format: str) -> dict:
    """Describe a dtype, and what an object column holds."""
    dtype = values.dtype
    if isinstance(dtype, pd.StringDtype):
        return {"dtype": "text", "storage": dtype.storage, "missing": str(dtype.na_value)}
    if dtype != "object":
        return {"dtype": str(dtype)}
    kinds = {type(value) for value in values}
    missing = {str(v) for v in values if v is None or v is pd.NaT or v is pd.NA}
    kinds -= {type(None), type(pd.NaT), type(pd.NA)}
    if float in kinds and any(type(v) is float and v != v for v in values):
        missing.add("nan")
        if not any(type(v) is float and v == v for v in values):
            kinds.remove(float)
    if len(kinds) > 1 or len(missing) > 1:
        names = sorted([kind.__name__ for kind in kinds]) + sorted(missing)
        raise refuse(format, f"objects in {what}", f"it mixes {', '.join(names)}")
    return {
        "dtype": "object",
        "kind": next(iter(kinds)).__name__ if kinds else "nothing",
        "missing": next(iter(missing), "None"),
    }


def dtype_of(description: dict) -> Any:
    """The dtype that was described; None where its text alone does not make it."""
    if description["dtype"] == "text":
        return pd.StringDtype(description["storage"], _MISSING[description["missing"]])
    return _named_dtype(description["dtype"])


@cache
def _named_dtype(name: str) -> Any:
    try:
        return pandas_dtype(name)
    except TypeError:
        return None


def restore_values(values: Values, description: dict) -> Values:
    """Give a decoded column (a Series, an Index or an array) the dtype that was described."""
    wanted = dtype_of(description)
    if wanted is None or values.dtype == wanted or isinstance(values.dtype, pd.CategoricalDtype):
        return values
    return values.astype(wanted)


def objects(values: list, description: dict) -> np.ndarray:
    """An array of dtype object, in which what is missing is of the sort that it was."""
    missing = _MISSING[description["missing"]]
    array = np.empty(len(values), dtype=object)
    array[:] = [missing if value is None else value for value in values]
    return array


def restore(
    columns: list, positions: list[int], levels: list, description: dict, rows: int
) -> pd.DataFrame:
    """Put decoded columns together as the frame that was described, or some columns of it.

    Args:
        columns: The values of each column.
        positions: Which of the described columns these are.
        levels: The values of each level of the index; none for a range.
        description: From `describe`.
        rows: How many rows there are.
    """
    labels, index = description["columns"], _restore_index(description["index"], levels, rows)
    series = {
        place: _as_it_is(pd.Series, values, index=index) for place, values in enumerate(columns)
    }
    frame = pd.DataFrame(series, index=index, columns=range(len(columns)), copy=False)
    if "range" in labels:
        every: pd.Index = pd.RangeIndex(range(*labels["range"]), name=labels["name"])
    else:
        dtype = dtype_of(labels["description"])
        every = pd.Index(labels["labels"], dtype=dtype, name=labels["name"])
    frame.columns = every if positions == [*range(len(every))] else every.take(positions)
    return frame


def _as_it_is(kind: type, values: Values, **arguments: object) -> Any:
    """A Series or an Index of values, without a guess what texts in objects may be."""
    return kind(values, dtype=values.dtype, copy=False, **arguments)


def _describe_labels(labels: pd.Index, format: str) -> dict:
    if labels.nlevels > 1 or any(isinstance(label, tuple) for label in labels):
        first = next(iter(labels), ())
        raise refuse(format, f"the column {first!r}", "its name is a tuple, not a text")
    name = _describe_name(labels.name, "the columns", format)
    if isinstance(labels, pd.RangeIndex):
        numbers = [labels.start, labels.stop, labels.step]
        return {"range": numbers, "labels": list(labels), "name": name}
    double = [label for label, count in Counter(labels).items() if count > 1]
    if double:
        raise refuse(format, f"{Counter(labels)[double[0]]} columns {double[0]!r}", "names differ")
    whole = is_integer_dtype(labels.dtype) and isinstance(labels.dtype, np.dtype)
    for label in labels if not whole else ():
        if type(label) is not str:
            why = "names of columns are all texts, or all whole numbers of one dtype"
            raise refuse(format, f"the column {label!r}", why)
        if re.fullmatch(r"__index_level_\d+__", label):
            raise refuse(format, f"the column {label!r}", "Arrow names an index like that")
        _check_text(label, f"the column {label!r}", format)
        if format == "jsonb" and "\0" in label:
            raise refuse(format, f"the column {label!r}", "JSONB can't hold the NUL in it", "json")
    if not whole and not (labels.dtype == object or isinstance(labels.dtype, pd.StringDtype)):
        raise refuse(format, f"column names of dtype {labels.dtype}", "they are not plain texts")
    description = describe_values(values_of(labels), "the column names", format)
    return {"labels": labels.tolist(), "name": name, "description": description}


def _describe_index(index: pd.Index, format: str) -> dict:
    names = [_describe_name(name, "the index", format) for name in index.names]
    if isinstance(index, pd.RangeIndex):
        return {"range": [index.start, index.stop, index.step], "names": names}
    levels = [values_of(index.get_level_values(i)) for i in range(index.nlevels)]
    return {
        "levels": [describe_values(level, "the index", format) for level in levels],
        "names": names,
        "multi": isinstance(index, pd.MultiIndex),
        "freq": getattr(index, "freqstr", None) if index.dtype.kind in "mM" else None,
    }


def _restore_index(description: dict, levels: list, rows: int) -> pd.Index:
    names = description["names"]
    if "range" in description:
        return pd.RangeIndex(range(*description["range"]), name=names[0])
    if description["multi"]:
        return pd.MultiIndex.from_arrays(
            [_as_it_is(pd.Index, level) for level in levels], names=names
        )
    index: Any = _as_it_is(pd.Index, levels[0], name=names[0])
    if description["freq"]:
        index.freq = description["freq"]
    return index


def _describe_name(name: object, what: str, format: str) -> object:
    if name is not None and type(name) not in (str, int):
        raise refuse(format, f"the name {name!r} of {what}", "it is no text and no whole number")
    if type(name) is str:
        _check_text(name, f"the name of {what}", format)
    return name


def _check_text(value: str, what: str, format: str) -> None:
    try:
        value.encode()
    except UnicodeEncodeError as error:
        raise refuse(format, what, "it holds half a surrogate pair, which UTF-8 lacks") from error
