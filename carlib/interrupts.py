"""Ctrl-C, or Interrupt in a notebook, while the server works on a statement: it is cancelled.

The driver waits for the server in C, and until that returns, Python can't raise KeyboardInterrupt.
But the moment a signal arrives, Python writes its number to a socket (`signal.set_wakeup_fd`), and
a thread that listens there can ask the server to cancel. The driver then returns with an error, in
whose place the interrupt is raised; not before, since amid the driver's own work it would be lost.
"""

import os
import signal
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

import psycopg2
from psycopg2.extensions import connection as Connection
from psycopg2.extensions import cursor


class InterruptibleCursor(cursor):
    """A cursor of the driver whose statements end when the program is interrupted."""

    def execute(self, *arguments: Any, **options: Any) -> None:
        """As the driver's, or KeyboardInterrupt."""
        with _interruptible(self.connection):
            super().execute(*arguments, **options)

    def copy_expert(self, *arguments: Any, **options: Any) -> None:
        """As the driver's, or KeyboardInterrupt."""
        with _interruptible(self.connection):
            super().copy_expert(*arguments, **options)


@contextmanager
def _interruptible(connection: Connection) -> Iterator[None]:
    """Cancel what the connection does if an interrupt arrives, and raise it afterwards.

    Python raises interrupts in the main thread alone, and a program may handle them, or listen to
    signals, in its own way: then this does nothing.
    """
    global _listener
    handled = signal.getsignal(signal.SIGINT) is not signal.default_int_handler
    if handled or threading.current_thread() is not threading.main_thread():
        yield
        return
    if _listener is None or _listener.process != os.getpid():  # threads don't survive a fork
        _listener = _Listener()
    listener, own = _listener, _listener.writer.fileno()
    before = signal.set_wakeup_fd(own, warn_on_full_buffer=False)
    if before not in (-1, own):
        signal.set_wakeup_fd(before)
        yield
        return
    listener.interrupted, listener.working = False, [connection]
    signal.signal(signal.SIGINT, listener.note)
    try:
        yield
    except psycopg2.Error:
        if not listener.interrupted:
            raise
    finally:
        listener.working = None
        signal.set_wakeup_fd(-1)
        signal.signal(signal.SIGINT, signal.default_int_handler)
    if listener.interrupted:
        raise KeyboardInterrupt from None


class _Listener:
    """The socket to which Python writes signals, and the thread that listens there."""

    def __init__(self) -> None:
        self.process, self.interrupted = os.getpid(), False
        self.working: list[Connection] | None = None  # a new list for each statement
        self._reader, self.writer = socket.socketpair()
        self.writer.setblocking(False)
        threading.Thread(target=self._listen, name="carlib interrupts", daemon=True).start()

    def note(self, *_: object) -> None:
        self.interrupted = True

    def _listen(self) -> None:
        while received := self._reader.recv(1):
            working = self.working
            while received[0] == signal.SIGINT and working and working is self.working:
                with suppress(psycopg2.Error):  # closed: nothing is left to cancel
                    working[0].cancel()
                time.sleep(0.2)  # again, if the interrupt came before the statement began


_listener: _Listener | None = None
