"""Cleaning a column of decimal numbers: rounded as PostgreSQL does, or refused with a reason."""

from decimal import ROUND_HALF_UP, Context, Decimal

import numpy as np
import pandas as pd
import pyarrow as pa

from carlib.loading.columns import Cleaned, is_missing, is_number, without_faults

# Our own: what a notebook sets for its decimals must not change how prices are rounded.
ROUNDING = Context(prec=50, rounding=ROUND_HALF_UP)


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
