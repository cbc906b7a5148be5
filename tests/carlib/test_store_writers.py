"""Writers of one name at once, readers beside them, and writers that are killed."""

import sys
import threading
from concurrent.futures import ThreadPoolExecutor

import pandas as pd
import pytest
from fault_injection import before_each_statement
from sqlalchemy import text
from store_exact import differences
from worker_process import Worker, put_frame, schema_of, work_at_once

from carlib.errors import NotFound, WriteFailed
from carlib.store.blob import NEXT_VERSION
from carlib.store.store import DataFrameStore

FRAME = pd.DataFrame({"a": range(1000)})
FORMATS = ("parquet", "jsonb")


def count_rows(engine):
    with engine.connect() as connection:
        return [
            connection.scalar(text(f"SELECT count(*) FROM {table}"))
            for table in ("dataframe_store", "dataframe_store_name")
        ]


def test_writers_of_one_name_never_get_the_same_version(make_engine):
    engine = make_engine()
    with ThreadPoolExecutor(6) as pool:  # the tables too are made by all at once
        stores = list(pool.map(lambda _: DataFrameStore(engine), range(6)))
        frames = [FRAME + number for number in range(24)]
        jobs = [pool.submit(stores[n % 6].put, "x", frames[n], FORMATS[n % 2]) for n in range(24)]
        versions = [job.result(timeout=30).version for job in jobs]
    assert sorted(versions) == list(range(1, 25))
    for version, frame in zip(versions, frames, strict=True):
        assert differences(frame, stores[0].get("x", version)) == []


def test_a_second_writer_waits_and_goes_on_when_the_first_rolls_back(engine):
    store = DataFrameStore(engine)
    store.put("x", FRAME)
    with engine.connect() as first, ThreadPoolExecutor(1) as pool:
        first.execute(NEXT_VERSION, {"name": "x"})  # version 2, not committed
        waiting = pool.submit(store.put, "x", FRAME)
        other = threading.Thread(target=lambda: store.put("y", FRAME))
        other.start()
        other.join(10)
        assert not other.is_alive()
        assert not waiting.done()
        first.rollback()
        assert waiting.result(timeout=10).version == 2


@pytest.mark.parametrize("format", ["parquet", "jsonb"])
def test_a_writer_whose_connection_dies_leaves_no_half_version(engine, make_engine, format):
    store, observer = DataFrameStore(engine), make_engine()
    statements = []
    with before_each_statement(engine, lambda sql, pid: statements.append(sql)):
        store.put("x", FRAME, format=format)
    store.delete("x")
    assert len(statements) >= 4
    assert statements[-1] == "COMMIT"
    for step, statement in enumerate(statements):
        if statement == "SELECT 1":
            continue  # the pool asks whether the connection lives, and opens another
        left = step

        def kill(sql, pid):
            nonlocal left
            left -= 1
            if left == -1:
                with observer.begin() as connection:
                    connection.execute(text("SELECT pg_terminate_backend(:p, 5000)"), {"p": pid})

        with before_each_statement(engine, kill), pytest.raises(WriteFailed):
            store.put("x", FRAME, format=format)
        assert count_rows(engine) == [0, 1], step
        with pytest.raises(NotFound):
            store.get("x")
    assert store.put("x", FRAME).version == 2
    assert differences(FRAME, store.get("x")) == []


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="POSIX signals")
@pytest.mark.parametrize("word", ["COPY dataframe_store", "COMMIT"])
def test_a_writer_whose_process_is_killed_leaves_no_half_version(engine, database_url, word):
    store = DataFrameStore(engine)
    worker = Worker(database_url, schema_of(engine), put_frame, FRAME, kill_before=word)
    assert work_at_once([worker]) == [None]
    stored = store.put("x", FRAME)  # waits until the server has given the dead one up
    assert stored.version == 1
    assert count_rows(engine)[0] == 1


def test_a_reader_gets_a_version_whole_though_it_is_deleted_meanwhile(engine, make_engine):
    store = DataFrameStore(engine)
    store.put("x", FRAME)

    def delete(sql, pid):
        if "substring" in sql:
            with other.begin() as connection:
                connection.execute(text("DELETE FROM dataframe_store"))

    other = make_engine(schema_of(engine))
    with before_each_statement(engine, delete):
        assert differences(FRAME, store.get("x")) == []
    with pytest.raises(NotFound):
        store.get("x")
