"""Finding one car."""

from typing import Any
from uuid import UUID

from sqlalchemy import Engine, select

from carlib.errors import BadArgument
from carlib.models import CarBrand, CarInfo, CarModel
from carlib.text import hidden_character, tidy_text

# The cars with the names of their brands and models.
NAMES = (CarInfo.car_id, CarBrand.name.label("brand"), CarModel.name.label("model"))
VALUES = ("vin", "engine_size", "color", "price", "status", "valid_from")
CARS = (
    select(*NAMES, *(getattr(CarInfo, name) for name in VALUES))
    .join(CarInfo.model)
    .join(CarModel.brand)
)


def get_car(
    engine: Engine, *, vin: str | None = None, car_id: UUID | str | None = None
) -> dict[str, Any] | None:
    """Look one car up, by its VIN or by its id.

    Args:
        engine: From `connect`.
        vin: The vehicle identification number; blanks around it and its case don't matter.
        car_id: The key of the car, as a UUID or as its text.

    Returns:
        The car as a dictionary: car_id, brand, model, vin, engine_size (litres, or None), color,
        price (a Decimal), status (True: available), valid_from; None where there is no such car.

    Raises:
        BadArgument: Neither or both of the two were given, or `car_id` is no UUID.
    """
    if (vin is None) == (car_id is None):
        raise BadArgument(
            f"Expected either a vin or a car_id, found {'neither' if vin is None else 'both'}. "
            "Call get_car(engine, vin='ABC123') or get_car(engine, car_id=...)."
        )
    if vin is not None:
        if hidden_character(tidy_text(str(vin))):  # no load takes such a VIN
            return None
        condition = CarInfo.vin == tidy_text(str(vin), upper=True)
    else:
        condition = CarInfo.car_id == as_uuid(car_id)
    with engine.connect() as connection:
        row = connection.execute(CARS.where(condition)).mappings().one_or_none()
    return dict(row) if row else None


def as_uuid(key: UUID | str | None) -> UUID:
    """Turn a key given as text into a UUID, or raise BadArgument if it is none."""
    if isinstance(key, UUID):
        return key
    try:
        return UUID(key)
    except (ValueError, AttributeError, TypeError) as error:
        raise BadArgument(
            f"Expected car_id to be a UUID such as 0198c1b2-7c5e-7d3a-9f00-3b1f0c9f7a52, "
            f"found {key!r}. Keys are looked up, never typed: get_car(engine, vin=...)['car_id']."
        ) from error
