"""Every command that a page shows can be typed as it stands.

Its program, its options and the files that it names are there. What a command does is tested where
it lives: run, lab, grade and the others in tests/course, the set-up in test_setup.
"""

import argparse
import re
import shlex
import subprocess
from pathlib import Path

import pytest
from markdown_pages import ROOT, markdown_files
from shown_commands import Shown, commands_of, hidden_commands

from course.cli import make_parser
from course.lessons import find_lessons

COMMANDS = {shown.command: shown for page in markdown_files() for shown in commands_of(page)}
PARAMETERS = {lesson.path: set(lesson.parameters) for lesson in find_lessons()}
# What other projects' programs are asked for; these forms are looked up in their manuals.
OTHERS = [
    r"conda (env create -f environment\.yml|activate workbook)",
    r"docker compose up --wait",
    r"cp \.env\.example \.env",
    r"set -a; \. \./(class)?\.env; set \+a",
    r"git (clone \S+|diff --stat)",
    r"pip install --no-deps --no-build-isolation -e \.",
    r"(\.venv/bin/)?(ruff (check --fix|format) \.|codespell|lint-imports)",
]


@pytest.mark.parametrize("shown", COMMANDS.values(), ids=lambda shown: shown.command)
def test_a_shown_command_can_be_typed(shown: Shown) -> None:
    words = shlex.split(shown.command.replace("\\", "/"))
    program = Path(words[0]).name
    where = f"{shown.page}, line {shown.line}: {shown.command}"
    if program == "make":
        done = subprocess.run(["make", "--dry-run", *words[1:]], cwd=ROOT, capture_output=True)
        assert done.returncode == 0, where
        words = shlex.split(words[-1].partition("ARGS=")[2])
    elif program == "carlib":
        _parse(words[1:], where)
    elif program == "papermill":
        names = {words[n + 1] for n, word in enumerate(words) if word == "-p"}
        assert names <= PARAMETERS[ROOT / words[1]], where
    elif "pytest" in words:
        words = words[words.index("pytest") :]
    elif "bootstrap.py" in words:
        assert all((ROOT / "requirements" / f"{part}.txt").is_file() for part in words[2:]), where
    else:
        assert any(re.fullmatch(form, shown.command) for form in OTHERS), where
    paths = [word.partition("::")[0] for word in words if re.match(r"(tests|notebooks)/", word)]
    assert all((ROOT / path).exists() for path in paths), where


def _parse(words: list[str], where: str) -> None:
    """Let the command line's own parser read the words; a name alone stands for its help."""
    parser = make_parser()
    (commands,) = (
        action.choices
        for action in parser._subparsers._group_actions
        if isinstance(action, argparse._SubParsersAction)
    )
    assert words[0] in commands, where
    if len(words) > 1:
        options, rest = parser.parse_known_args(words)
        assert not rest or words[0] == "lab", where
        lesson = getattr(options, "lesson", None)
        assert not isinstance(lesson, list) or all((ROOT / path).is_file() for path in lesson)


def test_no_page_hides_commands_in_a_block_without_a_name() -> None:
    assert [line for page in markdown_files() for line in hidden_commands(page)] == []
