"""The judge of round trips: what differs between a frame and what came back, in anything.

No tolerance: 0.1 and the next float after it differ, 1 and 1.0 do, -0.0 and 0.0, Decimal("1.5") and
Decimal("1.50"), None and NaN. Two NaN are equal. `DataFrame.attrs` are notes on a frame, not part
of it.
"""

import pickle
from decimal import Decimal
from typing import Any, TypeAlias

import numpy as np
import pandas as pd

Values: TypeAlias = Any
"""An array of numpy's or an extension array: what it can do goes by its dtype."""


def values_of(column: pd.Series | pd.Index) -> np.ndarray | pd.api.extensions.ExtensionArray:
    """The values under a column: an array of numpy's, or an extension array."""
    return column.to_numpy() if isinstance(column.dtype, np.dtype) else column.array


def differences(frame: pd.DataFrame, back: pd.DataFrame) -> list[str]:
    """Tell what of a frame is not the same in another one.

    Returns:
        A text for each difference, such as "column 'price': dtype object became float64"; `[]`
        where the frames are equal in everything.
    """
    found = about(frame, back)
    if len(frame) != len(back):
        return [*found, f"{len(frame)} rows became {len(back)}"]
    found += _labels(frame.columns, back.columns, "the columns")
    if frame.shape[1] != back.shape[1]:
        return [*found, f"{frame.shape[1]} columns became {back.shape[1]}"]
    found += _labels(frame.index, back.index, "the index")
    for place, name in enumerate(frame.columns):
        one, other = values_of(frame.iloc[:, place]), values_of(back.iloc[:, place])
        found += _values(one, other, f"column {name!r}")
    return found


def about(frame: pd.DataFrame, back: pd.DataFrame) -> list[str]:
    """Tell how frames differ as objects of Python: class and flags."""
    found = []
    if type(frame) is not type(back):
        found.append(f"the class {type(frame).__name__} became {type(back).__name__}")
    if frame.flags.allows_duplicate_labels != back.flags.allows_duplicate_labels:
        found.append("the flag allows_duplicate_labels")
    return found


def _labels(one: Any, other: Any, what: str) -> list[str]:
    if type(one) is not type(other) or one.nlevels != other.nlevels:
        return [f"{what}: {type(one).__name__} became {type(other).__name__}"]
    found = []
    if [*map(repr, one.names)] != [*map(repr, other.names)]:
        found.append(f"{what}: the names {[*one.names]} became {[*other.names]}")
    if getattr(one, "freq", None) != getattr(other, "freq", None):
        found.append(f"{what}: the frequency {one.freq} became {other.freq}")
    if isinstance(one, pd.RangeIndex) and (one.start, one.stop, one.step) == (
        other.start,
        other.stop,
        other.step,
    ):
        return found
    for level in range(one.nlevels):
        before, after = (values_of(each.get_level_values(level)) for each in (one, other))
        found += _values(before, after, what)
    return found


def _values(one: Values, other: Values, what: str) -> list[str]:
    if one.dtype != other.dtype or str(one.dtype) != str(other.dtype):
        return [f"{what}: dtype {one.dtype} became {other.dtype}"]
    if len(one) != len(other):
        return [f"{what}: {len(one)} values became {len(other)}"]
    if isinstance(one.dtype, pd.CategoricalDtype):
        before, after = values_of(one.categories), values_of(other.categories)
        categories = _values(before, after, f"{what}: categories")
        if one.ordered != other.ordered:
            categories.append(f"{what}: ordered {one.ordered} became {other.ordered}")
        return categories or _first(one.codes == other.codes, one, other, what)
    if isinstance(one.dtype, np.dtype) and one.dtype != object:
        return _first(_same_bits(np.asarray(one), np.asarray(other)), one, other, what)
    if one.dtype == object or not isinstance(one.dtype, (pd.DatetimeTZDtype, pd.PeriodDtype)):
        same = [_same(a, b) for a, b in zip(one, other, strict=True)]
        return _first(np.array(same, dtype=bool), one, other, what)
    return _first(one.asi8 == other.asi8, one, other, what)


def _same_bits(one: np.ndarray, other: np.ndarray) -> np.ndarray:
    same = one == other
    if one.dtype.kind in "mM":
        return same | (np.isnat(one) & np.isnat(other))
    if one.dtype.kind == "f":
        both_nan = np.isnan(one) & np.isnan(other)
        return (same & (np.signbit(one) == np.signbit(other))) | both_nan
    if one.dtype.kind == "c":
        return _same_bits(one.real, other.real) & _same_bits(one.imag, other.imag)
    return same


def _first(same: np.ndarray, one: Values, other: Values, what: str) -> list[str]:
    wrong = np.flatnonzero(~np.asarray(same, dtype=bool))
    if not len(wrong):
        return []
    place = wrong[0]
    which = f"{len(wrong)} of {len(same)} values differ"
    return [f"{what}: {which}, in row {place} {one[place]!r} became {other[place]!r}"]


def _same(one: Any, other: Any) -> bool:
    """Whether two objects are the same, down to their types."""
    if one is other:
        return True
    if type(one) is not type(other):
        return False
    if isinstance(one, Decimal):
        return one.as_tuple() == other.as_tuple()
    if isinstance(one, float):
        return repr(one) == repr(other)
    if isinstance(one, (list, tuple)):
        return len(one) == len(other) and all(map(_same, one, other))
    if isinstance(one, dict):
        return [*one] == [*other] and all(_same(one[key], other[key]) for key in one)
    if isinstance(one, np.ndarray):
        return (
            one.dtype == other.dtype
            and one.shape == other.shape
            and _same(one.ravel().tolist(), other.ravel().tolist())
        )
    try:
        # A time zone is part of an instant here, and == does not look at it.
        return bool(one == other) and str(getattr(one, "tzinfo", 0)) == str(
            getattr(other, "tzinfo", 0)
        )
    except (TypeError, ValueError):
        return pickle.dumps(one) == pickle.dumps(other)
