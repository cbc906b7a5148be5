"""Another process that uses the embedded server of a folder: it runs the SQL that it is sent."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

# Warnings are errors there too; the last answer is given before the process ends by itself.
_PROGRAM = """
import sys
from carlib.connection import connect
engine = connect(schema="shared")
print("ready", flush=True)
for line in sys.stdin:
    if line == "connect\\n":
        engine.dispose()
        engine = connect(schema="shared")
        line = "SELECT 'connected'"
    with engine.begin() as connection:
        result = connection.exec_driver_sql(line)
        answer = result.scalar_one() if result.returns_rows else "done"
    print(answer, flush=True)
engine.dispose()
"""


class UserProcess:
    """A process that called connect() on the server of `data_dir`, and waits for SQL."""

    def __init__(self, data_dir: Path, *, wait: bool = True, **environment: str) -> None:
        inherited = {k: v for k, v in os.environ.items() if k != "XDG_RUNTIME_DIR"}
        self.process = subprocess.Popen(
            [sys.executable, "-W", "error", "-c", _PROGRAM],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env={**inherited, "CARLIB_DATA_DIR": str(data_dir), **environment},
        )
        if wait:
            self.wait_until_ready()

    def __enter__(self) -> UserProcess:
        return self

    def __exit__(self, *_: object) -> None:
        self.kill()

    def wait_until_ready(self) -> UserProcess:
        """Wait until its connect() has returned."""
        assert self._answer().startswith("PostgreSQL 18.")
        assert self._answer() == "ready"
        return self

    def ask(self, sql: str) -> str:
        """Run a statement there, in a transaction of its own."""
        self.process.stdin.write(f"{sql}\n")
        self.process.stdin.flush()
        return self._answer()

    def exit(self) -> None:
        """Let it end normally, and see that nothing was amiss."""
        _, errors = self.process.communicate(timeout=60)
        assert (self.process.returncode, errors) == (0, "")

    def kill(self) -> None:
        """End it as kill -9 does; nothing happens where it has ended."""
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait(timeout=60)
        for stream in (self.process.stdin, self.process.stdout, self.process.stderr):
            stream.close()

    def _answer(self) -> str:
        line = self.process.stdout.readline().rstrip("\n")
        if not line:
            raise AssertionError(f"the process ended: {self.process.communicate(timeout=60)[1]}")
        return line
