"""Steps of several connections, taken in a given order, as PostgreSQL's isolation tester does it.

Each session works in a thread and is stopped before each of its steps. A schedule lets one step go
after the other. A step that waits for another session is seen to wait, and the schedule goes on
with the others; what it still owes that session follows once the session is released (PostgreSQL,
src/test/isolation/README).
"""

import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from itertools import permutations
from threading import Condition
from typing import Any

from fault_injection import before_each_statement, holds
from sqlalchemy import Engine
from sqlalchemy.engine import Connection

WAIT = 20  # seconds that no step may take
BLOCKED = "SELECT pid FROM unnest(%(running)s) AS pid WHERE pg_blocking_pids(pid) && %(holding)s"


def schedules(*steps: int) -> list[tuple[int, ...]]:
    """Every order of the steps of sessions that have so many: the sessions' numbers, from 0."""
    numbers = [number for number, count in enumerate(steps) for _ in range(count)]
    return sorted(set(permutations(numbers)))


@dataclass(frozen=True)
class Work:
    """What a session does: a call, and its steps by name.

    A step begins with the first statement, after the one that began the step before, that holds
    the step's word. What comes before the first step is done before the schedule begins.
    """

    call: Callable[[Engine], Any]
    steps: dict[str, str]


@dataclass
class Run:
    """What came of a schedule; sessions are numbered from 0."""

    taken: list[str] = field(default_factory=list)  # steps in the order in which they began
    blocked: list[tuple[int, str]] = field(default_factory=list)  # steps that had to wait
    ended: list[int] = field(default_factory=list)  # sessions in the order in which they ended
    results: list[Any] = field(default_factory=list)  # what the calls returned, or raised


class _Session:
    """One engine, and a thread that works with it until its next step."""

    def __init__(self, number: int, engine: Engine, changed: Condition) -> None:
        self.number, self.engine, self.changed = number, engine, changed
        self.words: list[str] = []

    def start(self, work: Work, pool: ThreadPoolExecutor, ended: list[int]) -> None:
        self.names, self.words = list(work.steps), list(work.steps.values())
        self.begun = self.owed = self.pid = 0
        self.standing = self.ended = False
        self.future: Future = pool.submit(work.call, self.engine)
        self.future.add_done_callback(lambda _: self._end(ended))

    def before_statement(self, sql: str, pid: int) -> None:
        """Called in the thread: stop here if a step begins."""
        self.pid = pid
        if self.begun < len(self.words) and holds(sql, self.words[self.begun]):
            with self.changed:
                self.standing = True
                self.changed.notify_all()
                assert self.changed.wait_for(lambda: not self.standing, WAIT)

    def go(self) -> str:
        """Let the next step begin; returns its name."""
        with self.changed:
            self.begun += 1
            self.standing = False
            self.changed.notify_all()
        return self.names[self.begun - 1]

    def abandon(self) -> None:
        """Let all go on to their ends."""
        self.words = []
        with self.changed:
            self.standing = False
            self.changed.notify_all()

    def running(self) -> bool:
        return not (self.standing or self.ended)

    def _end(self, ended: list[int]) -> None:
        with self.changed:
            self.ended = True
            ended.append(self.number)
            self.changed.notify_all()


class Interleaver:
    """Runs the works of sessions by schedules; made by `interleaver`."""

    def __init__(
        self, sessions: list[_Session], pool: ThreadPoolExecutor, monitor: Connection
    ) -> None:
        self._sessions, self._pool, self._monitor = sessions, pool, monitor
        self._changed = sessions[0].changed

    def run(self, works: Sequence[Work], schedule: Sequence[int]) -> Run:
        """Take the steps of the works, one session each, in the order of a schedule."""
        run, sessions = Run(), self._sessions[: len(works)]
        for session, work in zip(sessions, works, strict=True):
            session.start(work, self._pool, run.ended)
        try:
            self._settle(sessions)
            for number in schedule:
                sessions[number].owed += 1
                self._advance(sessions, run)
            assert [s.number for s in sessions if not s.ended] == [], "these still wait"
        finally:
            for session in sessions:
                session.abandon()
            errors = [session.future.exception(WAIT) for session in sessions]
        for session, error in zip(sessions, errors, strict=True):
            assert error or session.begun == len(session.names), "a step was never reached"
            run.results.append(error or session.future.result())
        return run

    def _advance(self, sessions: list[_Session], run: Run) -> None:
        """Take the steps that are owed to sessions which wait for nobody."""
        while ready := [s for s in sessions if s.owed and not s.running()]:
            session = ready[0]
            session.owed -= 1
            if session.ended:  # an error ended it before its last step
                continue
            step = session.go()
            run.taken.append(f"{session.number} {step}")
            self._settle(sessions)
            if session.running():
                run.blocked.append((session.number, step))

    def _settle(self, sessions: list[_Session]) -> None:
        """Wait until each session stands before a step, has ended, or waits for another one."""
        end = time.monotonic() + WAIT
        while True:
            with self._changed:
                if self._changed.wait_for(lambda: not any(s.running() for s in sessions), 0.003):
                    return
                running = {s.pid for s in sessions if s.running()}
                # A session that has ended holds nothing, or is about to let it go.
                holding = [s.pid for s in sessions if not s.ended]
            pids = {"running": list(running), "holding": holding}
            if running == set(self._monitor.exec_driver_sql(BLOCKED, pids).scalars()):
                return
            assert time.monotonic() < end, "a step takes too long"


@contextmanager
def interleaver(monitor: Engine, engines: Sequence[Engine]) -> Iterator[Interleaver]:
    """Runs schedules of sessions with these engines; another engine watches who waits."""
    changed = Condition()
    sessions = [_Session(number, engine, changed) for number, engine in enumerate(engines)]
    with ExitStack() as stack:
        pool = stack.enter_context(ThreadPoolExecutor(len(engines)))
        for session in sessions:
            stack.enter_context(before_each_statement(session.engine, session.before_statement))
        connection = monitor.connect().execution_options(isolation_level="AUTOCOMMIT")
        yield Interleaver(sessions, pool, stack.enter_context(connection))
