"""The tables: made where they are missing, refused where they are others, and what they refuse."""

from decimal import Decimal
from uuid import UUID, uuid4

import pytest
from sqlalchemy import inspect, select, text
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session
from table_states import catalog, run, snapshot

from carlib import Base, CarBrand, CarInfo, CarModel, create_tables
from carlib.errors import TableMismatch

NAMES = list(Base.metadata.tables)


@pytest.fixture
def tables(engine):
    create_tables(engine)
    return engine


def add_car(engine, **values):
    """Insert one car by SQL, and its brand and model."""
    row = {"engine_size": "2.0", "vin": "ABC123", "color": "Red", "price": "15000", "status": True}
    with engine.begin() as connection:
        connection.execute(
            text(
                "WITH b AS (INSERT INTO car_brand (name) VALUES (:brand) RETURNING brand_id),"
                " m AS (INSERT INTO car_model (brand_id, name) SELECT brand_id, 'Corolla' FROM b"
                " RETURNING model_id)"
                " INSERT INTO car_info (model_id, engine_size, vin, color, price, status)"
                " SELECT model_id, CAST(:engine_size AS numeric), :vin, :color,"
                " CAST(:price AS numeric), :status FROM m"
            ),
            {"brand": str(uuid4()), **row, **values},
        )


def count(engine, table):
    with engine.connect() as connection:
        return connection.scalar(text(f"SELECT count(*) FROM {table}"))


# Making what is missing ------------------------------------------------------------------------


def test_all_are_made_parents_first_and_none_twice(engine):
    made = create_tables(engine)
    assert made[:1] == ["car_brand"]
    assert [name for name in made if name in ("car_brand", "car_model", "car_info")] == [
        "car_brand",
        "car_model",
        "car_info",
    ]
    assert sorted(made) == sorted(inspect(engine).get_table_names())
    before = catalog(engine)
    assert create_tables(engine) == []
    assert catalog(engine) == before


@pytest.mark.parametrize("dropped", [["car_info"], ["car_info", "car_model"]])
def test_only_what_is_missing_is_made(tables, dropped):
    before = catalog(tables)
    run(tables, "INSERT INTO car_brand (name) VALUES ('Fiat')")
    run(tables, *(f"DROP TABLE {name}" for name in dropped))
    assert create_tables(tables) == dropped[::-1]
    assert catalog(tables) == before
    assert count(tables, "car_brand") == 1


def test_keys_come_from_the_server_and_are_version_7(tables):
    add_car(tables)
    with tables.connect() as connection:
        query = "SELECT b.brand_id, m.model_id, car_id FROM car_brand b, car_model m, car_info"
        keys = connection.execute(text(query)).one()
    assert [key.version for key in keys] == [7, 7, 7]


@pytest.mark.parametrize("level", ["AUTOCOMMIT", "SERIALIZABLE"])
def test_the_engines_isolation_level_does_not_matter(engine, level):
    other = engine.execution_options(isolation_level=level)
    assert create_tables(other) == NAMES
    assert create_tables(other) == []


def test_tables_of_the_same_names_in_another_schema_do_not_matter(make_engine):
    one, other = make_engine(), make_engine()
    run(one, "CREATE TABLE car_brand (id int)", "CREATE VIEW car_info AS SELECT 1 AS a")
    assert create_tables(other) == NAMES


def test_a_table_in_a_schema_with_an_odd_name(make_engine):
    engine = make_engine('test "odd" %name; :x \\ ÄÖ')
    assert create_tables(engine) == NAMES
    assert create_tables(engine) == []


# Refusing what is another table ----------------------------------------------------------------

BRAND = "CREATE TABLE car_brand (brand_id uuid DEFAULT uuidv7() PRIMARY KEY, name varchar(100)"


@pytest.mark.parametrize(
    ("statements", "expected", "found"),
    [
        ([BRAND + " NOT NULL, x xml NOT NULL, y \"char\")"], "none", 'x xml NOT NULL, y "char"'),
        ([BRAND + ")"], "name character varying(100) NOT NULL", "name character varying(100)"),
        (
            ["CREATE TABLE car_brand (brand_id bigint PRIMARY KEY, name varchar(99) NOT NULL)"],
            "brand_id uuid NOT NULL, name character varying(100) NOT NULL",
            "brand_id bigint NOT NULL, name character varying(99) NOT NULL",
        ),
        (["CREATE TABLE car_brand ()"],
         "brand_id uuid NOT NULL, name character varying(100) NOT NULL", "none"),
        (
            ["CREATE TYPE mood AS ENUM ('a')", BRAND + " NOT NULL, mood mood)"],
            "none",
            "mood mood",
        ),
    ],
)  # fmt: skip
def test_a_table_with_other_columns_is_refused(engine, statements, expected, found):
    run(engine, *statements)
    before = snapshot(engine)
    with pytest.raises(TableMismatch) as error:
        create_tables(engine)
    assert str(error.value) == (
        "The table car_brand exists with other columns. "
        f"Expected but not found: {expected}. Found but not expected: {found}. "
        "Rename or drop that table, or choose another schema: connect(schema=...)."
    )
    assert snapshot(engine) == before


@pytest.mark.parametrize(
    "statement",
    [
        "CREATE VIEW car_info AS SELECT 1 AS car_id",
        "CREATE MATERIALIZED VIEW car_info AS SELECT 1 AS car_id",
        "CREATE SEQUENCE car_info",
        "CREATE TYPE car_info AS (car_id uuid)",
        "CREATE TABLE other (id int); CREATE INDEX car_info ON other (id)",
    ],
)
def test_what_is_no_table_is_refused(engine, statement):
    run(engine, statement)
    before = snapshot(engine)
    with pytest.raises(TableMismatch, match="Expected car_info to be a table"):
        create_tables(engine)
    assert snapshot(engine) == before


def test_a_table_made_by_hand_with_the_same_columns_is_fine(engine):
    run(
        engine,
        "CREATE TABLE car_brand (extra int, name character varying(100) NOT NULL,"
        " brand_id uuid PRIMARY KEY)",
        "ALTER TABLE car_brand DROP COLUMN extra",
    )
    assert create_tables(engine) == [name for name in NAMES if name != "car_brand"]


# What the constraints refuse -------------------------------------------------------------------


@pytest.mark.parametrize(
    ("values", "constraint"),
    [
        ({"price": "-0.01"}, "ck_car_info_price_not_negative"),
        ({"price": "NaN"}, "ck_car_info_price_not_negative"),
        ({"engine_size": "0"}, "ck_car_info_engine_size_positive"),
        ({"engine_size": "-1"}, "ck_car_info_engine_size_positive"),
        ({"engine_size": "NaN"}, "ck_car_info_engine_size_positive"),
        ({"price": None}, '"price"'),
        ({"vin": None}, '"vin"'),
        ({"status": None}, '"status"'),
    ],
)
def test_a_value_that_no_car_can_have_is_refused(tables, values, constraint):
    with pytest.raises(IntegrityError, match=constraint):
        add_car(tables, **values)
    assert count(tables, "car_brand") == 0


def test_what_is_at_the_edge_is_allowed(tables):
    add_car(tables, vin="A", price="0", engine_size="0.01")
    add_car(tables, vin="B", price="9999999999.99", engine_size="99.99")
    add_car(tables, vin="C", engine_size=None, color=None)
    assert count(tables, "car_info") == 3


def test_names_and_vins_are_unique(tables):
    add_car(tables, brand="Toyota")
    with pytest.raises(IntegrityError, match="uq_car_brand_name"):
        add_car(tables, brand="Toyota", vin="OTHER")
    with pytest.raises(IntegrityError, match="uq_car_info_vin"):
        add_car(tables)
    with pytest.raises(IntegrityError, match="uq_car_model_brand_id_name"):
        run(tables, "INSERT INTO car_model (brand_id, name) SELECT brand_id, name FROM car_model")


def test_a_child_needs_its_parent(tables):
    with pytest.raises(IntegrityError, match="fk_car_model_brand_id"):
        run(tables, "INSERT INTO car_model (brand_id, name) VALUES (uuidv7(), 'Uno')")
    with pytest.raises(IntegrityError, match="fk_car_info_model_id"):
        run(tables, "INSERT INTO car_info (model_id, vin, price, status)"
            " VALUES (uuidv7(), 'A', 1, true)")  # fmt: skip


@pytest.mark.parametrize(
    ("parent", "left"),
    [("car_brand", [1, 1, 1]), ("car_model", [2, 1, 1]), ("car_info", [2, 2, 1])],
)
def test_deleting_a_parent_deletes_what_depends_on_it(tables, parent, left):
    add_car(tables, vin="A")
    add_car(tables, vin="B")
    run(tables, f"DELETE FROM {parent} WHERE ctid = (SELECT min(ctid) FROM {parent})")
    assert [count(tables, name) for name in ("car_brand", "car_model", "car_info")] == left


# The models as Python objects ------------------------------------------------------------------


def fleet():
    brand = CarBrand(name="Toyota")
    for name in ("Corolla", "Yaris"):
        model = CarModel(name=name)
        brand.models.append(model)
        for number in range(2):
            model.cars.append(
                CarInfo(vin=f"{name}{number}", engine_size=1.6, price=Decimal("1.10"), status=True)
            )
    return brand


def test_objects_are_stored_and_come_back(tables):
    with Session(tables) as session:
        session.add(fleet())
        session.commit()
    with Session(tables) as session:
        car = session.scalars(select(CarInfo).where(CarInfo.vin == "Yaris1")).one()
        assert (car.model.name, car.model.brand.name) == ("Yaris", "Toyota")
        assert isinstance(car.car_id, UUID)
        assert (car.engine_size, type(car.engine_size)) == (1.6, float)
        assert (car.price, type(car.price)) == (Decimal("1.10"), Decimal)
        assert (car.status, car.color) == (True, None)
        assert car.valid_from.utcoffset() is not None


def test_what_leaves_its_parent_is_deleted(tables):
    with Session(tables) as session:
        session.add(fleet())
        session.commit()
        brand = session.scalars(select(CarBrand)).one()
        brand.models[0].cars.pop()
        session.commit()
        assert count(tables, "car_info") == 3
        brand.models.pop(1)
        session.commit()
    assert [count(tables, name) for name in ("car_brand", "car_model", "car_info")] == [1, 1, 1]
