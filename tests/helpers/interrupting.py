"""Stopping archiving at every step: at each place where its code changes or asks something."""

import os
import signal
import sys
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from types import FrameType

import carlib.history
import carlib.interrupts
from carlib.connection import connect
from carlib.history.archive import archive_history

PACKAGE = Path(carlib.history.__file__).parents[1]
ROOMS = {
    str(PACKAGE / name) for name in ("history/archive.py", "history/copy.py", "transactions.py")
}
# What the database, the disk or the lock sees. Between two of these there is nothing to interrupt.
EFFECTS = {
    "BufferedWriter.__exit__", "Connection.__exit__", "Connection.execute", "Connection.scalar",
    "Connection.scalars", "ParquetFile.__init__", "ParquetWriter.__exit__",
    "ParquetWriter.write_table", "Path.mkdir", "Path.open", "Path.replace", "Table.create",
    "TemporaryDirectory.__exit__", "TransactionalContext.__exit__", "checksum",
    "cursor.copy_expert", "fsync", "stream_query.<locals>.write",
}  # fmt: skip


class Interrupted(BaseException):
    """Like KeyboardInterrupt: no `except Exception` catches it."""


def interrupt() -> None:
    raise Interrupted


def kill() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def run_until(call: Callable[[], object], step: int, act: Callable[[], object]) -> list[str]:
    """Run a call, and act just before the step of this number; returns the steps that were begun.

    A step is the first call, at each place in one of `ROOMS`, that has an effect.
    """
    steps: list[str] = []
    places: set[tuple] = set()

    def look(frame: FrameType, kind: str, argument: object) -> None:
        if kind == "call":
            caller, callee = frame.f_back, frame.f_code.co_qualname
        elif kind == "c_call":
            caller, callee = frame, argument.__qualname__
        else:
            return
        while caller is not None and caller.f_code.co_filename == carlib.interrupts.__file__:
            caller = caller.f_back  # it stands between carlib and the driver
        if caller is None:
            return
        callee = callee.replace("InterruptibleCursor.", "cursor.")
        place = (caller.f_code.co_filename, caller.f_lineno, callee)
        if place[0] not in ROOMS or callee not in EFFECTS or place in places:
            return
        places.add(place)
        steps.append(f"{caller.f_code.co_name}: {callee}")
        if len(steps) == step + 1:
            sys.setprofile(None)
            act()

    sys.setprofile(look)
    try:
        call()
    finally:
        sys.setprofile(None)
    return steps


def archive_until_killed(url: str, schema: str, before: str, directory: str, step: int) -> None:
    """Archive, and be killed at a step: for a process of its own."""
    engine = connect(url, schema=schema)
    instant = datetime.fromisoformat(before)
    run_until(lambda: archive_history(engine, instant, directory), step, kill)
