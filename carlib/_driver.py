"""What SQLAlchemy hands out of its driver, with psycopg2's own types.

SQLAlchemy describes drivers in general. Here it is always psycopg2, whose cursors can COPY and
whose errors carry what the server said.
"""

from __future__ import annotations

from typing import cast

import psycopg2
import psycopg2.extensions
from sqlalchemy.engine import Connection
from sqlalchemy.exc import DBAPIError


def driver_cursor(connection: Connection) -> psycopg2.extensions.cursor:
    """Open a cursor of psycopg2 in the transaction of a connection."""
    return cast(psycopg2.extensions.cursor, connection.connection.cursor())


def driver_error(error: DBAPIError) -> psycopg2.Error:
    """Return the error of psycopg2 that SQLAlchemy wrapped."""
    return cast(psycopg2.Error, error.orig)
