"""Another process that works on the same database: makes tables or loads cars when told to."""

import json
import os
import subprocess
import sys
from typing import Any

from sqlalchemy import Engine

# Warnings are errors there too.
PROGRAM = """
import json, os, signal, sys
import carlib
from fault_injection import before_each_statement

def kill_at(number):
    def count(sql, pid):
        nonlocal number
        number -= 1
        if not number:
            os.kill(os.getpid(), signal.SIGKILL)
    return count

def run(order, database_url):
    engine = carlib.connect(database_url, schema=order["schema"])
    try:
        if order["do"] == "create":
            return carlib.create_tables(engine)
        with before_each_statement(engine, kill_at(order.get("kill_at", 0))):
            return carlib.initial_load(engine, carlib.generate_cars(order["rows"])).inserted
    except carlib.CarlibError as error:
        return type(error).__name__
    finally:
        engine.dispose()

for line in sys.stdin:
    order = json.loads(line)
    print(json.dumps(run(order, os.environ["URL"])), file=sys.__stderr__, flush=True)
"""


class LoadProcess:
    """A Python process of its own, with carlib imported, that waits for orders."""

    def __init__(self, database_url: str) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-W", "error", "-c", PROGRAM],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,  # where connect() says which server it is on
            stderr=subprocess.PIPE,
            text=True,
            cwd=os.path.dirname(__file__),
            env=os.environ | {"URL": database_url},
        )

    def order(self, **order: Any) -> None:
        """Tell the process what to do, and don't wait for it."""
        self.process.stdin.write(json.dumps(order) + "\n")
        self.process.stdin.flush()

    def answer(self) -> Any:
        """What came of the order; the process's traceback if it failed."""
        line = self.process.stderr.readline()
        try:
            return json.loads(line)
        except json.JSONDecodeError:
            return line + self.process.stderr.read()

    def close(self) -> None:
        self.process.stdin.close()
        self.process.stderr.close()
        self.process.kill()
        self.process.wait()


def schema_of(engine: Engine) -> str:
    """The name of the engine's schema."""
    with engine.connect() as connection:
        return connection.exec_driver_sql("SELECT current_schema()").scalar_one()
