"""carlib, the helper package of the workbook: cars from DataFrames into PostgreSQL and back.

Connecting and making tables
    `connect` opens an engine on one schema, `create_tables` makes what is missing there,
    `entity_relationship_diagram` draws the tables.
Cars as DataFrames, one row a car
    `sample_cars` and `sample_delta` are the handful that the lessons talk about, `generate_cars`
    makes any number, `read_cars` and `iter_cars` read a file of your own, whole or piece by piece.
Loading and looking up
    `initial_load` fills empty tables and returns a `LoadReport`, `get_car` finds one car.

Errors are named, all under `CarlibError`, in `carlib.errors`. Importing carlib does nothing else.
"""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:  # what editors and type checkers read
    from carlib.cars import generate_cars, iter_cars, read_cars, sample_cars, sample_delta
    from carlib.connection import connect
    from carlib.diagram import entity_relationship_diagram
    from carlib.errors import CarlibError
    from carlib.load import initial_load
    from carlib.lookup import get_car
    from carlib.models import Base, CarBrand, CarInfo, CarModel, create_tables
    from carlib.report import LoadReport

__all__ = [
    "Base",
    "CarBrand",
    "CarInfo",
    "CarModel",
    "CarlibError",
    "LoadReport",
    "connect",
    "create_tables",
    "entity_relationship_diagram",
    "generate_cars",
    "get_car",
    "initial_load",
    "iter_cars",
    "read_cars",
    "sample_cars",
    "sample_delta",
]

# Where each name lives. It is imported when it is first asked for, so that `carlib doctor` can say
# what is missing where, say, pandas is.
_HOMES = {
    "cars": ("generate_cars", "iter_cars", "read_cars", "sample_cars", "sample_delta"),
    "connection": ("connect",),
    "diagram": ("entity_relationship_diagram",),
    "errors": ("CarlibError",),
    "load": ("initial_load",),
    "lookup": ("get_car",),
    "models": ("Base", "CarBrand", "CarInfo", "CarModel", "create_tables"),
    "report": ("LoadReport",),
}


def __getattr__(name: str) -> object:
    for home, names in _HOMES.items():
        if name in names:
            value = globals()[name] = getattr(import_module(f"carlib.{home}"), name)
            return value
    raise AttributeError(f"module 'carlib' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
