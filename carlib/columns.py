"""Cleaning one column of a frame: what it may hold, and why a value is refused.

Each function takes a column as it came and returns it clean, as an Arrow array, with the *faults*
found: a reason and a mask of the rows it applies to. A faulty value is null in the clean array;
nothing is guessed, and no value is refused without a reason.
"""

import unicodedata
from decimal import ROUND_HALF_UP, Decimal, InvalidOperation

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

Faults = list[tuple[str, np.ndarray]]
Cleaned = tuple[pa.Array, Faults]

# What str.strip() takes off an ASCII text; Arrow's own ASCII trim leaves the separators \x1c-\x1f.
ASCII_BLANKS = " \t\n\r\v\f\x1c\x1d\x1e\x1f"


def clean_text(
    column: pd.Series, max_length: int, *, required: bool, upper: bool = False
) -> Cleaned:
    """Trim a text column and bring it to Unicode normalisation form C.

    Args:
        column: The values as they came, in any dtype.
        max_length: The longest text that the table's column holds, in characters.
        required: Whether a missing or blank value is a fault; if not, it becomes null.
        upper: Whether to turn the text into upper case.
    """
    name, faults = column.name, []
    try:
        array = pa.array(column, from_pandas=True)
    except (pa.ArrowInvalid, pa.ArrowTypeError, UnicodeEncodeError):
        array = None  # mixed types, or text that is no valid Unicode
    if array is not None and pa.types.is_dictionary(array.type):
        array = array.dictionary_decode()
    if array is None or not (pa.types.is_null(array.type) or _is_text(array.type)):
        values, not_text, not_unicode = _only_text(column)
        faults += [(f"{name} is not text", not_text), (f"{name} is not valid Unicode", not_unicode)]
        array = pa.array(values, pa.large_string())
    array = _chunkless(array).cast(pa.large_string())

    blanks_gone = pc.utf8_trim(array, characters=ASCII_BLANKS)
    clean = pc.ascii_upper(blanks_gone) if upper else blanks_gone
    not_ascii = _mask(pc.invert(pc.string_is_ascii(array)))
    if not_ascii.any():
        tidy = {t: _tidy(t, upper) for t in array.filter(pa.array(not_ascii)).unique().to_pylist()}
        values = [tidy[t] for t in array.filter(pa.array(not_ascii)).to_pylist()]
        clean = pc.replace_with_mask(clean, pa.array(not_ascii), pa.array(values, clean.type))

    clean = pc.if_else(pc.equal(clean, ""), None, clean)
    if required:
        unnamed = _mask(pc.is_null(clean)) & ~_any(faults, len(column))
        faults.append((f"{name} missing", unnamed))
    nul = _mask(pc.match_substring(clean, "\0"))
    long = _mask(pc.greater(pc.utf8_length(clean), max_length))
    faults += [
        (f"{name} has a NUL character", nul),
        (f"{name} is longer than {max_length} characters", long),
    ]
    return _without(clean, faults)


def clean_number(
    column: pd.Series, precision: int, scale: int, *, required: bool, zero_allowed: bool
) -> Cleaned:
    """Round a numeric column to `scale` decimals, half away from zero, as PostgreSQL does.

    Text is refused even where it looks like a number: ``"10,900"`` may be ten or ten thousand.

    Args:
        column: The values as they came, in any dtype.
        precision: The digits that the table's column holds in all, as in ``numeric(12, 2)``.
        scale: The digits of these after the decimal point.
        required: Whether a missing value is a fault; if not, it becomes null.
        zero_allowed: Whether zero (also minus zero) is a value, or refused like negative ones.
    """
    name = column.name
    values, wrong_type, is_text = _as_float(column)
    with np.errstate(invalid="ignore", over="ignore"):
        rounded = _round(values, scale)
        infinite = np.isinf(values)
        limit = 10.0 ** (precision - scale)
        missing = np.isnan(values) & ~wrong_type & ~is_text
        too_low = (rounded < 0) if zero_allowed else (rounded <= 0)
        faults = [
            (f"{name} is text, not a number", is_text),
            (f"{name} is not a number", wrong_type),
            (f"{name} is infinite", infinite),
            (
                f"{name} is negative" if zero_allowed else f"{name} is not above zero",
                too_low & ~infinite,
            ),
            (f"{name} is out of range (below {limit:.0f})", (rounded >= limit) & ~infinite),
        ]
    if required:
        faults.append((f"{name} missing", missing))
    return _without(pa.array(rounded, from_pandas=True), faults)


def clean_flag(column: pd.Series) -> Cleaned:
    """Turn a column of true and false (or of 1 and 0) into booleans; anything else is a fault."""
    name = column.name
    if column.dtype == bool:
        return pa.array(column.to_numpy()), []
    values = column.astype(object).to_list()
    numbers = (bool, np.bool_, int, float, np.number)
    flags = [bool(v) if isinstance(v, numbers) and v in (0, 1) else None for v in values]
    missing = np.array([_is_missing(v) for v in values], dtype=bool)
    wrong = np.array([f is None for f in flags], dtype=bool) & ~missing
    faults = [(f"{name} missing", missing), (f"{name} is neither true nor false", wrong)]
    return _without(pa.array(flags, pa.bool_()), faults)


def _tidy(value: str, upper: bool) -> str:
    """The rule for text that has more than ASCII in it; for ASCII, Arrow does the same faster."""
    value = unicodedata.normalize("NFC", value).strip()
    return unicodedata.normalize("NFC", value.upper()) if upper else value


def _only_text(column: pd.Series) -> tuple[list[str | None], np.ndarray, np.ndarray]:
    """Keep the texts of a mixed column; mark what is something else, or no valid Unicode."""
    kept, not_text, not_unicode = [], [], []
    for value in column.astype(object):
        text = isinstance(value, str)
        unicode = text and _encodes(value)
        kept.append(str(value) if unicode else None)
        not_text.append(not text and not _is_missing(value))
        not_unicode.append(text and not unicode)
    return kept, np.array(not_text, dtype=bool), np.array(not_unicode, dtype=bool)


def _encodes(value: str) -> bool:
    try:
        value.encode()
    except UnicodeEncodeError:
        return False
    return True


def _as_float(column: pd.Series) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The column as floats (missing: NaN), and masks of values of a wrong type and of texts."""
    none = np.zeros(len(column), dtype=bool)
    if pd.api.types.is_numeric_dtype(column.dtype) and not (
        pd.api.types.is_bool_dtype(column.dtype) or pd.api.types.is_complex_dtype(column.dtype)
    ):
        return column.to_numpy(dtype=np.float64, na_value=np.nan), none, none
    values, wrong_type, is_text = np.full(len(column), np.nan), none.copy(), none.copy()
    for i, value in enumerate(column.astype(object)):
        if isinstance(value, str):
            is_text[i] = True
        elif isinstance(value, (bool, np.bool_)):
            wrong_type[i] = True
        elif isinstance(value, (int, float, Decimal, np.integer, np.floating)):
            values[i] = _float(value)
        else:
            wrong_type[i] = not _is_missing(value)
    return values, wrong_type, is_text


def _float(value) -> float:
    try:
        return float(value)
    except OverflowError:  # an int of more than 308 digits
        return np.copysign(np.finfo(float).max, 1 if value > 0 else -1)
    except (ValueError, InvalidOperation):  # Decimal's signalling NaN
        return np.nan


def _round(values: np.ndarray, scale: int) -> np.ndarray:
    """Round the decimal number that each float prints as, half away from zero.

    1.005 is stored as 1.00499999999999989..., prints as 1.005 and becomes 1.01, as it would in
    PostgreSQL. Only values next to such a tie need decimal arithmetic; the others round the same.
    """
    unit = 10.0**scale
    scaled = values * unit
    rounded = np.rint(scaled) / unit + 0.0  # + 0.0 turns -0.0 into 0.0
    near_tie = np.abs(np.abs(scaled - np.trunc(scaled)) - 0.5) < 1e-3
    step = Decimal(1).scaleb(-scale)
    for i in np.flatnonzero(near_tie & (np.abs(values) < 1e15)):
        exact = Decimal(repr(float(values[i]))).quantize(step, rounding=ROUND_HALF_UP)
        rounded[i] = float(exact) + 0.0
    return rounded


def _is_missing(value: object) -> bool:
    if isinstance(value, Decimal):
        return value.is_nan()
    return value is None or (pd.api.types.is_scalar(value) and bool(pd.isna(value)))


def _is_text(kind: pa.DataType) -> bool:
    return (
        pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_string_view(kind)
    )


def _chunkless(array: pa.Array | pa.ChunkedArray) -> pa.Array:
    return array.combine_chunks() if isinstance(array, pa.ChunkedArray) else array


def _mask(array: pa.Array) -> np.ndarray:
    """A boolean Arrow array as a NumPy mask in which null counts as false."""
    return _chunkless(pc.fill_null(array, False)).to_numpy(zero_copy_only=False).astype(bool)


def _any(faults: Faults, rows: int) -> np.ndarray:
    return np.logical_or.reduce([mask for _, mask in faults], axis=0, initial=False) | np.zeros(
        rows, bool
    )


def _without(array: pa.Array, faults: Faults) -> Cleaned:
    """Null the faulty values, and keep only the faults that occur."""
    found: list[tuple[str, np.ndarray]] = [(reason, mask) for reason, mask in faults if mask.any()]
    if found:
        bad = pa.array(_any(found, len(array)))
        array = pc.if_else(bad, pa.scalar(None, array.type), array)
    return _chunkless(array), found
