"""Exercises of lesson 3, the delta load: what is new, what has changed, and writing only that."""

import pandas as pd

from exercises.exercise import Setup, WrongAnswer, small_table
from exercises.kinds import Change, Function, Query

# Six Wartburgs, two of them without a color.
_CARS = """
    INSERT INTO car_brand (name) VALUES ('Wartburg');
    INSERT INTO car_model (brand_id, name)
    SELECT brand_id, '353' FROM car_brand WHERE name = 'Wartburg';
    INSERT INTO car_info (model_id, vin, color, price, status)
    SELECT model_id, vin, color, price, true
    FROM (VALUES ('W-1', 'Red', 2300), ('W-2', NULL, 2000), ('W-3', NULL, 1800),
                 ('W-4', 'Green', 1500), ('W-5', 'White', 1200), ('W-6', 'Black', 1000))
         AS car (vin, color, price)
    JOIN car_brand AS b ON b.name = 'Wartburg' JOIN car_model USING (brand_id);
"""

# What comes for them: a new price, two cars as they are, a color that was missing, a new car.
_KEYED_DELTA = """
    CREATE TABLE delta (model_id uuid, vin text, color text, price numeric);
    INSERT INTO delta
    SELECT model_id, car.*
    FROM (VALUES ('W-7', 'Gray', 2500), ('W-4', 'Green', 1500), ('W-3', 'Blue', 1800),
                 ('W-2', NULL, 2000), ('W-1', 'Red', 2100)) AS car (vin, color, price)
    JOIN car_brand AS b ON b.name = 'Wartburg' JOIN car_model USING (brand_id);
"""

CHANGED_CARS = Query(
    name="changed_cars",
    question=(
        "On the left the cars that we have, on the right a table `delta (vin, price, color)` with "
        "what has come; a dash stands for NULL."
        + small_table(
            "car_info                delta",
            "vin  price  color       vin  price    color",
            "W-1  2300   Red         W-1  2100     Red",
            "W-2  2000   -           W-2  2000     -",
            "W-3  1800   -           W-3  1800     Blue",
            "W-4  1500   Green       W-4  1500     -",
            "W-5  1200   White       W-5  1100     Blue",
            "W-6  1000   Black       W-6  1000.00  Black",
            "                        W-7  2500     Gray",
        )
        + "Which cars of `car_info` does the delta change? Return their VINs: W-1, W-3, W-4 and "
        "W-5. A color that came or went is a change; a new car is not asked for."
    ),
    hints=(
        "A car that is known is in both tables: a join on the VIN puts its old values next to its "
        "new ones.",
        "Compared with NULL by `<>`, a value is neither equal nor unequal. `IS DISTINCT FROM` "
        "always answers true or false.",
        "It compares whole rows too: `(a, b) IS DISTINCT FROM (c, d)` is true if one of the pairs "
        "differs.",
    ),
    solution="""
        SELECT d.vin
        FROM delta AS d
        JOIN car_info AS c USING (vin)  --?
        WHERE (d.price, d.color) IS DISTINCT FROM (c.price, c.color)  --?
    """,
    wrong=(
        WrongAnswer(
            replace={
                "(d.price, d.color) IS DISTINCT FROM (c.price, c.color)": (
                    "d.price <> c.price OR d.color <> c.color"
                )
            },
            hint=(
                "Cars whose color came or went are missing: where one side is NULL, `<>` gives "
                "NULL, and `WHERE` keeps only what is true."
            ),
        ),
        WrongAnswer(
            replace={"JOIN": "LEFT JOIN"},
            hint=(
                "A new car is among them. It is in the delta and not in `car_info`, so there is "
                "nothing that has changed about it."
            ),
        ),
        WrongAnswer(
            replace={
                "(d.price, d.color) IS DISTINCT FROM (c.price, c.color)": (
                    "d.price IS DISTINCT FROM c.price AND d.color IS DISTINCT FROM c.color"
                )
            },
            hint="With `AND`, price and color must both be others. One of them is enough.",
        ),
        WrongAnswer(
            replace={
                "(d.price, d.color) IS DISTINCT FROM (c.price, c.color)": (
                    "concat(d.price, d.color) <> concat(c.price, c.color)"
                )
            },
            hint=(
                "Cars are there whose price is the same, 2000 and 2000.00: as text these differ. "
                "Compare the values, not what they look like."
            ),
        ),
        WrongAnswer(
            answer="""
                SELECT vin FROM delta
                WHERE (vin, price, color) NOT IN (SELECT vin, price, color FROM car_info)
            """,
            hint=(
                "The new car is there, and the color that came or went is not seen: `NOT IN` "
                "compares with `=`, which NULL makes neither true nor false."
            ),
        ),
        WrongAnswer(
            replace={"\nWHERE (d.price, d.color) IS DISTINCT FROM (c.price, c.color)": ""},
            hint="Those are all known cars of the delta, the unchanged ones among them.",
        ),
    ),
    setup=Setup(
        sql=_CARS
        + """
            CREATE TABLE delta (vin text, price numeric, color text);
            INSERT INTO delta VALUES
                ('W-7', 2500, 'Gray'), ('W-6', 1000.00, 'Black'), ('W-5', 1100, 'Blue'),
                ('W-4', 1500, NULL), ('W-3', 1800, 'Blue'), ('W-2', 2000, NULL),
                ('W-1', 2100, 'Red')
        """,
        note="these cars are added to `car_info`, of the brand Wartburg, and the table `delta`.",
    ),
)

GUARDED_UPSERT = Change(
    name="guarded_upsert",
    question=(
        "A table `delta (model_id, vin, color, price)` holds what has come, each VIN once. Bring "
        "it into `car_info`, in one statement, as an upsert: a new car is inserted, available "
        "(`status` true); a known one gets the delta's color and price. A car that has both "
        "already is not written again."
        + small_table(
            "car_info                delta                   then",
            "vin  price  color       vin  price  color",
            "W-1  2300   Red         W-1  2100   Red         written",
            "W-2  2000   -           W-2  2000   -           left alone",
            "W-3  1800   -           W-3  1800   Blue        written",
            "W-4  1500   Green       W-4  1500   Green       left alone",
            "                        W-7  2500   Gray        inserted",
        )
        + "A dash stands for NULL; W-5 and W-6 are known too, and not in the delta."
    ),
    hints=(
        "`INSERT INTO ... SELECT ... ON CONFLICT (column) DO ...` inserts rows, and says what to "
        "do with one whose value in that column is there already.",
        "In `DO UPDATE`, `EXCLUDED` is the row that could not be inserted, and `car_info` the one "
        "that is there.",
        "`DO UPDATE SET ... WHERE ...` updates only where the condition holds: that is the guard. "
        "It must also see a color that came or went.",
    ),
    solution="""
        INSERT INTO car_info (model_id, vin, color, price, status)
        SELECT model_id, vin, color, price, true FROM delta  --?
        ON CONFLICT (vin) DO UPDATE  --?
        SET color = EXCLUDED.color, price = EXCLUDED.price  --?
        WHERE (car_info.color, car_info.price)  --?
              IS DISTINCT FROM (EXCLUDED.color, EXCLUDED.price)  --?
    """,
    wrong=(
        WrongAnswer(
            replace={
                "\nWHERE (car_info.color, car_info.price)": "",
                "\n      IS DISTINCT FROM (EXCLUDED.color, EXCLUDED.price)": "",
            },
            hint=(
                "The values are right, but cars that did not change were written again, with the "
                "same values. A guard behind `SET` leaves them alone."
            ),
        ),
        WrongAnswer(
            replace={"IS DISTINCT FROM": "<>"},
            hint=(
                "The car that had no color still has none: NULL compared by `<>` gives NULL, and "
                "the guard lets pass only what is true."
            ),
        ),
        WrongAnswer(
            answer="""
                INSERT INTO car_info (model_id, vin, color, price, status)
                SELECT model_id, vin, color, price, true FROM delta
                ON CONFLICT (vin) DO NOTHING
            """,
            hint=(
                "The new car is there, but the known ones are as they were. A known car is not an "
                "unchanged car."
            ),
        ),
        WrongAnswer(
            answer="""
                INSERT INTO car_info (model_id, vin, color, price, status)
                SELECT model_id, vin, color, price, true FROM delta
            """,
            hint=(
                "A known VIN can't be inserted a second time: the unique constraint refuses it, "
                "and with it the whole statement. Say what to do on a conflict."
            ),
        ),
        WrongAnswer(
            replace={
                "color = EXCLUDED.color, price = EXCLUDED.price": (
                    "color = car_info.color, price = car_info.price"
                )
            },
            hint=(
                "The cars were written, with the values they had. `EXCLUDED` holds those of the "
                "delta."
            ),
        ),
        WrongAnswer(
            replace={"car_info.color": "color", "car_info.price": "price"},
            hint=(
                "Behind `ON CONFLICT` there are two rows, the one in the table and `EXCLUDED`, and "
                "a bare column may belong to either."
            ),
        ),
    ),
    # A row that is written again gets another place in the table, its ctid, even for equal values.
    setup=Setup(
        sql=_CARS
        + _KEYED_DELTA
        + """
            CREATE TEMPORARY TABLE place_before ON COMMIT DROP AS
            SELECT vin, ctid AS place FROM car_info WHERE vin LIKE 'W-_'
        """,
        note="these cars are added to `car_info`, of the brand Wartburg, and the table `delta`.",
    ),
    one_statement=True,
    probe="""
        SELECT 'Car ' || c.vin, m.name, c.color, c.price, c.status,
               CASE WHEN p.place IS NULL THEN 'inserted'
                    WHEN p.place = c.ctid THEN 'left alone'
                    ELSE 'written' END
        FROM car_info AS c
        JOIN car_model AS m USING (model_id)
        LEFT JOIN pg_temp.place_before AS p USING (vin)
        WHERE c.vin LIKE 'W-_'
        ORDER BY c.vin
    """,
)


UPSERT_WITH_HISTORY = Change(
    name="upsert_with_history",
    question=(
        "Bring the same `delta (model_id, vin, color, price)` in once more, in one statement, and "
        "remember what it replaces. New cars are inserted, available (`status` true); changed "
        "ones get the delta's color and price, and the values that these had before go to "
        "`car_info_history`. All of it happens at `'1990-11-15 11:00Z'`, which is also the "
        "`valid_from` of what is written; the cars hold their values since 1 January 1990."
        + small_table(
            "car_info                delta                   history",
            "vin  price  color       vin  price  color       price  color",
            "W-1  2300   Red         W-1  2100   Red         2300   Red",
            "W-2  2000   -           W-2  2000   -",
            "W-3  1800   -           W-3  1800   Blue        1800   -",
            "W-4  1500   Green       W-4  1500   Green",
            "                        W-7  2500   Gray",
        )
        + "Cars that are as they were get no row of history, and neither does a new one."
    ),
    hints=(
        "The two clauses of the MERGE are those of the lesson's second stage, with fewer columns; "
        "then `RETURNING` hands on the rows as they were.",
        "`merge_action()` names what was done to a row, and `old.*` are its values from before; "
        "for an inserted one, all of these are NULL.",
        "The last line chooses by `action` what goes into the history, which is what was updated.",
    ),
    solution="""
        WITH merged AS (
            MERGE INTO car_info AS c
            USING delta AS d ON c.vin = d.vin
            WHEN MATCHED AND (c.color, c.price) IS DISTINCT FROM (d.color, d.price) THEN UPDATE  --?
                SET color = d.color, price = d.price, valid_from = '1990-11-15 11:00Z'  --?
            WHEN NOT MATCHED THEN  --?
                INSERT (model_id, vin, color, price, status, valid_from)  --?
                VALUES (d.model_id, d.vin, d.color, d.price, true, '1990-11-15 11:00Z')  --?
            RETURNING merge_action() AS action, old.*  --?
        )
        INSERT INTO car_info_history (car_id, model_id, engine_size, vin, color, price, status,
                                      valid_from, "timestamp", operation)
        SELECT car_id, model_id, engine_size, vin, color, price, status,  --?
               valid_from, '1990-11-15 11:00Z', 'update'  --?
        FROM merged  --?
        WHERE action = 'UPDATE'  --?
    """,
    wrong=(
        WrongAnswer(
            replace={"old.*": "new.*"},
            hint=(
                "`new.*` are the values that the cars have now, and those are in `car_info` "
                "anyway. What is replaced is lost unless the history keeps the old ones."
            ),
        ),
        WrongAnswer(
            replace={" AND (c.color, c.price) IS DISTINCT FROM (d.color, d.price)": ""},
            hint=(
                "Cars that did not change have been written, and have a row of history that says "
                "they did. A guard behind `MATCHED` leaves them alone."
            ),
        ),
        WrongAnswer(
            replace={
                "(c.color, c.price) IS DISTINCT FROM (d.color, d.price)": (
                    "(c.color <> d.color OR c.price <> d.price)"
                )
            },
            hint=(
                "The car that had no color still has none: NULL compared by `<>` gives NULL, and "
                "the guard lets pass only what is true."
            ),
        ),
        WrongAnswer(
            replace={"\nWHERE action = 'UPDATE'": ""},
            hint=(
                "A new car has no values from before: all of `old` is NULL there, and the history "
                "refuses it. Choose the rows whose action is an update."
            ),
        ),
        WrongAnswer(
            replace={", valid_from = '1990-11-15 11:00Z'\n": "\n"},
            hint=(
                "The new values hold since the instant of the load. With the `valid_from` of the "
                "old ones, both would hold at the same time."
            ),
        ),
    ),
    setup=Setup(
        sql=_CARS
        + _KEYED_DELTA
        + "UPDATE car_info SET valid_from = '1990-01-01 00:00Z' WHERE vin LIKE 'W-_';",
        note="these cars are added to `car_info`, of the brand Wartburg, and the table `delta`.",
    ),
    one_statement=True,
    probe="""
        SELECT 'Car ' || vin AS what, color, price, status, valid_from, NULL AS "until"
        FROM car_info WHERE vin LIKE 'W-_'
        UNION ALL
        SELECT 'History of ' || vin, color, price, status, valid_from, "timestamp"
        FROM car_info_history WHERE vin LIKE 'W-_'
        ORDER BY what, valid_from
    """,
)


def _two_deliveries() -> tuple[pd.DataFrame, pd.DataFrame]:
    """The same cars before and after, in another order, one of them gone and two new."""
    cars = [
        ("W-1", "Red", 2300, "Red", 2100),  # another price
        ("W-2", None, 2000, None, 2000),  # no color before, none now
        ("W-3", None, 1800, "Blue", 1800),  # a color came
        ("W-4", "Green", 1500, None, 1500),  # a color went
        ("W-5", "White", 1200, "White", 1200),  # nothing
        ("W-6", "Paint 31", 500, "Paint 3", 1500),  # a digit moved
        ("W-7", "Gray", None, "Gray", 0),  # a price came, and it is 0
        ("W-8", None, 900, "", 900),  # a color came, and it is an empty text
        ("W-9", "Black", None, "Black", None),  # no price before, none now
    ]
    gone: list[tuple] = [("W-0", "Red", 100)]
    added: list[tuple] = [("X-1", "Gray", 2500), ("X-2", None, 2600)]
    columns = ["vin", "color", "price"]
    old = pd.DataFrame(gone + [car[:3] for car in cars], columns=columns)
    new = pd.DataFrame([(car[0], *car[3:]) for car in reversed(cars)] + added, columns=columns)
    return old, new


def _pairs_to_compare() -> list[tuple[pd.DataFrame, pd.DataFrame]]:
    old, new = _two_deliveries()  # of different lengths, which is how the calls are told apart
    return [(old, new), (old, old.copy()), (old.iloc[:0], new)]


COMPARE_FRAMES = Function(
    name="compare_frames",
    question=(
        "Write `changed(old, new)`. Each is a frame with the columns `vin`, `color` and `price`, "
        "each VIN once in it, in any order. It returns a list of the VINs that are in both and "
        "whose color or price differs. A missing value, shown as a dash, is equal to a missing "
        "value and to nothing else. The check calls it with these two frames, among others:"
        + small_table(
            "old                     new                     changed",
            "vin  color     price    vin  color    price",
            "W-0  Red       100      -",
            "W-1  Red       2300     W-1  Red      2100      yes",
            "W-2  -         2000     W-2  -        2000",
            "W-3  -         1800     W-3  Blue     1800      yes",
            "W-4  Green     1500     W-4  -        1500      yes",
            "W-5  White     1200     W-5  White    1200",
            "W-6  Paint 31  500      W-6  Paint 3  1500      yes",
            "W-7  Gray      -        W-7  Gray     0         yes",
            "W-8  -         900      W-8  (empty)  900       yes",
            "W-9  Black     -        W-9  Black    -",
            "-                       X-1  Gray     2500",
            "-                       X-2  -        2600",
        )
        + "The color of W-8 in `new` is an empty text."
    ),
    hints=(
        "`old.merge(new, on='vin', suffixes=...)` puts the old and the new values of a car into "
        "one row.",
        "In pandas too a missing value is not equal to itself. `isna()` says where one is missing.",
        "Two values are the same if they are equal, or if both are missing: `|` is or, `&` is and, "
        "`~` is not, each part in parentheses.",
    ),
    solution="""
        def changed(old, new):
            both = old.merge(new, on="vin", suffixes=("_old", "_new"))
            differs = both["vin"].isna()  # nowhere yet
            for column in ["color", "price"]:
                before, after = both[f"{column}_old"], both[f"{column}_new"]
                same = (before == after) | (before.isna() & after.isna())  #?
                differs |= ~same  #?
            return both.loc[differs, "vin"].tolist()
    """,
    wrong=(
        WrongAnswer(
            replace={"(before == after) | (before.isna() & after.isna())": "before == after"},
            hint=(
                "Cars are there whose color or price was missing and still is: a missing value "
                "compared with a missing value is not equal."
            ),
        ),
        WrongAnswer(
            replace={
                "(before == after) | (before.isna() & after.isna())": (
                    "(before == after) | before.isna() | after.isna()"
                )
            },
            hint=(
                "A value that came or went is not seen: only where both are missing is nothing "
                "changed."
            ),
        ),
        WrongAnswer(
            replace={
                '["color", "price"]': '[("color", ""), ("price", 0)]',
                "for column in": "for column, none in",
                "(before == after) | (before.isna() & after.isna())": (
                    "before.fillna(none) == after.fillna(none)"
                ),
            },
            hint=(
                "A value that stands in for a missing one, such as 0 or an empty text, may also "
                "come as a real one: then the two look alike."
            ),
        ),
        WrongAnswer(
            answer="""
                def changed(old, new):
                    both = old.merge(new, on="vin", suffixes=("_old", "_new"))
                    before = both["color_old"].fillna("NULL") + both["price_old"].astype(str)
                    after = both["color_new"].fillna("NULL") + both["price_new"].astype(str)
                    return both.loc[before != after, "vin"].tolist()
            """,
            hint=(
                "One car's digit moved from the color into the price, and the joined texts are "
                "the same. Nothing separates the columns: compare each with its own."
            ),
        ),
        WrongAnswer(
            replace={"differs |= ~same": "differs = ~same"},
            hint="Only the last column counts: each turn of the loop forgets the one before.",
        ),
        WrongAnswer(
            replace={'on="vin", suffixes': 'on="vin", how="outer", suffixes'},
            hint=(
                "Cars that are in one frame only are among them. They are new or gone; asked for "
                "are those in both."
            ),
        ),
        WrongAnswer(
            answer="""
                def changed(old, new):
                    differs = (old["color"] != new["color"]) | (old["price"] != new["price"])
                    return old.loc[differs, "vin"].tolist()
            """,
            hint=(
                "The frames need not have the same rows in the same order. What belongs together "
                "is what has the same VIN."
            ),
        ),
    ),
    function="changed",
    calls=_pairs_to_compare,
)
