"""From a cars frame as it came to rows that the tables accept, and rows refused with a reason.

This module knows the columns of the tables and nothing of the database: it can be read, tested and
trusted alone. Every row that goes in comes out once, either clean or refused.
"""

import reprlib
import unicodedata
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
from sqlalchemy import Column

from carlib.errors import BadArgument, WrongColumns
from carlib.loading.columns import Cleaned, Faults, clean_flag, clean_number, clean_text
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
            self._spell(brand, model)
        self._given = self._count()

    @property
    def has_learned(self) -> bool:
        """Whether a brand or a model was met that was not known from the start."""
        return self._count() > self._given

    def _count(self) -> int:
        return len(self._brands) + len(self._models)

    def respell(self, brands: pa.Array, models: pa.Array) -> tuple[pa.Array, pa.Array]:
        """Give every row the spelling of its brand and model; a null stays null."""
        brand_codes, brand_names = pd.factorize(brands.to_pandas(), use_na_sentinel=False)
        model_codes, model_names = pd.factorize(models.to_pandas(), use_na_sentinel=False)
        pair_codes, pairs = pd.factorize(brand_codes * len(model_names) + model_codes)
        spelled = [
            self._spell(
                _or_none(brand_names[p // len(model_names)]),
                _or_none(model_names[p % len(model_names)]),
            )
            for p in pairs
        ]
        text, codes = pa.large_string(), pa.array(pair_codes)
        return (
            pa.array([brand for brand, _ in spelled], text).take(codes),
            pa.array([model for _, model in spelled], text).take(codes),
        )

    def _spell(self, brand: str | None, model: str | None) -> tuple[str | None, str | None]:
        if brand is None:
            return None, model
        brand_key = _caseless(brand)
        brand = self._brands.setdefault(brand_key, brand)
        if model is None:
            return brand, None
        return brand, self._models.setdefault((brand_key, _caseless(model)), model)


def prepare(
    cars: pd.DataFrame,
    names: CanonicalNames,
    *,
    first_row: int = 0,
    required: Sequence[str] = REQUIRED,
) -> Prepared:
    """Clean a cars frame, column by column, and refuse the rows that have a fault.

    Whether a VIN occurs twice is not judged here: the other one may come in a later frame.

    Args:
        cars: Columns as in `TABLE_COLUMNS`, in any order; those not required may be left out.
        names: How brands and models are spelled; learns those that are new.
        first_row: The number of the frame's first row in the whole of what is loaded.
        required: The columns that must be there and filled.

    Raises:
        BadArgument: `cars` is no DataFrame.
        WrongColumns: A column is not one of a cars frame, or is there twice.
        WrongColumns: A required column is not there.
    """
    check_columns(cars, required)
    rows = np.arange(first_row, first_row + len(cars))
    faults: Faults = []
    columns: dict[str, pa.Array] = {}
    for name, target in TABLE_COLUMNS.items():
        if name in cars.columns:
            columns[name], column_faults = _clean(cars[name], target, name in required)
            faults += column_faults
    refused = np.zeros(len(cars), dtype=bool)
    for _, mask in faults:
        refused |= mask
    accepted = pa.array(~refused)
    columns = {name: array.filter(accepted) for name, array in columns.items()}
    if "brand" in columns and "model" in columns:
        columns["brand"], columns["model"] = names.respell(columns["brand"], columns["model"])
    clean = pa.table({"row": pa.array(rows).filter(accepted), **columns})
    return Prepared(clean, _explain(cars, rows, refused, faults))


def check_columns(cars: pd.DataFrame, required: Sequence[str] = REQUIRED) -> None:
    """Raise a named error unless `cars` is a frame with known columns and the required ones."""
    if not isinstance(cars, pd.DataFrame):
        raise BadArgument(
            f"Expected a pandas DataFrame of cars, found {type(cars).__name__}. "
            "For a file, pass its path; for a stream, an iterator of frames."
        )
    unknown = [column for column in cars.columns if column not in TABLE_COLUMNS]
    if unknown:
        named = ", ".join(map(with_nearest, unknown[:NAMED]))
        more = f" and {len(unknown) - NAMED:,} more" if len(unknown) > NAMED else ""
        raise WrongColumns(
            f"Unknown column{'s' * (len(unknown) > 1)}: {named}{more}. "
            f"A cars frame has {', '.join(TABLE_COLUMNS)}. Rename with cars.rename(columns=...) "
            "or leave the column out with cars.drop(columns=...)."
        )
    twice = sorted(set(cars.columns[cars.columns.duplicated()]))
    if twice:
        raise WrongColumns(
            f"Expected each column once, found more than one named {', '.join(twice)}. "
            "Keep one of them."
        )
    missing = [name for name in required if name not in cars.columns]
    if missing:
        raise WrongColumns(
            f"Expected the column{'s' * (len(missing) > 1)} {', '.join(missing)}, "
            f"found {', '.join(cars.columns) or 'none'}. A new car needs {', '.join(required)}."
        )


def _clean(column: pd.Series, target: Column, required: bool) -> Cleaned:
    """Clean one column as the type of its table column demands."""
    kind: Any = target.type  # the texts have a length, the numbers a precision
    if kind.python_type is str:
        return clean_text(column, kind.length, required=required, upper=column.name == "vin")
    if kind.python_type is bool:
        return clean_flag(column)
    return clean_number(
        column,
        kind.precision,
        kind.scale,
        required=required,
        zero_allowed=column.name == "price",
    )


def _explain(
    cars: pd.DataFrame, rows: np.ndarray, refused: np.ndarray, faults: Faults
) -> pd.DataFrame:
    """The refused rows, each with all its reasons."""
    reasons = [
        "; ".join(reason for reason, mask in faults if mask[i]) for i in np.flatnonzero(refused)
    ]
    rejected = cars.loc[refused].set_axis(pd.Index(rows[refused], name="row"), axis=0)
    return rejected.assign(reason=pd.array(reasons, dtype="str"))


def with_nearest(unknown: object) -> str:
    """Name what is none of the columns, and the column that it may have been meant to be."""
    column = nearest(str(unknown), TABLE_COLUMNS)
    return reprlib.repr(unknown) + (f" (do you mean {column!r}?)" if column else "")


def _caseless(name: str) -> str:
    return unicodedata.normalize("NFD", unicodedata.normalize("NFD", name).casefold())


def _or_none(name: object) -> str | None:
    return name if isinstance(name, str) else None
