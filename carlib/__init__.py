"""carlib, the helper package of the workbook: cars from DataFrames into PostgreSQL and back.

Connecting and making tables
    `connect` opens an engine on one schema, `create_tables` makes what is missing there,
    `entity_relationship_diagram` draws the tables.
Cars as DataFrames, one row a car
    `sample_cars` and `sample_delta` are the handful that the lessons talk about, `generate_cars`
    and `generate_delta` make any number, `read_cars` and `iter_cars` read a file of your own.
Loading and changing
    `initial_load` fills empty tables, `delta_load` brings filled ones up to date; both return a
    `LoadReport`. `update_car` and `delete_car` change a single car.
Looking up, now and in the past
    `get_car` finds one car, `car_history` tells its whole life, `cars_as_of` shows the fleet as it
    stood at an instant, `price_changes` lists what became dearer or cheaper.
Whole DataFrames
    `DataFrameStore` puts frames into the database and gets them back, `compare_formats` measures
    what each format costs and keeps.
Keeping the history small
    `archive_history` moves old history into Parquet files and returns an `ArchiveReport`.

Errors are named, all under `CarlibError`, in `carlib.errors`. Importing carlib does nothing else.
"""

from carlib.cars import (
    generate_cars,
    generate_delta,
    iter_cars,
    read_cars,
    sample_cars,
    sample_delta,
)
from carlib.connection import connect
from carlib.errors import CarlibError
from carlib.history.archive import ArchiveReport, archive_history
from carlib.history.changes import delete_car, update_car
from carlib.history.queries import car_history, cars_as_of, price_changes
from carlib.loading.delta import delta_load
from carlib.loading.initial import initial_load
from carlib.loading.report import LoadReport
from carlib.lookup import get_car
from carlib.models import CarBrand, CarInfo, CarInfoHistory, CarModel, LoadLog
from carlib.store.compare import compare_formats
from carlib.store.store import DataFrameStore, StoredFrame
from carlib.tables import Base, create_tables, entity_relationship_diagram

__all__ = [
    "ArchiveReport",
    "Base",
    "CarBrand",
    "CarInfo",
    "CarInfoHistory",
    "CarModel",
    "CarlibError",
    "DataFrameStore",
    "LoadLog",
    "LoadReport",
    "StoredFrame",
    "archive_history",
    "car_history",
    "cars_as_of",
    "compare_formats",
    "connect",
    "create_tables",
    "delete_car",
    "delta_load",
    "entity_relationship_diagram",
    "generate_cars",
    "generate_delta",
    "get_car",
    "initial_load",
    "iter_cars",
    "price_changes",
    "read_cars",
    "sample_cars",
    "sample_delta",
    "update_car",
]
