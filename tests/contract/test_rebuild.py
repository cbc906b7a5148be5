"""A load takes keys and indexes off and builds them again: afterwards they are what they were."""

import uuid

import pytest
from sqlalchemy import event, text
from table_states import catalog, run, stored_cars

from carlib import create_tables, generate_cars, initial_load, sample_cars


@pytest.fixture
def tables(engine):
    """An engine on a schema with the tables, and none of their rows."""
    create_tables(engine)
    return engine


HAND_MADE = (
    "ALTER TABLE car_info RENAME CONSTRAINT pk_car_info TO car_info_pkey",
    "ALTER TABLE car_info RENAME CONSTRAINT uq_car_info_vin TO car_info_vin_key",
    "ALTER TABLE car_info RENAME CONSTRAINT fk_car_info_model_id TO car_info_model_id_fkey",
)


@pytest.mark.parametrize(
    "changes",
    [
        (),
        HAND_MADE,
        ("CREATE TABLE sale (car_id uuid REFERENCES car_info)",),
        ("CREATE TABLE sale (vin varchar REFERENCES car_info (vin))",),
        ("CREATE INDEX \"by color\" ON car_info (color) WHERE color LIKE 'R%'",),
        ("ALTER TABLE car_info DROP CONSTRAINT uq_car_info_vin",),
        ("ALTER TABLE car_info DROP CONSTRAINT pk_car_info",),
        ("DROP INDEX ix_car_info_model_id",),
        (
            "DROP INDEX ix_car_info_model_id",
            "CREATE INDEX ix_car_info_model_id ON car_info (model_id) WHERE color LIKE 'R%s:x'",
        ),
        (
            "ALTER TABLE car_info DROP CONSTRAINT fk_car_info_model_id",
            "ALTER TABLE car_info ADD CONSTRAINT fk_car_info_model_id FOREIGN KEY (model_id)"
            " REFERENCES car_model DEFERRABLE INITIALLY DEFERRED NOT VALID",
        ),
        ("CREATE VIEW fleet AS SELECT car_id, vin, price FROM car_info GROUP BY car_id",),
        ("ALTER TABLE car_info ADD EXCLUDE USING btree (vin WITH =)",),
        (
            "DROP TABLE car_info",
            "CREATE TABLE car_info (car_id uuid DEFAULT uuidv7() NOT NULL, model_id uuid NOT NULL,"
            " engine_size numeric(4,2), vin varchar(50) NOT NULL, color varchar(50), price"
            " numeric(12,2) NOT NULL, status boolean NOT NULL, valid_from timestamptz NOT NULL"
            ") PARTITION BY LIST (status)",
            "CREATE TABLE sold PARTITION OF car_info FOR VALUES IN (false)",
            "CREATE TABLE on_sale PARTITION OF car_info FOR VALUES IN (true)",
            "CREATE INDEX ix_car_info_model_id ON car_info (model_id)",
            "ALTER TABLE car_info ADD CONSTRAINT fk_car_info_model_id"
            " FOREIGN KEY (model_id) REFERENCES car_model",
        ),
    ],
)
def test_a_load_changes_rows_and_no_definitions(tables, changes):
    run(tables, *changes)
    assert create_tables(tables) == []
    before = catalog(tables)
    cars = generate_cars(300)
    assert initial_load(tables, cars).inserted == 300
    assert catalog(tables) == before
    assert len(stored_cars(tables)) == 300


def test_an_open_transaction_that_reads_the_tables_does_not_stop_a_load(tables):
    before = catalog(tables)
    with tables.connect() as reader:
        reader.execute(text("SELECT * FROM car_info JOIN car_model USING (model_id)"))
        assert initial_load(tables, sample_cars()).inserted == 2
    assert catalog(tables) == before


def test_another_role_than_the_owner_may_load(tables, make_engine):
    before = catalog(tables)
    with tables.connect() as connection:
        schema = connection.scalar(text("SELECT current_schema()"))
    clerk = f"clerk_{uuid.uuid4().hex}"
    run(
        tables,
        f"CREATE ROLE {clerk}",
        f"GRANT USAGE ON SCHEMA {schema} TO {clerk}",
        f"GRANT SELECT, INSERT ON ALL TABLES IN SCHEMA {schema} TO {clerk}",
    )
    clerks = make_engine(schema)

    def become_clerk(connection):
        connection.exec_driver_sql(f"SET LOCAL ROLE {clerk}")

    event.listen(clerks, "begin", become_clerk)
    try:
        assert initial_load(clerks, sample_cars()).inserted == 2
    finally:
        event.remove(clerks, "begin", become_clerk)
        run(tables, f"DROP OWNED BY {clerk}", f"DROP ROLE {clerk}")
    assert catalog(tables) == before
