"""Exercises of lesson 3, the delta load: what is new, what has changed, and writing only that."""

import pandas as pd

from exercises.exercise import Setup, WrongAnswer
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

CHANGED_CARS = Query(
    name="changed_cars",
    question=(
        "A table `delta (vin, price, color)` holds what has come. Which cars of `car_info` does it "
        "change? Return the VINs of the known cars whose price or color is another one in the "
        "delta; a color that was missing and is there now is another one, and so is one that was "
        "there and is missing now. New cars are not asked for."
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
                ('W-7', 2500, 'Grey'), ('W-6', 1000.00, 'Black'), ('W-5', 1100, 'Blue'),
                ('W-4', 1500, NULL), ('W-3', 1800, 'Blue'), ('W-2', 2000, NULL),
                ('W-1', 2100, 'Red')
        """,
        note=(
            "six cars, W-1 to W-6, and the table `delta` are added. The delta has another price "
            "for W-1, a color for W-3, which had none, no color for W-4, which had one, another "
            "price and color for W-5, the same values for W-2 and W-6, and the new car W-7."
        ),
    ),
)

NEW_VINS = Query(
    name="new_vins",
    question=(
        "A table `delta (vin, price, color)` holds what has come. Which VINs in it are new, in no "
        "row of `car_info`? Return each of them once; a row of the delta without a VIN does not "
        "count."
    ),
    hints=(
        "Asked for is something that does not exist: a car in `car_info` with that VIN.",
        "`NOT EXISTS (SELECT ...)` keeps the rows for which the inner query finds nothing, also "
        "those whose VIN is NULL: NULL equals nothing.",
        "Both tables have a column `vin`; give each table a short name and write it before the "
        "column. `DISTINCT` leaves each VIN once.",
    ),
    solution="""
        SELECT DISTINCT d.vin
        FROM delta AS d
        WHERE d.vin IS NOT NULL  --?
          AND NOT EXISTS (SELECT FROM car_info AS c WHERE c.vin = d.vin)  --?
    """,
    wrong=(
        WrongAnswer(
            replace={"d.vin IS NOT NULL\n  AND ": ""},
            hint=(
                "The row without a VIN is among them: no car has NULL as its VIN. Without a VIN, "
                "nobody can say whether a car is new."
            ),
        ),
        WrongAnswer(
            replace={"c.vin = d.vin": "vin = vin"},
            hint=(
                "Inside the inner query `vin` is the nearest one, that of `car_info`, on both "
                "sides: it is always equal to itself. Say which table each belongs to."
            ),
        ),
        WrongAnswer(
            replace={"DISTINCT ": ""},
            hint="A VIN that came twice is there twice. Each is asked for once.",
        ),
        WrongAnswer(
            answer="""
                SELECT DISTINCT d.vin
                FROM delta AS d LEFT JOIN car_info AS c USING (vin)
                WHERE d.vin IS NOT NULL AND c.color IS NULL
            """,
            hint=(
                "A known car is among them: it has no color. To see that a `LEFT JOIN` found no "
                "partner, look at a column that is never NULL in a partner."
            ),
        ),
        WrongAnswer(
            replace={"NOT EXISTS": "EXISTS"},
            hint="Those VINs are known. The new ones are the others.",
        ),
        WrongAnswer(
            answer="""
                SELECT DISTINCT d.vin
                FROM delta AS d JOIN car_info AS c ON c.vin <> d.vin
            """,
            hint=(
                "That finds, for each VIN of the delta, some car that has another one, and there "
                "is nearly always one. No car may have the same."
            ),
        ),
    ),
    setup=Setup(
        sql=_CARS
        + """
            CREATE TABLE delta (vin text, price numeric, color text);
            INSERT INTO delta VALUES
                ('W-8', 2600, 'Blue'), ('W-1', 2300, 'Red'), (NULL, 900, 'Grey'),
                ('W-2', 2000, NULL), ('W-7', 2500, 'Grey'), ('W-8', 2550, 'Blue')
        """,
        note=(
            "six cars, W-1 to W-6, and the table `delta` are added. The delta has the known cars "
            "W-1 and W-2, the new ones W-7, once, and W-8, twice, and a row without a VIN."
        ),
    ),
)

GUARDED_UPSERT = Change(
    name="guarded_upsert",
    question=(
        "A table `delta (model_id, vin, color, price)` holds what has come, each VIN once. Bring "
        "it into `car_info`, in one statement, as an upsert: a new car is inserted, available "
        "(`status` true); a known one gets the delta's color and price. A car that has both "
        "already is left alone: it is not written again with the same values."
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
        + """
            CREATE TABLE delta (model_id uuid, vin text, color text, price numeric);
            INSERT INTO delta
            SELECT model_id, car.*
            FROM (VALUES ('W-7', 'Grey', 2500), ('W-4', 'Green', 1500), ('W-3', 'Blue', 1800),
                         ('W-2', NULL, 2000), ('W-1', 'Red', 2100)) AS car (vin, color, price)
            JOIN car_brand AS b ON b.name = 'Wartburg' JOIN car_model USING (brand_id);
            CREATE TEMPORARY TABLE place_before ON COMMIT DROP AS
            SELECT vin, ctid AS place FROM car_info WHERE vin LIKE 'W-_'
        """,
        note=(
            "six cars, W-1 to W-6, and the table `delta` are added. The delta has another price "
            "for W-1, the same values for W-2, which has no color, and for W-4, a color for W-3, "
            "which had none, and the new car W-7."
        ),
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


def _two_deliveries() -> tuple[pd.DataFrame, pd.DataFrame]:
    """The same cars before and after, in another order, one of them gone and two new."""
    cars = [
        ("W-1", "Red", 2300, "Red", 2100),  # another price
        ("W-2", None, 2000, None, 2000),  # no color before, none now
        ("W-3", None, 1800, "Blue", 1800),  # a color came
        ("W-4", "Green", 1500, None, 1500),  # a color went
        ("W-5", "White", 1200, "White", 1200),  # nothing
        ("W-6", "Paint 31", 500, "Paint 3", 1500),  # a digit moved
        ("W-7", "Grey", None, "Grey", 0),  # a price came, and it is 0
        ("W-8", None, 900, "", 900),  # a color came, and it is an empty text
        ("W-9", "Black", None, "Black", None),  # no price before, none now
    ]
    gone: list[tuple] = [("W-0", "Red", 100)]
    added: list[tuple] = [("X-1", "Grey", 2500), ("X-2", None, 2600)]
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
        "whose color or price differs. A missing value is equal to a missing value and to nothing "
        "else."
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
