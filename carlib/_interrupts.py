"""Ctrl-C, or Interrupt in a notebook, while the server works on a statement: it is cancelled.

The driver waits for the server in C, and until that returns, Python can't raise KeyboardInterrupt:
a query that takes an hour would keep its notebook for an hour. But the moment a signal arrives,
Python writes its number to a socket (`signal.set_wakeup_fd`), and a thread that listens there can
ask the server to cancel. The driver then returns with an error, in whose place the interrupt comes.
"""

from __future__ import annotations

import os
import signal
import socket
import threading
from collections.abc import Callable
from typing import Any

import psycopg2
from psycopg2.errors import QueryCanceled
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
        # No context manager: an interrupt would be raised in its __exit__ and skip what it does.
        listener = _listen_for(self.connection)
        try:
            work(*arguments, **options)
        except QueryCanceled:
            try:
                _let_interrupt_through()
            except KeyboardInterrupt as interrupt:
                raise interrupt from None
            raise
        finally:
            if listener:
                listener.working = None
                signal.set_wakeup_fd(-1)


class _Listener:
    """A thread that cancels what a connection does when the number of SIGINT arrives."""

    def __init__(self) -> None:
        self.process = os.getpid()
        self.ear, self.mouth = socket.socketpair()
        self.mouth.setblocking(False)
        self.working: Connection | None = None
        threading.Thread(target=self._listen, name="carlib interrupts", daemon=True).start()

    def _listen(self) -> None:
        while received := self.ear.recv(1):
            working = self.working
            if received[0] == signal.SIGINT and working is not None:
                try:
                    working.cancel()
                except psycopg2.Error:  # it is closed: nothing is left to cancel
                    continue


_listener: _Listener | None = None


def _listen_for(connection: Connection) -> _Listener | None:
    """From here on, let an interrupt cancel what the server does for the connection.

    Returns:
        The listener that does it; None where it can't, since Python raises interrupts in the main
        thread alone, or may not: a program that handles them in its own way, or listens to signals
        itself, is left to it.
    """
    global _listener
    if (
        threading.current_thread() is not threading.main_thread()
        or signal.getsignal(signal.SIGINT) is not signal.default_int_handler
    ):
        return None
    if _listener is None or _listener.process != os.getpid():  # threads don't survive a fork
        _listener = _Listener()
    own = _listener.mouth.fileno()
    before = signal.set_wakeup_fd(own, warn_on_full_buffer=False)
    if before not in (-1, own):
        signal.set_wakeup_fd(before)
        return None
    _listener.working = connection
    return _listener


def _let_interrupt_through() -> None:
    """Do nothing: Python raises an interrupt that waits as soon as a function is called."""
