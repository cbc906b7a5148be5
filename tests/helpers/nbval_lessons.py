"""Runs nbval on lessons, each in a process of its own, as a course's CI would."""

import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

TESTS = Path(__file__).parents[1]
SANITIZE = TESTS / "nbval_sanitize.cfg"
CELL_SECONDS = 300
LESSON_SECONDS = 1200


def validate(lesson: Path, environment: Mapping[str, str]) -> subprocess.CompletedProcess[str]:
    """Execute a lesson with nbval, strictly: every output is compared with the committed one.

    Args:
        lesson: The notebook.
        environment: Which server the lesson finds; replaces the tests' own settings.
    """
    kept = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("CARLIB_", "PYTEST_", "JUPYTER_"))
    }
    # A progress bar appears in loads that last, so it would be an output on slow machines only.
    kept |= {"TQDM_DISABLE": "1", **environment}
    return subprocess.run(
        [
            *(sys.executable, "-m", "pytest", lesson.name, "-q", "--color=no", "--maxfail=3"),
            *("--nbval", "--nbval-current-env", f"--nbval-sanitize-with={SANITIZE}"),
            f"--nbval-cell-timeout={CELL_SECONDS}",
            *("-p", "no:cacheprovider", "-p", "no:xdist"),
        ],
        cwd=lesson.parent,
        env=kept,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=LESSON_SECONDS,
    )


def validate_two_at_once(
    lessons: Sequence[Path], environment: Mapping[str, str]
) -> dict[Path, subprocess.CompletedProcess[str]]:
    """Execute lessons in the given order, two at any time."""
    with ThreadPoolExecutor(max_workers=2) as pool:
        done = pool.map(lambda lesson: validate(lesson, environment), lessons)
        return dict(zip(lessons, done, strict=True))


def explain(done: subprocess.CompletedProcess[str], what: str) -> str:
    """What to print of a failed run: which one, and nbval's own report."""
    return f"{what} ended with {done.returncode}\n{done.stdout[-6000:]}"
