"""Roles of a test's server: its owner, and `learner`, who has a password and no rights."""

from sqlalchemy import URL, Engine

COMMON = "a-common-passw0rd"  # learner's


def run(engine: Engine, sql: str) -> None:
    """Run a statement by itself, as roles and databases want it."""
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.exec_driver_sql(sql)


def learner(owner: Engine) -> URL:
    """The URL of the owner's database for the role `learner`."""
    return owner.url.set(username="learner", password=COMMON)
