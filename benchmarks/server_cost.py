"""What a change of the cars cost the server: write-ahead log, and versions of rows."""

from typing import NamedTuple

from sqlalchemy import Engine, text


class Cost(NamedTuple):
    """What one run cost the server, scaled up to the whole delta.

    Attributes:
        wal: Megabytes of write-ahead log. The first change of a page after the checkpoint logs the
            whole page, which is most of it.
        rewritten: Versions of cars written for cars that were there.
        dead: Versions of cars left behind for VACUUM.
    """

    wal: float
    rewritten: float
    dead: float


def settle(engine: Engine) -> None:
    """Finish what the initial load left to be done, so that no way pays for it or has it done."""
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        for table in ("car_info", "car_info_history"):
            connection.execute(text(f"ALTER TABLE {table} SET (autovacuum_enabled = false)"))
        connection.execute(text("VACUUM (ANALYZE) car_brand, car_model, car_info"))
        connection.execute(text("CHECKPOINT"))


def log_position(engine: Engine) -> str:
    """Where the write-ahead log ends now."""
    with engine.connect() as connection:
        return connection.scalar(text("SELECT pg_current_wal_insert_lsn()"))


def cost_since(engine: Engine, begin: str) -> Cost:
    """What happened since a position in the write-ahead log, as the server counted it."""
    with engine.connect() as connection:
        wal = connection.scalar(
            text("SELECT pg_wal_lsn_diff(pg_current_wal_insert_lsn(), :begin) / 1e6"),
            {"begin": begin},
        )
    # Each server process keeps its counts to itself for up to a second: have all hand them in.
    for connection in [engine.connect() for _ in range(engine.pool.checkedin())]:
        connection.execute(text("SELECT pg_stat_force_next_flush()"))
        connection.close()
    with engine.connect() as connection:
        counts = connection.execute(
            text(
                "SELECT n_tup_upd, n_dead_tup FROM pg_stat_user_tables"
                " WHERE relid = CAST('car_info' AS regclass)"
            )
        ).one()
    return Cost(float(wal), *counts)
