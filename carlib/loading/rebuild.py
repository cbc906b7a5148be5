"""Keys and indexes taken off a table for a bulk load, and built again when the rows are there."""

from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy import CheckConstraint, text
from sqlalchemy.engine import Connection
from sqlalchemy.exc import DBAPIError

from carlib.connection import driver_error
from carlib.loading.progress import progress
from carlib.models import CarInfo

# The keys and indexes of car_info as they are, each as two statements.
KEYS = text(
    """
    SELECT format('ALTER TABLE car_info DROP CONSTRAINT %I', conname) AS drop,
           format('ALTER TABLE car_info ADD CONSTRAINT %I %s', conname, pg_get_constraintdef(c.oid))
               AS create
    FROM pg_constraint c JOIN pg_class t ON t.oid = conrelid
    WHERE t.oid = 'car_info'::regclass AND t.relkind = 'r' AND conname = ANY(:names)
    UNION ALL
    SELECT format('DROP INDEX %s', i.indexrelid::regclass), pg_get_indexdef(i.indexrelid)
    FROM pg_index i JOIN pg_class t ON t.oid = indrelid JOIN pg_class x ON x.oid = indexrelid
    WHERE t.oid = 'car_info'::regclass AND t.relkind = 'r' AND x.relname = ANY(:names)
      AND NOT EXISTS (SELECT FROM pg_constraint WHERE conindid = indexrelid)
    """
)
# Why they may have to stay: lock not to be had, not the owner, something depends on them.
CANNOT_DROP = ("55P03", "42501", "2BP01")


@contextmanager
def deferred_indexes(connection: Connection) -> Iterator[None]:
    """Take the keys and indexes off car_info, and build the same again when the rows are there.

    One sorted build is faster than placing every row in every index ("Populating a Database" in
    the PostgreSQL manual). It all happens in the load's transaction, so nobody sees the table
    without them. They stay where something else needs them, and the load takes longer: a foreign
    key or a view built on them, an open transaction that reads the tables, an owner who is not us.
    """
    table = CarInfo.__table__
    constraints = [key for key in table.constraints if not isinstance(key, CheckConstraint)]
    names = [*(key.name for key in constraints), *(index.name for index in table.indexes)]
    keys = connection.execute(KEYS, {"names": names}).all()
    without_parameters = {"no_parameters": True}
    try:
        with connection.begin_nested():
            connection.execute(text("SET LOCAL lock_timeout = '2s'"))
            for key in keys:
                connection.exec_driver_sql(key.drop, execution_options=without_parameters)
    except DBAPIError as error:
        if driver_error(error).pgcode not in CANNOT_DROP:
            raise
        keys = []
    yield
    with progress(len(keys), desc="keys and indexes") as bar:
        for key in keys:
            connection.exec_driver_sql(key.create, execution_options=without_parameters)
            bar.update(1)
