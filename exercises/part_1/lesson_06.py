"""Exercises of lesson 6, growth: which index to drop, what to keep, and in which type."""

from exercises.exercise import Setup, WrongAnswer
from exercises.kinds import Change, Query

UNUSED_INDEX = Query(
    name="unused_index",
    question=(
        "A monitoring job keeps the table `index_use (index_name, is_unique, scans, bytes)`. Which "
        "indexes could be dropped, because nobody searched by them and they keep nothing unique? "
        "Return name and bytes, the largest first; row order counts."
    ),
    hints=(
        "Two conditions, one on `scans` and one on `is_unique`.",
        "`NOT is_unique` keeps the indexes that no rule depends on; `ORDER BY bytes DESC` puts the "
        "largest first.",
    ),
    solution="""
        SELECT index_name, bytes
        FROM index_use
        WHERE scans = 0 AND NOT is_unique  --?
        ORDER BY bytes DESC  --?
    """,
    wrong=(
        WrongAnswer(
            replace={" AND NOT is_unique": ""},
            hint=(
                "The primary key and the unique index would go, too. Nobody searched by them, and "
                "still they refuse every second row of a kind."
            ),
        ),
        WrongAnswer(
            replace={"scans = 0 AND ": ""},
            hint="An index that is searched by 40 times is among them. It is in use.",
        ),
        WrongAnswer(
            replace={" DESC": ""},
            hint="The smallest comes first. `DESC` turns the order around.",
        ),
        WrongAnswer(
            replace={"scans = 0": "scans IS NULL"},
            hint="An index that nobody used has a count, and the count is 0.",
        ),
    ),
    setup=Setup(
        sql="""
            CREATE TABLE index_use (index_name text, is_unique boolean, scans int, bytes bigint);
            INSERT INTO index_use VALUES
                ('pk_sale', true, 0, 9000), ('uq_sale_number', true, 0, 8000),
                ('ix_sale_car', false, 40, 7000), ('ix_sale_note', false, 0, 5000),
                ('ix_sale_branch', false, 0, 6000)
        """,
        note=(
            "the table `index_use` is added, with a primary key and a unique index that nobody "
            "searched by, an index on the car with 40 scans and 7,000 bytes, and two more without "
            "a scan: one on the note of 5,000 bytes, one on the branch of 6,000."
        ),
    ),
    ordered=True,
)

OLD_VERSIONS = Query(
    name="old_versions",
    question=(
        "A table `stored (name, version, bytes)` lists blobs. Of each name only the two newest "
        "versions are to be kept. How many bytes would that free? Return one row for each name "
        "that has something to free: the name and the sum. Version numbers may have gaps."
    ),
    hints=(
        "`row_number() OVER (...)` numbers rows. Numbered from the newest version, the first two "
        "are kept.",
        "In `OVER (PARTITION BY ... ORDER BY ...)` the first part says what is numbered together, "
        "the second in which order.",
        "A window function can't stand in `WHERE`: number in an inner query, choose and sum in the "
        "outer one.",
    ),
    solution="""
        SELECT name, sum(bytes) AS freed
        FROM (
            SELECT name, bytes,
                   row_number() OVER (PARTITION BY name ORDER BY version DESC) AS age  --?
            FROM stored
        ) AS numbered
        WHERE age > 2  --?
        GROUP BY name
    """,
    wrong=(
        WrongAnswer(
            replace={" DESC": ""},
            hint="The newest versions would go: the numbering began at the oldest one.",
        ),
        WrongAnswer(
            replace={"PARTITION BY name ": ""},
            hint=(
                "The versions of all names were numbered in one row, so names with old versions "
                "keep nothing. Each name is numbered for itself."
            ),
        ),
        WrongAnswer(
            replace={"age > 2": "age > 1"},
            hint="Only one version of each name would be left. Two are to be kept.",
        ),
        WrongAnswer(
            replace={"age > 2": "age >= 3 OR true"},
            hint="Those are the bytes of all versions, the two newest among them.",
        ),
        WrongAnswer(
            answer="""
                SELECT name, sum(bytes)
                FROM stored JOIN (SELECT name, max(version) AS newest FROM stored GROUP BY name) m
                     USING (name)
                WHERE version < newest - 1
                GROUP BY name
            """,
            hint=(
                "One name has a gap in its versions, so the second newest is not one less than the "
                "newest. Number what is there."
            ),
        ),
    ),
    setup=Setup(
        sql="""
            CREATE TABLE stored (name text, version int, bytes bigint);
            INSERT INTO stored VALUES
                ('fleet', 1, 100), ('fleet', 2, 200), ('fleet', 3, 400), ('fleet', 4, 800),
                ('prices', 1, 10), ('prices', 2, 20), ('prices', 5, 40),
                ('brands', 1, 3), ('brands', 2, 5), ('models', 7, 7)
        """,
        note=(
            "the table `stored` is added. It has four versions of fleet, three of prices, in which "
            "3 and 4 are missing, two of brands and one of models."
        ),
    ),
)

DROP_MONTH = Change(
    name="drop_month",
    question=(
        "`price_note` is partitioned by month; its parts are `price_note_01`, `price_note_02` and "
        "`price_note_03`. Remove January with its part, in one statement, so that neither its rows "
        "nor the part remain, and leave the other months alone."
    ),
    hints=(
        "A part is a table of its own, with a name of its own.",
        "What removes a table, `DROP TABLE`, removes a part as well; its rows go with it.",
    ),
    solution="""
        DROP TABLE price_note_01  --?
    """,
    wrong=(
        WrongAnswer(
            answer="DELETE FROM price_note WHERE day < '2024-02-01'",
            hint=(
                "The rows are gone, and the part is still there. Each of its rows had to be marked "
                "as dead, and its file is as long as before."
            ),
        ),
        WrongAnswer(
            answer="ALTER TABLE price_note DETACH PARTITION price_note_01",
            hint=(
                "The part was taken off and goes on as a table of its own, with all its rows. It "
                "still takes its space."
            ),
        ),
        WrongAnswer(
            answer="TRUNCATE price_note_01",
            hint="The part is empty, and it is still a part of the table.",
        ),
        WrongAnswer(
            answer="DROP TABLE price_note",
            hint="The whole table is gone, with all months. Only January's part is to go.",
        ),
        WrongAnswer(
            answer="DROP TABLE price_note_02",
            hint="That was February. January is still there.",
        ),
    ),
    setup=Setup(
        sql="""
            CREATE TABLE price_note (day date, vin text, price numeric) PARTITION BY RANGE (day);
            CREATE TABLE price_note_01 PARTITION OF price_note
                FOR VALUES FROM ('2024-01-01') TO ('2024-02-01');
            CREATE TABLE price_note_02 PARTITION OF price_note
                FOR VALUES FROM ('2024-02-01') TO ('2024-03-01');
            CREATE TABLE price_note_03 PARTITION OF price_note
                FOR VALUES FROM ('2024-03-01') TO ('2024-04-01');
            INSERT INTO price_note VALUES
                ('2024-01-05', 'W-1', 2300), ('2024-01-31', 'W-2', 2000),
                ('2024-02-01', 'W-1', 2200), ('2024-03-15', 'W-1', 2100)
        """,
        note=(
            "the table `price_note` is added, with two rows in January and one in each other month."
        ),
    ),
    one_statement=True,
    probe="""
        SELECT 'Table ' || c.relname, c.relkind::text, c.relispartition,
               pg_relation_size(c.oid) > 0
        FROM pg_class AS c
        WHERE c.relnamespace = current_schema()::regnamespace AND c.relname LIKE 'price_note%'
        ORDER BY 1
    """,
)

FITTING_TYPES = Change(
    name="fitting_types",
    question=(
        "In the table `sheet_copy` all columns are text. Give `price` the type `numeric(12,2)` and "
        "`status` the type `boolean`, in one statement, and keep the values."
    ),
    hints=(
        "`ALTER TABLE ... ALTER COLUMN ... TYPE ...` changes a type; two such changes stand in one "
        "statement with a comma between them.",
        "PostgreSQL doesn't turn text into a number by itself. `USING` says how the new value is "
        "made from the old one.",
        "`price::numeric(12,2)` casts the text in `price`.",
    ),
    solution="""
        ALTER TABLE sheet_copy
            ALTER COLUMN price TYPE numeric(12,2) USING price::numeric(12,2),  --?
            ALTER COLUMN status TYPE boolean USING status::boolean  --?
    """,
    wrong=(
        WrongAnswer(
            replace={" USING price::numeric(12,2)": "", " USING status::boolean": ""},
            hint=(
                "The cast from text is not made automatically, says the error, and it names the "
                "word that is missing."
            ),
        ),
        WrongAnswer(
            replace={
                "TYPE numeric(12,2) USING price::numeric(12,2)": "TYPE real USING price::real"
            },
            hint=(
                "A binary number of 4 bytes holds about six digits, and one price has lost its "
                "cents. Money is counted in decimals."
            ),
        ),
        WrongAnswer(
            replace={"numeric(12,2)": "numeric"},
            hint=(
                "The numbers are right, but the column would take any number of decimals: the two "
                "in brackets are missing."
            ),
        ),
        WrongAnswer(
            replace={"status::boolean": "(status = 'True')"},
            hint="Not every true status is spelled `True`. A cast knows the usual spellings.",
        ),
        WrongAnswer(
            answer="""
                ALTER TABLE sheet_copy
                    DROP COLUMN price, DROP COLUMN status,
                    ADD COLUMN price numeric(12,2), ADD COLUMN status boolean
            """,
            hint="The types are right and the values are gone: new columns begin empty.",
        ),
    ),
    setup=Setup(
        sql="""
            CREATE TABLE sheet_copy (vin text, price text, status text);
            INSERT INTO sheet_copy VALUES
                ('W-1', '2300', 'True'), ('W-2', '123456.78', 'false'), ('W-3', '1800.50', 't'),
                ('W-4', NULL, NULL)
        """,
        note=(
            "the table `sheet_copy` is added, with four cars, one of them without price and status."
        ),
    ),
    one_statement=True,
    probe="""
        SELECT 'Car ' || s.vin, s.price::text, s.status::text,
               (SELECT string_agg(attname || ' ' || format_type(atttypid, atttypmod), ', '
                                  ORDER BY attname)
                FROM pg_attribute
                WHERE attrelid = 'sheet_copy'::regclass AND attnum > 0 AND NOT attisdropped)
        FROM sheet_copy AS s
        ORDER BY s.vin
    """,
)
