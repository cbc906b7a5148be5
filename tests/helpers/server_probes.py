"""What tests of the embedded server share: ask it, kill it, see what is left."""

import os
import re
import stat
import sys
import time
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest
from sqlalchemy import create_engine

from servers.postgres import EmbeddedServer

posix_only = pytest.mark.skipif(sys.platform == "win32", reason="POSIX signals, sockets and modes")
root_only = pytest.mark.skipif(
    sys.platform == "win32" or os.geteuid() != 0, reason="only root runs it as another user"
)


def scalar(server: EmbeddedServer, sql: str) -> object:
    engine = create_engine(server.url)
    with engine.begin() as connection:
        found = connection.exec_driver_sql(sql).scalar_one()
    engine.dispose()
    return found


def kill_server(data_dir: Path, *, busy: int = 0) -> int:
    """Kill -9 the server, and wait until its processes but `busy` have noticed; its old pid."""
    server = psutil.Process(EmbeddedServer(data_dir).pid)
    children = [child for child in server.children() if child.pid != busy]
    server.kill()
    assert eventually(lambda: EmbeddedServer(data_dir).pid is None)
    assert eventually(lambda: not any(is_alive(child.pid) for child in children))
    return server.pid


def is_alive(pid: int) -> bool:
    """Whether a process of that id runs; a zombie that waits for its parent does not."""
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def without_waiting(text: str) -> str:
    """What a process printed, without the lines that say what it waits for on a busy machine."""
    return re.sub(r"(?m)^carlib: waiting for .*\n", "", text)


def mode(path: Path) -> int:
    """The permission bits of a file or folder."""
    return stat.S_IMODE(path.stat().st_mode)


def eventually(condition: Callable[[], bool], seconds: float = 20) -> bool:
    """Whether `condition` becomes true in that time."""
    end = time.monotonic() + seconds
    while not (met := condition()) and time.monotonic() < end:
        time.sleep(0.02)
    return met
