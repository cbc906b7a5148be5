"""Another process that uses the embedded server of a folder: it runs the SQL that it is sent."""

import os
import subprocess
import sys
from pathlib import Path
from typing import Self

from server_probes import without_waiting

# Warnings are errors there too.
_PROGRAM = """
import sys
from carlib.connection import connect
engine = connect(schema="shared")
for line in sys.stdin:
    with engine.begin() as connection:
        result = connection.exec_driver_sql(line)
        answer = result.scalar_one() if result.returns_rows else "done"
    print(answer, flush=True)
engine.dispose()
"""


class UserProcess:
    """A process that calls connect() on the server of `data_dir`, and then waits for SQL."""

    def __init__(self, data_dir: Path) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-W", "error", "-c", _PROGRAM],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env={**os.environ, "CARLIB_DATA_DIR": str(data_dir)},
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.kill()

    def send(self, sql: str) -> None:
        """Let it run a statement in a transaction of its own, and don't wait."""
        self.process.stdin.write(f"{sql}\n")
        self.process.stdin.flush()

    def ask(self, sql: str) -> str:
        """Run a statement there once it is connected; return its only value."""
        self.send(sql)
        answer = self.process.stdout.readline().rstrip("\n")
        assert answer, f"the process ended: {self.process.communicate(timeout=60)[1]}"
        return answer

    def exit(self) -> None:
        """Let it end normally, without a word but those of waiting, on a busy machine."""
        _, errors = self.process.communicate(timeout=60)
        assert (self.process.returncode, without_waiting(errors)) == (0, "")

    def kill(self) -> None:
        """End it as kill -9 does; nothing happens where it has ended."""
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait(timeout=60)
        for stream in (self.process.stdin, self.process.stdout, self.process.stderr):
            stream.close()
