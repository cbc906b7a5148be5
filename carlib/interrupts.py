"""Ctrl-C, or Interrupt in a notebook, while the server works on a statement: it is cancelled.

The driver waits for the server in C, and until that returns, Python can't raise KeyboardInterrupt:
a query that takes an hour would keep its notebook for an hour. But the moment a signal arrives,
Python writes its number to a socket (`signal.set_wakeup_fd`), and a thread that listens there can
ask the server to cancel. The driver then returns with an error, in whose place the interrupt is
raised; not before, since one raised amid the driver's own work would be lost.
"""

import contextlib
import os
import signal
import socket
import threading
from collections.abc import Callable
from typing import Any

import psycopg2
from psycopg2.extensions import connection as Connection
from psycopg2.extensions import cursor


class InterruptibleCursor(cursor):
    """A cursor of the driver whose statements end when the program is interrupted."""

    def execute(self, *arguments: Any, **options: Any) -> None:
        """As the driver's, or KeyboardInterrupt."""
        self._run(super().execute, arguments, options)

    def copy_expert(self, *arguments: Any, **options: Any) -> None:
        """As the driver's, or KeyboardInterrupt."""
        self._run(super().copy_expert, arguments, options)

    def _run(self, work: Callable[..., None], arguments: Any, options: Any) -> None:
        listener = _listener_here()
        if listener is None or not listener.begin(self.connection):
            work(*arguments, **options)
            return
        try:
            work(*arguments, **options)
        except psycopg2.Error:
            if not listener.interrupted:
                raise
        finally:
            listener.end()
        if listener.interrupted:
            raise KeyboardInterrupt


class _Listener:
    """Cancels what a connection does when an interrupt arrives, from a thread of its own.

    Attributes:
        interrupted: Whether one has arrived since the last `begin`.
    """

    def __init__(self) -> None:
        self.process = os.getpid()
        self.interrupted = False
        self._working: Connection | None = None
        self._reader, self._writer = socket.socketpair()
        self._writer.setblocking(False)
        threading.Thread(target=self._listen, name="carlib interrupts", daemon=True).start()

    def begin(self, connection: Connection) -> bool:
        """Take over interrupts, for the connection; False if the program listens itself."""
        own = self._writer.fileno()
        before = signal.set_wakeup_fd(own, warn_on_full_buffer=False)
        if before not in (-1, own):
            signal.set_wakeup_fd(before)
            return False
        self.interrupted = False
        self._working = connection
        signal.signal(signal.SIGINT, self._note)
        return True

    def end(self) -> None:
        """Leave interrupts to Python again."""
        self._working = None
        signal.set_wakeup_fd(-1)
        signal.signal(signal.SIGINT, signal.default_int_handler)

    def _note(self, *_: object) -> None:
        self.interrupted = True

    def _listen(self) -> None:
        while received := self._reader.recv(1):
            working = self._working
            if received[0] == signal.SIGINT and working is not None:
                with contextlib.suppress(psycopg2.Error):  # closed: nothing is left to cancel
                    working.cancel()


_listener: _Listener | None = None


def _listener_here() -> _Listener | None:
    """The listener of this process, or None where interrupts are not for it.

    Python raises interrupts in the main thread alone, and a program may handle them in its own way.
    """
    global _listener
    if (
        threading.current_thread() is not threading.main_thread()
        or signal.getsignal(signal.SIGINT) is not signal.default_int_handler
    ):
        return None
    if _listener is None or _listener.process != os.getpid():  # threads don't survive a fork
        _listener = _Listener()
    return _listener
