"""A frame as JSON: `{"columns": {"vin": ["ABC123", …], …}, "index": […]}`, columns as lists.

Numbers, texts and truth values are JSON's own, so that SQL can ask for them. What JSON has no form
for is text that keeps everything: instants in ISO 8601 with all their digits (in UTC where they
have a time zone), decimals as they are written, bytes in hexadecimal. Spans of time and periods
are whole numbers of their unit. What is missing is null. The dtypes are in the schema.

JSONB holds numbers as PostgreSQL's `numeric`, which has no NaN in JSON, no infinity and no -0.0,
and its texts have no NUL: such a frame is refused, or told as lossy. In plain JSON, infinity is the
text "inf".
"""

import json
from decimal import Decimal

import numpy as np
import pandas as pd

from carlib.store.exact import Values, values_of
from carlib.store.json_read import NULLABLE, OBJECTS
from carlib.store.pandas_meta import (
    describe,
    describe_values,
    refuse,
)


def encode(frame: pd.DataFrame, format: str) -> tuple[bytes, dict, list[str]]:
    """Write a frame as JSON in UTF-8.

    Returns:
        The text, the frame's description, and what JSONB will lose.

    Raises:
        LossyFormat: A column is of a dtype or of objects without a form here, or JSONB can't
            hold one of its values.
    """
    description = describe(frame, format)
    losses: list[str] = []
    columns = {}
    for place, (label, column) in enumerate(frame.items()):
        values, what = values_of(column), f"the column {label!r}"
        columns[str(label)] = _encode(values, description["dtypes"][place], what, format, losses)
    levels = [
        _encode(values_of(frame.index.get_level_values(i)), kind, "the index", format, losses)
        for i, kind in enumerate(description["index"].get("levels", ()))
    ]
    document = {"columns": columns, "index": levels}
    try:
        text = json.dumps(document, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
        return text.encode(), description, losses
    except ValueError as error:  # a lone surrogate, or a whole number of thousands of digits
        what = next(
            (f"the column {name!r}" for name in columns if not _fits(columns[name])), "a value"
        )
        raise refuse(format, what, f"it can't be written as JSON ({error})") from error


def describe_categories(
    dtype: pd.CategoricalDtype, kind: dict, what: str, format: str, losses: list[str]
) -> None:
    """Add the categories, used or not, to the description of a column."""
    categories = values_of(dtype.categories)
    of = describe_values(categories, f"the categories of {what}", format)
    written = _encode(categories, of, what, format, losses)
    kind |= {"of": of, "ordered": bool(dtype.ordered), "categories": written}


def _fits(values: list) -> bool:
    try:
        json.dumps(values, ensure_ascii=False).encode()
    except ValueError:
        return False
    return True


def _encode(values: Values, kind: dict, what: str, format: str, losses: list[str]) -> list:
    dtype = values.dtype
    if isinstance(dtype, pd.CategoricalDtype):
        describe_categories(dtype, kind, what, format, losses)
        return [None if code < 0 else kind["categories"][code] for code in values.codes]
    if dtype == "object":
        result = _encode_objects(values, kind, what, format)
    elif isinstance(dtype, pd.StringDtype):
        result = values.to_numpy(dtype=object, na_value=None).tolist()
    elif isinstance(dtype, pd.DatetimeTZDtype):
        naive = values.tz_convert("UTC").tz_localize(None)
        result = [None if t == "NaT" else t + "Z" for t in _instants(naive)]
    elif isinstance(dtype, pd.PeriodDtype):
        result = _whole(values.asi8, values.isna())
    elif str(dtype) in NULLABLE:
        plain = values.to_numpy(dtype=object, na_value=None)
        result = plain.tolist()
        if dtype.kind == "f":
            result = _floats(plain.tolist(), what, format, losses)
    elif isinstance(dtype, np.dtype) and dtype.kind in "biu":
        result = values.tolist()
    elif isinstance(dtype, np.dtype) and dtype.kind == "f" and dtype.itemsize <= 8:
        numbers = np.asarray(values)
        result = numbers.astype(float).tolist()
        odd = not np.isfinite(numbers).all() or (np.signbit(numbers) & (numbers == 0)).any()
        result = _floats(result, what, format, losses) if odd else result
        if odd and format == "json":
            result = [None if value == "nan" else value for value in result]
    elif isinstance(dtype, np.dtype) and dtype.kind == "M":
        result = [None if t == "NaT" else t for t in _instants(values)]
    elif isinstance(dtype, np.dtype) and dtype.kind == "m":
        result = _whole(values.view("int64"), np.isnat(values))
    else:
        raise refuse(format, what, f"dtype {dtype} has no form in JSON")
    if format == "jsonb" and any(type(v) is str and "\0" in v for v in result):
        raise refuse(format, what, "JSONB's texts can't hold the character NUL", "json")
    return result


def _encode_objects(values: Values, kind: dict, what: str, format: str) -> list:
    name = kind["kind"]
    if name not in OBJECTS:
        raise refuse(format, what, f"objects of class {name} have no form in JSON")
    pair = OBJECTS[name]
    write = pair[0] if pair else lambda value: value
    missing = pd.isna(np.fromiter(values, dtype=object, count=len(values)))
    pairs = zip(values, missing, strict=True)
    if name == "Decimal":  # Decimal("NaN") is a value of its own
        return [write(value) if isinstance(value, Decimal) else None for value in values]
    return [None if gone else write(value) for value, gone in pairs]


def _floats(values: list, what: str, format: str, losses: list[str]) -> list:
    result = []
    negative = 0
    for value in values:
        if value is not None and (value != value or value in (np.inf, -np.inf)):
            if format == "jsonb":
                why = f"numbers in JSONB can't be {value}"
                raise refuse(format, what, why, "parquet")
            value = repr(float(value))
        elif value is not None:
            value = float(value)
            negative += value == 0 and str(value) == "-0.0"
        result.append(value)
    if negative and format == "jsonb":
        losses.append(f"{what}: {negative} values -0.0 become 0.0")
    return result


def _instants(values: Values) -> list[str]:
    return np.datetime_as_string(np.asarray(values)).tolist()


def _whole(numbers: np.ndarray, missing: np.ndarray) -> list:
    return [None if gone else n for n, gone in zip(numbers.tolist(), missing, strict=True)]
