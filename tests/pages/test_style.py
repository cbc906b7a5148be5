"""The linter, the formatter, the type checker, the spell checker and the layers find nothing.

What each one looks at and for is set in pyproject.toml; the lessons are part of it.
"""

import subprocess
import sys
from pathlib import Path

import pytest
from markdown_pages import ROOT

CHECKS = {
    "lint": ["ruff", "check", "--no-cache"],
    "format": ["ruff", "format", "--check", "--no-cache"],
    "types": ["mypy"],
    "spelling": ["codespell"],
    "imports": ["lint-imports", "--no-cache"],
}


@pytest.mark.parametrize("check", CHECKS)
def test_nothing_is_found(check: str) -> None:
    program, *options = CHECKS[check]
    command = [Path(sys.executable).with_name(program), *options]
    answer = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert answer.returncode == 0, answer.stdout + answer.stderr
