"""Runs nbval on lessons, each in a process of its own, as a course's CI would."""

import os
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from xml.etree import ElementTree

SANITIZE = Path(__file__).parents[1] / "nbval_sanitize.cfg"
CELL_TIMEOUT = 300  # seconds
LESSON_TIMEOUT = 1200


@dataclass(frozen=True)
class Validation:
    """What nbval found of one lesson.

    Attributes:
        passed: Whether every output was the committed one.
        seconds: The time its cells took, without the start of Python and of the kernel.
        report: The last of what nbval printed.
    """

    passed: bool
    seconds: float
    report: str


def validate(lesson: Path, environment: Mapping[str, str]) -> Validation:
    """Execute a lesson with nbval, strictly: every output is compared with the committed one.

    Args:
        lesson: The notebook.
        environment: Which server the lesson finds; replaces the tests' own settings.
    """
    inherited = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("CARLIB_", "PYTEST_", "JUPYTER_"))
    }
    with tempfile.TemporaryDirectory() as folder:
        junit = Path(folder, "junit.xml")
        done = subprocess.run(
            [
                *(sys.executable, "-m", "pytest", lesson.name, "-q", "--color=no", "--maxfail=3"),
                *("--nbval", "--nbval-current-env", f"--nbval-sanitize-with={SANITIZE}"),
                *(f"--nbval-cell-timeout={CELL_TIMEOUT}", f"--junitxml={junit}"),
                # The kernel starts in the first cell's setup, which is no part of its call.
                *("-o", "junit_duration_report=call", "-p", "no:cacheprovider", "-p", "no:xdist"),
            ],
            cwd=lesson.parent,
            # A progress bar appears in loads that last, so it would be an output of slow machines.
            env=inherited | {"TQDM_DISABLE": "1", **environment},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=LESSON_TIMEOUT,
        )
        cells = ElementTree.parse(junit).iter("testcase") if junit.exists() else ()
        seconds = sum(float(cell.get("time", 0)) for cell in cells)
    return Validation(done.returncode == 0, seconds, done.stdout[-6000:])
