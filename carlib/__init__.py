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
