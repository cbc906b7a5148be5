"""Ctrl-C, or a request to terminate: a run ends in order, and without noise.

Python raises KeyboardInterrupt wherever the program happens to be. In an event loop that leaves
tasks behind, each of which is reported with a traceback when it is collected; and where Python
can't pass an exception on, in a destructor, the interrupt is lost.
"""

import logging
import signal
import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

_received: list[int] = []
_unwinding: list[bool] = []


@contextmanager
def orderly_stop() -> Iterator[None]:
    """Turn SIGINT and SIGTERM into one KeyboardInterrupt while the block runs.

    A process that was stopped is about to end with a status that says so: from then on both signals
    are ignored, as the second press of an impatient reader would otherwise end it by that signal.
    """
    _received.clear()
    _unwinding.clear()
    previous = {one: signal.signal(one, _stop) for one in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for one, handler in previous.items():
            signal.signal(one, signal.SIG_IGN if _received else handler)


def check_for_stop(*_: object, **__: object) -> None:
    """Raise KeyboardInterrupt if a stop was asked for: a second chance for one that was lost."""
    if _received:
        raise KeyboardInterrupt


def begin_clean_up() -> None:
    """From here on a Ctrl-C changes nothing: it would leave a server behind."""
    _unwinding.append(True)


def resume_work() -> None:
    """The clean-up was of one part of the work and is over: the next part can be stopped again.

    Raises:
        KeyboardInterrupt: A stop was asked for meanwhile.
    """
    check_for_stop()
    _unwinding.clear()


def stop_status() -> int:
    """Return the exit status that shells give to a command ended by the received signal."""
    return 128 + (_received or [signal.SIGINT])[0]


def _stop(number: int, _frame: FrameType | None) -> None:
    _received.append(number)
    if _unwinding:
        return
    logging.disable()
    warnings.simplefilter("ignore")
    sys.unraisablehook = lambda _: None
    raise KeyboardInterrupt
