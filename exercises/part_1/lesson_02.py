"""Exercises of lesson 2, the initial load: counting with joins, splitting, inserting."""

import pandas as pd

from exercises.exercise import Setup, WrongAnswer
from exercises.kinds import Function, Query

CARS_PER_BRAND = Query(
    name="cars_per_brand",
    question=(
        "How many cars has each brand that has any? Return the brand's name and the number, most "
        "cars first; brands with equally many come in the order of their names. Row order counts."
    ),
    hints=(
        "A car knows its model and a model its brand: two joins lead from the one to the other.",
        "`GROUP BY` makes one row a brand, `count(*)` counts its cars.",
        "`ORDER BY` takes several columns; each may have its own `DESC`, and the second decides "
        "where the first is equal.",
    ),
    solution="""
        SELECT b.name, count(*) AS cars
        FROM car_info AS c
        JOIN car_model AS m USING (model_id)
        JOIN car_brand AS b USING (brand_id)  --?
        GROUP BY b.name  --?
        ORDER BY cars DESC, b.name  --?
    """,
    wrong=(
        WrongAnswer(
            replace={"cars DESC, b.name": "cars DESC"},
            hint=(
                "Where two brands have equally many cars, nothing says which comes first, and the "
                "server may return them in any order. Name what decides then."
            ),
        ),
        WrongAnswer(
            replace={"cars DESC, b.name": "cars, b.name"},
            hint="`ORDER BY` begins with the smallest unless told otherwise.",
        ),
        WrongAnswer(
            replace={"cars DESC, b.name": "cars DESC, b.name DESC"},
            hint="`DESC` belongs to one column: behind the name it turns the names around as well.",
        ),
        WrongAnswer(
            replace={"car_info AS c\nJOIN car_model AS m USING (model_id)": "car_model AS m"},
            hint="Those are the models of each brand. One more join leads to the cars.",
        ),
        WrongAnswer(
            replace={"\nJOIN car_brand AS b USING (brand_id)": "", "b.name": "m.name"},
            hint="Those are the cars of each model. One more join leads to the brand.",
        ),
    ),
    # Without sorting, the server forms groups by hashing: ties don't come in order by luck.
    setup=Setup(
        sql="""
            SET LOCAL enable_sort = off;
            INSERT INTO car_brand (name)
            SELECT 'Kit Car ' || n FROM generate_series(9, 1, -1) AS n;
            INSERT INTO car_model (brand_id, name)
            SELECT brand_id, 'Seven' FROM car_brand WHERE name LIKE 'Kit Car _';
            INSERT INTO car_info (model_id, vin, price, status)
            SELECT model_id, 'KIT-' || row_number() OVER (), 5000, true
            FROM car_model JOIN car_brand AS b USING (brand_id), generate_series(1, 2) AS car
            WHERE b.name LIKE 'Kit Car _' AND (car = 1 OR b.name = 'Kit Car 5')
        """,
        note="nine brands, Kit Car 1 to Kit Car 9, are added with one car each; Kit Car 5 has two.",
    ),
    ordered=True,
)

SOLD_OUT_BRANDS = Query(
    name="sold_out_brands",
    question=(
        "Which brands have no car that is available (`status` true)? Return their names; a brand "
        "without any car is among them."
    ),
    hints=(
        "Asked for is something that does not exist: an available car of that brand.",
        "`WHERE NOT EXISTS (SELECT ...)` keeps the rows for which the inner query finds nothing.",
        "The inner query joins `car_model` and `car_info`, and compares its `brand_id` with that "
        "of the outer row.",
    ),
    solution="""
        SELECT b.name
        FROM car_brand AS b
        WHERE NOT EXISTS (  --?
            SELECT FROM car_model AS m  --?
            JOIN car_info AS c USING (model_id)  --?
            WHERE m.brand_id = b.brand_id AND c.status  --?
        )  --?
    """,
    wrong=(
        WrongAnswer(
            answer="""
                SELECT DISTINCT b.name
                FROM car_brand AS b
                JOIN car_model AS m USING (brand_id)
                JOIN car_info AS c USING (model_id)
                WHERE NOT c.status
            """,
            hint=(
                "Those brands have a car that is not available. They may have another that is: one "
                "row at a time can't tell."
            ),
        ),
        WrongAnswer(
            answer="""
                SELECT b.name
                FROM car_brand AS b
                JOIN car_model AS m USING (brand_id)
                JOIN car_info AS c USING (model_id)
                GROUP BY b.name
                HAVING NOT bool_or(c.status)
            """,
            hint="A brand without any car is missing: the joins dropped it before it was counted.",
        ),
        WrongAnswer(
            replace={"m.brand_id = b.brand_id AND ": ""},
            hint=(
                "The inner query finds an available car of any brand, so there is always one. It "
                "must look at the brand of the outer row."
            ),
        ),
        WrongAnswer(
            replace={" AND c.status": ""},
            hint="Those brands have no car at all. Which cars should the inner query look for?",
        ),
    ),
    setup=Setup(
        sql="""
            INSERT INTO car_brand (name) VALUES ('Borgward'), ('Wartburg'), ('DeLorean');
            INSERT INTO car_model (brand_id, name)
            SELECT brand_id, 'One' FROM car_brand WHERE name IN ('Borgward', 'Wartburg');
            INSERT INTO car_info (model_id, vin, price, status)
            SELECT model_id, vin, 5000, available
            FROM (VALUES ('Borgward', 'B-1', true), ('Borgward', 'B-2', false),
                         ('Wartburg', 'W-1', false)) AS car (brand, vin, available)
            JOIN car_brand AS b ON b.name = car.brand JOIN car_model USING (brand_id)
        """,
        note=(
            "three brands are added: Borgward with one car available and one not, Wartburg with "
            "one that is not, DeLorean without a car."
        ),
    ),
)

AVERAGE_PRICE = Query(
    name="average_price",
    question=(
        "What does a car cost on average, per model with at least 3 cars? Return the brand's name, "
        "the model's name, and the average price rounded to 2 decimals."
    ),
    hints=(
        "Two brands may have a model of the same name: a group needs both names.",
        "`WHERE` chooses rows before they are grouped; `HAVING` chooses groups.",
        "`round(avg(c.price), 2)` is the third column, and `HAVING` compares `count(*)` with 3.",
    ),
    solution="""
        SELECT b.name AS brand, m.name AS model, round(avg(c.price), 2) AS average
        FROM car_info AS c
        JOIN car_model AS m USING (model_id)
        JOIN car_brand AS b USING (brand_id)
        GROUP BY b.name, m.name  --?
        HAVING count(*) >= 3  --?
    """,
    wrong=(
        WrongAnswer(
            replace={"GROUP BY": "WHERE count(*) >= 3\nGROUP BY", "\nHAVING count(*) >= 3": ""},
            hint="`WHERE` comes before grouping, when nothing is counted yet. What comes after it?",
        ),
        WrongAnswer(
            replace={">= 3": "> 3"},
            hint="A model with exactly 3 cars is missing: at least 3 means 3 or more.",
        ),
        WrongAnswer(
            replace={"\nHAVING count(*) >= 3": ""},
            hint="Models with fewer than 3 cars are there too. `HAVING` drops groups.",
        ),
        WrongAnswer(
            replace={"round(avg(c.price), 2)": "avg(c.price)"},
            hint="The averages have more decimals than asked for. `round` takes how many.",
        ),
        WrongAnswer(
            replace={
                "SELECT b.name": "SELECT min(b.name)",
                "GROUP BY b.name, m.name": "GROUP BY m.name",
            },
            hint="Models of two brands with the same name fell into one group.",
        ),
    ),
    setup=Setup(
        sql="""
            INSERT INTO car_brand (name) VALUES ('Borgward'), ('Wartburg'), ('Trabant');
            INSERT INTO car_model (brand_id, name)
            SELECT brand_id, 'One' FROM car_brand
            WHERE name IN ('Borgward', 'Wartburg', 'Trabant');
            INSERT INTO car_info (model_id, vin, price, status)
            SELECT model_id, left(brand, 1) || '-' || row_number() OVER (), price, true
            FROM (VALUES ('Borgward', 9000), ('Borgward', 9500), ('Borgward', 9501),
                         ('Wartburg', 2000), ('Wartburg', 2300), ('Wartburg', 2301),
                         ('Wartburg', 2800), ('Trabant', 900), ('Trabant', 1100))
                 AS car (brand, price)
            JOIN car_brand AS b ON b.name = car.brand JOIN car_model USING (brand_id)
        """,
        note=(
            "the model One of three brands is added: of Borgward with 3 cars, of Wartburg with 4, "
            "of Trabant with 2."
        ),
    ),
)


def _cars_to_split() -> pd.DataFrame:
    """Two brands with a model of the same name, cars of the same model, no index to rely on."""
    cars = pd.DataFrame(
        [
            ("Borgward", "Isabella", "B-1", 1.5, 9500),
            ("Borgward", "Hansa", "B-2", 1.7, 8000),
            ("Wartburg", "Isabella", "W-1", 0.9, 2300),
            ("Borgward", "Isabella", "B-3", None, 9900),
        ],
        columns=["brand", "model", "vin", "engine_size", "price"],
    )
    return cars.set_axis([7, 7, 3, 1])


SPLIT_CARS = Function(
    name="split_cars",
    question=(
        "Write `split(cars)`. It takes a cars frame and returns a dictionary of two frames: under "
        "`'car_brand'` each brand once, in the column `name`; under `'car_model'` each model of "
        "each brand once, in the columns `brand` and `name`. Row order does not count, the names "
        "of the columns do."
    ),
    hints=(
        "`cars[['brand']]` is a frame of one column, `drop_duplicates()` leaves each row once.",
        "A model is known by two columns together: the same name may belong to two brands.",
        "`rename(columns={'model': 'name'})` gives a column another name.",
    ),
    solution="""
        def split(cars):
            brands = cars[["brand"]].drop_duplicates()
            models = cars[["brand", "model"]].drop_duplicates()  #?
            return {  #?
                "car_brand": brands.rename(columns={"brand": "name"}),  #?
                "car_model": models.rename(columns={"model": "name"}),  #?
            }  #?
    """,
    wrong=(
        WrongAnswer(
            replace={'"model"]].drop_duplicates()': '"model"]].drop_duplicates("model")'},
            hint=(
                "A model is missing. Two brands have a model of that name, and comparing the name "
                "alone makes them one."
            ),
        ),
        WrongAnswer(
            replace={".drop_duplicates()": ""},
            hint="A brand is there once for each of its cars. `drop_duplicates()` leaves it once.",
        ),
        WrongAnswer(
            replace={
                '.rename(columns={"brand": "name"})': "",
                '.rename(columns={"model": "name"})': "",
            },
            hint="The rows are right, the columns have other names than those of the tables.",
        ),
        WrongAnswer(
            replace={'["brand", "model"]': '["model"]'},
            hint="A model's row needs its brand: without it nobody can look up the brand's key.",
        ),
    ),
    names=True,
    function="split",
    calls=lambda: [(_cars_to_split(),), (_cars_to_split().iloc[:0],)],
)

ADD_CAR = Function(
    name="add_car",
    question=(
        "Write `add_car(connection, brand, model, vin, price)`. It adds an available car of that "
        "brand's model, in one statement that looks the model's key up, with every value passed as "
        "a parameter. It returns how many cars were added: 0 where there is no such model. It "
        "leaves the commit to its caller."
    ),
    hints=(
        "`INSERT INTO car_info (...) SELECT ...` looks up and inserts in one statement.",
        "In `text(...)` a parameter is written `:brand`; its value comes in the dictionary that "
        "`connection.execute` takes second.",
        "Join `car_model` and `car_brand`, compare both names, and return the `rowcount` of what "
        "`connection.execute` returns.",
    ),
    solution="""
        from sqlalchemy import text

        def add_car(connection, brand, model, vin, price):
            statement = text(  #?
                "INSERT INTO car_info (model_id, vin, price, status)"  #?
                " SELECT m.model_id, :vin, :price, true"  #?
                " FROM car_model AS m JOIN car_brand AS b USING (brand_id)"  #?
                " WHERE b.name = :brand AND m.name = :model"  #?
            )  #?
            values = {"brand": brand, "model": model, "vin": vin, "price": price}  #?
            return connection.execute(statement, values).rowcount  #?
    """,
    wrong=(
        WrongAnswer(
            replace={
                '" SELECT': 'f" SELECT',
                ":vin, :price": "'{vin}', {price}",
                '" WHERE': 'f" WHERE',
                ":brand": "'{brand}'",
                ":model": "'{model}'",
                "(statement, values)": "(statement)",
            },
            hint=(
                "The quote in O'Leary ended the text in the middle of the name. A value pasted "
                "into SQL becomes part of the statement; a parameter stays a value, whatever is in "
                "it."
            ),
        ),
        WrongAnswer(
            replace={" JOIN car_brand AS b USING (brand_id)": "", "b.name = :brand AND ": ""},
            hint=(
                "Two brands have a model of that name, so the same car was inserted twice. The "
                "model's name alone does not say which model is meant."
            ),
        ),
        WrongAnswer(
            replace={"return connection": "connection", ".rowcount": ""},
            hint=(
                "The car is there, but the function returns nothing. What `connection.execute` "
                "returns knows the `rowcount`."
            ),
        ),
        WrongAnswer(
            replace={
                "return connection": "added = connection",
                ".rowcount": ".rowcount\n    connection.commit()\n    return added",
            },
            hint=(
                "A function that commits decides for its caller, who can no longer undo it "
                "together with what came before. Leave out the commit."
            ),
        ),
    ),
    setup=Setup(
        sql="""
            INSERT INTO car_brand (name) VALUES ('Borgward'), ('O''Leary');
            INSERT INTO car_model (brand_id, name)
            SELECT brand_id, 'Isabella' FROM car_brand WHERE name IN ('Borgward', 'O''Leary')
        """,
        note="the brands Borgward and O'Leary are added, each with a model Isabella.",
    ),
    function="add_car",
    connected=True,
    calls=lambda: [
        ("O'Leary", "Isabella", "ADDED-1", 9500),
        ("Borgward", "Isabella", "ADDED-2", 12000.5),
        ("Borgward", "Hansa", "ADDED-3", 8000),
    ],
    probe="""
        SELECT 'Car ' || c.vin, b.name, m.name, c.price, c.status
        FROM car_info AS c JOIN car_model AS m USING (model_id) JOIN car_brand AS b USING (brand_id)
        WHERE c.vin LIKE 'ADDED-_'
    """,
)
