"""What differs between a frame and what came back, column by column, without any tolerance.

0.1 and the next float after it differ, 1 and 1.0 do, -0.0 and 0.0, Decimal("1.5") and
Decimal("1.50"), None and NaN, one instant in two time zones. Two NaN are equal.
"""

from typing import Any

import numpy as np
import pandas as pd


def differences(frame: pd.DataFrame, back: pd.DataFrame) -> list[str]:
    """Tell what of a frame is not the same in another one.

    Returns:
        A text for each difference, such as "column 'price': dtype object became float64"; `[]`
        where the frames are equal in everything but their `attrs`.
    """
    losses = []
    if type(frame) is not type(back):
        losses.append(f"the class {type(frame).__name__} became {type(back).__name__}")
    if frame.flags.allows_duplicate_labels != back.flags.allows_duplicate_labels:
        losses.append("the flag allows_duplicate_labels")
    if frame.shape != back.shape:
        return [*losses, f"{frame.shape} rows and columns became {back.shape}"]
    losses += _index("the column names", frame.columns, back.columns)
    losses += _index("the index", frame.index, back.index)
    for place, name in enumerate(frame.columns):
        columns = (_array(each.iloc[:, place]) for each in (frame, back))
        losses += [f"column {name!r}: {loss}" for loss in _values(*columns)]
    return losses


def _index(what: str, before: Any, after: Any) -> list[str]:
    if type(before) is not type(after) or before.nlevels != after.nlevels:
        return [f"{what}: {type(before).__name__} became {type(after).__name__}"]
    losses = []
    if repr(before.names) != repr(after.names):
        losses.append(f"named {[*before.names]} became {[*after.names]}")
    if getattr(before, "freq", None) != getattr(after, "freq", None):
        losses.append(f"frequency {before.freq} became {after.freq}")
    for level in range(before.nlevels):
        losses += _values(*(_array(index.get_level_values(level)) for index in (before, after)))
    return [f"{what}: {loss}" for loss in losses]


def _array(values: Any) -> Any:
    return values.to_numpy() if isinstance(values.dtype, np.dtype) else values.array


def _values(before: Any, after: Any) -> list[str]:
    if len(before) != len(after):
        return [f"{len(before)} values became {len(after)}"]
    categorical = pd.CategoricalDtype
    if isinstance(before.dtype, categorical) and isinstance(after.dtype, categorical):
        losses = _values(_array(before.categories), _array(after.categories))
        if before.ordered != after.ordered:
            losses.append(f"ordered {before.ordered} became {after.ordered}")
        if losses:
            return [f"categories: {loss}" for loss in losses]
        same = before.codes == after.codes
    elif before.dtype != after.dtype or repr(before.dtype) != repr(after.dtype):
        name = repr if str(before.dtype) == str(after.dtype) else str
        return [f"dtype {name(before.dtype)} became {name(after.dtype)}"]
    elif isinstance(before.dtype, np.dtype) and before.dtype != object:
        same = _same_numbers(before, after)
    elif isinstance(before.dtype, pd.StringDtype):
        both_missing = before.isna() & after.isna()
        same = pd.array(before == after, dtype="boolean").fillna(False).to_numpy() | both_missing
    else:
        pairs = zip(before, after, strict=True)
        same = np.fromiter((_same(*pair) for pair in pairs), dtype=bool, count=len(before))
    different = np.flatnonzero(~same)
    if not len(different):
        return []
    row = different[0]
    first = [
        float(value) if isinstance(value, np.floating) else value
        for value in (before[row], after[row])
    ]
    count = f"{len(different)} of {len(same)} values differ"
    return [f"{count}, in row {row} {first[0]!r} became {first[1]!r}"]


def _same_numbers(before: np.ndarray, after: np.ndarray) -> np.ndarray:
    same = before == after
    if before.dtype.kind == "f":
        same &= np.signbit(before) == np.signbit(after)
    return same | ((before != before) & (after != after))


def _same(before: Any, after: Any) -> bool:
    """Whether two objects are the same, down to the types of what is in them."""
    if type(before) is not type(after):
        return False
    if isinstance(before, np.ndarray):
        if before.dtype != after.dtype or before.shape != after.shape:
            return False
        before, after = before.tolist(), after.tolist()
    if isinstance(before, dict):
        before, after = [*before.items()], [*after.items()]
    if isinstance(before, (list, tuple)):
        return len(before) == len(after) and all(map(_same, before, after))
    return repr(before) == repr(after)
