"""A server for a `with` block: nothing of it is left, even after a kill."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from server_probes import is_alive, posix_only, scalar

from servers.postgres import temporary_server


def test_a_temporary_server_leaves_nothing_behind() -> None:
    with temporary_server() as server:
        folder, pid = server.data_dir, server.pid
        assert scalar(server, "SELECT 7") == 7
    assert not folder.exists()
    assert not is_alive(pid)


@posix_only
def test_what_a_killed_process_left_of_its_temporary_server_is_cleared(
    folder_for_servers: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    program = """
from servers.postgres import temporary_server
with temporary_server() as server:
    print(server.data_dir, server.pid, flush=True)
    input()
"""
    monkeypatch.setenv("TMPDIR", str(folder_for_servers))
    monkeypatch.setattr("tempfile.tempdir", None)  # Python remembers it otherwise
    young = folder_for_servers / "carlib-temporary-young"
    young.mkdir()
    command = [sys.executable, "-W", "error", "-c", program]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as killed:
        folder, pid = killed.stdout.readline().split()
        with temporary_server():
            assert young.exists()  # its process may just be starting
        os.utime(folder, (0, 0))
        with temporary_server():
            assert is_alive(int(pid))  # it has a user
        killed.kill()
        killed.wait()
    os.utime(folder, (0, 0))
    with temporary_server():
        assert not Path(folder).exists()
        assert not is_alive(int(pid))
