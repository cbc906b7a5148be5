"""From a cars frame as it came to rows that the tables accept, and rows refused with a reason.

This module knows the columns of the tables and nothing of the database: it can be read, tested and
trusted alone. Every row that goes in comes out once, either clean or refused. Arrow passes what is
plainly right, a column at a time; only the other values are judged, one by one. Nothing is guessed,
and no value is refused without a reason.
"""

import reprlib
import unicodedata
from collections.abc import Callable, Collection, Hashable, Iterable
from decimal import ROUND_HALF_UP, Context, Decimal
from functools import cache
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
from sqlalchemy import Column

from carlib.errors import BadArgument, WrongColumns
from carlib.models import CarBrand, CarInfo, CarModel
from carlib.text import hidden_character, nearest, tidy_text

# The columns of a cars frame, each with the table column that it ends in.
TABLE_COLUMNS: dict[str, Column] = {
    "brand": CarBrand.__table__.c.name,
    "model": CarModel.__table__.c.name,
    **{
        name: CarInfo.__table__.c[name]
        for name in ("vin", "engine_size", "color", "price", "status")
    },
}
REQUIRED = tuple(name for name, column in TABLE_COLUMNS.items() if not column.nullable)
NAMED = 10  # unknown columns that a message names

# A text of ASCII alone, without blanks around it: in upper case or not, it is tidy as it is.
PLAIN = r"\A[!-~]([ -~]*[!-~])?\z"
# Our own: what a notebook sets for its decimals must not change how prices are rounded.
ROUNDING = Context(prec=50, rounding=ROUND_HALF_UP)

Judged = tuple[Any, str | None]  # a value clean, or None and why it is refused, or None for none
# A column in which the odd values are to be replaced, which ones are odd, and these judged.
Sorted = tuple[pa.Array, np.ndarray, list[Judged]]


class Prepared(NamedTuple):
    """The outcome for one frame."""

    clean: pa.Table  # the accepted rows: their number `row` and the columns of a cars frame
    rejected: pd.DataFrame  # the others as they came, indexed by `row`, with a `reason` more


class CanonicalNames:
    """Remembers how each brand and model is spelled, and finds it again whatever the case.

    Names are compared by canonical caseless matching (The Unicode Standard, definition D145), so
    that "Straße" is "STRASSE" and an accent may be composed or not, and spelled as first seen.
    """

    def __init__(self, known: Iterable[tuple[str, str | None]] = ()):
        """Start from pairs of brand and model that are known; a brand may come without a model."""
        self._spelled: dict[tuple[str, ...], str] = {}
        for brand, model in known:
            self._spell(brand, model)
        self._known = len(self._spelled)

    @property
    def has_learned(self) -> bool:
        """Whether a brand or a model was met that was not known from the start."""
        return len(self._spelled) > self._known

    def respell(self, brands: pa.Array, models: pa.Array) -> tuple[pa.Array, pa.Array]:
        """Give every row the spelling of its brand and model."""
        # No clean name has a line break in it.
        line_break = pa.scalar("\n", pa.large_string())
        pairs = pc.binary_join_element_wise(brands, models, line_break).dictionary_encode()
        spelled = [self._spell(*pair.split("\n")) for pair in pairs.dictionary.to_pylist()]
        brand, model = (
            pa.array([pair[at] for pair in spelled], pa.large_string()) for at in (0, 1)
        )
        return brand.take(pairs.indices), model.take(pairs.indices)

    def _spell(self, brand: str, model: str | None) -> tuple[str, str | None]:
        key = _caseless(brand)
        spelled = self._spelled.setdefault((key,), brand)
        return spelled, model and self._spelled.setdefault((key, _caseless(model)), model)


def _caseless(name: str) -> str:
    return unicodedata.normalize("NFD", unicodedata.normalize("NFD", name).casefold())


def prepare(
    cars: pd.DataFrame,
    names: CanonicalNames,
    *,
    first_row: int = 0,
    required: Collection[str] = REQUIRED,
) -> Prepared:
    """Clean a cars frame, column by column, and refuse the rows that have a fault.

    Whether a VIN occurs twice is not judged here: the other one may come in a later frame. `names`
    learns those that are new; `first_row` is the number of the frame's first row in all that is
    loaded. Raises BadArgument if `cars` is no DataFrame, and WrongColumns as `check_names` does.
    """
    if not isinstance(cars, pd.DataFrame):
        raise BadArgument(f"Expected a pandas DataFrame of cars, found {type(cars).__name__}.")
    check_names(cars.columns, required)
    columns: dict[str, pa.Array] = {}
    reasons: dict[int, list[str]] = {}
    for name, target in TABLE_COLUMNS.items():
        if name in cars.columns:
            columns[name], faults = clean_column(cars[name], target)
            for row, reason in faults.items():
                reasons.setdefault(row, []).append(reason)
    rows = np.arange(first_row, first_row + len(cars))
    refused = np.isin(np.arange(len(cars)), list(reasons))
    columns = {name: array.filter(pa.array(~refused)) for name, array in columns.items()}
    if "brand" in columns:
        columns["brand"], columns["model"] = names.respell(columns["brand"], columns["model"])
    rejected = cars.loc[refused].set_axis(pd.Index(rows[refused], name="row"), axis=0)
    why = pd.array(["; ".join(reasons[row]) for row in sorted(reasons)], dtype="str")
    return Prepared(pa.table({"row": rows[~refused], **columns}), rejected.assign(reason=why))


def check_names(
    names: Collection[Hashable], required: Collection[str] = (), *, of_frame: bool = True
) -> None:
    """Raise WrongColumns unless the names are those of a car's values, and the required are there.

    They are the columns of a frame, or the names of values to change where not `of_frame`.
    """
    known = ", ".join(TABLE_COLUMNS)
    if unknown := [name for name in names if name not in TABLE_COLUMNS]:
        listed = ", ".join(map(_with_nearest, unknown[:NAMED]))
        more = f" and {len(unknown) - NAMED:,} more" if len(unknown) > NAMED else ""
        several = "s" * (len(unknown) > 1)
        raise WrongColumns(
            f"Unknown column{several}: {listed}{more}. A cars frame has {known}. Rename with "
            "read_cars(path, rename={'Make': 'brand'}) or cars.rename(columns={'Make': 'brand'}), "
            "and leave out what no car has with cars.drop(columns=['...'])."
            if of_frame
            else f"Unknown value{several} of a car: {listed}{more}. What can change is {known}."
        )
    if twice := sorted({str(name) for name in names if list(names).count(name) > 1}):
        raise WrongColumns(
            f"Expected each column once, found more than one named {', '.join(twice)}. Keep one."
        )
    if missing := [name for name in required if name not in names]:
        raise WrongColumns(
            f"Expected the column{'s' * (len(missing) > 1)} {', '.join(missing)}, "
            f"found {', '.join(map(str, names)) or 'none'}. A new car needs {', '.join(REQUIRED)}; "
            "a change of one that is there needs its vin."
        )
    if ("brand" in names) != ("model" in names):
        given, absent = ("brand", "model") if "brand" in names else ("model", "brand")
        raise WrongColumns(
            f"Expected brand and model together, since a model is known by both; found {given} "
            f"alone. Give the {absent} too."
        )


def _with_nearest(unknown: object) -> str:
    """Name what is none of the columns, and the column that it may have been meant to be."""
    column = nearest(str(unknown), TABLE_COLUMNS)
    return reprlib.repr(unknown) + (f" (do you mean {column!r}?)" if column else "")


def clean_column(column: pd.Series, target: Column) -> tuple[pa.Array, dict[int, str]]:
    """Clean one column, of any dtype, as the type of the table column `target` demands.

    Returns the clean values, null where faulty, and a reason for each row that has a fault.
    """
    kind: Any = target.type  # the texts have a length, the numbers a precision
    required = not target.nullable
    if column.dtype == bool and kind.python_type is bool:
        return pa.array(column.to_numpy()), {}
    if kind.python_type is bool:
        clean, odd, judged = _all_odd(column.astype(object), _judge_flag, pa.bool_())
    elif kind.python_type is str:
        clean, odd, judged = _texts(column, kind.length, required, column.name == "vin")
    else:
        zero_allowed = column.name == "price"
        clean, odd, judged = _numbers(column, kind.precision, kind.scale, zero_allowed)
    values = pa.array([value for value, _ in judged], clean.type)
    faults = {}
    for row, (value, reason) in zip(np.flatnonzero(odd).tolist(), judged, strict=True):
        if reason or (required and value is None):
            faults[row] = f"{column.name} {reason or 'missing'}"
    return pc.replace_with_mask(clean, pa.array(odd), values), faults


def _judge_each(values: Iterable[Any], judge: Callable[[Any], Judged]) -> list[Judged]:
    return [(None, None) if _is_missing(value) else judge(value) for value in values]


def _all_odd(values: Collection, judge: Callable[[Any], Judged], kind: pa.DataType) -> Sorted:
    return pa.nulls(len(values), kind), np.ones(len(values), bool), _judge_each(values, judge)


def _texts(column: pd.Series, max_length: int, required: bool, upper: bool) -> Sorted:
    """Sort the texts of a column into plain and odd ones.

    Letters of other scripts that look alike, as the Cyrillic and the Latin A do, stay different.
    """

    @cache  # names and colors that are no ASCII come often
    def judge_text(value: str) -> Judged:
        if reason := hidden_character(tidy_text(value)):
            return None, reason
        text = tidy_text(value, upper)
        too_long = f"is longer than {max_length} characters" if len(text) > max_length else None
        return None if too_long else text or None, too_long

    def judge(value: object) -> Judged:
        return judge_text(value) if isinstance(value, str) else (None, "is not text")

    try:
        array = pa.array(column, from_pandas=True)
    except Exception:  # Arrow raises whatever it meets: values of several types, half characters
        array = pa.array([False])
    kind = array.type.value_type if pa.types.is_dictionary(array.type) else array.type
    if kind not in (pa.string(), pa.large_string(), pa.string_view(), pa.null()):
        return _all_odd(column.astype(object), judge, pa.large_string())
    array = array.cast(pa.large_string())
    if isinstance(array, pa.ChunkedArray):
        array = array.combine_chunks()
    try:
        array.validate(full=True)
    except pa.ArrowInvalid:  # a Parquet file may have bytes in it that are no UTF-8
        stored = array.cast(pa.large_binary()).to_pylist()
        texts = [v if v is None else v.decode(errors="surrogateescape") for v in stored]
        return _all_odd(texts, judge, pa.large_string())
    short = pc.less_equal(pc.utf8_length(array), max_length)
    plain = pc.and_(pc.match_substring_regex(array, PLAIN), short)
    odd = pc.fill_null(pc.invert(plain), required).to_numpy(zero_copy_only=False)
    # Not ascii_upper: of arrays that begin within a buffer, Arrow 26 makes zeros.
    clean = pc.utf8_upper(array) if upper else array
    return clean, odd, _judge_each(array.filter(pa.array(odd)).to_pylist(), judge)


def _numbers(column: pd.Series, precision: int, scale: int, zero_allowed: bool) -> Sorted:
    """Sort numbers as what they are when PostgreSQL has rounded them, half away from zero.

    A binary float, of 16, 32 or 64 bits, counts as the decimal number that it prints as. Text is
    refused even where it looks like a number: ``"10,900"`` may be ten or ten thousand. Where zero
    is not allowed, what rounds to zero is refused like a negative number.
    """
    unit, limit = Decimal((0, (1,), -scale)), 10 ** (precision - scale)
    lowest, beyond = (Decimal(0) if zero_allowed else unit / 2), limit - unit / 2

    def judge(value: Any) -> Judged:
        if isinstance(value, str):
            return None, "is text, not a number"
        if not _is_number(value) or isinstance(value, bool):
            return None, "is not a number"
        if not isinstance(value, (int, Decimal)):  # as it prints
            value = float.__repr__(value) if isinstance(value, float) else str(value)
        number = Decimal(value)
        if number.is_infinite():
            return None, "is infinite"
        if number < lowest:
            return None, f"is {'negative' if zero_allowed else 'not above zero'}"
        if number >= beyond:
            return None, f"is out of range (must be below {limit})"
        return str(number.quantize(unit, context=ROUNDING)), None

    if column.dtype.kind not in "iuf":
        return _all_odd(column.astype(object), judge, pa.large_string())
    values = column.to_numpy(na_value=np.nan)
    if values.dtype in (np.float16, np.float32):  # through text: 1.005 in 16 or 32 bits means 1.005
        values = values.astype(np.str_)
    values = values.astype(np.float64)
    odd = ~((values >= float(lowest)) & (values < float(beyond)))
    return pa.array(values, mask=odd), odd, _judge_each(values[odd].tolist(), judge)


def _judge_flag(value: object) -> Judged:
    if isinstance(value, (bool, np.bool_)) or (_is_number(value) and value in (0, 1)):
        return bool(value), None
    return None, "is neither true nor false"


def _is_number(value: object) -> bool:
    """Return whether a value is a real number of Python or NumPy, or a truth value of Python."""
    real = isinstance(value, (int, float, Decimal, np.integer, np.floating))
    return real and not isinstance(value, np.timedelta64)  # which NumPy counts as an integer


def _is_missing(value: Any) -> bool:
    """Return whether a value stands for none: None, NaN, NaT or NA."""
    if isinstance(value, Decimal):
        return value.is_nan()
    return value is None or (pd.api.types.is_scalar(value) and bool(pd.isna(value)))
