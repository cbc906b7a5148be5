"""Another process that puts a frame, and is killed before a statement: for test_store_writers."""

import os
import signal
import sys

import pandas as pd
from fault_injection import before_each_statement

from carlib.connection import connect
from carlib.store import rows
from carlib.store.store import DataFrameStore


def put_until_killed(url: str, schema: str, number: int, chunk_bytes: int) -> None:
    """Put a frame, and be killed before the statement of that number."""
    rows.CHUNK_BYTES = chunk_bytes
    engine = connect(url, schema=schema)
    store = DataFrameStore(engine)
    left = number

    def count(sql: str, pid: int) -> None:
        nonlocal left
        left -= 1
        if left < 0:
            os.kill(os.getpid(), signal.SIGKILL)

    with before_each_statement(engine, count):
        store.put("x", pd.DataFrame({"a": range(1000)}), compression="none")


if __name__ == "__main__":
    put_until_killed(sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4]))
