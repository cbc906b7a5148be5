"""Interrupting the program ends what the server does for it, and nothing else."""

import io
import os
import signal
import socket
import sys
import threading
import time
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest
from psycopg2.errors import QueryCanceled
from sqlalchemy import Engine, text
from sqlalchemy.exc import OperationalError

FOREVER = "SELECT pg_sleep(120)"
SOON = 60  # seconds; less than for ever, and a slow machine has time


@pytest.fixture(autouse=True)
def python_handles_interrupts() -> Iterator[None]:
    """A program that a shell started in the background inherits that interrupts are ignored."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


def interrupt() -> None:
    """What Ctrl-C in a terminal and Interrupt in JupyterLab do."""
    if sys.platform == "win32":
        signal.raise_signal(signal.SIGINT)
    else:
        os.kill(os.getpid(), signal.SIGINT)


@contextmanager
def interrupted_while(watcher: Engine, wait_event: str) -> Iterator[None]:
    """Interrupt as soon as the server says that a statement of this database waits so."""
    query = text(
        "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database()"
        " AND state = 'active' AND wait_event = :wait_event AND pid <> pg_backend_pid()"
    )

    def watch() -> None:
        # each look in a transaction of its own: within one, the view does not change
        autocommit = watcher.execution_options(isolation_level="AUTOCOMMIT")
        with autocommit.connect() as connection:
            while not connection.scalar(query, {"wait_event": wait_event}):
                time.sleep(0.05)
        interrupt()

    thread = threading.Thread(target=watch)
    begun = time.monotonic()
    thread.start()
    yield
    thread.join()
    assert time.monotonic() - begun < SOON


def run_in_transaction(engine: Engine, *statements: str) -> None:
    with engine.begin() as connection:
        for statement in statements:
            connection.execute(text(statement))


def test_a_statement_ends_and_its_transaction_is_gone(make_engine: Callable[..., Engine]) -> None:
    engine, watcher = make_engine(), make_engine()
    with engine.begin() as connection:
        connection.execute(text("CREATE TABLE car (id int)"))
    with interrupted_while(watcher, "PgSleep"), pytest.raises(KeyboardInterrupt) as raised:
        run_in_transaction(engine, "INSERT INTO car VALUES (1)", FOREVER)
    shown = "".join(traceback.format_exception(raised.value))
    assert "QueryCanceled" not in shown, "the driver's error says nothing more"
    with engine.connect() as connection:
        assert connection.scalar(text("SELECT count(*) FROM car")) == 0
        left = text("SELECT count(*) FROM pg_stat_activity WHERE query = :query")
        assert connection.scalar(left.bindparams(query=FOREVER)) == 0


def test_waiting_for_a_lock_ends(make_engine: Callable[..., Engine]) -> None:
    engine, other, watcher = make_engine(), make_engine(), make_engine()
    lock = "SELECT pg_advisory_xact_lock(4711)"
    with other.begin() as holder:
        holder.execute(text(lock))
        with interrupted_while(watcher, "advisory"), pytest.raises(KeyboardInterrupt):
            run_in_transaction(engine, lock)


def test_copying_ends(make_engine: Callable[..., Engine]) -> None:
    engine, watcher = make_engine(), make_engine()
    with engine.begin() as connection, io.StringIO() as sink:
        cursor = connection.connection.cursor()
        with interrupted_while(watcher, "PgSleep"), pytest.raises(KeyboardInterrupt):
            cursor.copy_expert(f"COPY ({FOREVER}) TO STDOUT", sink)


def test_a_program_that_handles_interrupts_itself_is_left_alone(engine: Engine) -> None:
    received: list[int] = []
    before = signal.signal(signal.SIGINT, lambda number, _: received.append(number))
    try:
        timer = threading.Timer(0.2, interrupt)
        timer.start()
        with engine.connect() as connection:
            slept = connection.scalar(text("SELECT 'slept' FROM pg_sleep(1)"))
        timer.join()
    finally:
        signal.signal(signal.SIGINT, before)
    assert (slept, received) == ("slept", [signal.SIGINT])


def test_a_program_that_listens_to_signals_itself_still_does(engine: Engine) -> None:
    reader, writer = socket.socketpair()
    writer.setblocking(False)
    before = signal.set_wakeup_fd(writer.fileno())
    try:
        with engine.connect() as connection:
            connection.execute(text("SELECT 1"))
        assert signal.set_wakeup_fd(before) == writer.fileno()
    finally:
        signal.set_wakeup_fd(before)
        reader.close()
        writer.close()


def test_what_another_cancels_is_an_error_and_no_interrupt(engine: Engine) -> None:
    with pytest.raises(OperationalError) as raised:
        run_in_transaction(engine, "SET LOCAL statement_timeout = '100ms'", FOREVER)
    assert isinstance(raised.value.orig, QueryCanceled)


def test_a_statement_of_another_thread_goes_on(engine: Engine) -> None:
    slept: list[str] = []

    def sleep() -> None:
        with engine.connect() as connection:
            slept.append(connection.scalar(text("SELECT 'slept' FROM pg_sleep(1)")))

    thread = threading.Thread(target=sleep)
    with pytest.raises(KeyboardInterrupt):  # noqa: PT012
        thread.start()
        threading.Timer(0.2, interrupt).start()
        time.sleep(SOON)
    thread.join()
    assert slept == ["slept"]
