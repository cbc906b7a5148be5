"""Advice fits its cause: what initdb and the server say when they can't, and what to do then."""

import subprocess
import sys
from pathlib import Path

import pytest
from server_probes import posix_only, root_only

from servers.postgres import EmbeddedServer, ServerError, cluster, programs

pytestmark = posix_only
PROGRESS = """\
The database cluster will be initialized with this locale configuration:
  LC_MESSAGES: C
Data page checksums are enabled.
selecting dynamic shared memory implementation ... posix
creating configuration files ... ok
running bootstrap script ... """
# What PostgreSQL 18 said where each was tried, and a word of the advice.
MESSAGES = [
    (
        "FATAL:  insufficient file descriptors available to start server process\n"
        "DETAIL:  System allows 27, server needs at least 58, 5 files are already open.",
        "ulimit -n 1024",
    ),
    (
        'FATAL:  could not write to file "pg_wal/xlogtemp.27640": File too large',
        "ulimit -f unlimited",
    ),
    (
        'FATAL:  could not resize shared memory segment "/PostgreSQL.3760293166" to 1048576 bytes: '
        "No space left on device",
        "--shm-size=256m",
    ),
    (
        "FATAL:  could not create shared memory segment: No space left on device\n"
        "DETAIL:  Failed system call was shmget(key=2146560, size=56, 03600).\n"
        "HINT:  This error does *not* mean that you have run out of disk space.",
        "kernel.shmmni",
    ),
    (
        "FATAL:  could not map anonymous shared memory: Cannot allocate memory\n"
        "HINT:  This error usually means that PostgreSQL's request for a shared memory segment "
        "exceeded available memory, swap space, or huge pages.",
        "ulimit -v unlimited",
    ),
    (
        'initdb: error: could not write file "data/postgresql.conf": No space left on device',
        "The disk is full: free some space, or set CARLIB_DATA_DIR",
    ),
    (
        'FATAL:  could not extend file "base/1/2691": wrote only 4096 of 8192 bytes at block 10\n'
        "HINT:  Check free disk space.",
        "The disk is full",
    ),
    (
        'FATAL:  data directory "/mnt/c/carlib/data" has invalid permissions\n'
        "DETAIL:  Permissions should be u=rwx (0700) or u=rwx,g=rx (0750).",
        "does not keep permissions, as network and Windows drives may not: set CARLIB_DATA_DIR",
    ),
    (
        'initdb: error: could not change permissions of directory "data": Operation not permitted',
        "does not keep permissions",
    ),
    (
        'LOG:  invalid value for parameter "lc_messages": "xx_YY.UTF-8"\n'
        'FATAL:  configuration file "/home/u/data/postgresql.conf" contains errors',
        "lacks that locale",
    ),
    (
        "initdb: error: could not look up effective user ID 61234: user does not exist",
        "Correct what it names",
    ),
]


@pytest.mark.parametrize("program", ["initdb", "pg_ctl"])
@pytest.mark.parametrize(("message", "advice"), MESSAGES, ids=[advice for _, advice in MESSAGES])
def test_what_a_program_says_has_its_advice(
    folder_for_servers: Path,
    data_dir: Path,
    monkeypatch: pytest.MonkeyPatch,
    program: str,
    message: str,
    advice: str,
) -> None:
    shim = folder_for_servers / "shims" / "bin"
    shim.mkdir(parents=True)
    output = PROGRESS + message if program == "initdb" else message
    (shim / "output").write_text(f"{output}\n")
    (shim / program).write_text(f'#!/bin/sh\ncat "{shim}/output"\nexit 1\n')
    (shim / program).chmod(0o755)
    for module in (cluster, programs):
        monkeypatch.setattr(module, "binaries", lambda: shim)
    if program == "pg_ctl":
        (data_dir / "data").mkdir(parents=True)
        (data_dir / "data" / "PG_VERSION").write_text("18\n")
    with pytest.raises(ServerError) as error:
        EmbeddedServer(data_dir).start()
    assert message.splitlines()[0] in str(error.value)
    assert advice in str(error.value).splitlines()[-1]


def in_a_child(folder: Path, before: str, *command: str, code: str = "") -> str:
    """The message of the ServerError that starting a server raises in another process."""
    code = code or "EmbeddedServer(sys.argv[1], temporary=True).start()"
    program = f"""
import resource, sys
from servers.postgres import EmbeddedServer, ServerError, temporary_server
{before}
try:
    {code}
except ServerError as error:
    print(error)
"""
    arguments = [*command, sys.executable, "-c", program, str(folder)]
    done = subprocess.run(arguments, capture_output=True, text=True, timeout=120)
    assert done.stdout, done.stderr
    return done.stdout.splitlines()[-1]


@pytest.mark.parametrize(
    ("limit", "advice"),
    [
        ("RLIMIT_NOFILE, (32, 32)", "Raise the limit of open files: ulimit -n 1024"),
        ("RLIMIT_FSIZE, (100_000, 100_000)", "ulimit -f unlimited"),
        ("RLIMIT_FSIZE, (4_000_000, 4_000_000)", "ulimit -f unlimited"),
    ],
)
def test_a_limit_of_this_system_is_named(folder_for_servers: Path, limit: str, advice: str) -> None:
    shown = in_a_child(folder_for_servers / "data", f"resource.setrlimit(resource.{limit})")
    assert advice in shown


@root_only
@pytest.mark.parametrize(
    ("mount", "size", "advice"),
    [
        ("/dev/shm", "1m", "docker run --shm-size"),
        ("small", "8k", "free some space, or set CARLIB_DATA_DIR"),
        ("small", "20m", "free some space, or set CARLIB_DATA_DIR"),
        ("TMPDIR", "20m", "free some space, or set TMPDIR"),
    ],
)
def test_too_little_space_is_named(
    folder_for_servers: Path, mount: str, size: str, advice: str
) -> None:
    small = folder_for_servers / "small"
    small.mkdir()
    place = "/dev/shm" if mount == "/dev/shm" else str(small)
    mode = "1777" if mount == "/dev/shm" else "755"
    script = f'mount -t tmpfs -o size={size},mode={mode} none {place} && exec "$@"'
    command = ["unshare", "--mount", "sh", "-c", script, "sh"]
    if subprocess.run([*command, "true"], capture_output=True).returncode != 0:
        pytest.skip("root may not mount here")
    if mount == "TMPDIR":
        code = "with temporary_server(): pass"
        command[:0] = ["env", f"TMPDIR={small}"]
        assert advice in in_a_child(small, "", *command, code=code)
    else:
        data = (small if mount == "small" else folder_for_servers) / "data"
        assert advice in in_a_child(data, "", *command)
