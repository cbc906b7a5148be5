"""The new values of one car: which names they may have, and cleaned as those of a frame are."""

from collections.abc import Mapping
from typing import Any

import pandas as pd
from sqlalchemy import text
from sqlalchemy.engine import Connection

from carlib.errors import BadArgument, RejectedRows, WrongColumns
from carlib.loading.prepare import REQUIRED, TABLE_COLUMNS, CanonicalNames, prepare, with_nearest
from carlib.loading.staging import known_names


def check_names(changes: Mapping[str, Any]) -> None:
    """Raise a named error unless all names are those of a car's values.

    Raises:
        BadArgument: `changes` is no mapping.
        WrongColumns: A name is none of them; the message has the nearest one.
        WrongColumns: Only one of brand and model is there.
    """
    if not isinstance(changes, Mapping):
        raise BadArgument(
            "Expected changes to be a dictionary of new values by name, as in "
            f"{{'price': 16500}}; found {type(changes).__name__}."
        )
    unknown = [name for name in changes if name not in TABLE_COLUMNS]
    if unknown:
        raise WrongColumns(
            f"Unknown value{'s' * (len(unknown) > 1)} of a car: "
            f"{', '.join(map(with_nearest, unknown))}. "
            f"What can change is {', '.join(TABLE_COLUMNS)}."
        )
    if ("brand" in changes) != ("model" in changes):
        given, absent = ("brand", "model") if "brand" in changes else ("model", "brand")
        raise WrongColumns(
            f"Expected brand and model together, since a model is known by both; found {given} "
            f"alone. Give the {absent} too."
        )


def clean_values(connection: Connection, changes: Mapping[str, Any]) -> dict[str, Any]:
    """Turn new values into those of car_info's columns; make the brand and model if missing.

    Raises:
        RejectedRows: A value is refused; `.rejected` is a frame of one row with the reason.
    """
    if not changes:
        return {}
    named = "brand" in changes
    # One object column each: pandas must not turn a value into something else before it is judged.
    row = pd.DataFrame({name: pd.Series([value], dtype=object) for name, value in changes.items()})
    names = CanonicalNames(known_names(connection) if named else ())
    prepared = prepare(row, names, required=[name for name in REQUIRED if name in changes])
    if len(prepared.rejected):
        raise RejectedRows(
            f"Expected values that a car can have, found {_listed(changes)}: "
            f"{prepared.rejected['reason'].iloc[0]}. The car stays as it is.",
            prepared.rejected,
        )
    values = prepared.clean.drop_columns(["row"]).to_pylist()[0]
    if named:
        values["model_id"] = _model_id(connection, values.pop("brand"), values.pop("model"))
    return values


def _model_id(connection: Connection, brand: str, model: str) -> Any:
    """The key of a model, which is made together with its brand if they are not there."""
    names = {"brand": brand, "model": model}
    for statement in (
        "INSERT INTO car_brand (name) VALUES (:brand) ON CONFLICT DO NOTHING",
        "INSERT INTO car_model (brand_id, name)"
        " SELECT brand_id, :model FROM car_brand WHERE name = :brand ON CONFLICT DO NOTHING",
    ):
        connection.execute(text(statement), names)
    return connection.scalar(
        text(
            "SELECT m.model_id FROM car_model m JOIN car_brand b USING (brand_id)"
            " WHERE b.name = :brand AND m.name = :model"
        ),
        names,
    )


def _listed(changes: Mapping[str, Any]) -> str:
    return ", ".join(f"{name} = {value!r}" for name, value in changes.items())
