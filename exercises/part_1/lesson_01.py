"""Exercises of lesson 1, the schema: keys, constraints, joins, indexes, cascades."""

from exercises.exercise import Setup, WrongAnswer
from exercises.kinds import Change, Query, Value

DEALER = Change(
    name="dealer_table",
    question=(
        "Create a table `dealer` with three columns: `dealer_id`, the primary key, a UUID that the "
        "server makes as in the other tables; `brand_id`, never empty, the brand that the dealer "
        "sells: when a brand is deleted, its dealers go too; `capacity`, the integer number of "
        "cars that fit, never empty. A check named `ck_dealer_capacity` refuses a capacity below 1."
    ),
    hints=(
        'Read the DDL of `car_model` under "From classes to SQL": a key that the server makes '
        "is written there. The foreign key may stand right behind its column instead.",
        "The three parts are `DEFAULT uuidv7()`, `REFERENCES ... ON DELETE ...` and "
        "`CONSTRAINT name CHECK (...)`. Each stands behind the column it belongs to.",
        "Behind `brand_id uuid NOT NULL` comes `REFERENCES car_brand (brand_id)`, and then what "
        "happens to a dealer when the brand is deleted.",
    ),
    solution="""
        CREATE TABLE dealer (
            dealer_id uuid PRIMARY KEY DEFAULT uuidv7(),
            brand_id  uuid NOT NULL REFERENCES car_brand (brand_id) ON DELETE CASCADE,  --?
            capacity  integer NOT NULL CONSTRAINT ck_dealer_capacity CHECK (capacity > 0)  --?
        )
    """,
    wrong=(
        WrongAnswer(
            replace={" ON DELETE CASCADE": ""},
            hint=(
                "Without a word on deleting, a foreign key refuses to delete a brand that still "
                "has dealers. `ON DELETE` says what happens to them instead."
            ),
        ),
        WrongAnswer(
            replace={" REFERENCES car_brand (brand_id) ON DELETE CASCADE": ""},
            hint=(
                "`brand_id` is a column like any other here: the table takes the key of a brand "
                "that does not exist. `REFERENCES` ties it to `car_brand`."
            ),
        ),
        WrongAnswer(
            replace={"CONSTRAINT ck_dealer_capacity ": ""},
            hint=(
                "The rule is there, with a name that PostgreSQL made up. `CONSTRAINT name` in "
                "front of `CHECK` gives it the one that was asked for."
            ),
        ),
        WrongAnswer(
            replace={" DEFAULT uuidv7()": ""},
            hint="A primary key makes no keys by itself: `DEFAULT` says which function does.",
        ),
        WrongAnswer(
            replace={
                "uuid PRIMARY KEY DEFAULT uuidv7()": "text PRIMARY KEY DEFAULT uuidv7()::text"
            },
            hint=(
                "As text a key takes 37 bytes instead of 16, and anything else may be written "
                "there too. PostgreSQL has the type `uuid`."
            ),
        ),
    ),
    setup=Setup(
        sql="INSERT INTO car_brand (name) VALUES ('Wartburg')",
        note="the brand Wartburg is added to `car_brand`.",
    ),
    probe="""
        WITH tried (number, what, outcome) AS MATERIALIZED (VALUES
            (1, 'A dealer of Wartburg with capacity 1', pg_temp.outcome(
                $$INSERT INTO dealer (brand_id, capacity)
                  SELECT brand_id, 1 FROM car_brand WHERE name = 'Wartburg'$$)),
            (2, 'A dealer with capacity 0', pg_temp.outcome(
                $$INSERT INTO dealer (brand_id, capacity)
                  SELECT brand_id, 0 FROM car_brand WHERE name = 'Wartburg'$$)),
            (3, 'A dealer without capacity', pg_temp.outcome(
                $$INSERT INTO dealer (brand_id)
                  SELECT brand_id FROM car_brand WHERE name = 'Wartburg'$$)),
            (4, 'A dealer without brand', pg_temp.outcome(
                $$INSERT INTO dealer (capacity) VALUES (1)$$)),
            -- The name of the foreign key is free, so it is cut off.
            (5, 'A dealer of no known brand', split_part(pg_temp.outcome(
                $$INSERT INTO dealer (brand_id, capacity) VALUES (uuidv7(), 1)$$),
                ' constraint', 1)),
            (6, 'The brand Wartburg deleted', pg_temp.outcome(
                $$DELETE FROM car_brand WHERE name = 'Wartburg'$$)),
            (7, 'The dealers that are left then, deleted', pg_temp.outcome($$DELETE FROM dealer$$))
        )
        SELECT what, outcome FROM tried
        UNION ALL
        SELECT 'Column ' || attname, format_type(atttypid, atttypmod)
        FROM pg_attribute
        WHERE attrelid = to_regclass('dealer') AND attnum > 0 AND NOT attisdropped
        UNION ALL
        SELECT 'Default of ' || attname, pg_get_expr(adbin, adrelid)
        FROM pg_attrdef JOIN pg_attribute ON attrelid = adrelid AND attnum = adnum
        WHERE adrelid = to_regclass('dealer')
    """,
)

ADD_MODEL = Change(
    name="add_model",
    question=(
        "The brand DeLorean is in `car_brand`, with a key that you don't know. Add its model "
        "DMC-12 to `car_model`, in one statement, with the brand's key looked up and not typed."
    ),
    hints=(
        "Keys are UUIDs that the server made. The brand's name is what you know: a query finds "
        "the key by it.",
        "`INSERT INTO car_model (brand_id, name)` can be followed by a `SELECT` in the place of "
        "`VALUES`.",
        "Select two things from `car_brand` where the name is DeLorean: `brand_id`, and the text "
        "`'DMC-12'`.",
    ),
    solution="""
        INSERT INTO car_model (brand_id, name)
        SELECT brand_id, 'DMC-12'  --?
        FROM car_brand  --?
        WHERE name = 'DeLorean'  --?
    """,
    wrong=(
        WrongAnswer(
            answer="INSERT INTO car_model (brand_id, name) VALUES ('1', 'DMC-12')",
            hint=(
                "Many tutorials number their keys 1, 2, 3. Here a key is a UUID that the server "
                "made, and no other text fits the column."
            ),
        ),
        WrongAnswer(
            replace={"\nWHERE name = 'DeLorean'": ""},
            hint="Every brand got a DMC-12: the `SELECT` returns a row for each. Which is meant?",
        ),
        WrongAnswer(
            replace={"'DeLorean'": "'Delorean'"},
            hint=(
                "Nothing was inserted, and no error said so: no brand has exactly the name that "
                "you looked for. Text is compared letter by letter, capitals included."
            ),
        ),
        WrongAnswer(
            answer="INSERT INTO car_model (name) VALUES ('DMC-12')",
            hint="A model belongs to a brand: `brand_id` may not be empty.",
        ),
        WrongAnswer(
            answer="INSERT INTO car_model (brand_id, name) VALUES (uuidv7(), 'DMC-12')",
            hint=(
                "That is a new key, of no brand at all. `uuidv7()` makes keys for new rows; a "
                "foreign key repeats one that exists."
            ),
        ),
    ),
    setup=Setup(
        sql="INSERT INTO car_brand (name) VALUES ('DeLorean'), ('Wartburg')",
        note="the brands DeLorean and Wartburg are added to `car_brand`.",
    ),
    one_statement=True,
    probe="""
        SELECT 'Models of ' || b.name, string_agg(m.name, ', ' ORDER BY m.name)
        FROM car_brand AS b LEFT JOIN car_model AS m USING (brand_id)
        GROUP BY b.name
        ORDER BY b.name <> 'DeLorean', b.name
    """,
)

MODELS_PER_BRAND = Query(
    name="models_per_brand",
    question=(
        "How many models has each brand? Return the brand's name and the number of its models; "
        "a brand without models is there too, with 0."
    ),
    hints=(
        "Start from `car_brand`: every brand must be there, whether a model belongs to it or not.",
        "`LEFT JOIN` keeps a row of the left table that has no partner, and fills the right side "
        "with NULL.",
        "`count(*)` counts rows, `count(column)` only those where the column is not NULL.",
    ),
    solution="""
        SELECT b.name, count(m.model_id) AS models
        FROM car_brand AS b
        LEFT JOIN car_model AS m USING (brand_id)  --?
        GROUP BY b.name  --?
    """,
    wrong=(
        WrongAnswer(
            replace={"LEFT JOIN": "JOIN"},
            hint=(
                "A brand without models is missing: `JOIN` drops the rows that find no partner, "
                "and so does a `WHERE` on the right table. Another kind of join keeps them."
            ),
        ),
        WrongAnswer(
            replace={"count(m.model_id)": "count(*)"},
            hint=(
                "A brand without models has 1: the join keeps one row for it, with NULL in the "
                "place of a model, and `count(*)` counts that row."
            ),
        ),
        WrongAnswer(
            replace={"\nGROUP BY b.name": ""},
            hint="`count` needs to know what makes a group: one group a brand.",
        ),
    ),
    setup=Setup(
        sql="""
            INSERT INTO car_brand (name) VALUES ('Wartburg'), ('Trabant');
            INSERT INTO car_model (brand_id, name)
            SELECT brand_id, model FROM car_brand, (VALUES ('601'), ('1.1')) AS added (model)
            WHERE name = 'Trabant'
        """,
        note="the brands Wartburg, without a model, and Trabant, with two, are added.",
    ),
)

MISSING_INDEX = Change(
    name="missing_index",
    question=(
        "The table `viewing` says which visitor looked at a car on which day: `viewing_id` (its "
        "primary key), `visitor` and `seen_on`. The dealer keeps asking `SELECT seen_on FROM "
        "viewing WHERE visitor = 17`, and PostgreSQL reads all 20,000 rows each time. Mend "
        "that in one statement, so that it looks at the rows of that visitor alone; the check "
        "reads the plan."
    ),
    hints=(
        "The primary key's index is sorted by `viewing_id`. Which column would the rows have to be "
        "sorted by, to find those of one visitor side by side?",
        "`CREATE INDEX name ON table (column)`; you may leave the name out.",
    ),
    solution="""
        CREATE INDEX ON viewing (visitor)  --?
    """,
    wrong=(
        WrongAnswer(
            replace={"(visitor)": "(seen_on)"},
            hint=(
                "The days are what the query returns; it searches by the visitor. An index helps "
                "where its *first* column is the one in the `WHERE`: sorted by day first, the "
                "viewings of one visitor are spread all over it."
            ),
        ),
        WrongAnswer(
            replace={"CREATE INDEX": "CREATE UNIQUE INDEX"},
            hint=(
                "A unique index would allow one viewing for each visitor, and there are twenty. "
                "An index for searching needs no such rule."
            ),
        ),
    ),
    setup=Setup(
        sql="""
            CREATE TABLE viewing (
                viewing_id uuid PRIMARY KEY DEFAULT uuidv7(), visitor int NOT NULL, seen_on date
            );
            INSERT INTO viewing (visitor, seen_on)
            SELECT n % 1000, date '2024-01-01' + n / 60 FROM generate_series(1, 20000) AS n;
            ANALYZE viewing;
            CREATE FUNCTION pg_temp.rows_read() RETURNS numeric LANGUAGE plpgsql AS $$
            DECLARE plan jsonb;
            BEGIN
                EXECUTE 'EXPLAIN (ANALYZE, FORMAT JSON)'
                    ' SELECT seen_on FROM viewing WHERE visitor = 17' INTO plan;
                RETURN (plan #>> '{0,Plan,Actual Rows}')::numeric
                    + coalesce((plan #>> '{0,Plan,Rows Removed by Filter}')::numeric, 0);
            END $$
        """,
        note="the table `viewing` with 20,000 rows, twenty for each visitor, is there.",
    ),
    one_statement=True,
    probe="""
        SELECT 'Rows that the query looks at', round(pg_temp.rows_read())::int
        UNION ALL
        SELECT 'Viewings of visitor 17', count(*) FROM viewing WHERE visitor = 17
    """,
)

ROWS_DELETED = Value(
    name="rows_deleted",
    question=(
        "A brand has 2 models, and each of these models has 3 cars. Before you try it: how many "
        "rows, in all three tables together, are gone after the brand is deleted?"
    ),
    hints=(
        "Follow the foreign keys: what depends on the brand, and what depends on that?",
        "Both foreign keys say ON DELETE CASCADE. Count the brand, its models, and their cars.",
    ),
    solution="""
        answer = 1 + 2 + 2 * 3  #?
    """,
    wrong=(
        WrongAnswer(
            answer="answer = 1",
            hint=(
                "1 is the number that the DELETE reports: rows that a cascade removes are not in "
                "it. Count the rows of all three tables before and after."
            ),
        ),
        WrongAnswer(
            answer="answer = 3",
            hint="The brand and its models are gone. What about the cars of these models?",
        ),
        WrongAnswer(
            answer="answer = 8",
            hint="Its models and their cars: what about the brand itself?",
        ),
        WrongAnswer(
            answer="answer = 7",
            hint="The brand and the cars, it seems. The two models lie between them.",
        ),
        WrongAnswer(
            answer="answer = 6",
            hint="Those are the cars. The brand and its models are rows too.",
        ),
        WrongAnswer(
            answer="answer = 0",
            hint=(
                "Without a cascade the foreign key would refuse the delete. Here both foreign keys "
                "say ON DELETE CASCADE."
            ),
        ),
    ),
)
