"""What happens to cars, in plain Python: the history that carlib's must equal.

Nothing here knows SQL. A car's life is a list of versions; an instant is looked up by walking it.
"""

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from itertools import pairwise
from pathlib import Path
from uuid import UUID

import pandas as pd
from hypothesis import strategies as st
from sqlalchemy import Engine, text

from carlib.errors import LateChange, NotFound
from carlib.history.changes import delete_car, update_car
from carlib.history.queries import car_history, cars_as_of, price_changes
from carlib.loading.delta import delta_load
from carlib.lookup import get_car

START = datetime(2024, 1, 30, 22, 59, 59, 999_999, tzinfo=UTC)
VINS = ["AAA1", "BBB2", "CCC3", "DDD4"]
VALUES = ["brand", "model", "engine_size", "color", "price", "status"]
SHOWN = ["brand", "model", "vin", "engine_size", "color", "price", "status"]


@dataclass
class Version:
    values: dict
    valid_from: datetime
    valid_to: datetime | None = None
    operation: str | None = None

    def row(self, vin: str) -> tuple:
        values = {**self.values, "vin": vin}
        return (*(values[name] for name in SHOWN), self.valid_from, self.valid_to)


@dataclass
class Oracle:
    """All that ever was, by VIN."""

    lives: dict[str, list[Version]] = field(default_factory=dict)

    def living(self, vin: str) -> Version | None:
        life = self.lives.get(vin)
        return life[-1] if life and life[-1].valid_to is None else None

    def put(self, vin: str, values: dict, at: datetime) -> str | None:
        """Give a car these values: "insert" if it was not there, "update" if they are others."""
        version = self.living(vin)
        if version is None:
            empty = {"color": None, "engine_size": None}
            self.lives.setdefault(vin, []).append(Version(empty | values, at))
            return "insert"
        if version.values == version.values | values:
            return None
        self.end(vin, at, "update")
        self.lives[vin].append(Version(version.values | values, at))
        return "update"

    def end(self, vin: str, at: datetime, operation: str) -> None:
        version = self.living(vin)
        version.valid_to, version.operation = at, operation

    def late(self, vin: str, values: dict, at: datetime) -> bool:
        """Whether a load that gives a car these values comes too late."""
        version = self.living(vin)
        if version is None:
            return any(past.valid_to > at for past in self.lives.get(vin, ()))
        return version.values != version.values | values and version.valid_from >= at

    def refusal(self, vin: str, at: datetime, values: dict | None) -> type[Exception] | None:
        """The error that changing one car at this instant deserves."""
        version = self.living(vin)
        if version is None:
            return NotFound
        differs = values is None or version.values != version.values | values
        return LateChange if differs and at <= version.valid_from else None

    def life(self, vin: str) -> list[tuple]:
        return [(*version.row(vin), version.operation) for version in self.lives[vin]]

    def as_of(self, when: datetime) -> list[tuple]:
        return [
            version.row(vin)
            for vin in sorted(self.lives)
            for version in self.lives[vin]
            if version.valid_from <= when and (version.valid_to is None or when < version.valid_to)
        ]

    def price_changes(self) -> list[tuple]:
        changes = []
        for vin, life in self.lives.items():
            for old, new in pairwise(life):
                before, after = (Decimal(str(v.values["price"])) for v in (old, new))
                if old.operation == "update" and before != after:
                    difference = float(after - before)
                    percent = 100 * difference / float(before) if before else None
                    values = (old.valid_to, float(before), float(after), difference, percent)
                    changes.append((vin, *values))
        return sorted(changes, key=lambda change: (change[1], change[0]))

    def instants(self) -> list[datetime]:
        """Every instant at which something changed, and the last one before it."""
        versions = [version for life in self.lives.values() for version in life]
        edges = {i for v in versions for i in (v.valid_from, v.valid_to) if i is not None}
        return sorted(edges | {edge - timedelta(microseconds=1) for edge in edges})


_some = {
    "price": st.sampled_from([0.0, 100.0, 100.1, 0.35, 9_999_999_999.99]),
    "status": st.booleans(),
    "color": st.sampled_from([None, "Red", 'a "b",\\.']),
    "engine_size": st.sampled_from([None, 1.0, 2.25]),
}
_model = st.sampled_from([("Toyota", "Corolla"), ("Honda", "Civic"), ("Honda", "Jazz")])
_cars = st.builds(lambda names, values: dict(zip(VALUES, names)) | values,  # noqa: B905
                  _model, st.fixed_dictionaries(_some))  # fmt: skip
_changes = st.one_of(
    st.fixed_dictionaries({}, optional=_some),
    _model.map(lambda names: {"brand": names[0], "model": names[1]}),
)
_vins = st.sampled_from(VINS)
# Up to 50 days ahead, or back, where an earlier instant is often too late.
_ahead = st.timedeltas(timedelta(microseconds=1), timedelta(days=50))
_when = st.one_of(_ahead, st.timedeltas(timedelta(days=-60), timedelta(0)))
DELTAS = st.tuples(
    st.just("delta"), _ahead, st.dictionaries(_vins, _cars, min_size=1), st.booleans()
)
CHANGES = st.one_of(
    st.tuples(st.just("update"), _when, _vins, _changes),
    st.tuples(st.just("delete"), _when, _vins),
    DELTAS,
)
"""One thing that happens: a change of one car, at an earlier or a later instant, or a delta."""


class Pair:
    """The oracle and the real thing, told the same and asked the same."""

    def __init__(self, engine: Engine) -> None:
        self.engine, self.oracle = engine, Oracle()
        self.ids: dict[str, UUID] = {}
        self.now = START
        with engine.begin() as connection:
            connection.execute(text("TRUNCATE car_brand, car_info_history, load_log CASCADE"))
            connection.execute(text("DROP TABLE IF EXISTS history_archive"))

    def apply(self, kind: str, step: timedelta, *what: object) -> None:
        at = self.now + step
        self.now = max(self.now, at)
        if kind == "delta":
            self._delta(at, *what)
        else:
            self._change(at, *what)

    def _delta(self, at: datetime, cars: dict[str, dict], snapshot: bool) -> None:
        frame = pd.DataFrame([{"vin": vin, **values} for vin, values in cars.items()])
        missing = "delete" if snapshot else "keep"
        delta_load(self.engine, frame, loaded_at=at, missing=missing, max_deleted=1)
        for vin, values in cars.items():
            self.oracle.put(vin, values, at)
            car_id = get_car(self.engine, vin=vin)["car_id"]
            assert self.ids.setdefault(vin, car_id) == car_id, "a car that came back has its id"
        for vin in self.ids if snapshot else ():
            if vin not in cars and self.oracle.living(vin):
                self.oracle.end(vin, at, "delete")

    def _change(self, at: datetime, vin: str, values: dict | None = None) -> None:
        if vin not in self.ids:
            return
        refusal, refused = self.oracle.refusal(vin, at, values), None
        try:
            if values is None:
                delete_car(self.engine, self.ids[vin], deleted_at=at)
            else:
                car = update_car(self.engine, self.ids[vin], values, changed_at=at)
                assert car == get_car(self.engine, vin=vin)
        except (NotFound, LateChange) as error:
            refused = type(error)
        assert refused is refusal
        if refused:
            return
        if values is None:
            self.oracle.end(vin, at, "delete")
        else:
            self.oracle.put(vin, values, at)

    def assert_equal(self, *, directory: Path | None = None) -> None:
        """Ask for every life, and for the fleet at every instant that matters."""
        for vin, car_id in self.ids.items():
            assert rows_of(car_history(self.engine, car_id, directory)) == self.oracle.life(vin)
        for when in self.oracle.instants():
            fleet = cars_as_of(self.engine, when, directory)
            assert [self.ids[vin] for vin in fleet["vin"]] == list(fleet["car_id"])
            assert rows_of(fleet.drop(columns="car_id")) == self.oracle.as_of(when)

    def assert_equal_prices(self) -> None:
        changes = price_changes(self.engine)
        names = ["vin", "changed_at", "old_price", "new_price", "difference", "percent"]
        assert rows_of(changes[names]) == self.oracle.price_changes()


def rows_of(frame: pd.DataFrame) -> list[tuple]:
    """A frame as tuples of Python's own values; what is missing is None."""
    frame = frame.astype(object)
    return list(frame.where(frame.notna(), None).itertuples(index=False, name=None))
