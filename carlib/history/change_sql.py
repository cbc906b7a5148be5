"""Builds the one statement that changes a single car and remembers what it was.

The same two steps as a load's (see `carlib.loading.delta_sql`), for a car found by its id.
"""

from collections.abc import Collection

from sqlalchemy.dialects import postgresql

from carlib.loading.delta_sql import LOGGED
from carlib.models import CarInfo


def change_statement(values: Collection[str] | None) -> str:
    """The one statement that changes a car and writes what it was into the history.

    Its parameters are `car_id`, `instant` and the new values. It does nothing where the car is not
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
            f"  WHERE {condition} AND {differs(values)}\n"
        )
    old = ", ".join(f"old.{name}" for name in LOGGED)
    logged = ", ".join(LOGGED)
    return (
        f"WITH changed AS (\n  {action}  RETURNING {old}\n)\n"
        f'INSERT INTO car_info_history ({logged}, "timestamp", operation)\n'
        f"SELECT {logged}, :instant, '{operation}' FROM changed"
    )


def differs(values: Collection[str]) -> str:
    """A condition: the car `c` has other values than the parameters. NULL equals NULL."""
    old = ", ".join(f"c.{name}" for name in values)
    new = ", ".join(_parameter(name) for name in values)
    return f"ROW({old}) IS DISTINCT FROM ROW({new})" if values else "false"


def _parameter(column: str) -> str:
    """A parameter of the column's type: compared as text, 15000 and 15000.00 would differ."""
    kind = CarInfo.__table__.c[column].type
    return f"CAST(:{column} AS {kind.compile(postgresql.dialect())})"
