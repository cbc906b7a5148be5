"""For each lesson's widget: what is put in, and what must be shown then.

What is expected is worked out apart from the widget: by carlib on tables of the test's own, or by
the lesson's kernel where only the lesson has the numbers.
"""

from collections.abc import Callable
from datetime import UTC, datetime

from sqlalchemy import Engine
from widget_driver import WidgetDriver

import carlib

Evaluate = Callable[..., object]  # an expression's value in the lesson's kernel


def ask_the_database(driver: WidgetDriver, evaluate: Evaluate, engine: Engine) -> None:
    """Lesson 1: values of a car are typed, PostgreSQL answers."""
    taken = evaluate("pd.read_sql('SELECT min(vin) FROM car_info', engine).iat[0, 0]")
    values: dict[str, str] = {}
    answers = set()
    for label, text in [
        ("price", "9000"), ("liters", "1.4"), ("VIN", "TYPED1"),
        ("price", "-50"), ("price", "9000"), ("liters", "0"), ("liters", "1.4"), ("VIN", taken),
    ]:  # fmt: skip
        values[label] = text
        driver.type(label, text)
        if len(values) == 3:
            given = f"vin={values['VIN']!r}, price={values['price']}, liters={values['liters']}"
            answer = evaluate(f"attempt(insert_car, {given})")
            driver.expect(f"PostgreSQL: {answer}")
            answers.add(answer)
    assert len(answers) == 4, "accepted, and refused for three reasons"


def spoil_cars(driver: WidgetDriver, evaluate: Evaluate, engine: Engine) -> None:
    """Lesson 2: so many of a thousand cars get a fault; a load reports them."""
    carlib.create_tables(engine)
    for fault, column, value, share in [
        ("price below zero", "price", -1.0, 0.3),
        ("no VIN", "vin", None, 0.8),
    ]:
        driver.choose("fault", fault)
        count = int(driver.drag("of 1,000", share).replace(",", ""))
        assert abs(count - 1000 * share) <= 100
        cars = carlib.generate_cars(1000, seed=0)
        cars.loc[: count - 1, column] = value
        report = carlib.delta_load(engine, cars, on_reject="report", dry_run=True)
        (reason,) = report.rejected["reason"].unique()
        driver.expect(f"{report.inserted} inserted, {count} rejected for {reason}")


def edit_a_delta(driver: WidgetDriver, evaluate: Evaluate, engine: Engine) -> None:
    """Lesson 3: prices and colors of three rows are typed; a dry run reports what would come."""
    edits = {
        (0, "price"): "13500", (0, "color"): "Green", (1, "price"): "99", (1, "color"): "Pink",
        (2, "price"): "$4000", (2, "color"): "",
    }  # fmt: skip
    lines = ["edited = draft.copy()"]
    for place, ((row, column), text) in enumerate(edits.items()):
        driver.type(place, text)
        value = float(text) if text.isdigit() else text or None
        lines.append(f"edited.loc[{row}, {column!r}] = {value!r}")
    lines.append("report = delta_load(engine, edited, on_reject='report', dry_run=True)")
    head = "received inserted updated deleted unchanged rejected"
    counts, reasons = evaluate(
        f"[[getattr(report, name) for name in {head.split()[:-1]}], list(report.rejected.reason)]",
        "\n".join(lines),
    )
    assert (counts[0], len(reasons)) == (3, 1)
    driver.expect(f"{head} {' '.join(map(str, counts))} 1 1 rejected: {reasons[0]}")


def travel_in_time(driver: WidgetDriver, evaluate: Evaluate, engine: Engine) -> None:
    """Lesson 4: a day is chosen; the fleet as of its noon is shown, and a line drawn through it."""
    morning, noon = (datetime(2024, 11, 9, hour, tzinfo=UTC) for hour in (8, 12))
    carlib.create_tables(engine)
    carlib.initial_load(engine, carlib.sample_cars(), loaded_at=morning)
    carlib.delta_load(engine, carlib.sample_delta(), loaded_at=noon)
    car_id = carlib.get_car(engine, vin="GHI789")["car_id"]
    for changed_at, changes in [
        (datetime(2024, 11, 10, 10, tzinfo=UTC), {"price": 16500, "status": False}),
        (datetime(2024, 11, 12, 15, 30, tzinfo=UTC), {"price": 17000, "status": True}),
        (datetime(2024, 11, 14, 9, tzinfo=UTC), {"price": 17250}),
    ]:
        carlib.update_car(engine, car_id, changes, changed_at=changed_at)
    pictures = set()
    for share in (0, 0.3, 0.6, 1):
        then = datetime(2024, 11, int(driver.drag("November", share)), 12, tzinfo=UTC)
        fleet = carlib.cars_as_of(engine, then)
        cars = [f"{car.vin} {car.price} {car.status}" for car in fleet.itertuples()]
        driver.expect(" ".join(["vin price status", *cars]) if cars else "no cars yet")
        pictures.add(driver.cell.locator("img.widget-image").get_attribute("src"))
    assert len(pictures) == 4


def compare_sizes(driver: WidgetDriver, evaluate: Evaluate, engine: Engine) -> None:
    """Lesson 5: the number of rows is dragged; the bytes of each format are shown."""
    for share in (1, 0.5):
        count = int(driver.drag("rows", share).replace(",", ""))
        sizes = {
            format: evaluate(f"len(write[{format!r}](generate_cars({count}, seed=seed)))")
            for format in ("pickle", "JSON", "Parquet")
        }
        driver.expect(" ".join(f"{format}: {size:,} bytes" for format, size in sizes.items()))


def estimate_growth(driver: WidgetDriver, evaluate: Evaluate, engine: Engine) -> None:
    """Lesson 6: how much changes each day is dragged; two sizes are estimated."""
    for changed in (0.9, 0.05):
        percent = driver.drag("% a day", changed)
        driver.expect(evaluate(f"estimate({percent})"))


CASES: dict[str, Callable[[WidgetDriver, Evaluate, Engine], None]] = {
    "01_schema": ask_the_database,
    "02_initial_load": spoil_cars,
    "03_delta_load": edit_a_delta,
    "04_history": travel_in_time,
    "05_blobs": compare_sizes,
    "06_growth": estimate_growth,
}
