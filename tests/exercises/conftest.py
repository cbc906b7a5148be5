"""An engine that the tests of one module share: a check leaves no trace."""

import uuid
from collections.abc import Iterator

import pytest
from sqlalchemy import Engine, text

from carlib.connection import connect
from carlib.tables import create_tables


@pytest.fixture(scope="module")
def tables(database_url: str) -> Iterator[Engine]:
    """An engine on a schema with empty tables, dropped after the module's last test."""
    schema = f"test_{uuid.uuid4().hex}"
    engine = connect(database_url, schema=schema)
    create_tables(engine)
    yield engine
    with engine.begin() as connection:
        connection.execute(text(f"DROP SCHEMA {schema} CASCADE"))
    engine.dispose()
