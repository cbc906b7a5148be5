"""Exercises of lesson 2, the initial load: COPY, separation by table, rejects, savepoints."""

import pandas as pd

from exercises.exercise import Setup, WrongAnswer, small_table
from exercises.kinds import Change, Function, Query


def _arrivals() -> pd.DataFrame:
    """The columns in another order than the table's, one too many, and a comma inside a text."""
    rows = [(9000, "C-1", "Red", "Ann"), (8500.5, "C-2", "Blue, metallic", "Bob")]
    return pd.DataFrame(rows, columns=["price", "vin", "color", "seller"], index=[7, 7])


COPY_CARS = Function(
    name="copy_cars",
    question=(
        "A table `staging (vin, color, price)` waits for rows. Write `copy_cars(connection, cars)`,"
        " which copies these three columns of a frame into it by one COPY. The frame's columns may "
        "come in any order, with others beside them, and its index means nothing. The check calls "
        "it with this frame, and with its first row alone:"
        + small_table(
            "price   vin  color           seller",
            "9000.0  C-1  Red             Ann",
            "8500.5  C-2  Blue, metallic  Bob",
        )
        + "Leave the commit to the caller."
    ),
    hints=(
        "Choose the columns in the order of the table before `to_csv` writes them.",
        "`copy_expert(statement, stream)` is a method of psycopg2's cursor, and "
        "`connection.connection.cursor()` gives one.",
        "`COPY staging FROM STDIN (FORMAT csv, HEADER)` reads what `to_csv(index=False)` writes.",
    ),
    solution="""
        import io

        def copy_cars(connection, cars):
            ours = cars[["vin", "color", "price"]]  #?
            stream = io.StringIO(ours.to_csv(index=False))  #?
            with connection.connection.cursor() as cursor:
                cursor.copy_expert("COPY staging FROM STDIN (FORMAT csv, HEADER)", stream)  #?
    """,
    wrong=(
        WrongAnswer(
            replace={'cars[["vin", "color", "price"]]': "cars"},
            hint=(
                "A line of the stream has more values than the table has columns: choose the three "
                "columns, leave out the index, and say `FORMAT csv`, so that the quotes keep "
                "`Blue, metallic` together."
            ),
        ),
        WrongAnswer(
            replace={'["vin", "color", "price"]': '["price", "vin", "color"]'},
            hint=(
                "The right columns in another order. COPY does not look for names: it takes what "
                "comes first for the first column. `HEADER MATCH` would refuse such a stream."
            ),
        ),
        WrongAnswer(
            replace={", HEADER": ""},
            hint="The first line has the names of the columns, and COPY took it for a car.",
        ),
    ),
    setup=Setup(
        sql="CREATE TEMPORARY TABLE staging (vin text, color text, price text)",
        note="the table `staging` is added, empty; its columns are of type text.",
    ),
    function="copy_cars",
    connected=True,
    calls=lambda: [(_arrivals(),), (_arrivals().iloc[:1],)],
    probe="SELECT 'Car ' || vin, color, price FROM staging",
)

ADD_MODELS = Change(
    name="add_models",
    question=(
        "A table `staging (brand, model, vin)` holds the five cars below. All their brands are in "
        "`car_brand`; Borgward's Isabella is in `car_model` already."
        + small_table(
            "brand     model     vin",
            "Borgward  Isabella  M-1",
            "Borgward  Hansa     M-2",
            "Borgward  Hansa     M-3",
            "Wartburg  Isabella  M-4",
            "Wartburg  Tourist   M-5",
        )
        + "Add the models that are missing, in one statement, each once and to its own brand."
    ),
    one_statement=True,
    hints=(
        "`INSERT INTO car_model (brand_id, name) SELECT ...` looks up and inserts at once.",
        "Join `staging` with `car_brand` by the brand's name: that gives each model its `brand_id`."
        " `DISTINCT` leaves each pair once.",
        "`ON CONFLICT DO ...` at the end says to pass over what is there already.",
    ),
    solution="""
        INSERT INTO car_model (brand_id, name)
        SELECT DISTINCT b.brand_id, s.model  --?
        FROM staging AS s JOIN car_brand AS b ON b.name = s.brand  --?
        ON CONFLICT DO NOTHING  --?
    """,
    wrong=(
        WrongAnswer(
            replace={"\nON CONFLICT DO NOTHING": ""},
            hint=(
                "One of the models is there already, and the statement failed as a whole because "
                "of it. `ON CONFLICT` says what to do instead."
            ),
        ),
        WrongAnswer(
            replace={"JOIN car_brand AS b ON b.name = s.brand": "CROSS JOIN car_brand AS b"},
            hint="Every brand got every model. What ties a staged row to its brand?",
        ),
        WrongAnswer(
            replace={
                "b.name = s.brand\n": (
                    "b.name = s.brand\nWHERE s.model NOT IN (SELECT name FROM car_model)\n"
                )
            },
            hint=(
                "The Isabella of Wartburg is missing: another brand has a model of that name. A "
                "model is known by its brand and its name together."
            ),
        ),
    ),
    setup=Setup(
        sql="""
            INSERT INTO car_brand (name) VALUES ('Borgward'), ('Wartburg');
            INSERT INTO car_model (brand_id, name)
            SELECT brand_id, 'Isabella' FROM car_brand WHERE name = 'Borgward';
            CREATE TEMPORARY TABLE staging (brand text, model text, vin text);
            INSERT INTO staging VALUES
                ('Borgward', 'Isabella', 'M-1'), ('Borgward', 'Hansa', 'M-2'),
                ('Borgward', 'Hansa', 'M-3'), ('Wartburg', 'Isabella', 'M-4'),
                ('Wartburg', 'Tourist', 'M-5')
        """,
        note="the two brands, the one model and the table `staging` are added.",
    ),
    probe="""
        SELECT b.name || ' ' || m.name, count(*)
        FROM car_model AS m JOIN car_brand AS b USING (brand_id)
        GROUP BY b.name, m.name
    """,
)

UNLOADABLE = Query(
    name="unloadable",
    question=(
        "A table `staging (line, price)` holds prices as they came, as text. Which lines can't be "
        "loaded, because the price is missing, is no number, or is negative? NaN is no number."
        + small_table(
            "line  price      loadable",
            "   1  9000       yes",
            "   2  $10,900    no",
            "   3  NULL       no",
            "   4  -1         no",
            "   5  8500.50    yes",
            "   6  NaN        no",
            "   7  0          yes",
        )
        + "Return line and price."
    ),
    hints=(
        "`pg_input_is_valid(price, 'numeric')` says whether a text can be read as a number, without"
        " an error.",
        "Cast only a text that is valid: `CASE WHEN ... THEN price::numeric ... ELSE ... END` asks "
        "in this order.",
        "NaN is sorted above all numbers, so `NOT BETWEEN 0 AND 9999999999` covers it and the "
        "negative ones; `ELSE true` covers all that is not valid, NULL among it.",
    ),
    solution="""
        SELECT line, price
        FROM staging
        WHERE CASE WHEN pg_input_is_valid(price, 'numeric')  --?
                   THEN price::numeric NOT BETWEEN 0 AND 9999999999  --?
                   ELSE true END  --?
    """,
    wrong=(
        WrongAnswer(
            answer="SELECT line, price FROM staging WHERE price IS NULL OR price::numeric < 0",
            hint=(
                "The cast fails at the first text that is no number, and the query with it. Ask "
                "whether the text is valid before casting."
            ),
        ),
        WrongAnswer(
            answer="""
                SELECT line, price FROM staging
                WHERE NOT CASE WHEN pg_input_is_valid(price, 'numeric')
                               THEN price::numeric BETWEEN 0 AND 9999999999 END
            """,
            hint=(
                "The missing price and `$10,900` are not found. A `CASE` without `ELSE` gives NULL "
                "for them, and `NOT NULL` is NULL again, which `WHERE` does not take for true."
            ),
        ),
        WrongAnswer(
            answer="""
                SELECT line, price FROM staging
                WHERE NOT pg_input_is_valid(price, 'numeric') OR price::numeric < 0
            """,
            hint=(
                "The missing price is not found: of NULL nobody can say whether it is valid, so "
                "`NOT` gives NULL. And NaN is valid, and not below 0."
            ),
        ),
        WrongAnswer(
            replace={"NOT BETWEEN 0 AND 9999999999": "< 0"},
            hint="NaN passed: it is sorted above all numbers, so it is not below 0.",
        ),
        WrongAnswer(
            replace={"0 AND": "1 AND"},
            hint="A price of 0 is neither missing nor negative.",
        ),
    ),
    setup=Setup(
        sql="""
            CREATE TEMPORARY TABLE staging (line int, price text);
            INSERT INTO staging VALUES (1, '9000'), (2, '$10,900'), (3, NULL), (4, '-1'),
                (5, '8500.50'), (6, 'NaN'), (7, '0')
        """,
        note="the table `staging` with these seven lines is added.",
    ),
)

LOAD_BATCHES = Function(
    name="load_batches",
    question=(
        "Cars arrive in batches, for a table `arrival` that takes no VIN twice and no negative "
        "price. Write `load_batches(connection, batches)`. It inserts batch by batch; a batch with "
        "a car that is refused is left out as a whole, the others stay. It returns the numbers of "
        "the batches left out, counted from 0. A batch is a list of dictionaries; the check calls "
        "it with no batch at all, and with these:"
        + small_table(
            "batch  vin  price",
            "    0  A-1   9000",
            "    0  A-2   8000",
            "    1  B-1   7000",
            "    1  B-2     -1",
            "    2  A-1   6000",
            "    2  C-2   5000",
            "    3  D-1   4000",
        )
        + "Leave the commit to the caller."
    ),
    hints=(
        "After an error PostgreSQL accepts nothing more in a transaction, until it is rolled back "
        "to its beginning or to a savepoint.",
        "`connection.begin_nested()` in a `with` sets a savepoint, and goes back to it when an "
        "error leaves the block.",
        "Inside the loop comes `try`, inside `try` the `with`, and `except IntegrityError` notes "
        "the number.",
    ),
    solution="""
        from sqlalchemy import text
        from sqlalchemy.exc import IntegrityError

        def load_batches(connection, batches):
            insert = text("INSERT INTO arrival (vin, price) VALUES (:vin, :price)")
            left_out = []
            for number, batch in enumerate(batches):
                try:  #?
                    with connection.begin_nested():  #?
                        connection.execute(insert, batch)  #?
                except IntegrityError:  #?
                    left_out.append(number)  #?
            return left_out
    """,
    wrong=(
        WrongAnswer(
            replace={
                "with connection.begin_nested():\n                ": "",
            },
            hint=(
                "The first refusal ended the transaction: PostgreSQL ignores all that follows. A "
                "savepoint before each batch gives it a place to go back to."
            ),
        ),
        WrongAnswer(
            replace={
                "try:\n            with connection.begin_nested():\n"
                "                connection.execute(insert, batch)\n"
                "        except IntegrityError:\n            left_out.append(number)": (
                    "for car in batch:\n            try:\n"
                    "                with connection.begin_nested():\n"
                    "                    connection.execute(insert, car)\n"
                    "            except IntegrityError:\n"
                    "                left_out.append(number)"
                )
            },
            hint=(
                "With a savepoint for each car, the good cars of a bad batch stay. The savepoint "
                "belongs around the whole batch."
            ),
        ),
        WrongAnswer(
            replace={
                "            with connection.begin_nested():\n"
                "                connection.execute(insert, batch)\n": (
                    "            connection.execute(insert, batch)\n"
                    "            connection.commit()\n"
                )
            },
            hint=(
                "The function commits, and its caller can no longer undo it together with what "
                "came before. A savepoint needs no commit."
            ),
        ),
    ),
    setup=Setup(
        sql="""
            CREATE TEMPORARY TABLE arrival (
                vin text PRIMARY KEY, price numeric NOT NULL CHECK (price >= 0)
            )
        """,
        note="the table `arrival` is added, empty.",
    ),
    function="load_batches",
    connected=True,
    calls=lambda: [
        (
            [
                [{"vin": "A-1", "price": 9000}, {"vin": "A-2", "price": 8000}],
                [{"vin": "B-1", "price": 7000}, {"vin": "B-2", "price": -1}],
                [{"vin": "A-1", "price": 6000}, {"vin": "C-2", "price": 5000}],
                [{"vin": "D-1", "price": 4000}],
            ],
        ),
        ([],),
    ],
    probe="SELECT 'Car ' || vin, price FROM arrival",
)
