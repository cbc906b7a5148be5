"""connect(): the way to a PostgreSQL 18, one schema at a time."""

from __future__ import annotations

import os

from sqlalchemy import URL, Engine, create_engine, make_url, text

from carlib.server import embedded_server


def connect(
    database_url: str | URL | None = None, schema: str = "workbook", fresh: bool = False
) -> Engine:
    """Connect to PostgreSQL and work in `schema`, which is made if it is missing."""
    given = database_url or os.environ.get("CARLIB_DATABASE_URL")
    url = make_url(given) if given else embedded_server().url
    url = url.set(drivername="postgresql+psycopg2")
    quoted = '"' + schema.replace('"', '""') + '"'
    escaped = "".join("\\" + c if c in " \t\n\r\v\f\\" else c for c in quoted)
    options = f"-c search_path={escaped} -c timezone=UTC"
    engine = create_engine(
        url,
        pool_pre_ping=True,
        connect_args={"options": options, "application_name": "carlib"},
    )
    with engine.begin() as connection:
        connection.execute(
            text("SELECT pg_advisory_xact_lock(hashtextextended(:s, 0))"), {"s": schema}
        )
        if fresh:
            connection.exec_driver_sql(f"DROP SCHEMA IF EXISTS {quoted} CASCADE")
        connection.exec_driver_sql(f"CREATE SCHEMA IF NOT EXISTS {quoted}")
    return engine
