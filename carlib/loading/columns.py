"""Cleaning one column of a frame: what it may hold, and why a value is refused.

Each function takes a column as it came and returns it clean, as an Arrow array, with the *faults*:
a reason for each row that has one. A faulty value is null in the clean array; nothing is guessed,
and no value is refused without a reason. Arrow passes what is plainly right, a column at a time;
only the other values are looked at one by one.
"""

from collections.abc import Iterable
from decimal import ROUND_HALF_UP, Context, Decimal
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from carlib.text import hidden_character, tidy_text

Cleaned = tuple[pa.Array, dict[int, str]]

# A text of ASCII alone, without blanks around it: in upper case or not, it is tidy as it is.
PLAIN = r"\A[!-~]([ -~]*[!-~])?\z"
# Our own: what a notebook sets for its decimals must not change how prices are rounded.
ROUNDING = Context(prec=50, rounding=ROUND_HALF_UP)


def clean_text(
    column: pd.Series, max_length: int, *, required: bool, upper: bool = False
) -> Cleaned:
    """Tidy a text column, as `tidy_text` does, and refuse texts that are not what they look like.

    Letters of other scripts that look alike, as the Cyrillic and the Latin A do, stay different.

    Args:
        column: The values as they came, in any dtype.
        max_length: The longest text that the table's column holds, in characters.
        required: Whether a missing or blank value is a fault; if not, it becomes null.
        upper: Whether to turn the text into upper case.
    """
    array, faults = _as_text(column)
    short = pc.less_equal(pc.utf8_length(array), max_length)
    plain = pc.and_(pc.match_substring_regex(array, PLAIN), short)
    odd = pc.fill_null(pc.invert(plain), False)
    # Not ascii_upper: of arrays that begin within a buffer, Arrow 26 makes zeros.
    clean = pc.utf8_upper(array) if upper else array
    if pc.any(odd).as_py():
        texts = array.filter(odd).to_pylist()
        judged = {text: _judge_text(text, max_length, upper) for text in set(texts)}
        tidy = pa.array([judged[text][0] for text in texts], clean.type)
        rows = _rows(odd)
        places = np.arange(len(clean))
        places[rows] = np.arange(len(clean), len(clean) + len(rows))
        clean = pa.concat_arrays([clean, tidy]).take(pa.array(places))
        for row, text in zip(rows, texts, strict=True):
            if reason := judged[text][1]:
                faults[row] = f"{column.name} {reason}"
    for row in _rows(pc.is_null(clean)) if required else ():
        faults.setdefault(row, f"{column.name} missing")
    return clean, faults


def _judge_text(text: str, max_length: int, upper: bool) -> tuple[str | None, str | None]:
    """Return a text clean, or null and why it is refused; a blank one is null without a reason."""
    if reason := hidden_character(tidy_text(text)):
        return None, reason
    clean = tidy_text(text, upper)
    if len(clean) > max_length:
        return None, f"is longer than {max_length} characters"
    return clean or None, None


def clean_number(
    column: pd.Series, precision: int, scale: int, *, required: bool, zero_allowed: bool
) -> Cleaned:
    """Judge a column of numbers as what they are when PostgreSQL has rounded them.

    It rounds to `scale` decimals, half away from zero, when the numbers arrive in a column of type
    `numeric`. A binary float, of 16, 32 or 64 bits, counts as the decimal number that it prints as.
    Text is refused even where it looks like a number: ``"10,900"`` may be ten or ten thousand.

    Args:
        column: The values as they came, in any dtype.
        precision: The digits that the table's column holds in all, as in ``numeric(12, 2)``.
        scale: The digits of these after the decimal point.
        required: Whether a missing value is a fault; if not, it becomes null.
        zero_allowed: Whether zero (also minus zero) is a value. If not, what rounds to zero is
            refused like a negative number.
    """
    unit, limit = Decimal((0, (1,), -scale)), 10 ** (precision - scale)
    lowest, beyond = (Decimal(0) if zero_allowed else unit / 2), limit - unit / 2

    def reason_against(value: Any) -> str | None:
        if is_missing(value):
            return "missing" if required else None
        if isinstance(value, str):
            return "is text, not a number"
        if not is_number(value) or isinstance(value, bool):
            return "is not a number"
        number = _decimal(value)
        if number.is_infinite():
            return "is infinite"
        if number < lowest:
            return f"is {'negative' if zero_allowed else 'not above zero'}"
        return f"is out of range (must be below {limit})" if number >= beyond else None

    if column.dtype.kind in "iuf":
        values = _floats(column)
        odd = np.flatnonzero(~((values >= float(lowest)) & (values < float(beyond))))
        reasons = {int(row): reason_against(float(values[row])) for row in odd}
        values[[row for row, reason in reasons.items() if reason]] = np.nan
        clean = pa.array(values, from_pandas=True)
    else:
        objects = column.astype(object).to_list()
        reasons = {row: reason_against(value) for row, value in enumerate(objects)}
        rounded = [
            None
            if reasons[row] or is_missing(value)
            else str(_decimal(value).quantize(unit, context=ROUNDING))
            for row, value in enumerate(objects)
        ]
        clean = pa.array(rounded, pa.large_string())
    faults = {row: f"{column.name} {reason}" for row, reason in reasons.items() if reason}
    return clean, faults


def clean_flag(column: pd.Series) -> Cleaned:
    """Turn a column of true and false (or of 1 and 0) into booleans; anything else is a fault."""
    if column.dtype == bool:
        return pa.array(column.to_numpy()), {}
    values = column.astype(object).to_list()
    flags = [None if is_missing(value) else _flag(value) for value in values]
    faults = {
        row: f"{column.name} {'missing' if is_missing(value) else 'is neither true nor false'}"
        for row, value in enumerate(values)
        if flags[row] is None
    }
    return pa.array(flags, pa.bool_()), faults


def is_number(value: object) -> bool:
    """Return whether a value is a real number of Python or NumPy, or a truth value of Python."""
    real = isinstance(value, (int, float, Decimal, np.integer, np.floating))
    return real and not isinstance(value, np.timedelta64)  # which NumPy counts as an integer


def is_missing(value: Any) -> bool:
    """Return whether a value stands for none: None, NaN, NaT or NA."""
    if isinstance(value, Decimal):
        return value.is_nan()
    return value is None or (pd.api.types.is_scalar(value) and bool(pd.isna(value)))


def _as_text(column: pd.Series) -> Cleaned:
    """Return the texts of a column; what is no text, or no valid Unicode, is null and a fault."""
    values: Iterable[object] = ()
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
            return array, {}
        except pa.ArrowInvalid:  # a Parquet file may have bytes in it that are no UTF-8
            stored = array.cast(pa.large_binary()).to_pylist()
            values = [v if v is None else v.decode(errors="surrogateescape") for v in stored]
    else:
        values = column.astype(object)
    texts: list[str | None] = []
    faults = {}
    for row, value in enumerate(values):
        valid = isinstance(value, str) and _is_unicode(value)
        texts.append(value if valid else None)
        if not valid and (isinstance(value, str) or not is_missing(value)):
            why = "valid Unicode" if isinstance(value, str) else "text"
            faults[row] = f"{column.name} is not {why}"
    return pa.array(texts, pa.large_string()), faults


def _is_unicode(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:  # half a character, which no UTF-8 can hold
        return False
    return True


def _is_text(kind: pa.DataType) -> bool:
    if pa.types.is_dictionary(kind):
        kind = kind.value_type
    return kind in (pa.string(), pa.large_string(), pa.string_view(), pa.null())


def _rows(mask: pa.Array) -> list[int]:
    """Return the numbers of the rows for which a boolean Arrow array is true."""
    return np.flatnonzero(mask.to_numpy(zero_copy_only=False)).tolist()


def _flag(value: object) -> bool | None:
    if isinstance(value, (bool, np.bool_)):
        return bool(value)
    return bool(value) if is_number(value) and value in (0, 1) else None


def _floats(column: pd.Series) -> np.ndarray:
    """Return a column of a numeric type as 64-bit floats; what is missing is NaN."""
    values = column.to_numpy(na_value=np.nan)
    if values.dtype in (np.float16, np.float32):  # through text: 1.005 in 16 or 32 bits means 1.005
        values = values.astype(np.str_)
    return values.astype(np.float64)


def _decimal(value: int | float | Decimal | np.integer | np.floating) -> Decimal:
    """Return a number as the decimal that it prints as."""
    if isinstance(value, float):
        return Decimal(float.__repr__(value))
    if isinstance(value, np.floating):
        return Decimal(str(value))
    return Decimal(int(value)) if isinstance(value, np.integer) else Decimal(value)
