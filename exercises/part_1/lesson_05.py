"""Exercises of lesson 5, frames as blobs: inside JSONB, what a blob is, and what a format lost."""

import pandas as pd

from exercises.exercise import Setup, WrongAnswer
from exercises.kinds import Function, Query

# Each document is a list of cars. The prices have different numbers of digits.
_DELIVERIES = """
    CREATE TABLE truckload (name text, document jsonb);
    INSERT INTO truckload VALUES
        ('Monday', '[{"vin": "W-1", "color": "Red", "price": 12000, "status": false},
                     {"vin": "W-2", "color": "Blue", "price": 9500, "status": true}]'),
        ('Tuesday', '[{"vin": "W-3", "color": "Red", "price": 800, "status": true}]'),
        ('Wednesday', '[{"vin": "W-4", "color": "Red", "price": 10000, "status": false}]'),
        ('Thursday', '[{"vin": "W-5", "color": "Blue", "price": 20000, "status": true},
                       {"vin": "W-6", "color": "Red", "price": 2500, "status": true}]'),
        ('Friday', '[{"vin": "W-7", "color": "Darkred", "price": 90000, "status": true},
                     {"vin": "W-8", "color": null, "price": 10001, "status": true}]'),
        ('Saturday', '[]')
"""
_DELIVERIES_NOTE = (
    "the table `truckload` holds six documents with these cars (VIN, color, price, status):\n"
    "`Monday    ` `W-1 Red 12000 false`, `W-2 Blue 9500 true`\n"
    "`Tuesday   ` `W-3 Red 800 true`\n"
    "`Wednesday ` `W-4 Red 10000 false`\n"
    "`Thursday  ` `W-5 Blue 20000 true`, `W-6 Red 2500 true`\n"
    "`Friday    ` `W-7 Darkred 90000 true`, `W-8 null 10001 true`\n"
    "`Saturday  ` an empty list."
)

PRICES_INSIDE = Query(
    name="prices_inside",
    question=(
        "A table `truckload (name, document)` holds deliveries; each document is a list of cars in "
        "JSONB, with the keys `vin`, `color`, `price` and `status`. Which cars cost more than "
        "10000? Return for each its VIN, as text, and the name of its delivery."
    ),
    hints=(
        "`jsonb_array_elements(document)` in `FROM` makes a row of each element of the list, here "
        "of each car.",
        "`->>` takes a value out as text. `15000` and `9000` as texts are compared letter by "
        "letter.",
        "`(car ->> 'price')::numeric` is the price as a number.",
    ),
    solution="""
        SELECT car ->> 'vin', t.name  --?
        FROM truckload AS t, jsonb_array_elements(t.document) AS car  --?
        WHERE (car ->> 'price')::numeric > 10000  --?
    """,
    wrong=(
        WrongAnswer(
            replace={"(car ->> 'price')::numeric > 10000": "car ->> 'price' > '10000'"},
            hint=(
                "Cheap cars are among them: as texts, 800 comes behind 10000, since 8 comes behind "
                "1. Cast to a number before comparing."
            ),
        ),
        WrongAnswer(
            replace={
                "truckload AS t, jsonb_array_elements(t.document) AS car": (
                    "(SELECT name, document -> 0 AS car FROM truckload) AS t"
                )
            },
            hint=(
                "`document -> 0` is the first car of a delivery only. The others are at the "
                "positions behind it."
            ),
        ),
        WrongAnswer(
            replace={"> 10000": ">= 10000"},
            hint="A car that costs exactly 10000 is among them; more than 10000 is asked for.",
        ),
        WrongAnswer(
            replace={"(car ->> 'price')::numeric > 10000": "car -> 'price' > 10000"},
            hint=(
                "`->` gives JSON, and there is no `>` between JSON and a number. Take the value "
                "out as text, and cast it."
            ),
        ),
        WrongAnswer(
            replace={"jsonb_array_elements": "json_array_elements"},
            hint="That function is for the type `json`. The one for `jsonb` has a b in its name.",
        ),
    ),
    setup=Setup(sql=_DELIVERIES, note=_DELIVERIES_NOTE),
)

RED_AND_AVAILABLE = Query(
    name="red_and_available",
    question=(
        "A table `truckload (name, document)` holds deliveries; each document is a list of cars in "
        "JSONB. Which deliveries hold a car that is both red and available (`color` is `Red` and "
        "`status` is true)? Return their names. Use containment, so that a GIN index could help."
    ),
    hints=(
        "`document @> '...'` is true if the document contains what stands in the quotes.",
        "The document is a list of objects, so what it is to contain is a list with an object in "
        "it.",
        "Two keys in one object must both be there in one and the same object of the document.",
    ),
    solution="""
        SELECT name
        FROM truckload
        WHERE document @> '[{"color": "Red", "status": true}]'  --?
    """,
    wrong=(
        WrongAnswer(
            replace={'"color": "Red", "status": true': '"color": "Red"}, {"status": true'},
            hint=(
                "Monday has a red car and an available one, but these are two cars. What belongs "
                "to one car stands in one object."
            ),
        ),
        WrongAnswer(
            replace={'[{"color": "Red", "status": true}]': '{"color": "Red", "status": true}'},
            hint=(
                "Nothing is found: a list does not contain an object, only elements that do. Put "
                "brackets around the object; and write true without quotation marks."
            ),
        ),
        WrongAnswer(
            replace={', "status": true': ""},
            hint="Deliveries are among them whose red car is not available.",
        ),
        WrongAnswer(
            replace={
                """document @> '[{"color": "Red", "status": true}]'""": (
                    "document -> 0 ->> 'color' = 'Red' AND (document -> 0 ->> 'status')::boolean"
                )
            },
            hint=(
                "Thursday's red car is the second one of its delivery. `-> 0` looks at the first "
                "alone."
            ),
        ),
        WrongAnswer(
            answer="""
                SELECT name FROM truckload
                WHERE document::text ILIKE '%red%' AND document::text LIKE '%true%'
            """,
            hint=(
                "As text, a document is one heap of letters: `Darkred` has `red` in it, and the "
                "status found may be that of another car."
            ),
        ),
    ),
    setup=Setup(sql=_DELIVERIES, note=_DELIVERIES_NOTE),
)

PARQUET_BLOBS = Query(
    name="parquet_blobs",
    question=(
        "A table `found (name, data)` holds blobs, and nobody has noted what they are. Which can "
        "be whole Parquet files? Return the names of those whose bytes begin with `PAR1` and also "
        "end with `PAR1`."
    ),
    hints=(
        "`substring(data FOR 4)` is the first four bytes. From which position do the last four "
        "begin, in a blob of `length(data)` bytes?",
        "The first byte has the position 1. Of ten bytes, the last four are 7, 8, 9 and 10.",
        "A blob is compared with a blob: `'PAR1'::bytea`.",
    ),
    solution="""
        SELECT name
        FROM found
        WHERE substring(data FOR 4) = 'PAR1'::bytea  --?
          AND substring(data FROM length(data) - 3) = 'PAR1'::bytea  --?
    """,
    wrong=(
        WrongAnswer(
            replace={"\n  AND substring(data FROM length(data) - 3) = 'PAR1'::bytea": ""},
            hint=(
                "A file that was cut off is among them. It begins well, but its footer, which "
                "stands at the end, is missing."
            ),
        ),
        WrongAnswer(
            replace={"substring(data FOR 4) = 'PAR1'::bytea\n  AND ": ""},
            hint="A blob is among them that only ends with `PAR1`; its beginning is missing.",
        ),
        WrongAnswer(
            replace={"length(data) - 3": "length(data) - 4"},
            hint=(
                "Nothing is found. Count on a blob of four bytes, which begins at position 1; "
                "positions before 1 do not count from the end as in Python."
            ),
        ),
        WrongAnswer(
            answer="SELECT name FROM found WHERE name LIKE '%.parquet'",
            hint="A name is a promise that anyone can make. Look at the bytes.",
        ),
        WrongAnswer(
            answer="SELECT name FROM found WHERE position('PAR1'::bytea IN data) > 0",
            hint="`PAR1` somewhere in between is not enough: at the beginning, and at the end.",
        ),
    ),
    setup=Setup(
        sql=r"""
            CREATE TABLE found (name text, data bytea);
            INSERT INTO found VALUES
                ('prices.parquet', 'PAR1\025\004zstd\212\000\000\000PAR1'),
                ('fleet', 'PAR1 a long column \000\001 and a footer PAR1'),
                ('cut off.parquet', 'PAR1 a long column'),
                ('the other half', ' and a footer PAR1'),
                ('about PAR1', 'a text about PAR1 files'),
                ('empty.parquet', ''),
                ('old version.parquet', 'PARE a column and an encrypted footer PARE')
        """,
        note=(
            "the table `found` holds seven blobs (each backslash begins a byte):\n"
            "`prices.parquet     ` `PAR1\\025\\004zstd\\212\\000\\000\\000PAR1`\n"
            "`fleet              ` `PAR1 a long column \\000\\001 and a footer PAR1`\n"
            "`cut off.parquet    ` `PAR1 a long column`\n"
            "`the other half     ` ` and a footer PAR1`\n"
            "`about PAR1         ` `a text about PAR1 files`\n"
            "`empty.parquet      ` nothing\n"
            "`old version.parquet` `PARE a column and an encrypted footer PARE`."
        ),
    ),
)


def _round_trips() -> list[tuple[pd.DataFrame, pd.DataFrame]]:
    """Frames before and after: of different lengths, which is how the calls are told apart."""
    before = pd.DataFrame(
        {
            "vin": ["00012345678901234", "1", "02", "3"],
            "price": [0.1 + 0.2, 1.0, 2.5, 4.0],
            "engine_size": [2.0, None, 1.5, None],
            "doors": [3, 5, 5, 4],
            "color": pd.Categorical(["Red", "Blue", "Red", "Red"]),
            "note": ["", None, "as new", None],
        }
    )
    after = before.assign(
        vin=[12345678901234, 1, 2, 3],  # texts became numbers
        price=[0.3, 1.0, 2.5, 4.0],  # a digit is lost
        doors=[3.0, 5.0, 5.0, 4.0],  # equal, of another dtype
        color=before["color"].astype(str),  # equal, of another dtype
    )
    filled = before.head(3).assign(
        engine_size=[2.0, 0.0, 1.5],  # a missing value came back as a value
        note=["", "", "as new"],
    )
    gone = before.head(2).drop(columns="note")
    return [(before, after), (before.head(3), filled), (before.head(2), gone)]


LOST_COLUMNS = Function(
    name="lost_columns",
    question=(
        "Write `lost(before, after)`. Both are frames, the second is what came back of the first; "
        "the rows are in the same order. It returns a list of the names of those columns of "
        "`before` that did not come back exactly: that are not there, that have another dtype, or "
        "in which a value differs. A missing value is equal to a missing value. Here `vin` and "
        "`doors` are lost:\n"
        'before `vin "02", doors 3, price 2.5`, `vin "3", doors 5, price None`\n'
        "after  `vin 2, doors 3.0, price 2.5`, `vin 3, doors 5.0, price None`."
    ),
    hints=(
        "`Series.equals` compares all values exactly, and takes two missing ones as equal.",
        "`before['doors'].dtype` is the type of a column. Equal values may have different ones: 3 "
        "and 3.0.",
        "Ask first whether `column in after`: a column that is not there has no dtype.",
    ),
    solution="""
        def lost(before, after):
            names = []
            for column in before:
                if column not in after:  #?
                    names.append(column)  #?
                elif before[column].dtype != after[column].dtype:  #?
                    names.append(column)  #?
                elif not before[column].equals(after[column]):  #?
                    names.append(column)  #?
            return names
    """,
    wrong=(
        WrongAnswer(
            answer="""
                def lost(before, after):
                    return [
                        column for column in before
                        if column not in after or (before[column] != after[column]).any()
                    ]
            """,
            hint=(
                "A missing value is not equal to itself by `!=`, so columns that came back as they "
                "were seem lost; and one whose dtype alone has changed is not seen."
            ),
        ),
        WrongAnswer(
            answer="""
                def lost(before, after):
                    names = []
                    for column in before:
                        if column not in after:
                            names.append(column)
                        elif before[column].tolist() != after[column].tolist():
                            names.append(column)
                    return names
            """,
            hint=(
                "Compared as plain lists, 3 and 3.0 are the same, and so are a category and its "
                "text: look at the dtypes too. And a missing value in a list may not be equal to "
                "itself."
            ),
        ),
        WrongAnswer(
            replace={
                "if column not in after:\n            names.append(column)\n        elif before": (
                    "if before"
                )
            },
            hint="A column that did not come back at all must be asked about first.",
        ),
        WrongAnswer(
            answer="""
                def lost(before, after):
                    return [
                        column for column in before
                        if column not in after or before[column].dtype != after[column].dtype
                    ]
            """,
            hint=(
                "The dtype may be right and a value not: a digit was cut, and a missing value came "
                "back as 0."
            ),
        ),
        WrongAnswer(
            answer="""
                import pandas as pd

                def lost(before, after):
                    names = []
                    for column in before:
                        try:
                            pd.testing.assert_series_equal(before[column], after[column])
                        except (AssertionError, KeyError):
                            names.append(column)
                    return names
            """,
            hint=(
                "`assert_series_equal` lets small differences of floats pass, so the digit that "
                "was cut is not seen. It takes `check_exact=True`."
            ),
        ),
    ),
    function="lost",
    calls=_round_trips,
)
