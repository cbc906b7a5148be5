"""Every exercise of every lesson: its solution is accepted, its wrong answers each get their hint.

A new exercise is found and tested by being in its lesson's module.
"""

import ast
import json
import re
from pathlib import Path

import pytest
from sqlalchemy import text

from carlib.cars import generate_cars, sample_cars
from carlib.loading.initial import initial_load
from carlib.tables import create_tables
from exercises import Change, Function, Outcome, Query, Value, lessons
from exercises.checking import check
from exercises.notebook import exercises_of

LESSONS = {name: exercises_of(name) for name in lessons()}
EXERCISES = {e.name: e for exercises in LESSONS.values() for e in exercises}
NOTEBOOKS = Path(__file__).parents[2] / "notebooks"


@pytest.fixture(
    scope="module",
    params=[
        pytest.param(lambda: None, id="no cars", marks=pytest.mark.slow),
        pytest.param(sample_cars, id="two cars", marks=pytest.mark.slow),
        pytest.param(lambda: generate_cars(3000), id="3000 cars"),
    ],
)
def cars(request, tables):
    """The tables as different learners have them: the exercises must not rely on their rows."""
    if (frame := request.param()) is not None:
        initial_load(tables, frame)
    before = rows(tables)
    yield tables
    assert rows(tables) == before
    with tables.begin() as connection:
        connection.execute(text("TRUNCATE car_brand, load_log CASCADE"))


def rows(engine):
    """Everything in the schema, as one number a table."""
    with engine.connect() as connection:
        names = connection.scalars(
            text("SELECT tablename FROM pg_tables WHERE schemaname = current_schema()")
        ).all()
        digest = "SELECT count(*), sum(hashtextextended(t::text, 0)) FROM {} AS t"
        return {name: connection.execute(text(digest.format(name))).one() for name in names}


every_exercise = pytest.mark.parametrize("exercise", EXERCISES.values(), ids=EXERCISES)


@every_exercise
def test_the_solution_is_accepted(cars, exercise):
    feedback = check(exercise, exercise.answer_of(exercise.shown_solution), cars)
    assert feedback.outcome is Outcome.RIGHT, feedback


@pytest.mark.parametrize(
    ("exercise", "wrong"),
    [
        pytest.param(exercise, wrong, id=f"{exercise.name}-{number}")
        for exercise in EXERCISES.values()
        for number, wrong in enumerate(exercise.wrong, 1)
    ],
)
def test_each_wrong_answer_is_refused_with_its_own_hint(cars, exercise, wrong):
    feedback = check(exercise, exercise.answer_of(exercise.written(wrong)), cars)
    assert feedback.outcome is Outcome.WRONG
    assert feedback.hint == wrong.hint
    assert feedback.text
    for line in left_out(exercise):
        assert line not in f"{feedback.text} {feedback.hint}"


MEANINGLESS = {
    Query: ["SELECT 1", "SELECT NULL WHERE false", "VALUES (NULL, NULL), (1, 2)", "nonsense", 1],
    Change: ["SELECT 1", "CREATE TABLE unrelated ()", "DELETE FROM car_brand", "nonsense", 1],
    Function: [lambda *_: 0, lambda: None, lambda *arguments: arguments, list, "nonsense", 1],
    Value: [0, -1, "nonsense", object(), [], {}, float("nan"), True],
}


@every_exercise
def test_a_meaningless_answer_is_refused(cars, exercise):
    for answer in MEANINGLESS[type(exercise)]:
        assert check(exercise, answer, cars).outcome is Outcome.WRONG, answer


# Answers that get there in another way, where it is the exercise's own probe, calls or rows that
# must bear with it; that equal results are equal is a matter of test_compare.
ALSO_RIGHT = {
    "dealer_table": """
    CREATE TABLE dealer (
        capacity int4 NOT NULL,
        brand_id uuid NOT NULL,
        dealer_id uuid DEFAULT uuidv7(),
        CONSTRAINT ck_dealer_capacity CHECK (capacity >= 1),
        CONSTRAINT pk_dealer PRIMARY KEY (dealer_id),
        CONSTRAINT any_name FOREIGN KEY (brand_id) REFERENCES car_brand ON DELETE CASCADE
    );
    CREATE INDEX ON dealer (brand_id);
    """,
    "add_model": """
    INSERT INTO car_model (name, brand_id)
    VALUES ('DMC-12', (SELECT brand_id FROM car_brand WHERE name = 'DeLorean'))
    RETURNING model_id;
    """,
    "unused_index": """
    SELECT index_name, max(bytes) FROM index_use
    GROUP BY index_name HAVING NOT bool_or(is_unique) AND sum(scans) = 0 ORDER BY 2 DESC
    """,
    "missing_index": "CREATE INDEX by_visitor ON viewing USING btree (visitor, seen_on)",
    "copy_cars": """
    def copy_cars(connection, cars):
        from io import StringIO
        lines = cars.to_csv(columns=["price", "vin", "color"], index=False, header=False)
        with connection.connection.cursor() as cursor, cursor.connection.cursor() as other:
            other.copy_expert("COPY staging (price, vin, color) FROM STDIN (FORMAT csv)",
                              StringIO(lines))
    """,
    "add_models": """
    MERGE INTO car_model m USING (
        SELECT brand_id, model FROM staging JOIN car_brand ON name = brand GROUP BY 1, 2) s
    ON (m.brand_id, m.name) = (s.brand_id, s.model)
    WHEN NOT MATCHED THEN INSERT (brand_id, name) VALUES (s.brand_id, s.model)
    """,
    "unloadable": """
    SELECT line, price FROM staging
    WHERE price IS NULL OR price !~ '^[0-9]+([.][0-9]*)?$' ORDER BY 1 DESC
    """,
    "load_batches": """
    def load_batches(connection, batches):
        left_out = []
        for number in range(len(batches)):
            savepoint = connection.begin_nested()
            try:
                for car in batches[number]:
                    connection.exec_driver_sql(
                        "INSERT INTO arrival (price, vin) VALUES (%(price)s, %(vin)s)", car)
            except Exception:
                savepoint.rollback()
                left_out += [number]
            else:
                savepoint.commit()
        return left_out
    """,
    "upsert_with_history": """
    WITH written AS (
        INSERT INTO car_info (model_id, vin, color, price, status, valid_from)
        SELECT model_id, vin, color, price, true, '1990-11-15 11:00Z' FROM delta
        ON CONFLICT (vin) DO UPDATE
            SET color = EXCLUDED.color, price = EXCLUDED.price, valid_from = EXCLUDED.valid_from
        WHERE (car_info.color, car_info.price) IS DISTINCT FROM (EXCLUDED.color, EXCLUDED.price)
        RETURNING old.*)
    INSERT INTO car_info_history (car_id, model_id, engine_size, vin, color, price, status,
                                  valid_from, "timestamp", operation)
    SELECT car_id, model_id, engine_size, vin, color, price, status, valid_from,
           '1990-11-15 11:00Z', 'update'
    FROM written WHERE car_id IS NOT NULL
    """,
    "guarded_upsert": """
    MERGE INTO car_info c USING delta d ON c.vin = d.vin
    WHEN MATCHED AND (c.price <> d.price OR c.color IS DISTINCT FROM d.color)
        THEN UPDATE SET price = d.price, color = d.color
    WHEN NOT MATCHED THEN INSERT (model_id, vin, color, price, status)
        VALUES (d.model_id, d.vin, d.color, d.price, true)
    """,
    "compare_frames": """
    def changed(old, new):
        both = sorted(set(old["vin"]) & set(new["vin"]))
        old, new = (frame.set_index("vin").loc[both] for frame in (old, new))
        return old.compare(new).index.tolist()
    """,
    "logged_change": """
    WITH logged AS (
        INSERT INTO car_info_history (car_id, model_id, engine_size, vin, color, price, status,
                                      valid_from, "timestamp", operation)
        SELECT car_id, model_id, engine_size, vin, color, price, status,
               valid_from, '1990-11-15 11:00Z', 'update'
        FROM car_info WHERE vin = 'W-1'
        RETURNING car_id, "timestamp")
    UPDATE car_info c SET price = 1400, valid_from = "timestamp"
    FROM logged WHERE logged.car_id = c.car_id
    """,
    "fitting_types": """
    ALTER TABLE sheet_copy ALTER status TYPE bool USING CAST(status AS bool),
        ALTER price TYPE decimal(12, 2) USING CAST(price AS decimal(12, 2))
    """,
    "lost_columns": """
    def lost(before, after):
        return [c for c in before if c not in after or not before[[c]].equals(after[[c]])]
    """,
}


@pytest.mark.parametrize("name", ALSO_RIGHT)
def test_another_right_answer_is_accepted(cars, name):
    exercise = EXERCISES[name]
    feedback = check(exercise, exercise.answer_of(ALSO_RIGHT[name]), cars)
    assert feedback.outcome is Outcome.RIGHT, feedback


def left_out(exercise):
    """The solution's lines that the stub leaves to the learner."""
    lines = exercise.solution.splitlines()
    marked = (line.removesuffix(exercise.mark) for line in lines if line.endswith(exercise.mark))
    return [line.strip(" ,") for line in marked if len(line.strip()) > 20]


@every_exercise
def test_an_exercise_is_complete_and_its_question_says_what_counts(exercise):
    assert exercise.name.isidentifier()
    assert min(len(exercise.hints), len(exercise.wrong)) >= 2
    hints = [*exercise.hints, *(wrong.hint for wrong in exercise.wrong)]
    assert len(set(hints)) == len(hints)
    for sentence in filter(None, [exercise.question, exercise.setup.note, *hints]):
        assert re.search(r"[.?]$", sentence)
        assert sentence.count("`") % 2 == 0
        assert not any(line in sentence for line in left_out(exercise))
    question = exercise.question.lower()
    assert exercise.ordered == ("row order counts" in question)
    assert exercise.names == bool(re.search("names of the columns do", question))
    one_statement = isinstance(exercise, Change) and exercise.one_statement
    assert one_statement == ("in one statement," in question)


@every_exercise
def test_the_stub_is_the_solution_minus_lines_and_not_tried_yet(exercise):
    solution = iter(exercise.shown_solution.splitlines())
    stub = exercise.stub.splitlines()
    kept = [line for line in stub if not line.strip().startswith((exercise.placeholder, "answer"))]
    assert all(line in solution for line in kept)
    assert len(kept) < len(stub)
    assert exercise.is_untried(exercise.answer_of(exercise.stub))


@pytest.mark.parametrize("lesson", LESSONS)
def test_the_notebook_asks_each_exercise_and_starts_the_answer_with_its_stub(lesson):
    number = lesson.removeprefix("lesson_")
    (path,) = NOTEBOOKS.glob(f"*/{number}_*.ipynb")
    cells = [c["source"] for c in json.loads(path.read_text("utf-8"))["cells"]]
    cells = ["".join(source) for source in cells]
    assert 3 <= len(LESSONS[lesson]) <= 5
    assert len({exercise.name for exercise in LESSONS[lesson]}) == len(LESSONS[lesson])
    for exercise in LESSONS[lesson]:
        question = cells.index(f"ex.{exercise.name}")
        *before, call = ast.parse(cells[question + 1]).body
        assert ast.unparse(call).startswith(f"ex.{exercise.name}.check(")
        names = {}
        exec(compile(ast.Module(before, []), path.name, "exec"), names)
        answer = eval(ast.unparse(call.value.args[0]), names)
        assert exercise.is_untried(answer)
        if isinstance(exercise, Query | Change):
            assert answer.strip() == exercise.stub


def test_the_predicted_number_of_deleted_rows_is_the_measured_one(engine):
    create_tables(engine)
    cars = generate_cars(6).assign(brand="Saab", model=["900", "9000"] * 3)
    initial_load(engine, cars)

    def count():
        return sum(table[0] for table in rows(engine).values())

    before = count()
    with engine.begin() as connection:
        connection.execute(text("DELETE FROM car_brand"))
    answer = EXERCISES["rows_deleted"].answer_of(EXERCISES["rows_deleted"].solution)
    assert before - count() == answer
