"""Other processes that work on the same database.

A server process imports carlib once and is forked for each of them, so eight cost little more than
one. They are real processes all the same, and can be killed.
"""

import multiprocessing
import os
import signal
import sys
import warnings
from collections.abc import Callable
from typing import Any

import pandas as pd
import pytest
from fault_injection import before_each_statement, holds
from sqlalchemy import Engine

import carlib

_forks = multiprocessing.get_context("forkserver")
_forks.set_forkserver_preload([__name__])


class Worker:
    """A process that calls one function with an engine of its own."""

    def __init__(
        self,
        database_url: str,
        schema: str,
        work: Callable[..., Any],
        *arguments: Any,
        kill_before: str | None = None,
    ) -> None:
        """Start it; it is killed before the first statement that holds `kill_before`."""
        self._pipe, pipe = _forks.Pipe()
        given = (pipe, database_url, schema, work, arguments, kill_before)
        self._process = _forks.Process(target=_work, args=given)
        # The server process finds its preloaded modules by this alone (Python 3.11 gives it no
        # sys.path), and without them each process would import everything itself.
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("PYTHONPATH", os.pathsep.join(path for path in sys.path if path))
            self._process.start()
        pipe.close()

    def answer(self) -> Any:
        """What the function returned, or the name of carlib's error; None if it was killed."""
        try:
            return self._pipe.recv()
        except (EOFError, ConnectionResetError):
            return None

    def close(self) -> int:
        """End it, and return its exit code."""
        self._pipe.close()
        self._process.join(20)
        self._process.kill()
        self._process.join()
        return self._process.exitcode


def work_at_once(workers: list[Worker]) -> list[Any]:
    """Have all begin when the last one is connected, and end; returns their answers."""
    try:
        for worker in workers:
            assert worker.answer() == "connected"
        for worker in workers:
            worker._pipe.send("go")
        return [worker.answer() for worker in workers]
    finally:
        codes = [worker.close() for worker in workers]
        assert set(codes) <= {0, -signal.SIGKILL}


def load_deltas(engine: Engine, deltas: list[list[dict]]) -> list[tuple]:
    """Load deltas one after the other; returns the counts of each report."""
    reports = [carlib.delta_load(engine, pd.DataFrame(rows)) for rows in deltas]
    return [(r.inserted, r.updated, r.unchanged, r.deleted) for r in reports]


def load_generated(engine: Engine, rows: int) -> int:
    """Load generated cars; returns the number of those that were inserted."""
    return carlib.initial_load(engine, carlib.generate_cars(rows)).inserted


def put_frame(engine: Engine, frame: pd.DataFrame) -> int:
    """Store a frame; returns its version."""
    return carlib.DataFrameStore(engine).put("x", frame, compression="none").version


def schema_of(engine: Engine) -> str:
    """The name of the engine's schema."""
    with engine.connect() as connection:
        return connection.exec_driver_sql("SELECT current_schema()").scalar_one()


def _work(
    pipe: Any,
    database_url: str,
    schema: str,
    work: Callable[..., Any],
    arguments: tuple,
    kill_before: str | None,
) -> None:
    warnings.simplefilter("error")  # as in the tests
    engine = carlib.connect(database_url, schema=schema)
    pipe.send("connected")
    pipe.recv()

    def kill(sql: str, pid: int) -> None:
        if kill_before and holds(sql, kill_before):
            os.kill(os.getpid(), signal.SIGKILL)

    try:
        with before_each_statement(engine, kill):
            answer = work(engine, *arguments)
    except carlib.CarlibError as error:
        answer = type(error).__name__
    engine.dispose()
    pipe.send(answer)
