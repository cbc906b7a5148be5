"""Changing or deleting one car, with what it was before going to the history.

To the history a change is a load of one row: it takes the load's lock before it reads the clock, so
all that happens to the cars of a schema forms one order, and runs the statement of
`carlib.loading.delta_sql` for a row of parameters in place of a staging table.
"""

from collections.abc import Mapping
from datetime import datetime
from typing import Any
from uuid import UUID

import pandas as pd
from sqlalchemy import Engine, text
from sqlalchemy.engine import Connection
from sqlalchemy.exc import IntegrityError

from carlib.connection import driver_error
from carlib.errors import BadArgument, LateChange, NotFound, RejectedRows, VinTaken, WriteFailed
from carlib.load_lock import CLOCK_BEHIND, change_in_order, read_clock, require_instant
from carlib.loading.delta_sql import (
    differs,
    merge_statement,
    row_of_parameters,
    source_query,
)
from carlib.loading.prepare import CanonicalNames, check_names, prepare
from carlib.loading.staging import insert_names, known_names
from carlib.lookup import CARS, as_uuid
from carlib.models import CarInfo
from carlib.text import tidy_text
from carlib.transactions import retry

# Whether another car had the VIN at the instant or later, and gave it up since.
HAD_VIN = text(
    "SELECT EXISTS (SELECT FROM car_info_history WHERE vin = :vin AND car_id <> :car_id"
    ' AND "timestamp" > :loaded_at)'
)


def update_car(
    engine: Engine,
    car_id: UUID | str,
    changes: Mapping[str, Any],
    *,
    changed_at: datetime | None = None,
) -> dict[str, Any]:
    """Change values of one car, and log what they were, in one transaction.

    Values are cleaned as those of a frame are. Where all of them are what the car has already,
    nothing is written.

    Args:
        engine: From `connect`, with the tables made by `create_tables`.
        car_id: The key of the car, as a UUID or as its text.
        changes: New values by name: engine_size (litres, or None), vin, color (or None), price,
            status, and brand with model, which move the car to another model, made if missing.
        changed_at: The instant of the change, with a time zone; None means now.

    Returns:
        The car as it is now, as `get_car` gives it.

    Raises:
        BadArgument: An argument is not of the expected kind, or `changed_at` has no time zone.
        TablesMissing: The tables are not there; `create_tables` makes them.
        WrongColumns: A name is no value of a car, or brand comes without model.
        RejectedRows: A value can't be a car's; `.rejected` holds it with the reason.
        NotFound: There is no such car.
        VinTaken: Another car has the new VIN, or had it at `changed_at` or later.
        LateChange: The car changed at or after `changed_at`. Nothing is written.
        WriteFailed: A trigger or the like on the tables prevents the change; or as for
            `initial_load`.
    """
    key = as_uuid(car_id)
    if not isinstance(changes, Mapping):
        raise BadArgument(
            "Expected changes to be a dictionary of new values by name, as in "
            f"{{'price': 16500}}; found {type(changes).__name__}."
        )
    check_names(changes, of_frame=False)
    try:
        return _change(engine, key, "changed_at", changed_at, changes)
    except IntegrityError as error:
        if driver_error(error).diag.constraint_name == "uq_car_info_vin":
            raise _vin_taken(tidy_text(changes["vin"], upper=True)) from error
        raise


def delete_car(engine: Engine, car_id: UUID | str, *, deleted_at: datetime | None = None) -> None:
    """Delete one car, and log what it was, in one transaction.

    Args:
        engine: From `connect`, with the tables made by `create_tables`.
        car_id: The key of the car, as a UUID or as its text.
        deleted_at: The instant since which the car is no more, with a time zone; None means now.

    Raises:
        BadArgument, TablesMissing, NotFound, LateChange, WriteFailed: As for `update_car`.
    """
    _change(engine, as_uuid(car_id), "deleted_at", deleted_at, None)


def _change(
    engine: Engine,
    key: UUID,
    name: str,
    given: datetime | None,
    changes: Mapping[str, Any] | None,
) -> dict[str, Any]:
    """Change a car, or delete it where there are no changes, after all that came before."""
    given = None if given is None else require_instant(name, given)
    delete = changes is None

    def attempt() -> dict[str, Any]:
        with change_in_order(engine, given) as connection:
            values = _clean(connection, changes) if changes else {}
            parameters = {**values, "car_id": key, "loaded_at": given or read_clock(connection)}
            rows = row_of_parameters(values)
            other = "true" if delete else differs(list(values), "car_id")
            source = source_query(list(values), rows, "car_id")
            if _needs_change(connection, source, other, parameters, given is None):
                if "brand" in values:
                    insert_names(connection, rows, parameters)
                merge = merge_statement(list(values), delete=delete, rows=rows, key="car_id")
                if not connection.execute(text(merge), parameters).all():
                    raise WriteFailed(
                        f"Expected the car {key} to change, but the database left it as it was. "
                        "Something on car_info prevents it: look for triggers, rules and policies."
                    )
            car = connection.execute(CARS.where(CarInfo.car_id == key)).mappings().one_or_none()
            return dict(car or {})

    return retry(attempt)


def _clean(connection: Connection, changes: Mapping[str, Any]) -> dict[str, Any]:
    """Clean new values as those of a frame are, or raise RejectedRows with a frame of one row."""
    # One object column each: pandas must not turn a value into something else before it is judged.
    row = pd.DataFrame({name: pd.Series([value], dtype=object) for name, value in changes.items()})
    names = CanonicalNames(known_names(connection) if "brand" in changes else ())
    prepared = prepare(row, names, required=())
    if len(prepared.rejected):
        listed = ", ".join(f"{name} = {value!r}" for name, value in changes.items())
        raise RejectedRows(
            f"Expected values that a car can have, found {listed}: "
            f"{prepared.rejected['reason'].iloc[0]}. The car stays as it is.",
            prepared.rejected,
        )
    return prepared.clean.drop_columns(["row"]).to_pylist()[0]


def _needs_change(
    connection: Connection, source: str, other: str, parameters: dict[str, Any], clock: bool
) -> bool:
    """Lock the car, and say whether it has other values; refuse what can't be done."""
    if "vin" in parameters and connection.scalar(HAD_VIN, parameters):
        raise _vin_taken(parameters["vin"])
    query = (
        f"SELECT c.valid_from, {other} AS differs"
        f" FROM car_info AS c JOIN ({source}) AS s ON c.car_id = s.car_id FOR UPDATE OF c"
    )
    car = connection.execute(text(query), parameters).one_or_none()
    if car is None:
        raise NotFound(
            f"Expected a car with the id {parameters['car_id']}, found none. It was never there, "
            "or it was deleted: car_history(engine, car_id) tells. Look an id up with "
            "get_car(engine, vin=...)['car_id']."
        )
    if car.differs and car.valid_from >= parameters["loaded_at"]:
        raise LateChange(
            f"Expected a change after {car.valid_from.isoformat(' ')}, since when the car's values "
            f"hold; found {parameters['loaded_at'].isoformat(' ')}. History can't be written "
            f"backwards: give a later instant.{CLOCK_BEHIND * clock}"
        )
    return car.differs


def _vin_taken(vin: str) -> VinTaken:
    return VinTaken(
        f"Expected a VIN that no other car has at that instant or later, but {vin!r} is another "
        f"car's. Look at it with get_car(engine, vin={vin!r}), and change or delete that one first."
    )
