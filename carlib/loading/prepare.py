"""From a cars frame as it came to rows that the tables accept, and rows refused with a reason.

This module knows the columns of the tables and nothing of the database: it can be read, tested and
trusted alone. Every row that goes in comes out once, either clean or refused.
"""

import reprlib
import unicodedata
from collections.abc import Collection, Hashable, Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
from sqlalchemy import Column

from carlib.errors import BadArgument, WrongColumns
from carlib.loading.columns import Cleaned, clean_flag, clean_number, clean_text
from carlib.models import CarBrand, CarInfo, CarModel
from carlib.text import nearest

# The columns of a cars frame, each with the table column that it ends in.
TABLE_COLUMNS: dict[str, Column] = {
    "brand": CarBrand.__table__.c.name,
    "model": CarModel.__table__.c.name,
    "vin": CarInfo.__table__.c.vin,
    "engine_size": CarInfo.__table__.c.engine_size,
    "color": CarInfo.__table__.c.color,
    "price": CarInfo.__table__.c.price,
    "status": CarInfo.__table__.c.status,
}
REQUIRED = tuple(name for name, column in TABLE_COLUMNS.items() if not column.nullable)
NAMED = 10  # unknown columns that a message names


@dataclass
class Prepared:
    """The outcome for one frame.

    Attributes:
        clean: The accepted rows: their number `row` and the columns of a cars frame.
        rejected: The refused rows as they came, indexed by `row`, with a column `reason` more.
    """

    clean: pa.Table
    rejected: pd.DataFrame


class CanonicalNames:
    """Remembers how each brand and model is spelled, and finds it again whatever the case.

    Names are compared by canonical caseless matching (The Unicode Standard, definition D145), so
    that "Straße" is "STRASSE" and an accent may be composed or not, and spelled as first seen.
    """

    def __init__(self, models: Iterable[tuple[str, str | None]] = ()):
        """Start from pairs of brand and model that are known; a brand may come without a model."""
        self._brands: dict[str, str] = {}
        self._models: dict[tuple[str, str], str] = {}
        for brand, model in models:
            if model is None:
                self._brands.setdefault(_caseless(brand), brand)
            else:
                self._spell(brand, model)
        self._given = self._count()

    @property
    def has_learned(self) -> bool:
        """Whether a brand or a model was met that was not known from the start."""
        return self._count() > self._given

    def _count(self) -> int:
        return len(self._brands) + len(self._models)

    def respell(self, brands: pa.Array, models: pa.Array) -> tuple[pa.Array, pa.Array]:
        """Give every row the spelling of its brand and model."""
        brand_codes, brand_names = pd.factorize(brands.to_pandas())
        model_codes, model_names = pd.factorize(models.to_pandas())
        pair_codes, pairs = pd.factorize(brand_codes * len(model_names) + model_codes)
        spelled = [
            self._spell(brand_names[pair // len(model_names)], model_names[pair % len(model_names)])
            for pair in pairs
        ]
        text, codes = pa.large_string(), pa.array(pair_codes)
        return (
            pa.array([brand for brand, _ in spelled], text).take(codes),
            pa.array([model for _, model in spelled], text).take(codes),
        )

    def _spell(self, brand: str, model: str) -> tuple[str, str]:
        key = _caseless(brand)
        spelled = self._brands.setdefault(key, brand)
        return spelled, self._models.setdefault((key, _caseless(model)), model)


def prepare(
    cars: pd.DataFrame,
    names: CanonicalNames,
    *,
    first_row: int = 0,
    required: Collection[str] = REQUIRED,
) -> Prepared:
    """Clean a cars frame, column by column, and refuse the rows that have a fault.

    Whether a VIN occurs twice is not judged here: the other one may come in a later frame.

    Args:
        cars: Columns as in `TABLE_COLUMNS`, in any order; those not required may be left out.
        names: How brands and models are spelled; learns those that are new.
        first_row: The number of the frame's first row in the whole of what is loaded.
        required: The columns that must be there.

    Raises:
        BadArgument: `cars` is no DataFrame.
        WrongColumns: A column is not one of a cars frame, is there twice, or is missing.
    """
    if not isinstance(cars, pd.DataFrame):
        raise BadArgument(f"Expected a pandas DataFrame of cars, found {type(cars).__name__}.")
    check_names(cars.columns, required)
    columns: dict[str, pa.Array] = {}
    reasons: dict[int, list[str]] = {}
    for name in (name for name in TABLE_COLUMNS if name in cars.columns):
        columns[name], faults = _clean(cars[name], TABLE_COLUMNS[name])
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

    Args:
        names: The columns of a frame, or the names of values to change.
        required: Those that must be among them.
        of_frame: Whether they are columns.
    """
    unknown = [name for name in names if name not in TABLE_COLUMNS]
    if unknown:
        listed = ", ".join(map(_with_nearest, unknown[:NAMED]))
        more = f" and {len(unknown) - NAMED:,} more" if len(unknown) > NAMED else ""
        several, known = "s" * (len(unknown) > 1), ", ".join(TABLE_COLUMNS)
        raise WrongColumns(
            f"Unknown column{several}: {listed}{more}. A cars frame has {known}. Rename with "
            "read_cars(path, rename={'Make': 'brand'}) or cars.rename(columns={'Make': 'brand'}), "
            "and leave out what no car has with cars.drop(columns=['...'])."
            if of_frame
            else f"Unknown value{several} of a car: {listed}{more}. What can change is {known}."
        )
    twice = sorted({str(name) for name in names if list(names).count(name) > 1})
    if twice:
        raise WrongColumns(
            f"Expected each column once, found more than one named {', '.join(twice)}. Keep one."
        )
    missing = [name for name in required if name not in names]
    if missing:
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


def _clean(column: pd.Series, target: Column) -> Cleaned:
    """Clean one column as the type of its table column demands."""
    kind: Any = target.type  # the texts have a length, the numbers a precision
    required = not target.nullable
    if kind.python_type is str:
        return clean_text(column, kind.length, required=required, upper=column.name == "vin")
    if kind.python_type is bool:
        return clean_flag(column)
    zero_allowed = column.name == "price"
    return clean_number(
        column, kind.precision, kind.scale, required=required, zero_allowed=zero_allowed
    )


def _with_nearest(unknown: object) -> str:
    """Name what is none of the columns, and the column that it may have been meant to be."""
    column = nearest(str(unknown), TABLE_COLUMNS)
    return reprlib.repr(unknown) + (f" (do you mean {column!r}?)" if column else "")


def _caseless(name: str) -> str:
    return unicodedata.normalize("NFD", unicodedata.normalize("NFD", name).casefold())
