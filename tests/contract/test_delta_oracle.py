"""Whatever deltas come, the tables hold what an oracle in plain Python says they hold."""

from collections import Counter
from datetime import UTC, datetime, timedelta
from random import Random

import pandas as pd
import pytest
from car_states import broken_lives, stored
from history_oracle import SHOWN, Oracle, rows_of
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, precondition, rule, run_state_machine_as_test
from sqlalchemy import Engine, text

from carlib import cars_as_of, create_tables, delete_car, delta_load, get_car, update_car
from carlib.errors import LateChange, RejectedRows, SnapshotRefused

START = datetime(2024, 1, 1, tzinfo=UTC)
VINS = ["AAA1", "BBB2", "CCC3", "DDD4"]
REQUIRED = {"brand", "model", "price", "status"}

VALUES = {
    "price": st.sampled_from([0.0, 100.0, 100.1]),
    "status": st.booleans(),
    "color": st.sampled_from([None, "Red"]),
    "engine_size": st.sampled_from([None, 1.0, 2.25]),
}
MODELS = st.sampled_from([("Toyota", "Corolla"), ("Honda", "Civic"), ("Honda", "Jazz")])
# Sets of columns that a delta may have besides the VIN; the first has all.
COLUMNS = [
    ["brand", "model", *VALUES],
    ["price"],
    ["brand", "model", "color"],
    [],
    ["brand", "model", "price", "status"],
]
STEPS = st.integers(-3, 6).map(lambda days: timedelta(days=days))  # mostly ahead, at times late


@st.composite
def rows(draw, columns):
    row = {"vin": draw(st.sampled_from(VINS))}
    if "brand" in columns:
        row["brand"], row["model"] = draw(MODELS)
    return row | {name: draw(VALUES[name]) for name in columns if name in VALUES}


@st.composite
def deltas(draw):
    columns = draw(st.sampled_from([COLUMNS[0], *COLUMNS]))
    found = draw(st.lists(rows(columns), min_size=0, max_size=5))
    return pd.DataFrame(found, columns=["vin", *columns]).astype(
        {name: object for name in ("color", "engine_size") if name in columns}
    )


def outcome_of(oracle, delta, at, on_reject, snapshot):
    """The counts inserted, updated, unchanged, deleted and rejected, or the error's class."""
    given = [
        {k: None if v is None or v != v else v for k, v in row.items()}
        for row in delta.to_dict("records")
    ]
    by_vin = {}
    for row in given:
        by_vin.setdefault(row["vin"], []).append(row)
    taken, rejected, late = {}, 0, 0
    for vin, same in by_vin.items():
        values = {name: value for name, value in same[0].items() if name != "vin"}
        if any(row != same[0] for row in same):
            rejected += len(same)
        elif oracle.living(vin) is None and not set(values) >= REQUIRED:
            rejected += 1
        elif oracle.late(vin, values, at):
            late += 1
        else:
            taken[vin] = values
    if on_reject == "raise" and (late or rejected):
        return LateChange if late else RejectedRows
    gone = [vin for vin in VINS if oracle.living(vin) and vin not in by_vin] if snapshot else []
    if snapshot and not given:
        return SnapshotRefused
    if any(oracle.living(vin).valid_from >= at for vin in gone):
        return LateChange
    done = Counter(oracle.put(vin, values, at) for vin, values in taken.items())
    for vin in gone:
        oracle.end(vin, at, "delete")
    unchanged = len(given) - done["insert"] - done["update"] - rejected - late
    return done["insert"], done["update"], unchanged, len(gone), rejected + late


def counts_of(engine, delta, **options):
    try:
        report = delta_load(engine, delta, **options)
    except (LateChange, RejectedRows, SnapshotRefused) as error:
        return type(error)
    rejected = len(report.rejected)
    assert report.received == report.inserted + report.updated + report.unchanged + rejected
    return report.inserted, report.updated, report.unchanged, report.deleted, rejected


def empty(engine: Engine) -> None:
    with engine.begin() as connection:
        connection.execute(text("TRUNCATE car_brand, car_info_history, load_log CASCADE"))


class Loads(RuleBasedStateMachine):
    engine: Engine

    def __init__(self):
        super().__init__()
        empty(self.engine)
        self.oracle, self.now, self.batches, self.random = Oracle(), START, [], Random(0)

    def instant(self, step):
        at = self.now + step
        self.now = max(self.now, at)
        return at

    @rule(
        delta=deltas(),
        step=STEPS,
        on_reject=st.sampled_from(["report", "report", "raise"]),
        missing=st.sampled_from(["keep", "keep", "delete"]),
        named=st.booleans(),
    )
    def load(self, delta, step, on_reject, missing, named):
        at, batch = self.instant(step), f"batch {len(self.batches)}" if named else None
        found = counts_of(
            self.engine, delta, loaded_at=at, on_reject=on_reject, missing=missing,
            max_deleted=1, batch=batch,
        )  # fmt: skip
        assert found == outcome_of(self.oracle, delta, at, on_reject, missing == "delete")
        if named and isinstance(found, tuple):
            self.batches.append((batch, delta))

    @precondition(lambda self: self.batches)
    @rule(data=st.data())
    def replay(self, data):
        batch, delta = data.draw(st.sampled_from(self.batches))
        again = delta.sample(frac=1, random_state=data.draw(st.integers(0, 9)))
        counts = counts_of(self.engine, again, batch=batch, missing="delete")
        assert (counts[0], counts[1], counts[3]) == (0, 0, 0)

    @rule(vin=st.sampled_from(VINS), step=STEPS, values=st.fixed_dictionaries({}, optional=VALUES))
    def update(self, vin, step, values):
        at = self.instant(step)
        if self.oracle.living(vin) and not self.oracle.late(vin, values, at):
            car_id = get_car(self.engine, vin=vin)["car_id"]
            update_car(self.engine, car_id, values, changed_at=at)
            self.oracle.put(vin, values, at)

    @rule(vin=st.sampled_from(VINS), step=STEPS)
    def delete(self, vin, step):
        at, version = self.instant(step), self.oracle.living(vin)
        if version and version.valid_from < at:
            delete_car(self.engine, get_car(self.engine, vin=vin)["car_id"], deleted_at=at)
            self.oracle.end(vin, at, "delete")

    def check_invariants(self, *arguments, **options):
        super().check_invariants(*arguments, **options)
        self.compare()

    def compare(self):
        found = stored(self.engine)
        names = [*SHOWN, "valid_from", "until", "operation"]
        lives = [row for vin in sorted(self.oracle.lives) for row in self.oracle.life(vin)]
        assert [tuple(row[name] for name in names) for row in found] == lives
        # A car keeps its id through all its lives; no version is empty, overlaps or leaves a gap.
        assert len({row["car_id"] for row in found}) == len({row["vin"] for row in found})
        assert broken_lives(self.engine) == []
        edges = self.oracle.instants() or [START]
        when = self.random.choice(edges) + timedelta(hours=self.random.choice([0, 30]))
        fleet = cars_as_of(self.engine, when).drop(columns="car_id")
        assert rows_of(fleet) == self.oracle.as_of(when)


@pytest.mark.hypothesis
def test_any_sequence_of_loads_and_changes_leaves_what_the_oracle_says(engine):
    create_tables(engine)
    machine = type("Loads", (Loads,), {"engine": engine})
    run_state_machine_as_test(
        machine,
        settings=settings(
            max_examples=settings.default.max_examples // 2,
            stateful_step_count=14,
            deadline=None,
            database=None,
            suppress_health_check=list(HealthCheck),
        ),
    )


@st.composite
def two_deltas(draw):
    """A delta to start from and another one, each VIN at most once in either."""
    whole = st.lists(rows(COLUMNS[0]), min_size=1, unique_by=lambda row: row["vin"])
    return [pd.DataFrame(draw(whole), columns=["vin", *COLUMNS[0]]) for _ in range(2)]


@pytest.mark.hypothesis
def test_a_delta_split_permuted_or_repeated_gives_the_same(engine):
    create_tables(engine)
    at = START + timedelta(days=1)

    def outcome(first, deltas):
        empty(engine)
        delta_load(engine, first, loaded_at=START)
        for delta in deltas:
            delta_load(engine, delta, loaded_at=at)
        return [{k: v for k, v in row.items() if k != "car_id"} for row in stored(engine)]

    @settings(max_examples=settings.default.max_examples // 3, deadline=None, database=None)
    @given(two_deltas(), st.integers(0, 4), st.integers(0, 9))
    def check(both, cut, seed):
        first, delta = both
        whole = outcome(first, [delta])
        assert outcome(first, [delta.iloc[:cut], delta.iloc[cut:]]) == whole
        assert outcome(first, [delta.sample(frac=1, random_state=seed)]) == whole
        assert outcome(first, [delta, delta]) == whole
        assert outcome(first, [pd.concat([delta, delta])]) == whole

    check()
