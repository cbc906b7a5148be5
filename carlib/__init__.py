"""carlib, the helper package of the workbook: cars from DataFrames into PostgreSQL and back.

`connect` opens an engine on one schema, `create_tables` makes the tables, `sample_cars`,
`generate_cars` and `read_cars` give cars to load, `initial_load` and `delta_load` load them,
`get_car`, `car_history` and `cars_as_of` ask about them. `DataFrameStore` keeps whole DataFrames.

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
    "ArchiveReport", "Base", "CarBrand", "CarInfo", "CarInfoHistory", "CarModel", "CarlibError",
    "DataFrameStore", "LoadLog", "LoadReport", "StoredFrame", "archive_history", "car_history",
    "cars_as_of", "compare_formats", "connect", "create_tables", "delete_car", "delta_load",
    "entity_relationship_diagram", "generate_cars", "generate_delta", "get_car", "initial_load",
    "iter_cars", "price_changes", "read_cars", "sample_cars", "sample_delta", "update_car",
]  # fmt: skip
