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
# # 4 · History
#
# Values change, and we want to know what they were: we log each change with its instant, read the life of a car from the log, and ask what the whole fleet looked like on any day.
#
# **You will**
#
# - log the replaced values of a car and change it in one transaction,
# - read the life of one car, the price over time, and the fleet as of any instant,
# - keep the history free of contradictions, and archive what is old.
#
# **You need** [lesson 3](03_delta_load.ipynb), or an idea of what an update in a transaction is.
#
# **Time** 55 minutes to read and run, 30 more for the exercises.

# %% [markdown]
# You may change these values.

# %% tags=["parameters"]
schema = "lesson_04"
rows = 100_000
seed = 0

# %% [markdown]
# This cell starts the lesson where the story was after the first delta: three cars, among them the black Corolla GHI789 for 16000.

# %%
from datetime import UTC, datetime

import pandas as pd
from sqlalchemy import text

from carlib import connect, create_tables, delta_load, initial_load, sample_cars, sample_delta

pd.set_option("display.max_colwidth", None)
engine = connect(schema=schema, fresh=True)
create_tables(engine)
initial_load(engine, sample_cars(), loaded_at=datetime(2024, 11, 8, 8, tzinfo=UTC))
delta_load(engine, sample_delta(), loaded_at=datetime(2024, 11, 9, 8, tzinfo=UTC))

# %% [markdown]
# ## Old values or new ones?
#
# To remember changes we write a line into a log each time. But which line: what the price was, or what it became? We keep both kinds of logs for two changes of a price and see what they are good for.

# %%
price = 16000
logs = {"logs the old value": [], "logs the new value": []}
for new_price in [16500, 17000]:
    logs["logs the old value"].append(price)
    logs["logs the new value"].append(new_price)
    price = new_price
pd.DataFrame(logs)

# %% [markdown]
# Together with the present price, 17000, the first log tells the whole story: 16000, 16500, 17000. The second one says 16500, 17000, and 17000 again from the table. What the car cost at first is lost, and nobody can undo the first change.
#
# > **Trap: logging the new values.** It looks the same until someone asks for the value before the first change. A history keeps what was *replaced*.

# %% [markdown]
# ## Change a car, and log what it was
#
# `update_car` does both in one transaction. We look up the key of GHI789 and change its price and status three times.

# %%
from carlib import get_car, update_car

car_id = get_car(engine, vin="GHI789")["car_id"]
for changed_at, changes in [
    (datetime(2024, 11, 10, 10, 0, tzinfo=UTC), {"price": 16500, "status": False}),
    (datetime(2024, 11, 12, 15, 30, tzinfo=UTC), {"price": 17000, "status": True}),
    (datetime(2024, 11, 14, 9, 0, tzinfo=UTC), {"price": 17250}),
]:
    car = update_car(engine, car_id, changes, changed_at=changed_at)
car

# %% [markdown]
# The car now costs 17250, and these values hold since the last change. The history has one row for each change.

# %%
history = pd.read_sql(
    'SELECT engine_size, vin, color, price, status, "timestamp" FROM car_info_history'
    ' ORDER BY "timestamp"',
    engine,
)
history

# %% [markdown]
# This is the table that the requirements expect: 16000 and available until 10 November, 10:00; 16500 and not available until the 12th, 15:30; 17000 and available until the 14th, 9:00.

# %%
expected = pd.DataFrame(
    {
        "price": [16000.0, 16500.0, 17000.0],
        "status": [True, False, True],
        "timestamp": pd.to_datetime(
            ["2024-11-10 10:00", "2024-11-12 15:30", "2024-11-14 09:00"], utc=True
        ),
    }
)
pd.testing.assert_frame_equal(history[expected.columns], expected, check_dtype=False)

# %% [markdown]
# A change that changes nothing is not logged, and an unknown name is refused with the nearest known one.

# %%
from carlib.errors import UnknownColumn

update_car(engine, car_id, {"price": 17250})
try:
    update_car(engine, car_id, {"prize": 1})
except UnknownColumn as error:
    print(error)
print(pd.read_sql("SELECT count(*) FROM car_info_history", engine).iat[0, 0], "rows of history")

# %% [markdown]
# ## The life of one car
#
# `car_history` joins the past versions with the present one: every version, with the instants from which and until which it held.

# %%
from carlib import car_history

life = car_history(engine, car_id)
life[["vin", "price", "status", "valid_from", "valid_to", "operation"]]

# %% [markdown]
# Four versions after three changes. Each begins where the one before ends; the last has no end, `NaT`, since it is the present one. A version holds from `valid_from` until *just before* `valid_to`, so at 10:00 sharp the new price holds.
#
# Drawn over time, the price is a staircase.

# %%
import matplotlib.pyplot as plt


def draw_price(life, day=None):
    fig, ax = plt.subplots(figsize=(6.5, 2.4), layout="constrained")
    until = life["valid_to"].fillna(life["valid_from"].max() + pd.Timedelta(days=2))
    ax.stairs(life["price"], [*life["valid_from"], until.iloc[-1]], baseline=None, color="#0072B2")
    if day is not None:
        ax.axvline(day, color="#D55E00", linestyle="--")
    ax.set(ylabel="price", title=life["vin"].iloc[0])
    ax.spines[["top", "right"]].set_visible(False)
    ax.tick_params(axis="x", rotation=30)
    return fig


fig = draw_price(life)
plt.show()

# %% [markdown]
# `price_changes` gives the steps of all cars as a table, with the difference and its percentage.

# %%
from carlib import price_changes

steps = price_changes(engine)
steps["percent"] = steps["percent"].round(2)
steps[["vin", "changed_at", "old_price", "new_price", "difference", "percent"]]

# %% [markdown]
# ## The fleet on any day
#
# What did we have on offer on 11 November? `cars_as_of` answers for any instant.

# %%
from carlib import cars_as_of

shown = ["vin", "brand", "model", "price", "status", "valid_from"]
cars_as_of(engine, datetime(2024, 11, 11, tzinfo=UTC))[shown]

# %% [markdown]
# GHI789 stood at 16500, not available. On the day before it was delivered it was not there at all:

# %%
cars_as_of(engine, datetime(2024, 11, 8, 12, tzinfo=UTC))[shown]

# %% [markdown]
# An instant needs a time zone. Without one, 10:00 in Berlin and 10:00 in Tokyo would be the same, and the answer a guess.

# %%
from carlib.errors import BadArgument

try:
    cars_as_of(engine, datetime(2024, 11, 11))
except BadArgument as error:
    print(error)

# %% [markdown]
# Choose a car and a day: the row as it stood, and the day marked in the line of its price.

# %%
import io

import ipywidgets as widgets

vin = widgets.Dropdown(options=["GHI789", "ABC123", "DEF456"], description="VIN")
day = widgets.IntSlider(value=11, min=8, max=16, description="November", continuous_update=False)
row = widgets.HTML()
line = widgets.Image(format="png")


def look(_=None):
    when = datetime(2024, 11, day.value, 12, tzinfo=UTC)
    fleet = cars_as_of(engine, when).set_index("vin")
    if vin.value in fleet.index:
        found = fleet.loc[vin.value]
        row.value = f"{found['price']:.0f}, {'available' if found['status'] else 'not available'}"
    else:
        row.value = "not there yet"
    picture = io.BytesIO()
    fig = draw_price(car_history(engine, get_car(engine, vin=vin.value)["car_id"]), when)
    fig.savefig(picture, format="png")
    plt.close(fig)
    line.value = picture.getvalue()


for knob in (vin, day):
    knob.observe(look, names="value")
look()
widgets.VBox([vin, day, row, line])

# %%
for value in [8, 9, 10, 13, 15]:
    day.value = value
    print(f"{vin.value} on 2024-11-{value:02} at noon: {row.value}")

# %% [markdown]
# ## A deleted car
#
# The blue Civic is scrapped on 15 November.

# %%
from carlib import delete_car

civic_id = get_car(engine, vin="DEF456")["car_id"]
delete_car(engine, civic_id, deleted_at=datetime(2024, 11, 15, 12, tzinfo=UTC))
print(get_car(engine, vin="DEF456"))
car_history(engine, civic_id)[["vin", "price", "valid_from", "valid_to", "operation"]]

# %% [markdown]
# The car is gone from `car_info`, its life is not: no foreign key ties the history to the living row, so it outlives its car. And before noon of the 15th the fleet still has it:

# %%
fleet = cars_as_of(engine, datetime(2024, 11, 15, 11, 59, tzinfo=UTC))
assert "DEF456" in fleet["vin"].tolist()
fleet[shown]

# %% [markdown]
# ## A history that can't contradict itself
#
# Two versions of one car for the same instant would be a contradiction: which one is true? The key of `car_info_history` rules it out. It is the car together with the *range* of time, `WITHOUT OVERLAPS`. We try to slip in a second truth for 9 November.

# %%
from sqlalchemy.exc import DBAPIError

second_truth = text(
    """
    INSERT INTO car_info_history (car_id, model_id, engine_size, vin, color, price, status,
                                  valid_from, "timestamp", operation)
    SELECT car_id, model_id, engine_size, vin, color, 1, status, :start, :stop, 'update'
    FROM car_info WHERE vin = 'GHI789'
    """
)


def slip_in(start, stop):
    with engine.connect() as connection:  # never committed
        try:
            connection.execute(second_truth, {"start": start, "stop": stop})
        except DBAPIError as error:
            return error.orig.diag.message_primary
    return "accepted"


print(slip_in("2024-11-09 12:00Z", "2024-11-09 18:00Z"))

# %% [markdown]
# It is refused. So is a version that ends before it begins, or at once.

# %%
print(slip_in("2024-11-07 12:00Z", "2024-11-07 10:00Z"))
print(slip_in("2024-11-07 12:00Z", "2024-11-07 12:00Z"))

# %% [markdown]
# > **Trap: `now()` is when the transaction began.** It looks like the natural instant for a change. We let two transactions change one car: the first begins first, but the second gets to the car before it.

# %%
with engine.connect() as one, engine.connect() as two:
    first_now = one.scalar(text("SELECT now()"))
    second_now = two.scalar(text("SELECT now()"))
    # two changes the car now and commits: its version begins at second_now.
    two.commit()
    # one changes the car only now, and would log a version from second_now until its own now().
    print("ends before it begins:", first_now < second_now)

# %%
print(slip_in(second_now, first_now))

# %% [markdown]
# The range gives it away: the version would end before it began. `carlib` therefore takes a lock first, so that changes come one after the other, and reads `clock_timestamp()`, the time on the clock, only after it was granted.

# %% [markdown]
# ## Fast, also when it grows
#
# We load as many cars as `rows` says, and a delta in which every tenth has changed. Then we ask PostgreSQL how it finds the history of one car, and one car as of an instant.

# %%
from carlib import generate_cars, generate_delta

with engine.begin() as connection:
    connection.execute(text("TRUNCATE car_brand, car_model, car_info, car_info_history"))
fleet = generate_cars(rows, seed=seed)
initial_load(engine, fleet, loaded_at=datetime(2024, 11, 1, tzinfo=UTC))
for month in (11, 12):
    fleet = generate_delta(fleet, new=0, changed=0.1, seed=seed + month)
    delta_load(engine, fleet, loaded_at=datetime(2024, month, 20, tzinfo=UTC))
with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
    connection.execute(text("VACUUM ANALYZE car_info_history"))
pd.read_sql("SELECT count(*) AS history_rows FROM car_info_history", engine)

# %%
one_car = "SELECT * FROM car_info_history WHERE car_id = :car_id"
one_instant = one_car + " AND valid @> CAST(:instant AS timestamptz)"
values = {"car_id": get_car(engine, vin=fleet.at[0, "vin"])["car_id"], "instant": "2024-12-01Z"}


def plan(query):
    with engine.connect() as connection:
        lines = connection.scalars(text(f"EXPLAIN (COSTS OFF) {query}"), values)
        return next(iter(lines)).split(" on ")[0]


for query in (one_car, one_instant):
    print(plan(query))

# %% [markdown]
# Both begin at an index and not at the first row of the table. Without an index, every row would have to be read:

# %%
with engine.connect() as connection:
    for kind in ("indexscan", "bitmapscan"):
        connection.execute(text(f"SET LOCAL enable_{kind} = off"))
    pages = {}
    for name in ("without an index", "with it"):
        explain = text(f"EXPLAIN (ANALYZE, BUFFERS, FORMAT JSON) {one_instant}")
        found = connection.scalar(explain, values)[0]["Plan"]
        pages[name] = found["Shared Hit Blocks"] + found["Shared Read Blocks"]
        connection.rollback()

# %% tags=["nbval-ignore-output"]
if rows >= 20_000:
    assert pages["with it"] * 5 < pages["without an index"]
pd.Series(pages, name="pages read").to_frame()

# %% [markdown]
# ## Archive what is old
#
# A history grows for ever. What is seldom asked for can leave the database: `archive_history` writes it to Parquet files, month by month, reads the files back, compares them row for row with the table, and only then deletes the rows. We ask two questions first, so that we can compare the answers.

# %%
when = datetime(2024, 11, 15, tzinfo=UTC)
fleet_before = cars_as_of(engine, when)
life_before = car_history(engine, values["car_id"])

# %%
import tempfile

from carlib import archive_history

directory = tempfile.mkdtemp()
archive_history(engine, datetime(2024, 12, 1, tzinfo=UTC), directory)

# %% [markdown]
# The November rows are in one file now; those of December stayed. With the directory the same questions get the same answers:

# %%
pd.testing.assert_frame_equal(cars_as_of(engine, when, directory), fleet_before)
pd.testing.assert_frame_equal(car_history(engine, values["car_id"], directory), life_before)
pd.read_sql("SELECT count(*) AS history_rows FROM car_info_history", engine)

# %% [markdown]
# Half of the history has left the table, and no answer has changed.

# %% [markdown]
# ## Exercises
#
# Each question is followed by a cell for your answer and its check; `hint()` gives a hint, `solution()` one way to do it.

# %%
EXERCISES

# %% [markdown]
# ## Claims, measured
#
# What one hears about histories, what we measured on this machine, and what we conclude.

# %% tags=["nbval-ignore-output"]
share = pages["without an index"] / pages["with it"]
claims = pd.DataFrame(
    [
        (
            "The history stays responsive as it grows, with its indexes",
            f"{pages['with it']} pages for one car and instant, {share:.0f} times as many without",
            pages["with it"] < 20,
        ),
        ("now() is the time of a change", "a version that ends before it begins", False),
        ("Archived history is out of reach", "the same answers with the directory", False),
    ],
    columns=["claim", "measured here", "holds"],
).set_index("claim")
assert claims["holds"].tolist() == [True, False, False]
claims

# %% [markdown]
# ## Recap
#
# In this lesson we
#
# - logged the replaced values of a car with their instants, and read its life from them,
# - asked for the fleet as of any day, cars included that were deleted since,
# - saw the table itself refuse two truths for one instant,
# - archived old history to files, and got the same answers as before.
#
# ### Questions
#
# Answer in your head before you unfold.
#
# <details><summary>1. Why does a history keep the replaced values and not the new ones?</summary>
#
# The present values are in the table. Of the new values alone, what was there before the first change could not be told.
# </details>
#
# <details><summary>2. A price changed at 10:00 sharp. Which price held at 10:00?</summary>
#
# The new one. A version holds from <code>valid_from</code> until just before <code>valid_to</code>.
# </details>
#
# <details><summary>3. Why has <code>car_info_history</code> no foreign key to <code>car_info</code>?</summary>
#
# The history of a car must remain when the car is deleted.
# </details>
#
# <details><summary>4. What is wrong with <code>now()</code> as the instant of a change?</summary>
#
# It is when the transaction began. A transaction that began first may change the car last, and its version would end before it began.
# </details>
#
# <details><summary>5. When does archiving delete rows from the table?</summary>
#
# After the file was written, read back, and compared with the table row for row.
# </details>
#
# ### Glossary
#
# - **Version**: the values that a car had from one instant until another.
# - **As of**: as it stood at a given instant.
# - **Range**: a value with a beginning and an end; here the time in which a version held.
# - **Half-open**: including the beginning and not the end, so that versions meet without overlapping.
# - **Archive**: to move what is seldom asked for to cheaper storage, and keep it readable.
#
# ### On
#
# Back: [3 · Delta load](03_delta_load.ipynb) · All lessons: [README](../../README.md) ·
# To read on: [Temporal keys](https://www.postgresql.org/docs/18/ddl-constraints.html) and [Range types](https://www.postgresql.org/docs/18/rangetypes.html) in PostgreSQL's manual
