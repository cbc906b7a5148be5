"""Changing or deleting one car, with what it was before going to the history.

One change and one load are the same thing to the history: both take the load's lock before they
read the clock, so all that ever happens to the cars of a schema forms one order.
"""

from collections.abc import Callable, Collection, Mapping
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Engine, text
from sqlalchemy.dialects import postgresql
from sqlalchemy.engine import Connection
from sqlalchemy.exc import IntegrityError

from carlib.connection import driver_error
from carlib.errors import LateChange, NotFound, VinTaken, WriteFailed
from carlib.history.change_values import check_names, clean_values
from carlib.load_lock import announce, lock_for_load, read_clock, require_instant
from carlib.loading.delta_sql import LOGGED
from carlib.lookup import CARS, as_uuid
from carlib.models import CarInfo
from carlib.tables import require_tables
from carlib.transactions import Result, read_committed, retry


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
        WrongColumns, WrongColumns: A name is no value of a car, or brand comes without model.
        RejectedRows: A value can't be a car's; `.rejected` holds it with the reason.
        NotFound: There is no such car.
        VinTaken: Another car has the new VIN, or had it at `changed_at` or later.
        LateChange: The car changed at or after `changed_at`. Nothing is written.
        WriteFailed: A trigger or the like on the tables prevents the change.
    """
    key = as_uuid(car_id)
    check_names(changes)

    def change(connection: Connection, instant: datetime) -> dict[str, Any]:
        _change(connection, key, instant, clean_values(connection, changes))
        return dict(connection.execute(CARS.where(CarInfo.car_id == key)).mappings().one())

    return _in_order(engine, "changed_at", changed_at, change)


def delete_car(engine: Engine, car_id: UUID | str, *, deleted_at: datetime | None = None) -> None:
    """Delete one car, and log what it was, in one transaction.

    Args:
        engine: From `connect`, with the tables made by `create_tables`.
        car_id: The key of the car, as a UUID or as its text.
        deleted_at: The instant since which the car is no more, with a time zone; None means now.

    Raises:
        BadArgument, TablesMissing, NotFound, LateChange, WriteFailed: As for `update_car`.
    """
    key = as_uuid(car_id)

    def change(connection: Connection, instant: datetime) -> None:
        _change(connection, key, instant, None)

    _in_order(engine, "deleted_at", deleted_at, change)


def _in_order(
    engine: Engine,
    name: str,
    instant: datetime | None,
    change: Callable[[Connection, datetime], Result],
) -> Result:
    """Make a change in a transaction of its own, after all loads and changes before it."""
    if instant is not None:
        instant = require_instant(name, instant)

    def attempt() -> Result:
        with read_committed(engine) as connection:
            announce(connection, instant)
            lock_for_load(connection)
            require_tables(connection)
            return change(connection, instant or read_clock(connection))

    # Once more, too, where someone who writes without the lock came in between.
    return retry(attempt, errors=(WriteFailed,))


def _change(
    connection: Connection, key: UUID, instant: datetime, values: Mapping[str, Any] | None
) -> None:
    """Run the statement; where it did nothing, find out why."""
    parameters = {**(values or {}), "car_id": key, "instant": instant}
    if values and "vin" in values:
        _require_free(connection, parameters)
    other = "true" if values is None else _differs(values)
    state = f"SELECT c.valid_from, {other} AS differs FROM car_info c WHERE c.car_id = :car_id"
    if _done(connection, _change_statement(values), parameters):
        return
    car = connection.execute(text(state), parameters).one_or_none()
    if car is None:
        raise NotFound(
            f"Expected a car with the id {key}, found none. It was never there, or it was "
            "deleted: car_history(engine, car_id) tells. Look an id up with "
            "get_car(engine, vin=...)['car_id']."
        )
    if not car.differs:
        return
    if car.valid_from >= instant:
        raise LateChange(
            f"Expected a change after {car.valid_from.isoformat(' ')}, since when the car's "
            f"values hold; found {instant.isoformat(' ')}. History can't be written "
            "backwards: give a later instant."
        )
    raise WriteFailed(
        f"Expected the car {key} to change, but the database left it as it was. Something on "
        "car_info prevents it: look for triggers, rules and policies."
    )


def _done(connection: Connection, statement: str, parameters: Mapping[str, Any]) -> bool:
    try:
        return connection.execute(text(statement), parameters).rowcount == 1
    except IntegrityError as error:
        if driver_error(error).diag.constraint_name == "uq_car_info_vin":
            raise _vin_taken(parameters["vin"]) from error
        raise


def _require_free(connection: Connection, parameters: Mapping[str, Any]) -> None:
    """Raise VinTaken if another car had the VIN at the instant or later, and gave it up since."""
    query = text(
        "SELECT EXISTS (SELECT FROM car_info_history WHERE vin = :vin AND car_id <> :car_id"
        ' AND "timestamp" > :instant)'
    )
    if connection.scalar(query, parameters):
        raise _vin_taken(parameters["vin"])


def _vin_taken(vin: str) -> VinTaken:
    return VinTaken(
        f"Expected a VIN that no other car has at that instant or later, but {vin!r} is another "
        f"car's. Look at it with get_car(engine, vin={vin!r}), and change or delete that one first."
    )


def _change_statement(values: Collection[str] | None) -> str:
    """The one statement that changes a car and writes what it was into the history.

    The same two steps as a load's (see `carlib.loading.delta_sql`), for a car found by its id. Its
    parameters are `car_id`, `instant` and the new values. It does nothing where the car is not
    there, changed at or after the instant, or has these values already.

    Args:
        values: The columns of car_info that have new values; None to delete the car.
    """
    condition = "c.car_id = :car_id AND c.valid_from < :instant"
    if values is None:
        operation = "delete"
        action = f"DELETE FROM car_info AS c\n  WHERE {condition}\n"
    else:
        operation = "update"
        settings = [*(f"{name} = {_parameter(name)}" for name in values), "valid_from = :instant"]
        action = (
            f"UPDATE car_info AS c SET {', '.join(settings)}\n"
            f"  WHERE {condition} AND {_differs(values)}\n"
        )
    old = ", ".join(f"old.{name}" for name in LOGGED)
    logged = ", ".join(LOGGED)
    return (
        f"WITH changed AS (\n  {action}  RETURNING {old}\n)\n"
        f'INSERT INTO car_info_history ({logged}, "timestamp", operation)\n'
        f"SELECT {logged}, :instant, '{operation}' FROM changed"
    )


def _differs(values: Collection[str]) -> str:
    """A condition: the car `c` has other values than the parameters. NULL equals NULL."""
    old = ", ".join(f"c.{name}" for name in values)
    new = ", ".join(_parameter(name) for name in values)
    return f"ROW({old}) IS DISTINCT FROM ROW({new})" if values else "false"


def _parameter(column: str) -> str:
    """A parameter of the column's type: compared as text, 15000 and 15000.00 would differ."""
    kind = CarInfo.__table__.c[column].type
    return f"CAST(:{column} AS {kind.compile(postgresql.dialect())})"
