"""Exercises of lesson 4, the history: versions, the fleet on a day, steps, logging a change."""

from exercises.exercise import Setup, WrongAnswer, small_table
from exercises.kinds import Change, Query

# Cars as they were before, at and after the instant that is asked for, 1990-10-03 00:00+01.
_WARTBURGS = """
    INSERT INTO car_brand (name) VALUES ('Borgward'), ('Wartburg');
    INSERT INTO car_model (brand_id, name)
    SELECT brand_id, CASE name WHEN 'Wartburg' THEN '353' ELSE 'Isabella' END
    FROM car_brand WHERE name IN ('Borgward', 'Wartburg');
    INSERT INTO car_info (model_id, vin, engine_size, color, price, status, valid_from)
    SELECT model_id, vin, 1.0, color, price, true, since::timestamptz
    FROM (VALUES ('W-1', 'Red', 1500, '1990-10-03 00:00+01'),
                 ('W-2', 'White', 1900, '1990-02-01 09:00+01'),
                 ('W-4', 'Green', 1100, '1991-06-01 09:00+02'),
                 ('W-6', 'Blue', 1750, '1991-03-01 09:00+01'),
                 ('W-7', 'Grey', 1400, '1990-10-03 00:30+01'),
                 ('B-1', 'Black', 9900, '1990-05-01 09:00+02')) AS car (vin, color, price, since)
    JOIN car_brand AS b ON b.name = CASE left(vin, 1) WHEN 'W' THEN 'Wartburg' ELSE 'Borgward' END
    JOIN car_model USING (brand_id);
    INSERT INTO car_info_history (car_id, model_id, vin, engine_size, color, price, status,
                                  valid_from, "timestamp", operation)
    SELECT coalesce(c.car_id, uuidv7()), m.model_id, past.vin, 1.0, past.color, past.price, true,
           since::timestamptz, until::timestamptz,
           CASE WHEN c.car_id IS NULL THEN 'delete' ELSE 'update' END
    FROM (VALUES ('W-6', 'Blue', 1600, '1990-05-01 09:00+02', '1991-03-01 09:00+01'),
                 ('W-1', 'Red', 2000, '1990-07-01 00:00+02', '1990-10-03 00:00+01'),
                 ('W-3', 'Black', 1800, '1990-02-01 09:00+01', '1990-12-01 12:00+01'),
                 ('W-4', 'Green', 1200, '1991-01-10 09:00+01', '1991-06-01 09:00+02'),
                 ('W-1', 'Red', 2300, '1990-01-15 09:00+01', '1990-07-01 00:00+02'),
                 ('W-5', 'Grey', 1700, '1990-03-01 09:00+01', '1990-09-01 12:00+02'),
                 ('W-6', 'Red', 1600, '1990-04-01 09:00+02', '1990-05-01 09:00+02'),
                 ('B-1', 'Black', 9500, '1990-01-15 09:00+01', '1990-05-01 09:00+02'))
         AS past (vin, color, price, since, until)
    LEFT JOIN car_info AS c USING (vin)
    JOIN car_brand AS b
      ON b.name = CASE left(past.vin, 1) WHEN 'W' THEN 'Wartburg' ELSE 'Borgward' END
    JOIN car_model AS m USING (brand_id);
"""

PRICE_HISTORY = Query(
    name="price_history",
    question=(
        "The two tables have three versions of the car with the VIN `W-1`, besides those of other "
        "cars; the times are Berlin's."
        + small_table(
            "car_info_history                            car_info",
            "price  valid_from        timestamp          price  valid_from",
            "2300   1990-01-15 09:00  1990-07-01 00:00   1500   1990-10-03 00:00",
            "2000   1990-07-01 00:00  1990-10-03 00:00",
        )
        + "Which prices has it had, and when? Return one row for each version: `price`, "
        "`valid_from` and `valid_to`, the instant until which it held. The present version has no "
        "end: its `valid_to` is NULL."
    ),
    hints=(
        "The past versions are in `car_info_history`, where `timestamp` is the instant until which "
        "each held. The present one is in `car_info`.",
        "`UNION ALL` puts the rows of one query behind those of another; both need the same number "
        "of columns.",
        "`car_info` has no column for an end. `NULL` may stand in a `SELECT` in the place of one.",
    ),
    solution="""
        SELECT price, valid_from, "timestamp" AS valid_to
        FROM car_info_history
        WHERE vin = 'W-1'  --?
        UNION ALL  --?
        SELECT price, valid_from, NULL  --?
        FROM car_info  --?
        WHERE vin = 'W-1'  --?
    """,
    wrong=(
        WrongAnswer(
            replace={
                "\nUNION ALL\nSELECT price, valid_from, NULL\nFROM car_info\nWHERE vin = 'W-1'": ""
            },
            hint=(
                "The price of today is missing. The history holds replaced values only; what holds "
                "now is in another table."
            ),
        ),
        WrongAnswer(
            replace={"WHERE vin = 'W-1'\nUNION": "UNION"},
            hint=(
                "The past versions of every car are there. `WHERE` belongs to one `SELECT`: each "
                "side of `UNION ALL` needs its own."
            ),
        ),
        WrongAnswer(
            replace={"valid_from, NULL": "valid_from, now()"},
            hint=(
                "The present version seems to end now. It still holds, so its end is not known: "
                "that is what NULL says."
            ),
        ),
        WrongAnswer(
            replace={"valid_from, NULL": "NULL, valid_from"},
            hint=(
                "The present version has an end and no beginning. `valid_from` in `car_info` is "
                "the instant since which it holds."
            ),
        ),
        WrongAnswer(
            answer="SELECT price, valid_from, NULL FROM car_info WHERE vin = 'W-1'",
            hint="That is the present version alone. What it replaced is in `car_info_history`.",
        ),
    ),
    setup=Setup(
        sql=_WARTBURGS,
        note="seven Wartburgs, W-1 to W-7, and a Borgward are added with their history.",
    ),
)

FLEET_AS_OF = Query(
    name="fleet_as_of",
    question=(
        "Here are all versions of seven Wartburgs. Those with an end are in `car_info_history`, "
        "the others in `car_info`; the times are Berlin's."
        + small_table(
            "vin  price  from              until              then",
            "W-1  2300   1990-01-15 09:00  1990-07-01 00:00",
            "W-1  2000   1990-07-01 00:00  1990-10-03 00:00",
            "W-1  1500   1990-10-03 00:00                     yes",
            "W-2  1900   1990-02-01 09:00                     yes",
            "W-3  1800   1990-02-01 09:00  1990-12-01 12:00   yes",
            "W-4  1200   1991-01-10 09:00  1991-06-01 09:00",
            "W-4  1100   1991-06-01 09:00",
            "W-5  1700   1990-03-01 09:00  1990-09-01 12:00",
            "W-6  1600   1990-04-01 09:00  1990-05-01 09:00",
            "W-6  1600   1990-05-01 09:00  1991-03-01 09:00   yes",
            "W-6  1750   1991-03-01 09:00",
            "W-7  1400   1990-10-03 00:30",
        )
        + "Which Wartburgs were there on 3 October 1990, at midnight in Berlin (`1990-10-03 "
        "00:00+01`), and what did they cost then? Return VIN and price of the four versions that "
        "say yes; cars of other brands are not asked for."
    ),
    hints=(
        "What is the present version today may have held on that day already, and what was "
        "replaced since held then: the fleet comes from both tables.",
        "Bring both under the same columns with `UNION ALL`: `model_id`, `vin`, `price`, "
        "`valid_from`, and as `valid_to` NULL or `timestamp`.",
        "`tstzrange(a, b)` is the time from a until just before b, without an end if b is NULL, "
        "and `range @> instant` is true if the instant is in it.",
    ),
    solution="""
        SELECT v.vin, v.price
        FROM (
            SELECT model_id, vin, price, valid_from, NULL AS valid_to FROM car_info  --?
            UNION ALL  --?
            SELECT model_id, vin, price, valid_from, "timestamp" FROM car_info_history  --?
        ) AS v
        JOIN car_model AS m USING (model_id)
        JOIN car_brand AS b USING (brand_id)
        WHERE b.name = 'Wartburg'
          AND tstzrange(v.valid_from, v.valid_to) @> timestamptz '1990-10-03 00:00+01'  --?
    """,
    wrong=(
        WrongAnswer(
            replace={"v.valid_to)": "v.valid_to, '[]')"},
            hint=(
                "A car is there twice: its price changed at that very instant, and both ends of a "
                "range were counted in. Of two versions that meet, the new one holds."
            ),
        ),
        WrongAnswer(
            replace={
                "tstzrange(v.valid_from, v.valid_to) @> timestamptz '1990-10-03 00:00+01'": (
                    "'1990-10-03 00:00+01' BETWEEN v.valid_from AND v.valid_to"
                )
            },
            hint=(
                "`BETWEEN` counts both ends in, so a price that ended at that instant is there; "
                "and where the end is NULL it is never true, so versions that still hold are not."
            ),
        ),
        WrongAnswer(
            replace={
                "tstzrange(v.valid_from, v.valid_to) @> timestamptz '1990-10-03 00:00+01'": (
                    "v.valid_from < '1990-10-03 00:00+01'"
                    " AND (v.valid_to > '1990-10-03 00:00+01' OR v.valid_to IS NULL)"
                )
            },
            hint=(
                "A car whose price changed at that very instant is missing: the old version has "
                "ended, and the new one has begun. The beginning belongs to a version."
            ),
        ),
        WrongAnswer(
            replace={
                "SELECT model_id, vin, price, valid_from, NULL AS valid_to FROM car_info\n"
                "    UNION ALL\n"
                '    SELECT model_id, vin, price, valid_from, "timestamp"': (
                    'SELECT model_id, vin, price, valid_from, "timestamp" AS valid_to'
                )
            },
            hint=(
                "Versions that hold to this day are missing. The history knows what was replaced; "
                "cars that nobody changed since are in `car_info`."
            ),
        ),
        WrongAnswer(
            replace={
                '\n    UNION ALL\n    SELECT model_id, vin, price, valid_from, "timestamp" '
                "FROM car_info_history": ""
            },
            hint=(
                "Cars that were changed or deleted since are missing: what they were on that day "
                "is in `car_info_history`."
            ),
        ),
        WrongAnswer(
            replace={
                "tstzrange(v.valid_from, v.valid_to) @> timestamptz '1990-10-03 00:00+01'": (
                    "(v.valid_to > '1990-10-03 00:00+01' OR v.valid_to IS NULL)"
                )
            },
            hint=(
                "Versions are there that began only later. One that held on that day had also "
                "begun by then."
            ),
        ),
        WrongAnswer(
            replace={
                "tstzrange(v.valid_from, v.valid_to) @> timestamptz '1990-10-03 00:00+01'": (
                    "v.valid_from <= '1990-10-03 00:00+01'"
                )
            },
            hint=(
                "Versions are there that had been replaced before that day. One that held had "
                "begun, and had not ended."
            ),
        ),
        WrongAnswer(
            replace={"'1990-10-03 00:00+01'": "'1990-10-03 00:00+00'"},
            hint=(
                "A car is there that came half an hour later. Midnight in Berlin is an hour before "
                "midnight in UTC, in which the server counts if no offset is given."
            ),
        ),
    ),
    setup=Setup(
        sql=_WARTBURGS,
        note="these versions are added to the two tables, with those of a Borgward.",
    ),
)

PRICE_STEPS = Query(
    name="price_steps",
    question=(
        "A view `car_version (vin, price, valid_from)` has all versions of the Wartburgs, past and "
        "present, in no order. These are some of them; the times are Berlin's."
        + small_table(
            "vin  price  valid_from        difference",
            "W-1  2300   1990-01-15 09:00",
            "W-1  2000   1990-07-01 00:00  -300",
            "W-1  1500   1990-10-03 00:00  -500",
            "W-2  1900   1990-02-01 09:00",
            "W-6  1600   1990-04-01 09:00",
            "W-6  1600   1990-05-01 09:00",
            "W-6  1750   1991-03-01 09:00  150",
        )
        + "By how much did prices change, and when? Return for each change the VIN, the instant at "
        "which the new price began, and the new price minus the old one. A car's first version is "
        "no change, nor is one that has the price of the version before, such as the second of W-6."
    ),
    hints=(
        "`lag(price) OVER (...)` is the price in the row before; `OVER` says which row that is.",
        "In `OVER (PARTITION BY ... ORDER BY ...)` the first part says what belongs together, the "
        "second what comes before what.",
        "A window function can't stand in `WHERE`, which comes before it. The outer query can "
        "compare its result, and NULL, where there is no row before, is not unequal to 0.",
    ),
    solution="""
        SELECT vin, valid_from, difference
        FROM (
            SELECT vin, valid_from,
                   price - lag(price) OVER (PARTITION BY vin ORDER BY valid_from)  --?
                   AS difference
            FROM car_version
        ) AS step
        WHERE difference <> 0  --?
    """,
    wrong=(
        WrongAnswer(
            replace={"PARTITION BY vin ": ""},
            hint=(
                "Prices of different cars were subtracted: the row before is that of whichever car "
                "comes before. `PARTITION BY` keeps the cars apart."
            ),
        ),
        WrongAnswer(
            replace={"lag(price)": "lead(price)"},
            hint="`lead` looks at the row behind, so each price was compared with the next one.",
        ),
        WrongAnswer(
            replace={"price - lag(price)": "lead(price) - price"},
            hint=(
                "The differences are right, the instants are not: each stands at the beginning of "
                "the old price. Look back from the new one."
            ),
        ),
        WrongAnswer(
            replace={
                "price - lag(price) OVER (PARTITION BY vin ORDER BY valid_from)": (
                    "lag(price) OVER (PARTITION BY vin ORDER BY valid_from) - price"
                )
            },
            hint="The signs are turned around: a price that falls has a negative difference.",
        ),
        WrongAnswer(
            replace={"\nWHERE difference <> 0": ""},
            hint=(
                "Each car's first version is there, with NULL: there is none before it. So is a "
                "change of the color alone, with 0."
            ),
        ),
        WrongAnswer(
            replace={"difference <> 0": "difference IS NOT NULL"},
            hint="A difference of 0 is among them: that version changed the color, not the price.",
        ),
        WrongAnswer(
            replace={"lag(price)": "lag(price, 1, 0)"},
            hint=(
                "With 0 in the place of a price that is not there, every car seems to have risen "
                "from 0 to its first price."
            ),
        ),
        WrongAnswer(
            replace={"ORDER BY valid_from": "ORDER BY price"},
            hint=(
                "No price falls: the versions were put in the order of their prices. What comes "
                "before what is a matter of time."
            ),
        ),
        WrongAnswer(
            answer="""
                SELECT vin, valid_from,
                       price - lag(price) OVER (PARTITION BY vin ORDER BY valid_from) AS difference
                FROM car_version
                WHERE price - lag(price) OVER (PARTITION BY vin ORDER BY valid_from) <> 0
            """,
            hint=(
                "`WHERE` chooses rows before windows are looked at. Compute the difference in an "
                "inner query and choose in the outer one."
            ),
        ),
    ),
    setup=Setup(
        sql=_WARTBURGS
        + """
            CREATE VIEW car_version AS
            SELECT vin, price, valid_from
            FROM (SELECT model_id, vin, price, valid_from FROM car_info UNION ALL
                  SELECT model_id, vin, price, valid_from FROM car_info_history) AS version
            WHERE model_id IN (SELECT model_id FROM car_model JOIN car_brand AS b USING (brand_id)
                               WHERE b.name = 'Wartburg')
        """,
        note="seven Wartburgs are added with their history, and the view `car_version`.",
    ),
)

LOGGED_CHANGE = Change(
    name="logged_change",
    question=(
        "The car with the VIN `W-1` costs 1400 from noon of 15 November 1990 on, in Berlin "
        "(`1990-11-15 12:00+01`). Change it, and keep what it was, as an `update`, in one "
        "statement, so that neither happens without the other."
        + small_table(
            "                  price  valid_from        timestamp",
            "car_info before   1500   1990-10-03 00:00",
            "car_info after    1400   1990-11-15 12:00",
            "new in history    1500   1990-10-03 00:00  1990-11-15 12:00",
        )
        + "All other values of the car stay, and are kept too."
    ),
    hints=(
        "`WITH name AS (UPDATE ... RETURNING ...)` hands on rows of what was updated, and an "
        "`INSERT ... SELECT ... FROM name` behind it can log them.",
        "Since PostgreSQL 18, `RETURNING` knows both sides of a change: `old.price` is what was "
        "there, `new.price`, or `price` alone, what is there now.",
        "`RETURNING old.*` hands on all old values. The old version holds from its `valid_from` "
        "until the `timestamp`, the instant of the change.",
    ),
    solution="""
        WITH changed AS (
            UPDATE car_info
            SET price = 1400, valid_from = '1990-11-15 12:00+01'  --?
            WHERE vin = 'W-1'  --?
            RETURNING old.*  --?
        )
        INSERT INTO car_info_history (car_id, model_id, engine_size, vin, color, price, status,
                                      valid_from, "timestamp", operation)
        SELECT car_id, model_id, engine_size, vin, color, price, status,
               valid_from, '1990-11-15 12:00+01', 'update'  --?
        FROM changed
    """,
    wrong=(
        WrongAnswer(
            answer="""
                UPDATE car_info
                SET price = 1400, valid_from = '1990-11-15 12:00+01'
                WHERE vin = 'W-1'
            """,
            hint="The car is changed, and what it cost before is lost: nothing was logged.",
        ),
        WrongAnswer(
            replace={"old.*": "*"},
            hint=(
                "`RETURNING` hands on the new values unless told otherwise. A version that begins "
                "at the instant at which it was replaced would be empty, and is refused."
            ),
        ),
        WrongAnswer(
            replace={"old.*": "*", ", valid_from = '1990-11-15 12:00+01'": ""},
            hint=(
                "The history says 1400, the new price, and 1500 is lost. `RETURNING` hands on new "
                "values unless told otherwise; and the car's `valid_from` must change as well."
            ),
        ),
        WrongAnswer(
            replace={", valid_from = '1990-11-15 12:00+01'": ""},
            hint=(
                "The new price seems to hold since October, when the one before it did: the car's "
                "`valid_from` must change with its price."
            ),
        ),
        WrongAnswer(
            answer="""
                INSERT INTO car_info_history (car_id, model_id, engine_size, vin, color, price,
                                              status, valid_from, "timestamp", operation)
                SELECT car_id, model_id, engine_size, vin, color, price, status,
                       valid_from, '1990-11-15 12:00+01', 'update'
                FROM car_info WHERE vin = 'W-1'
            """,
            hint="The old values are logged, but the car still has them. It must change too.",
        ),
        WrongAnswer(
            answer="""
                WITH changed AS (
                    UPDATE car_info
                    SET price = 1400, valid_from = '1990-11-15 12:00+01'
                    WHERE vin = 'W-1'
                    RETURNING old.*
                )
                INSERT INTO car_info_history (car_id, vin, price, valid_from, "timestamp",
                                              operation)
                SELECT car_id, vin, price, valid_from, '1990-11-15 12:00+01', 'update'
                FROM changed
            """,
            hint=(
                "A row of the history holds the whole car as it was, not only what changed: its "
                "columns may not be empty either."
            ),
        ),
    ),
    setup=Setup(
        sql=_WARTBURGS,
        note="seven Wartburgs, W-1 to W-7, and a Borgward are added with their history.",
    ),
    one_statement=True,
    probe="""
        SELECT 'Car ' || c.vin, m.name, c.engine_size, c.color, c.price, c.status,
               c.valid_from, NULL AS until, NULL AS operation
        FROM car_info AS c JOIN car_model AS m USING (model_id)
        WHERE c.vin LIKE 'W-_' OR c.vin = 'B-1'
        UNION ALL
        SELECT 'History of ' || h.vin, m.name, h.engine_size, h.color, h.price, h.status,
               h.valid_from, h."timestamp",
               h.operation || CASE WHEN c.vin = h.vin THEN ' of the car' ELSE '' END
        FROM car_info_history AS h
        JOIN car_model AS m USING (model_id) LEFT JOIN car_info AS c USING (car_id)
        WHERE h.vin LIKE 'W-_' OR h.vin = 'B-1'
    """,
)
