# ---
# jupyter:
#   jupytext:
#     text_representation:
#       format_name: percent
#   kernelspec:
#     display_name: Python 3 (ipykernel)
#     language: python
#     name: python3
# ---

# %% [markdown]
# # 3 · Delta load
#
# Data keeps coming: we add new cars to the tables, update the changed ones, leave the others alone, and keep what was there before.
#
# **You will**
#
# - see what the obvious way of adding new cars misses,
# - compare three ways to find out what changed, and what each of them overlooks,
# - bring the tables up to date in one statement that also writes the history.
#
# **You need** [lesson 2](02_initial_load.ipynb), or an idea of what a transaction is.
#
# **Time** 60 minutes to read and run, 30 more for the exercises.

# %% [markdown]
# You may change these values.

# %% tags=["parameters"]
schema = "lesson_03"
rows = 100_000
seed = 0

# %% [markdown]
# This cell starts the lesson where the last one ended: the tables, with the two cars of the initial load. Their values hold since the morning of 9 November 2024.

# %%
from datetime import UTC, datetime

import pandas as pd
from sqlalchemy import text

from carlib import connect, create_tables, initial_load, sample_cars

pd.set_option("display.max_colwidth", None)
engine = connect(schema=schema, fresh=True)
create_tables(engine)
report = initial_load(engine, sample_cars(), loaded_at=datetime(2024, 11, 9, 8, tzinfo=UTC))

# %%
overview = """
SELECT b.name AS brand, m.name AS model, c.vin, c.engine_size, c.color, c.price, c.status
FROM car_info c JOIN car_model m USING (model_id) JOIN car_brand b USING (brand_id)
ORDER BY c.vin
"""
pd.read_sql(overview, engine)

# %% [markdown]
# ## The obvious way
#
# The next day one more car arrives. What has come since the last load is called a *delta*.

# %%
from carlib import sample_delta

delta = sample_delta()
delta

# %% [markdown]
# The obvious way goes through the delta car by car: look the VIN up, and insert the car if it is not there.

# %%
look_up = text("SELECT car_id FROM car_info WHERE vin = :vin")
insert_car = text(
    """
    INSERT INTO car_info (model_id, engine_size, vin, color, price, status, valid_from)
    SELECT m.model_id, :engine_size, :vin, :color, :price, :status, '2024-11-09 12:00Z'
    FROM car_model m JOIN car_brand b USING (brand_id)
    WHERE b.name = :brand AND m.name = :model
    """
)


def naive_load(cars):
    added = 0
    with engine.begin() as connection:
        for car in cars.astype(object).where(cars.notna(), None).to_dict("records"):
            if connection.execute(look_up, car).first() is None:
                added += connection.execute(insert_car, car).rowcount
    return added


print(naive_load(delta), "added, and at the second run", naive_load(delta))

# %% [markdown]
# One car was added, and by the second run none: no duplicates. That is what was asked for.

# %%
after = pd.read_sql(overview, engine)
expected = pd.concat([sample_cars(), sample_delta()]).sort_values("vin", ignore_index=True)
pd.testing.assert_frame_equal(after, expected[after.columns], check_dtype=False)
after

# %% [markdown]
# Three cars, the new one a black Corolla of 2.2 litres for 16000. So far the obvious way does well.

# %% [markdown]
# ## What it misses
#
# > **Trap: a known car is not an unchanged car.** The red Corolla is sold for less from now on.

# %%
cheaper = sample_cars().head(1).assign(price=14500)
naive_load(cheaper)
pd.read_sql("SELECT vin, price FROM car_info WHERE vin = 'ABC123'", engine)

# %% [markdown]
# The car was there, so nothing happened, and the new price is lost. Nobody was told.
#
# > **Trap: look, then act.** Between the looking and the inserting there is a moment. We let two loads, each on a connection of its own, meet in it.

# %%
from sqlalchemy.exc import IntegrityError

car = {"brand": "Honda", "model": "Civic", "vin": "JKL012", "engine_size": 1.5}
car |= {"color": "White", "price": 12000, "status": True}
with engine.connect() as one, engine.connect() as two:
    print("one finds", one.execute(look_up, car).first())
    print("two finds", two.execute(look_up, car).first())
    one.execute(insert_car, car)
    one.commit()
    try:
        two.execute(insert_car, car)
    except IntegrityError as error:
        print("two:", error.orig.diag.message_primary)

# %% [markdown]
# Both looked, both found nothing, both inserted. The unique constraint on `vin` caught the second, and its whole load was undone. Without the constraint, the car would be there twice: looking first prevents duplicates only as long as nobody else is loading.

# %% [markdown]
# ## What changed? Three ways to tell
#
# To update changed cars we must know which have changed. There are three common ways. We try each on the same five cases, pairs of an old and a new row of which we know whether they differ.

# %%
names = ("case", "old_price", "new_price", "old_color", "new_color", "differs")
cases = [
    ("another price", "15000", "14500", "Red", "Red", True),
    ("the same price, with decimals", "15000", "15000.00", "Red", "Red", False),
    ("no color before, none now", "15000", "15000", None, None, False),
    ("no color before, one now", "15000", "15000", None, "Blue", True),
    ("digits that moved", "1500", "15000", "0 Red", " Red", True),
]
pd.DataFrame(cases, columns=names).set_index("case")

# %% [markdown]
# **Comparing values.** In SQL, `<>` is not enough: any comparison with `NULL`, the missing value, is neither true nor false. `IS DISTINCT FROM` treats `NULL` as a value like any other.

# %%
with engine.begin() as connection:
    connection.execute(
        text(
            'CREATE TABLE cases ("case" text, old_price text, new_price text,'
            " old_color text, new_color text, differs boolean)"
        )
    )
    connection.execute(
        text(
            "INSERT INTO cases"
            " VALUES (:case, :old_price, :new_price, :old_color, :new_color, :differs)"
        ),
        [dict(zip(names, case, strict=True)) for case in cases],
    )

# %%
ways = pd.read_sql(
    """
    SELECT "case", differs,
           old_price::numeric <> new_price::numeric OR old_color <> new_color AS "<>",
           (old_price::numeric, old_color) IS DISTINCT FROM (new_price::numeric, new_color)
               AS "distinct",
           md5(old_price || old_color) <> md5(new_price || new_color) AS "hash of ||",
           md5(concat(old_price, old_color)) <> md5(concat(new_price, new_color))
               AS "hash of concat"
    FROM cases
    """,
    engine,
    index_col="case",
)
ways

# %% [markdown]
# `<>` does not see that a color was added: it answers `None`, neither yes nor no. `IS DISTINCT FROM`, in the column `distinct`, is right five times out of five.
#
# **By a hash.** Here one stores a short fingerprint of each row and compares fingerprints. The two columns on the right show how that goes wrong. With `||` a missing color makes the whole fingerprint missing. With `concat` it does not, but 15000 and 15000.00 get different fingerprints, and in the last case the digits moved from one column into the next and the fingerprint stayed the same, since nothing separates the columns.

# %%
right = ways.drop(columns="differs").eq(ways["differs"], axis=0).sum()
assert right["distinct"] == len(ways)
assert (right.drop("distinct") < len(ways)).all()
right.rename("right answers of 5").to_frame()

# %% [markdown]
# **By a timestamp.** If the source says when it last changed each car, we may take only what is newer than our last load. Suppose that its clock ticks once a second.

# %%
feed = pd.DataFrame(
    [("10:00:00", 14500), ("10:00:00", 14400), ("10:00:01", 14300)],
    columns=["changed_at", "price"],
    index=["before our load", "just after our load", "a second later"],
)
last_load = "10:00:00"
feed["taken next time"] = feed["changed_at"] > last_load
feed

# %% [markdown]
# The second change carries the same second as our load, so it is not newer and will never be taken. With `>=` instead we would take the first one again each time. A timestamp tells what is newer only if no two changes share a tick, and if the source never forgets to set it.

# %% [markdown]
# ## One statement: MERGE
#
# `delta_load` compares values. Like the initial load it copies the delta into a staging table; then everything happens in one statement. We print it for a delta that has all columns.

# %%
from carlib.delta_sql import merge_statement

columns = list(sample_delta().columns)
print(merge_statement(columns, insert=True, delete_missing=False))

# %% [markdown]
# We read it clause by clause.
#
# - `source` is the staging table, with the names of brand and model replaced by the model's key.
# - `MERGE INTO car_info … USING source … ON c.vin = s.vin` brings each row of the delta together with the car of the same VIN, if there is one.
# - `WHEN MATCHED AND … IS DISTINCT FROM …`: the car is there and differs, so it is updated. A car that does not differ is not touched.
# - `WHEN NOT MATCHED`: there is no such car yet, so it is inserted.
# - `RETURNING … old.…` hands on what the updated cars were *before*.
# - `logged` writes these old values into `car_info_history`, with the instant of the change.
# - The last line counts what was done.
#
# It is one statement, so either all of it takes effect or nothing. We load a delta with a new car, a changed one and one that is as it was.

# %%
from carlib import delta_load

second = pd.concat(
    [
        pd.DataFrame([("Škoda", "Octavia", "MNO345", 1.5, "Grey", 18000, True)], columns=columns),
        cheaper,
        sample_cars().tail(1),
    ],
    ignore_index=True,
)
second

# %%
report = delta_load(engine, second, loaded_at=datetime(2024, 11, 10, 8, tzinfo=UTC))
report

# %% [markdown]
# Three rows came in: one was inserted, one updated, one unchanged. The tables now:

# %%
loaded = pd.read_sql(overview, engine)
assert loaded["vin"].tolist() == ["ABC123", "DEF456", "GHI789", "JKL012", "MNO345"]
assert loaded.set_index("vin").loc["ABC123", "price"] == 14500
loaded

# %% [markdown]
# The brand Škoda and its model Octavia were new, and only they were added to their tables; Toyota and Honda were left alone. The red Corolla costs 14500, and what it cost before is in the history.

# %%
history = pd.read_sql(
    'SELECT vin, color, price, status, valid_from, "timestamp", operation FROM car_info_history',
    engine,
)
assert history["price"].tolist() == [15000]
history

# %% [markdown]
# The history holds the *replaced* values: 15000, which held from `valid_from` until `timestamp`. The next lesson is about what can be read from it.

# %% [markdown]
# ## Only some columns
#
# A price list has no colors. A delta may hold only some columns: what it does not mention stays as it is.

# %%
prices = pd.DataFrame({"vin": ["ABC123", "GHI789"], "price": [14000, 16000]})
delta_load(engine, prices, loaded_at=datetime(2024, 11, 11, 8, tzinfo=UTC))

# %% [markdown]
# One price differs, the other is what it was. A car that is not known can't be added from a price alone, and is rejected with that reason.

# %%
unknown = pd.DataFrame({"vin": ["XYZ999"], "price": [9000]})
report = delta_load(engine, unknown, on_reject="report")
report.rejected

# %% [markdown]
# ## The same delta again
#
# A load that failed on the way to us may be sent again, and nobody knows whether it arrived the first time. We load the second delta once more.

# %%
delta_load(engine, second.drop(index=1))

# %% [markdown]
# Nothing differs, so nothing is done. But what if the world has moved on? The old delta says 14500 for the red Corolla, which by now costs 14000. Loaded again, it would bring the old price back. A *batch name* prevents that.

# %%
for _ in range(2):
    report = delta_load(
        engine,
        prices.assign(price=[13900, 15900]),
        batch="2024-11-12",
        loaded_at=datetime(2024, 11, 12, 8, tzinfo=UTC),
    )
    print(report.updated, "updated,", report.unchanged, "unchanged")

# %% [markdown]
# The second time the batch is known, and nothing is compared or changed. The same name with other content is an error.

# %%
from carlib.errors import BatchConflict

try:
    delta_load(engine, prices, batch="2024-11-12")
except BatchConflict as error:
    print(error)

# %% [markdown]
# ## No way back in time
#
# A change that is dated before the car's last one would make the history contradict itself. It is refused.

# %%
from carlib.errors import LateChange

try:
    delta_load(engine, cheaper, loaded_at=datetime(2024, 11, 10, 12, tzinfo=UTC))
except LateChange as error:
    print(error)

# %% [markdown]
# ## Try it
#
# Choose a car and what a delta says about it, and see what the load reports. A price that is already there changes nothing.

# %%
import ipywidgets as widgets

vin = widgets.Dropdown(options=loaded["vin"].tolist(), description="VIN")
price = widgets.FloatText(value=13900, description="price")
color = widgets.Text(value="Red", description="color")
outcome = widgets.HTML()


def load_one(_=None):
    one = pd.DataFrame({"vin": [vin.value], "price": [price.value], "color": [color.value]})
    report = delta_load(engine, one, on_reject="report")
    reasons = ", ".join(report.rejected["reason"])
    outcome.value = (
        f"{report.updated} updated, {report.unchanged} unchanged, "
        f"{len(report.rejected)} rejected {reasons}"
    )


for knob in (vin, price, color):
    knob.observe(load_one, names="value")
load_one()
widgets.VBox([vin, price, color, outcome])

# %%
for knob, value in [(price, 13900), (color, "Green"), (price, -1)]:
    knob.value = value
    load_one()
    print(f"{knob.description} = {value}: {outcome.value}")

# %% [markdown]
# The first is what is stored already. The color was updated when the knob turned, so the load after it finds nothing to do. A negative price is rejected.

# %% [markdown]
# ## A hundred thousand cars
#
# Now with as many cars as `rows` says. `generate_delta` returns the same cars some time later: one in ten has changed, and one more in a hundred is new.

# %%
from carlib import generate_cars, generate_delta

with engine.begin() as connection:
    connection.execute(text("TRUNCATE car_brand, car_model, car_info, car_info_history"))
fleet = generate_cars(rows, seed=seed)
initial_load(engine, fleet)
later = generate_delta(fleet, new=0.01, changed=0.1, seed=seed + 1)
print(f"{len(fleet):,} cars, {len(later):,} rows in the delta")

# %% [markdown]
# First the obvious way, on a fifth of the delta, to see how long it takes. It is stopped from keeping anything: we only want its time.

# %%
import time

fifth = later.sample(len(later) // 5, random_state=seed)
start = time.perf_counter()
with engine.connect() as connection:
    for car in fifth.to_dict("records"):
        connection.execute(look_up, car).first()
naive_seconds = (time.perf_counter() - start) * 5

# %% [markdown]
# That was the looking up alone. Now the delta load, which also updates and writes the history.

# %%
report = delta_load(engine, later)
assert report.inserted == len(later) - len(fleet)
assert report.updated == round(0.1 * len(fleet))
report

# %%
written = pd.read_sql("SELECT count(*) AS history_rows FROM car_info_history", engine)
assert written.iat[0, 0] == report.updated
written

# %% [markdown]
# As many history rows as cars were updated, exactly.

# %% tags=["nbval-ignore-output"]
timing = pd.DataFrame(
    {"seconds": [naive_seconds, report.seconds]},
    index=["looking each VIN up (five times a fifth)", "delta_load, history included"],
)
timing["times_as_fast"] = naive_seconds / timing["seconds"]
if rows >= 50_000:
    assert report.seconds < naive_seconds
timing.round(2)

# %% [markdown]
# ## What the guard saves
#
# `IS DISTINCT FROM` in the MERGE is a guard: without it every car of the delta would be updated, also those that did not change. An update to the same values is not free. PostgreSQL writes a new version of the row, and a record of it into the *write-ahead log*, WAL, from which it recovers after a crash. We let `EXPLAIN ANALYZE` run an upsert of all cars with their own values, once without and once with the guard, and roll both back.

# %%
upsert = """
EXPLAIN (ANALYZE, WAL, FORMAT JSON)
INSERT INTO car_info SELECT * FROM car_info
ON CONFLICT (vin) DO UPDATE SET price = EXCLUDED.price, status = EXCLUDED.status
"""
guard = "WHERE (car_info.price, car_info.status) IS DISTINCT FROM (EXCLUDED.price, EXCLUDED.status)"
wal = {}
for name, statement in {"without the guard": upsert, "with it": upsert + guard}.items():
    with engine.connect() as connection:
        found = connection.scalar(text(statement))[0]["Plan"]
        connection.rollback()
    wal[name] = {"WAL_MB": found["WAL Bytes"] / 1e6, "WAL_records": found["WAL Records"]}

# %% tags=["nbval-ignore-output"]
wal = pd.DataFrame(wal).T
assert wal.loc["without the guard", "WAL_MB"] > 3 * wal.loc["with it", "WAL_MB"]
wal.round(1)

# %% [markdown]
# Both leave the same values in the table. Without the guard every car was written again, and every one of them into the log; each load would also leave as many dead row versions behind, to be cleaned up later.

# %% [markdown]
# ## Exercises
#
# Each question is followed by a cell for your answer and its check; `ex.new_vins.hint()` gives a hint, `ex.new_vins.solution()` one way to do it.

# %%
EXERCISES

# %% [markdown]
# ## Claims, measured
#
# What one hears about delta loads, what we measured on this machine, and what we conclude.

# %% tags=["nbval-ignore-output"]
faster = naive_seconds / report.seconds
saved = wal.loc["without the guard", "WAL_MB"] / wal.loc["with it", "WAL_MB"]
models_before = fleet[["brand", "model"]].drop_duplicates().shape[0]
models_now = pd.read_sql("SELECT count(*) FROM car_model", engine).iat[0, 0]
claims = pd.DataFrame(
    [
        (
            "Looking a VIN up before inserting prevents duplicates",
            "with two loads at once both find nothing",
            False,
        ),
        (
            "Hashing is an efficient way to detect changes",
            f"{right['hash of concat']} of 5 cases right, comparing values 5",
            right["hash of concat"] == 5,
        ),
        (
            "A timestamp tells what is newer",
            f"{feed['taken next time'].sum()} of 2 changes after the load found",
            feed["taken next time"].sum() == 2,
        ),
        ("One statement beats a query per car", f"{faster:.0f} times as fast", faster > 1.5),
        ("Updating only what changed saves work", f"{saved:.0f} times less WAL", saved > 1.5),
        (
            "Brands and models stay untouched unless the delta brings new ones",
            f"{models_before} models before, {models_now} now",
            bool(models_now >= models_before),
        ),
    ],
    columns=["claim", "measured here", "holds"],
).set_index("claim")
if rows >= 50_000:
    assert claims["holds"].tolist() == [False, False, False, True, True, True]
claims

# %% [markdown]
# ## Recap
#
# In this lesson we
#
# - saw that looking a VIN up and inserting misses every change, and races,
# - compared values, hashes and timestamps on cases where we knew the answer,
# - read a MERGE clause by clause, and let it insert, update and remember in one statement,
# - loaded deltas of some columns only, again, late, and by name.
#
# ### Questions
#
# Answer in your head before you unfold.
#
# <details><summary>1. A delta holds a car whose price is the same as before. What does delta_load write for it?</summary>
#
# Nothing: the car is not distinct from what is stored, so no row version and no history row is written.
# </details>
#
# <details><summary>2. Why is <code>color &lt;&gt; new_color</code> not enough to find changed colors?</summary>
#
# If one of the two is missing, the comparison is neither true nor false, and the change is not found. `IS DISTINCT FROM` finds it.
# </details>
#
# <details><summary>3. Why must a fingerprint over several columns separate them?</summary>
#
# Otherwise characters can move from one column into the next without changing the fingerprint.
# </details>
#
# <details><summary>4. Two loads insert the same new VIN at the same time. What happens?</summary>
#
# Without a lock the second violates the unique constraint and is undone. `delta_load` takes a lock first, so that the second waits and then finds the car.
# </details>
#
# <details><summary>5. What is a batch name good for?</summary>
#
# A batch that arrives twice is loaded once, even if the tables have moved on in between.
# </details>
#
# ### Glossary
#
# - **Delta**: what has come or changed since the last load.
# - **Upsert**: insert a row, or update it if it is there.
# - **MERGE**: SQL's statement that inserts, updates or deletes, depending on whether a row has a match.
# - **Race**: an outcome that depends on which of two programs comes first.
# - **Idempotent**: doing it twice has the same effect as doing it once.
# - **WAL**: the write-ahead log, in which PostgreSQL records each change before it counts.
#
# ### On
#
# Back: [2 · Initial load](02_initial_load.ipynb) · Next: [4 · History](04_history.ipynb) · All lessons: [README](../../README.md) ·
# To read on: [MERGE](https://www.postgresql.org/docs/18/sql-merge.html) and [Comparison functions](https://www.postgresql.org/docs/18/functions-comparison.html) in PostgreSQL's manual
