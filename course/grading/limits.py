"""How long, how large and how many: limits for processes that run a learner's code.

Two of them, for neither is enough. The system's own (POSIX resource limits) stop one process the
moment it asks for too much, as a MemoryError that its code sees. A watch adds up a process and all
that it started, anywhere, and ends them together; it looks a few times a second.
"""

import os
import signal
import sys
import threading
import time
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from types import TracebackType

import psutil

MEGABYTE = 2**20
PROCESSES = 64  # a kernel needs one; libraries that compute in parallel a few
FILE_BYTES = 2**30  # of one file that is written
_GRACE = 1.0  # a process that holds more than the system's limit allows should see its MemoryError


@dataclass(frozen=True)
class Limits:
    """What the processes of one notebook, or of one function, may take.

    Attributes:
        seconds: How long, in all.
        megabytes: How much memory: each process by itself where the system can limit it, all of
            them together everywhere.
    """

    seconds: float = 600.0
    megabytes: int = 4096

    @property
    def bytes(self) -> int:
        """The memory in bytes."""
        return self.megabytes * MEGABYTE


def system_limits_memory() -> bool:
    """Whether the system itself limits a process's memory: on Linux, not on macOS or Windows."""
    return sys.platform == "linux"


def limit_this_process(limit: int) -> None:
    """Let this process and each that it starts have `limit` bytes of memory, and no core dump.

    Counted is what they may write to (RLIMIT_DATA, which on Linux covers every such mapping), not
    the address space: that libraries reserve by the gigabyte. On systems other than Linux, which
    don't enforce it, only the watch counts memory; on Windows, which has no such limits, nothing
    happens here.
    """
    try:
        import resource
    except ImportError:
        return
    wanted = {resource.RLIMIT_CORE: 0, resource.RLIMIT_FSIZE: FILE_BYTES}
    if system_limits_memory():
        wanted[resource.RLIMIT_DATA] = limit
    for kind, value in wanted.items():
        _, hard = resource.getrlimit(kind)
        value = value if hard == resource.RLIM_INFINITY else min(value, hard)
        with suppress(ValueError, OSError):
            resource.setrlimit(kind, (value, value))


class Watch:
    """Ends processes that take too much together; use it as a context.

    Args:
        limits: What they may take.

    Attributes:
        reason: Why they were ended; empty as long as they were not.
    """

    def __init__(self, limits: Limits) -> None:
        self.reason = ""
        self.limits = limits
        self._deadline = time.monotonic() + limits.seconds
        self._roots: list[psutil.Process] = []
        self._done = threading.Event()
        self._thread = threading.Thread(target=self._look, daemon=True)

    def __enter__(self) -> "Watch":
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: object, place: TracebackType | None
    ) -> None:
        self._done.set()
        self._thread.join()

    @property
    def left(self) -> float:
        """The seconds that are left, at least a little."""
        return max(0.1, self._deadline - time.monotonic())

    def include(self, *pids: int | None) -> None:
        """Watch these processes and all that they start or have started."""
        for pid in pids:
            with suppress(psutil.Error, TypeError):
                self._roots.append(psutil.Process(pid))

    def _look(self) -> None:
        too_much_since: float | None = None
        while not self._done.wait(0.1):
            processes = [one for root in self._roots for one in tree(root)]
            now = time.monotonic()
            if now > self._deadline:
                self.reason = f"it took longer than {self.limits.seconds:g} s"
            elif len(processes) > PROCESSES:
                self.reason = f"it started more than {PROCESSES} processes"
            elif sum(map(_own_bytes, processes)) <= self.limits.bytes:
                too_much_since = None
            else:
                too_much_since = too_much_since or now
                if now - too_much_since > _GRACE:
                    self.reason = f"it took more than {self.limits.megabytes} MB of memory"
            if self.reason:
                end(processes)
                if now > self._deadline + 5:
                    return


def tree(root: psutil.Process) -> list[psutil.Process]:
    """A process and all that it started, as far as they are alive."""
    with suppress(psutil.Error):
        return [root, *root.children(recursive=True)]
    return []


def end(processes: Iterable[psutil.Process]) -> None:
    """Kill processes, and on POSIX the groups that they lead: that outruns one that forks."""
    for process in processes:
        with suppress(psutil.Error, OSError):
            if os.name == "posix" and os.getpgid(process.pid) == process.pid != os.getpid():
                os.killpg(process.pid, signal.SIGKILL)
            process.kill()


def end_marked(mark: str) -> None:
    """Kill every process whose environment holds `mark`: also those that left the tree.

    Args:
        mark: A random word that was put into the environment of the first of them.
    """
    for _ in range(50):
        found = [one for one in psutil.process_iter() if _has(one, mark)]
        if not found:
            return
        end(found)
        psutil.wait_procs(found, timeout=0.2)


def _has(process: psutil.Process, mark: str) -> bool:
    with suppress(psutil.Error, OSError):
        return process.status() != psutil.STATUS_ZOMBIE and mark in process.environ().values()
    return False


def _own_bytes(process: psutil.Process) -> int:
    """What a process holds by itself: PostgreSQL's processes share most of theirs."""
    with suppress(psutil.Error):
        memory = process.memory_info()
        return max(0, memory.rss - getattr(memory, "shared", 0))
    return 0
