"""What hands do with the knobs of each lesson, and what must be seen then.

What is expected is worked out apart from the widgets: by carlib on tables of the test's own, or by
the lesson's kernel where only the lesson has the numbers.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import UTC, datetime

from hands import Hands
from sqlalchemy import Engine

import carlib
from carlib.store.formats import COMPRESSIONS

Evaluate = Callable[..., object]  # an expression's value in the lesson's kernel
SAMPLE_STORY = [  # of GHI789 in lesson 4
    (datetime(2024, 11, 10, 10, tzinfo=UTC), {"price": 16500, "status": False}),
    (datetime(2024, 11, 12, 15, 30, tzinfo=UTC), {"price": 17000, "status": True}),
    (datetime(2024, 11, 14, 9, tzinfo=UTC), {"price": 17250}),
]


def ask_the_database(hands: Hands, evaluate: Evaluate, engine: Engine) -> None:
    """Lesson 1: values of a car are typed, PostgreSQL answers."""
    taken = evaluate("pd.read_sql('SELECT min(vin) FROM car_info', engine).iat[0, 0]")
    values: dict[str, str] = {}
    answers = set()
    for label, text in [
        ("price", "9000"), ("litres", "1.4"), ("VIN", "TYPED1"),
        ("price", "-50"), ("price", "9000"), ("litres", "0"), ("litres", "1.4"), ("VIN", taken),
    ]:  # fmt: skip
        values[label] = text
        hands.type(label, text)
        if len(values) == 3:
            given = f"vin={values['VIN']!r}, price={values['price']}, litres={values['litres']}"
            answer = evaluate(f"attempt(insert_car, {given})")
            hands.see(f"PostgreSQL: {answer}")
            answers.add(answer)
    assert len(answers) == 4, "accepted, and refused for three reasons"


def spoil_cars(hands: Hands, evaluate: Evaluate, engine: Engine) -> None:
    """Lesson 2: so many of a thousand cars get a fault; a load reports them."""
    faults = {"price below zero": ("price", -1.0), "no VIN": ("vin", None)}
    carlib.create_tables(engine)
    for fault, share in zip(faults, (0.3, 0.8), strict=True):
        hands.choose("fault", fault)
        count = int(hands.drag("of 1,000", share).replace(",", ""))
        assert abs(count - 1000 * share) <= 100
        cars = carlib.generate_cars(1000, seed=0)
        column, value = faults[fault]
        cars.loc[: count - 1, column] = value
        report = carlib.delta_load(engine, cars, on_reject="report", dry_run=True)
        (reason,) = report.rejected["reason"].unique()
        assert len(report.rejected) == count
        hands.see(f"{report.inserted} inserted, {count} rejected for {reason}")


def edit_a_delta(hands: Hands, evaluate: Evaluate, engine: Engine) -> None:
    """Lesson 3: prices and colors of three rows are typed; a dry run reports what would come."""
    places = {(row, name): 2 * row + at for row in range(3) for at, name in enumerate(NAMES)}
    edits = {
        (0, "price"): "13500", (0, "color"): "Green", (1, "price"): "99", (1, "color"): "Pink",
        (2, "price"): "$4000", (2, "color"): "",
    }  # fmt: skip
    typed: dict[tuple[int, str], object] = {}
    for place, text in edits.items():
        typed[place] = float(text) if text.isdigit() else text or None
        hands.type(places[place], text)
    lines = [f"edited.loc[{row}, {name!r}] = {value!r}" for (row, name), value in typed.items()]
    call = "delta_load(engine, edited, on_reject='report', dry_run=True)"
    counts, why = evaluate(
        "[[getattr(report, name) for name in ('received', 'inserted', 'updated', 'deleted',"
        " 'unchanged')] + [len(report.rejected)], report.rejected['reason'].tolist()]",
        "\n".join(["edited = draft.copy()", *lines, f"report = {call}"]),
    )
    assert (counts[0], counts[-1], len(why)) == (3, 1, 1)
    head = "received inserted updated deleted unchanged rejected"
    hands.see(f"{head} {' '.join(map(str, counts))} 1 rejected: {why[0]}")


NAMES = ("price", "color")


def travel_in_time(hands: Hands, evaluate: Evaluate, engine: Engine) -> None:
    """Lesson 4: a car and a day are chosen; the car, its line and the fleet are shown."""
    carlib.create_tables(engine)
    carlib.initial_load(
        engine, carlib.sample_cars(), loaded_at=datetime(2024, 11, 8, 8, tzinfo=UTC)
    )
    carlib.delta_load(engine, carlib.sample_delta(), loaded_at=datetime(2024, 11, 9, 8, tzinfo=UTC))
    car_id = carlib.get_car(engine, vin="GHI789")["car_id"]
    for changed_at, changes in SAMPLE_STORY:
        carlib.update_car(engine, car_id, changes, changed_at=changed_at)
    seen, pictures = set(), set()
    for vin, share in [("GHI789", 0), ("GHI789", 0.3), ("ABC123", 0.6), ("DEF456", 1)]:
        hands.choose("VIN", vin)
        day = int(hands.drag("November", share))
        noon = datetime(2024, 11, day, 12, tzinfo=UTC)
        fleet = carlib.cars_as_of(engine, noon).set_index("vin")
        expected = "not there yet"
        if vin in fleet.index:
            price, status = fleet.loc[vin, ["price", "status"]]
            expected = f"{price:.0f}, {'available' if status else 'not available'}"
        hands.see(expected)
        prices = fleet["price"].astype(float).to_dict()
        hands.view.wait(lambda prices=prices: _prices(hands) == prices, f"{prices} are shown")
        seen.add(expected)
        hands.view.wait(lambda: hands.picture() not in pictures, "another picture")
        pictures.add(hands.picture())
    assert len(seen) == 4


def _prices(hands: Hands) -> dict[str, float]:
    """The fleet's prices, as the table below the knobs shows them."""
    rows = hands.cell.locator(".widget-html-content tbody tr").all_inner_texts()
    return {row.split("\t")[0]: float(row.split("\t")[3]) for row in rows}


def try_formats(hands: Hands, evaluate: Evaluate, engine: Engine) -> None:
    """Lesson 5: a frame, a format and a compression are chosen; size and loss are shown."""
    for columns, format, compression, share in [
        ("cars", "parquet", "zstd", 1),
        ("cars", "feather", "lz4", 0.66),
        ("cars", "jsonb", None, 0.3),
    ]:
        hands.choose("columns", columns)
        hands.choose("format", format)
        known = set(COMPRESSIONS[format])
        hands.view.wait(lambda known=known: set(hands.options("with")) == known, str(known))
        if compression:
            hands.choose("with", compression)
        count = int(hands.drag("rows", share).replace(",", ""))
        with_ = compression or hands.options("with")[0]
        cars = carlib.generate_cars(count, seed=0)
        found = carlib.compare_formats(cars, engine, [(format, with_)]).loc[0]
        if found.isna()["bytes"]:
            hands.see(" ".join(f"refused: {found['lost']}".split()))
            continue
        shown = re.compile(
            re.escape(f"{found['stored_bytes']:,} bytes, ") + r"\d+\.\d{3} s to write, "
            r"\d+\.\d{3} s to read; " + re.escape(found["lost"] or "nothing lost")
        )
        hands.view.wait(
            lambda shown=shown: shown.fullmatch(hands.text()), shown.pattern, hands.text
        )


def estimate_growth(hands: Hands, evaluate: Evaluate, engine: Engine) -> None:
    """Lesson 6: how much changes and for how long is dragged; two sizes are estimated."""
    a_change, a_snapshot, cars = evaluate("[bytes_a_change, bytes_a_snapshot, len(watched)]")
    for changed, lasting in [(0.9, 0.5), (0.05, 0.9)]:
        share = float(hands.drag("% changed", changed))
        days = int(hands.drag("days", lasting).replace(",", ""))
        history = days * cars * share / 100 * a_change / 1e6
        snapshots = days * a_snapshot / 1e6
        smaller = "the history" if history < snapshots else "the snapshots"
        hands.see(f"history {history:,.1f} MB, snapshots {snapshots:,.1f} MB: {smaller} smaller")


SCENES: dict[str, Callable[[Hands, Evaluate, Engine], None]] = {
    "01_schema": ask_the_database,
    "02_initial_load": spoil_cars,
    "03_delta_load": edit_a_delta,
    "04_history": travel_in_time,
    "05_blobs": try_formats,
    "06_growth": estimate_growth,
}
