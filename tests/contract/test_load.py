"""The initial load: each car arrives exactly or is refused with its reasons, or nothing happens."""

from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal
from itertools import pairwise

import car_frames
import oracle
import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import event, text
from table_states import run, snapshot, stored_cars, stored_names
from worker_process import schema_of

from carlib import create_tables, generate_cars, initial_load, sample_cars
from carlib.errors import RejectedRows

# One schema for all examples: each begins by emptying the tables.
in_one_schema = settings(
    deadline=None,
    print_blob=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
KNOWN = [("TOYOTA", "COROLLA"), ("Citroe\u0308n", "2CV"), ("FIAT", "\u0130"), ("FIAT", "a,b")]
AT = datetime(2024, 11, 10, 10, tzinfo=UTC)


@pytest.fixture
def tables(engine):
    """An engine on a schema with the tables, and none of their rows."""
    create_tables(engine)
    return engine


def empty(engine, names=()):
    """Leave only these brands and models in the tables."""
    run(engine, "DELETE FROM car_brand")
    with engine.begin() as connection:
        for brand, model in names:
            connection.execute(
                text("INSERT INTO car_brand (name) VALUES (:b) ON CONFLICT DO NOTHING"),
                {"b": brand},
            )
            connection.execute(
                text(
                    "INSERT INTO car_model (brand_id, name)"
                    " SELECT brand_id, :m FROM car_brand WHERE name = :b"
                ),
                {"b": brand, "m": model},
            )


def assert_loaded_as_judged(engine, report, outcome, known):
    """The tables and the report say what the oracle says."""
    assert stored_cars(engine) == list(outcome.accepted.values())
    names = {(row["brand"], row["model"]) for row in outcome.accepted.values()}
    assert stored_names(engine) == names | set(known)
    assert report.inserted == len(outcome.accepted)
    assert report.unchanged == len(outcome.repetitions)
    assert report.received == report.inserted + report.unchanged + len(report.rejected)
    assert_rejected_as_judged(report.rejected, outcome)


def assert_rejected_as_judged(rejected, outcome):
    found = {row: sorted(why.split("; ")) for row, why in rejected["reason"].items()}
    assert found == {row: sorted(reasons) for row, reasons in outcome.rejected.items()}
    assert list(rejected.index) == sorted(rejected.index)
    assert rejected.index.name == "row"


@st.composite
def pieces(draw, frame):
    """The same cars as a frame, a list of frames or an iterator of them."""
    cuts = draw(st.lists(st.integers(0, max(len(frame), 1)), max_size=4))
    cuts = sorted([0, *(min(cut, len(frame)) for cut in cuts), len(frame)])
    parts = [frame.iloc[start:stop] for start, stop in pairwise(cuts)]
    return draw(st.sampled_from([frame, parts, iter(parts)]))


@in_one_schema
@given(
    frame=car_frames.car_frames(),
    known=st.lists(st.sampled_from(KNOWN), unique=True),
    data=st.data(),
)
def test_what_is_loaded_and_what_is_refused(tables, frame, known, data):
    empty(tables, known)
    rows = oracle.rows_of(frame)
    outcome = oracle.judge_all(rows, known)
    cars = data.draw(pieces(frame))
    report = initial_load(tables, cars, on_reject="report")
    assert report.received == len(frame)
    assert_loaded_as_judged(tables, report, outcome, known)
    assert list(report.rejected.columns) == [*frame.columns, "reason"]


@in_one_schema
@given(frame=car_frames.car_frames())
def test_by_default_one_refused_row_means_that_nothing_is_loaded(tables, frame):
    empty(tables, KNOWN[:2])
    before = snapshot(tables)
    outcome = oracle.judge_all(oracle.rows_of(frame), KNOWN[:2])
    if not outcome.rejected:
        assert_loaded_as_judged(tables, initial_load(tables, frame), outcome, KNOWN[:2])
        return
    with pytest.raises(RejectedRows) as error:
        initial_load(tables, frame)
    assert snapshot(tables) == before
    assert_rejected_as_judged(error.value.rejected, outcome)
    message = str(error.value)
    first = f"{len(outcome.rejected):,} of {len(frame):,} rows can't be loaded, so none was:\n"
    assert message.startswith(first)
    for reasons in outcome.rejected.values():
        for reason in reasons:
            count = sum(reason in each for each in outcome.rejected.values())
            assert f"\n  {count:,} x {reason}\n" in message
    assert len(message.encode()) < 10_000


# Files, and pieces of any kind -----------------------------------------------------------------


def test_pieces_may_differ_in_their_columns_and_types(tables):
    first = sample_cars().iloc[[0]].drop(columns="color")
    second = sample_cars().iloc[[1], ::-1].drop(columns="engine_size").astype({"price": "Float32"})
    third = second.assign(vin=None)
    report = initial_load(tables, [first, second, third], on_reject="report")
    assert list(report.rejected.columns) == [*first.columns, "color", "reason"]
    assert report.inserted == 2
    assert [(row["vin"], row["engine_size"], row["color"]) for row in stored_cars(tables)] == [
        ("ABC123", Decimal("2.00"), None),
        ("DEF456", None, "Blue"),
    ]


def test_refused_rows_of_other_types_are_put_together_as_they_are(tables):
    first = generate_cars(2).astype({"price": "int64", "brand": "string[python]"})
    first.loc[0, "brand"] = "\ud800"
    second = generate_cars(4).iloc[2:].assign(price=[2.5**70, 1.25])
    second = second.astype({"brand": "category"})
    third = pd.concat([generate_cars(2).iloc[[1]]] * 2).assign(price=[10, 20])
    pieces = [first.assign(price=[2**63 - 1, 5]), second, third]
    rejected = initial_load(tables, pieces, on_reject="report").rejected
    assert rejected["price"].to_dict() == {0: 2**63 - 1, 1: 5, 2: 2.5**70, 4: 10, 5: 20}
    assert rejected.loc[0, "brand"] == "\ud800"


def test_nothing_at_all_is_a_load_too(tables):
    for nothing in ([], iter(()), sample_cars().iloc[:0], [sample_cars().iloc[:0]] * 2):
        report = initial_load(tables, nothing)
        assert (report.received, report.inserted, len(report.rejected)) == (0, 0, 0)
        assert list(report.rejected.columns) == [*sample_cars().columns, "reason"]


# Times -----------------------------------------------------------------------------------------


def valid_from(engine):
    with engine.connect() as connection:
        return set(connection.execute(text("SELECT valid_from FROM car_info")).scalars())


@pytest.mark.parametrize(
    "at",
    [AT, AT.astimezone(timezone(timedelta(hours=-5, minutes=-30))), pd.Timestamp(AT)],
)
def test_values_hold_since_the_given_instant(tables, at):
    assert initial_load(tables, sample_cars(), loaded_at=at).loaded_at == AT
    assert valid_from(tables) == {AT}


def test_values_hold_since_now_by_default(tables):
    before = datetime.now(UTC)
    report = initial_load(tables, sample_cars())
    assert before <= report.loaded_at <= datetime.now(UTC)
    assert valid_from(tables) == {report.loaded_at}
    assert 0 < report.seconds < 60


@pytest.mark.parametrize("level", ["AUTOCOMMIT", "SERIALIZABLE", "REPEATABLE READ"])
def test_the_engines_isolation_level_does_not_matter(tables, level):
    other = tables.execution_options(isolation_level=level)
    before = snapshot(tables)
    with pytest.raises(RejectedRows):
        initial_load(other, sample_cars().assign(price=[1, -1]))
    assert snapshot(tables) == before
    assert initial_load(other, sample_cars()).inserted == 2


def test_the_clients_encoding_does_not_matter(tables, make_engine):
    def use_latin_1(connection, record):
        connection.set_client_encoding("LATIN1")

    other = make_engine(schema_of(tables))
    other.dispose()
    event.listen(other, "connect", use_latin_1)
    names = {"brand": ["\u0160koda", "Citro\xebn"], "model": ["\u8c50", "2CV"]}
    initial_load(other, sample_cars().assign(**names))
    assert stored_names(tables) == {("\u0160koda", "\u8c50"), ("Citro\xebn", "2CV")}
