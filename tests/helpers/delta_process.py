"""Other processes that load deltas into the same database.

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
from fault_injection import before_each_statement

import carlib
from carlib.loading.delta import delta_load

_forks = multiprocessing.get_context("forkserver")
_forks.set_forkserver_preload([__name__])


class DeltaProcess:
    """A process that loads deltas one after the other."""

    def __init__(
        self, database_url: str, schema: str, deltas: list[list[dict]], kill_at: int = 0
    ) -> None:
        """Start it; it is killed before that statement, counted from 1."""
        self._answer, sender = _forks.Pipe(duplex=False)
        arguments = (database_url, schema, deltas, kill_at, sender)
        self.process = _forks.Process(target=_load, args=arguments)
        # The server process finds its preloaded modules by this alone (Python 3.11 gives it no
        # sys.path), and without them each process would import everything itself.
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("PYTHONPATH", os.pathsep.join(path for path in sys.path if path))
            self.process.start()
        sender.close()

    def answer(self) -> list[list[int]] | None:
        """The counts of each report; None if it ended without any."""
        try:
            return self._answer.recv()
        except EOFError:
            return None

    def close(self) -> int:
        """End it, and return its exit code."""
        self._answer.close()
        self.process.join(20)
        self.process.kill()
        self.process.join()
        return self.process.exitcode


def _load(
    database_url: str, schema: str, deltas: list[list[dict]], kill_at: int, sender: Any
) -> None:
    warnings.simplefilter("error")  # as in the tests
    engine = carlib.connect(database_url, schema=schema)
    counts = []
    with before_each_statement(engine, _killer(kill_at)):
        for rows in deltas:
            report = delta_load(engine, pd.DataFrame(rows))
            counts.append([report.inserted, report.updated, report.unchanged, report.deleted])
    engine.dispose()
    sender.send(counts)


def _killer(number: int) -> Callable[[str, int], None]:
    """A function that kills its process when it is called for that time."""

    def count(sql: str, pid: int) -> None:
        nonlocal number
        number -= 1
        if not number:
            os.kill(os.getpid(), signal.SIGKILL)

    return count
