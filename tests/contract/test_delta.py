"""A delta load: what it inserts, updates, leaves alone, deletes, refuses and remembers."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal

import numpy as np
import pandas as pd
import pytest
from sqlalchemy import text
from table_states import run, snapshot, stored_names

from carlib import (
    create_tables,
    delete_car,
    delta_load,
    get_car,
    initial_load,
    sample_cars,
    sample_delta,
    update_car,
)
from carlib.errors import (
    BadArgument,
    BatchConflict,
    CarlibError,
    LateChange,
    RejectedRows,
    SnapshotRefused,
    TablesMissing,
    WrongColumns,
)

FIRST = datetime(2024, 11, 1, tzinfo=UTC)
SECOND = datetime(2024, 11, 10, 10, tzinfo=UTC)
THIRD = datetime(2024, 11, 12, 15, 30, tzinfo=UTC)
FOURTH = datetime(2024, 11, 14, 9, tzinfo=UTC)
MICROSECOND = timedelta(microseconds=1)
LATE = "late: the car changed at or after this load's instant"
COLUMNS = ["brand", "model", "vin", "engine_size", "color", "price", "status"]


@pytest.fixture
def cars(engine):
    """The three cars of the requirements: ABC123 and DEF456, and GHI789 of the first delta."""
    create_tables(engine)
    initial_load(engine, sample_cars(), loaded_at=FIRST)
    delta_load(engine, sample_delta(), loaded_at=FIRST)
    return engine


def frame(*rows, columns=COLUMNS):
    return pd.DataFrame(list(rows), columns=columns)


def prices(**by_vin):
    return pd.DataFrame({"vin": list(by_vin), "price": list(by_vin.values())})


def current():
    return pd.concat([sample_cars(), sample_delta()], ignore_index=True)


def counts(report):
    assert report.received == (
        report.inserted + report.updated + report.unchanged + len(report.rejected)
    )
    return (
        report.inserted,
        report.updated,
        report.unchanged,
        report.deleted,
        len(report.rejected),
    )


def query(engine, sql):
    with engine.connect() as connection:
        return [tuple(row) for row in connection.execute(text(sql))]


def versions(engine):
    """Where each row of the cars is stored, and which transaction wrote it."""
    return dict(query(engine, "SELECT vin, ctid::text || xmin::text FROM car_info"))


def history(engine):
    return query(
        engine,
        'SELECT vin, price, valid_from, "timestamp", operation FROM car_info_history'
        ' ORDER BY vin, "timestamp"',
    )


def price_of(engine, vin):
    return get_car(engine, vin=vin)["price"]


# New, changed, unchanged


def test_new_changed_and_unchanged_cars_in_one_delta(cars):
    before = versions(cars)
    delta = frame(
        ("Toyota", "Corolla", "ABC123", 2.0, "Red", 14500, True),  # cheaper
        ("Honda", "Civic", "DEF456", 1.5, "Blue", 13000, False),
        ("Honda", "Civic", "NEW1", None, None, 20000, True),
    )
    report = delta_load(cars, delta, loaded_at=SECOND)
    assert counts(report) == (1, 1, 1, 0, 0)
    assert report.loaded_at == SECOND
    after = versions(cars)
    assert {vin for vin in after if before.get(vin) != after[vin]} == {"ABC123", "NEW1"}
    assert price_of(cars, "ABC123") == 14500
    assert get_car(cars, vin="ABC123")["valid_from"] == SECOND
    assert get_car(cars, vin="DEF456")["valid_from"] == FIRST
    assert history(cars) == [("ABC123", 15000, FIRST, SECOND, "update")]


@pytest.mark.parametrize(
    "price", [15000.0, 15000.001, np.float32(15000), Decimal("15000.000"), 15000]
)
def test_equal_numbers_are_equal_however_they_are_written(cars, price):
    assert counts(delta_load(cars, prices(ABC123=price))) == (0, 0, 1, 0, 0)


def test_minus_zero_is_zero_and_missing_is_missing(cars):
    run(cars, "UPDATE car_info SET price = 0, color = NULL, engine_size = NULL")
    for color, size in ((None, np.nan), (pd.NA, None), (" ", pd.NA)):
        delta = current().assign(price=-0.0, color=color, engine_size=size)
        assert counts(delta_load(cars, delta)) == (0, 0, 3, 0, 0)


# Some columns only, brands and models


def test_a_new_car_that_lacks_columns_is_rejected(cars):
    report = delta_load(cars, prices(ABC123=1, NEW1=2), on_reject="report")
    assert counts(report) == (0, 1, 0, 0, 1)
    rejected = report.rejected.reset_index().iloc[0].to_dict()
    reason = "new car without brand, model, status"
    assert rejected == {"row": 1, "vin": "NEW1", "price": 2.0, "reason": reason}
    assert get_car(cars, vin="NEW1") is None


@pytest.mark.parametrize("name", ["brand", "model", "price", "status"])
def test_a_value_that_a_car_needs_cannot_be_removed(cars, name):
    delta = sample_cars().astype(object).iloc[:1]
    delta[name] = None
    delta = delta[["vin", *(("brand", "model") if name in ("brand", "model") else (name,))]]
    before = snapshot(cars)
    with pytest.raises(RejectedRows, match=f"{name} missing"):
        delta_load(cars, delta)
    assert snapshot(cars) == before


def test_brand_without_model_is_refused(cars):
    for name, other in (("brand", "model"), ("model", "brand")):
        with pytest.raises(WrongColumns, match=f"found {name} alone"):
            delta_load(cars, sample_cars().drop(columns=other))


def test_brands_and_models_appear_only_where_cars_need_them(cars):
    brands = "SELECT brand_id, ctid::text, xmin::text FROM car_brand WHERE name = 'Toyota'"
    before = query(cars, brands)
    delta = frame(
        ("TOYOTA", "yaris", "NEW1", 1.0, "Red", 9000, True),
        ("Lada", "Niva", "NEW2", 1.6, "Red", -1, True),  # rejected
        ("Saab", "900", "NEW3", 2.0, "Red", 1, True),  # contradicts the next
        ("Saab", "900", "NEW3", 2.0, "Red", 2, True),
        ("Rover", "75", "ABC123", 2.0, "Red", 15000, True),  # late
    )
    report = delta_load(cars, delta, loaded_at=FIRST, on_reject="report")
    assert counts(report) == (1, 0, 0, 0, 4)
    names = {("Toyota", "Corolla"), ("Honda", "Civic"), ("Toyota", "yaris")}
    assert stored_names(cars) == names
    assert query(cars, brands) == before


# Full snapshots


def test_a_snapshot_that_deletes_too_much_is_refused_unless_told_so(cars):
    before = snapshot(cars)
    one = sample_cars().iloc[:1]
    with pytest.raises(SnapshotRefused, match=r"at most 50% of the cars; .* delete 2 of 3"):
        delta_load(cars, one, missing="delete")
    with pytest.raises(SnapshotRefused, match="at most 0%"):
        delta_load(cars, sample_cars(), missing="delete", max_deleted=0)
    with pytest.raises(SnapshotRefused, match="found no rows"):
        delta_load(cars, iter([]), missing="delete", max_deleted=1)
    assert snapshot(cars) == before
    assert counts(delta_load(cars, one, missing="delete", max_deleted=0.67))[3] == 2


def test_a_snapshot_keeps_the_cars_of_rejected_rows(cars):
    bad = sample_delta().assign(vin=" ghi789\u3000", price=-1)
    again = sample_cars().iloc[1:].assign(color=["Pink"])  # DEF456 in two colors
    delta = pd.concat([sample_cars(), again, bad], ignore_index=True)
    before = snapshot(cars)["car_info"]
    report = delta_load(cars, delta, missing="delete", on_reject="report", max_deleted=0)
    assert counts(report) == (0, 0, 1, 0, 3)
    assert snapshot(cars)["car_info"] == before


def test_two_vins_of_one_deleted_car_do_not_both_revive_it(cars):
    car_id = get_car(cars, vin="GHI789")["car_id"]
    delete_car(cars, car_id, deleted_at=SECOND)
    delta_load(cars, sample_delta(), loaded_at=SECOND)
    update_car(cars, car_id, {"vin": "OTHER"}, changed_at=THIRD)
    delete_car(cars, car_id, deleted_at=FOURTH)
    both = pd.concat([sample_delta(), sample_delta().assign(vin="OTHER")])
    assert counts(delta_load(cars, both)) == (2, 0, 0, 0, 0)
    assert get_car(cars, vin="OTHER")["car_id"] == car_id
    assert get_car(cars, vin="GHI789")["car_id"] != car_id


# Time


@pytest.mark.parametrize("at", [FIRST, FIRST - MICROSECOND])
def test_a_change_not_after_the_last_one_is_late(cars, at):
    before = snapshot(cars)
    delta = prices(ABC123=1, DEF456=13000, GHI789=2)
    with pytest.raises(LateChange, match=r"ABC123, GHI789 changed at or after 2024-1"):
        delta_load(cars, delta, loaded_at=at)
    assert snapshot(cars) == before
    report = delta_load(cars, delta, loaded_at=at, on_reject="report")
    assert counts(report) == (0, 0, 1, 0, 2)
    assert report.rejected["reason"].tolist() == [LATE] * 2
    assert report.rejected["price"].tolist() == [1.0, 2.0]
    assert counts(delta_load(cars, delta, loaded_at=FIRST + MICROSECOND))[1] == 2


def test_no_new_car_has_a_vin_while_another_one_had_it(cars):
    update_car(cars, get_car(cars, vin="GHI789")["car_id"], {"vin": "RENAMED"}, changed_at=THIRD)
    with pytest.raises(LateChange, match="GHI789"):
        delta_load(cars, sample_delta(), loaded_at=SECOND)
    assert counts(delta_load(cars, sample_delta(), loaded_at=THIRD))[0] == 1


def test_without_an_instant_the_clock_is_read_once(cars):
    before = query(cars, "SELECT clock_timestamp()")[0][0]
    report = delta_load(cars, current().assign(price=7))
    after = query(cars, "SELECT clock_timestamp()")[0][0]
    assert before < report.loaded_at < after
    assert {row[3] for row in history(cars)} == {report.loaded_at}
    assert {row[0] for row in query(cars, "SELECT valid_from FROM car_info")} == {report.loaded_at}


# Batches and the log of loads


def test_a_batch_again_changes_nothing(cars):
    delta = prices(ABC123=1, DEF456=2)
    assert counts(delta_load(cars, delta, batch="2024-11-12")) == (0, 2, 0, 0, 0)
    delta_load(cars, prices(ABC123=5))  # changed since: a replay must not bring 1 back
    before = snapshot(cars)
    for same in (delta, delta.iloc[::-1], delta[["price", "vin"]], delta.astype({"price": float})):
        report = delta_load(cars, same, batch="2024-11-12", missing="delete")
        assert counts(report) == (0, 0, 2, 0, 0)
        assert report.batch == "2024-11-12"
        assert report.loaded_before
        assert "batch '2024-11-12' was loaded before" in repr(report)
        assert "batch &#x27;2024-11-12&#x27; was loaded before" in report._repr_html_()
    assert snapshot(cars) == before
    other = delta_load(cars, delta, batch="2024-11-13")
    assert not other.loaded_before
    assert "before" not in repr(other) + other._repr_html_()


def test_a_batch_is_known_again_though_brands_were_spelled_otherwise(cars):
    delta = frame(
        ("Saab", "900", "NEW1", 2.0, None, 1, True),
        ("SAAB", "900", "NEW2", 2.0, None, 1, True),
    )
    delta_load(cars, delta, batch="b")
    run(cars, "UPDATE car_brand SET name = upper(name)")
    assert counts(delta_load(cars, delta.iloc[::-1], batch="b"))[0] == 0


@pytest.mark.parametrize(
    "other",
    [
        prices(ABC123=1, DEF456=3),
        prices(ABC123=1),
        pd.concat([prices(ABC123=1, DEF456=2), prices(ABC123=1)]),
        prices(ABC123=2, DEF456=1),
        prices(ABC123=1, DEF456=2).assign(color=None),
    ],
    ids=["value", "fewer", "more", "exchanged", "column"],
)
def test_a_batch_with_other_content_is_an_error(cars, other):
    delta_load(cars, prices(ABC123=1, DEF456=2), batch="b")
    before = snapshot(cars)
    with pytest.raises(BatchConflict, match="'b' to hold what it held"):
        delta_load(cars, other, batch="b")
    assert snapshot(cars) == before


def test_a_failed_load_does_not_use_its_name_up(cars):
    with pytest.raises(RejectedRows):
        delta_load(cars, prices(ABC123=-1), batch="b")
    assert counts(delta_load(cars, prices(ABC123=1), batch="b"))[1] == 1


def test_each_load_that_succeeds_is_logged_once(cars):
    run(cars, "DELETE FROM load_log")
    report = delta_load(cars, prices(ABC123=1, GHI789=16000, NEW=-1), on_reject="report", batch="b")
    with pytest.raises(RejectedRows):
        delta_load(cars, prices(NEW=1))
    delta_load(cars, sample_cars().assign(price=5), missing="delete")
    logged = query(
        cars,
        "SELECT kind, batch, received, inserted, updated, deleted, unchanged, rejected"
        " FROM load_log ORDER BY load_id",
    )
    assert logged == [("delta", "b", 3, 0, 1, 0, 1, 1), ("delta", None, 2, 0, 2, 1, 0, 0)]
    times = query(
        cars, "SELECT loaded_at, started_at <= loaded_at AND loaded_at < ended_at FROM load_log"
        " WHERE batch = 'b'"
    )  # fmt: skip
    assert times == [(report.loaded_at, True)]


# Frames, files, arguments


def test_iterators_and_files(cars, tmp_path):
    delta = prices(ABC123=1, DEF456=2)
    report = delta_load(cars, (delta.iloc[i : i + 1] for i in range(2)), loaded_at=SECOND)
    assert counts(report) == (0, 2, 0, 0, 0)
    delta.assign(price=[3, 2]).to_csv(tmp_path / "delta.csv", index=False)
    assert counts(delta_load(cars, tmp_path / "delta.csv")) == (0, 1, 1, 0, 0)
    delta.assign(price=[3, 4]).to_parquet(tmp_path / "delta.parquet")
    assert counts(delta_load(cars, str(tmp_path / "delta.parquet"))) == (0, 1, 1, 0, 0)


def test_frames_of_an_iterator_have_the_same_columns(cars):
    before = snapshot(cars)
    other = frame(("DEF456", "Red"), columns=["vin", "color"])
    with pytest.raises(WrongColumns, match="found one with vin, color"):
        delta_load(cars, iter([prices(ABC123=1), other]))
    assert snapshot(cars) == before


ARGUMENTS = {
    "loaded_at": [datetime(2024, 11, 10), "2024-11-10"],
    "on_reject": ["ignore"],
    "missing": ["drop"],
    "batch": ["", " ", "a\0", "x" * 201, 5],
    "max_deleted": [1.01, -0.1, float("nan"), True, "half"],
}


@pytest.mark.parametrize("argument", ARGUMENTS)
def test_arguments_of_another_kind_are_refused(cars, argument):
    for value in ARGUMENTS[argument]:
        with pytest.raises(BadArgument, match=f"Expected {argument}"):
            delta_load(cars, prices(ABC123=1), **{argument: value})


def test_frames_that_are_none_of_cars_are_refused(cars, make_engine):
    with pytest.raises(WrongColumns):
        delta_load(cars, prices(ABC123=1).assign(prize=1))
    with pytest.raises(WrongColumns, match="vin"):
        delta_load(cars, prices(ABC123=1)[["price"]])
    with pytest.raises(BadArgument):
        delta_load(cars, 5)
    with pytest.raises(TablesMissing):
        delta_load(make_engine(), prices(ABC123=1))


# Trying a load out, and being tricked

NEW = frame(("Saab", "900", "NEW1", 2.0, None, 1, True))


def test_a_dry_run_reports_and_changes_nothing(cars):
    before = snapshot(cars)
    delta = pd.concat([NEW, sample_cars().assign(price=[1, 13000])])
    tried = delta_load(cars, delta, dry_run=True, batch="b", loaded_at=SECOND)
    assert snapshot(cars) == before
    with pytest.raises(RejectedRows):
        delta_load(cars, prices(ABC123=-1), dry_run=True)
    done = delta_load(cars, delta, batch="b", loaded_at=SECOND)
    assert counts(tried) == counts(done) == (1, 1, 1, 0, 0)
    assert snapshot(cars) != before


def test_cars_that_a_trigger_swallows_are_missed(cars):
    run(
        cars,
        "CREATE FUNCTION swallow() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END'",
        "CREATE TRIGGER t BEFORE INSERT ON car_info FOR EACH ROW EXECUTE FUNCTION swallow()",
    )
    before = snapshot(cars)
    with pytest.raises(CarlibError, match="but 1 did not arrive, so nothing was loaded"):
        delta_load(cars, NEW)
    assert snapshot(cars) == before
