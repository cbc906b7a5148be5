"""Cleaning one column of a frame: what it may hold, and why a value is refused.

Each function takes a column as it came and returns it clean, as an Arrow array, with the *faults*
found: a reason and a mask of the rows it applies to. A faulty value is null in the clean array;
nothing is guessed, and no value is refused without a reason.
"""

import re
import unicodedata
from collections.abc import Iterable
from decimal import ROUND_HALF_UP, Context, Decimal
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

Faults = list[tuple[str, np.ndarray]]
Cleaned = tuple[pa.Array, Faults]

# What str.strip() takes off an ASCII text; Arrow's own ASCII trim leaves the separators \x1c-\x1f.
ASCII_BLANKS = " \t\n\r\v\f\x1c\x1d\x1e\x1f"
# Our own: what a notebook sets for its decimals must not change how prices are rounded.
ROUNDING = Context(prec=50, rounding=ROUND_HALF_UP)
SURROGATE = re.compile("[\ud800-\udfff]")  # half a character, which no UTF-8 can hold


def clean_text(
    column: pd.Series, max_length: int, *, required: bool, upper: bool = False
) -> Cleaned:
    """Trim a text column and bring it to Unicode normalization form C, as `tidy_text` does.

    Args:
        column: The values as they came, in any dtype.
        max_length: The longest text that the table's column holds, in characters.
        required: Whether a missing or blank value is a fault; if not, it becomes null.
        upper: Whether to turn the text into upper case.
    """
    name = column.name
    array, faults = _as_text(column)
    clean = pc.utf8_trim(array, characters=ASCII_BLANKS)
    clean = pc.ascii_upper(clean) if upper else clean
    not_ascii = pc.fill_null(pc.invert(pc.string_is_ascii(array)), False)
    if pc.any(not_ascii).as_py():
        texts = array.filter(not_ascii).to_pylist()
        tidy = {text: tidy_text(text, upper) for text in set(texts)}
        tidied = pa.array([tidy[text] for text in texts], clean.type)
        clean = pc.replace_with_mask(clean, not_ascii, tidied)
    clean = pc.if_else(pc.equal(clean, ""), None, clean)
    if required:
        missing = _mask(pc.is_null(clean)) & ~_any(faults, len(column))
        faults.append((f"{name} missing", missing))
    faults += [
        (f"{name} has a NUL character", _mask(pc.match_substring(clean, "\0"))),
        (
            f"{name} is longer than {max_length} characters",
            _mask(pc.greater(pc.utf8_length(clean), max_length)),
        ),
    ]
    return without_faults(clean, faults)


def tidy_text(text: str, upper: bool = False) -> str:
    """Bring a text to normalization form C without blanks around it, in upper case if asked to.

    `clean_text` has Arrow do the same for ASCII, where it is faster.
    """
    text = unicodedata.normalize("NFC", text).strip()
    return unicodedata.normalize("NFC", text.upper()) if upper else text


def clean_number(
    column: pd.Series, precision: int, scale: int, *, required: bool, zero_allowed: bool
) -> Cleaned:
    """Round a numeric column to `scale` decimals, half away from zero, as PostgreSQL does.

    Text is refused even where it looks like a number: ``"10,900"`` may be ten or ten thousand.
    A binary float counts as the decimal number that it prints as.

    Args:
        column: The values as they came, in any dtype.
        precision: The digits that the table's column holds in all, as in ``numeric(12, 2)``.
        scale: The digits of these after the decimal point.
        required: Whether a missing value is a fault; if not, it becomes null.
        zero_allowed: Whether zero (also minus zero) is a value. If not, what rounds to zero is
            refused like a negative number.
    """
    name, limit = column.name, 10 ** (precision - scale)
    if column.dtype.kind in "iuf":
        values = _floats(column)
        rounded = _round(values, scale, limit)
        is_text = wrong_type = np.zeros(len(column), dtype=bool)
    else:
        values, rounded, is_text, wrong_type = _numbers_among(column, scale, limit)
    infinite = np.isinf(values)
    too_low = (values < 0) if zero_allowed else (rounded <= 0)
    faults = [
        (f"{name} is text, not a number", is_text),
        (f"{name} is not a number", wrong_type),
        (f"{name} is infinite", infinite),
        (f"{name} is {'negative' if zero_allowed else 'not above zero'}", too_low & ~infinite),
        (f"{name} is out of range (must be below {limit})", (rounded >= limit) & ~infinite),
    ]
    if required:
        faults.append((f"{name} missing", np.isnan(values) & ~wrong_type & ~is_text))
    return without_faults(pa.array(rounded, from_pandas=True), faults)


def clean_flag(column: pd.Series) -> Cleaned:
    """Turn a column of true and false (or of 1 and 0) into booleans; anything else is a fault."""
    name = column.name
    if column.dtype == bool:
        return pa.array(column.to_numpy()), []
    values = column.astype(object).to_list()
    missing = np.array([is_missing(value) for value in values], dtype=bool)
    flags = [None if none else _flag(value) for value, none in zip(values, missing, strict=True)]
    wrong = np.array([flag is None for flag in flags], dtype=bool) & ~missing
    faults = [(f"{name} missing", missing), (f"{name} is neither true nor false", wrong)]
    return without_faults(pa.array(flags, pa.bool_()), faults)


def is_number(value: object) -> bool:
    """Return whether a value is a real number of Python or NumPy, or a truth value of Python."""
    real = isinstance(value, (int, float, Decimal, np.integer, np.floating))
    return real and not isinstance(value, np.timedelta64)  # which NumPy counts as an integer


def is_missing(value: Any) -> bool:
    """Return whether a value stands for none: None, NaN, NaT or NA."""
    if isinstance(value, Decimal):
        return value.is_nan()
    return value is None or (pd.api.types.is_scalar(value) and bool(pd.isna(value)))


def without_faults(array: pa.Array, faults: Faults) -> Cleaned:
    """Null the faulty values, and keep only the faults that occur."""
    occurring = [(reason, mask) for reason, mask in faults if mask.any()]
    if occurring:
        array = pc.if_else(pa.array(_any(occurring, len(array))), None, array)
    return array, occurring


def _as_text(column: pd.Series) -> Cleaned:
    """Return the texts of a column; what is no text, or no valid Unicode, is null and a fault."""
    values: Iterable[object]
    try:
        array = pa.array(column, from_pandas=True)
    except Exception:  # Arrow raises whatever it meets: values of several types, half characters
        array = None
    if array is not None and _is_text(array.type):
        array = array.cast(pa.large_string())
        if isinstance(array, pa.ChunkedArray):
            array = array.combine_chunks()
        try:
            array.validate(full=True)
            return array, []
        except pa.ArrowInvalid:  # a Parquet file may have bytes in it that are no UTF-8
            stored = array.cast(pa.large_binary()).to_pylist()
            values = [v if v is None else v.decode(errors="surrogateescape") for v in stored]
    else:
        values = column.astype(object)
    kept: list[object] = []
    not_text: list[bool] = []
    not_unicode: list[bool] = []
    for value in values:
        is_text = isinstance(value, str)
        is_unicode = isinstance(value, str) and not SURROGATE.search(value)
        kept.append(value if is_unicode else None)
        not_text.append(not is_text and not is_missing(value))
        not_unicode.append(is_text and not is_unicode)
    return pa.array(kept, pa.large_string()), [
        (f"{column.name} is not text", np.array(not_text, dtype=bool)),
        (f"{column.name} is not valid Unicode", np.array(not_unicode, dtype=bool)),
    ]


def _flag(value: object) -> bool | None:
    if isinstance(value, (bool, np.bool_)):
        return bool(value)
    return bool(value) if is_number(value) and value in (0, 1) else None


def _is_text(kind: pa.DataType) -> bool:
    if pa.types.is_dictionary(kind):
        kind = kind.value_type
    return kind in (pa.string(), pa.large_string(), pa.string_view(), pa.null())


def _mask(array: pa.Array) -> np.ndarray:
    """Return a boolean Arrow array as a NumPy mask in which null counts as false."""
    return pc.fill_null(array, False).to_numpy(zero_copy_only=False)


def _any(faults: Faults, rows: int) -> np.ndarray:
    """Return which of the rows have a fault."""
    return np.any([np.zeros(rows, dtype=bool), *(mask for _, mask in faults)], axis=0)


def _floats(column: pd.Series) -> np.ndarray:
    """Return a column of a numeric type as 64-bit floats; what is missing is NaN."""
    values = column.to_numpy(na_value=np.nan)
    if values.dtype == np.float32:  # through text: 1.005 in 32 bits means 1.005
        return pa.array(values).cast(pa.string()).cast(pa.float64()).to_numpy(zero_copy_only=False)
    return values.astype(np.float64)


def _round(values: np.ndarray, scale: int, limit: int) -> np.ndarray:
    """Round the decimal number that each float prints as, half away from zero.

    1.005 is stored as 1.00499999999999989..., prints as 1.005 and becomes 1.01, as it would in
    PostgreSQL. Only values next to such a tie need decimal arithmetic; the others round the same.
    """
    unit = 10.0**scale
    with np.errstate(invalid="ignore", over="ignore"):
        scaled = values * unit
        near_tie = np.abs(np.abs(scaled - np.trunc(scaled)) - 0.5) < 1e-3
    rounded = np.rint(scaled) / unit
    for i in np.flatnonzero(near_tie & (np.abs(values) < limit)):
        rounded[i] = _round_exactly(Decimal(repr(float(values[i]))), scale)
    return rounded


def _round_exactly(number: Decimal, scale: int) -> float:
    return float(number.quantize(Decimal((0, (1,), -scale)), context=ROUNDING))


def _numbers_among(
    column: pd.Series, scale: int, limit: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Return the numbers of a mixed column, the same rounded, and masks of texts and of others."""
    values, rounded = np.full((2, len(column)), np.nan)
    is_text, wrong_type = np.zeros((2, len(column)), dtype=bool)
    for i, value in enumerate(column.astype(object)):
        if is_missing(value):
            continue
        if not is_number(value) or isinstance(value, bool):
            is_text[i] = isinstance(value, str)
            wrong_type[i] = not is_text[i]
            continue
        number = _decimal(value)
        if number.is_finite():
            # What is beyond the limit is refused wherever it lies; 10**400 would fit no float.
            number = min(max(number, Decimal(-limit)), Decimal(limit))
            rounded[i] = _round_exactly(number, scale)
        values[i] = number
    return values, rounded, is_text, wrong_type


def _decimal(value: int | float | Decimal | np.integer | np.floating) -> Decimal:
    """Return a number as the decimal that it prints as."""
    if isinstance(value, float):
        return Decimal(float.__repr__(value))
    if isinstance(value, np.floating):
        return Decimal(str(value))
    return Decimal(int(value)) if isinstance(value, np.integer) else Decimal(value)
