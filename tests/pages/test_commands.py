"""Every command that a page shows can be typed as it stands.

Its program, its options and the files that it names are there. What a command does is tested where
it lives: run, lab, grade and the others in tests/course, the set-up in test_setup.
"""

import argparse
import re
import shlex
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from markdown_pages import ROOT, page_id, pages, rendered

from course.cli import make_parser
from course.lessons import find_lessons

PARAMETERS = {lesson.path: set(lesson.parameters) for lesson in find_lessons()}
# What other projects' programs are asked for; these forms are looked up in their manuals.
OTHERS = [
    r"conda (env create -f environment\.yml|activate workbook)",
    r"docker compose up --wait",
    r"cp \.env\.example \.env",
    r"set -a; \. \./(class)?\.env; set \+a",
    r"git (clone \S+|diff --stat|pull)",
    r"pip download --require-hashes --no-deps -r requirements/core\.txt -d wheelhouse",
    r"export( (PIP|UV)_(NO_INDEX=1|FIND_LINKS=\$PWD/wheelhouse)){4}",
    r"jupyter nbconvert --to notebook( --RegexRemovePreprocessor\.\w+=\S+( Solutions')?){2}"
    r" --output-dir handout notebooks/1_core/\*\.ipynb",
    r"\.venv/bin/python -m ipykernel install( --(name|display-name|prefix) \S+){3}",
    r"pip install --no-deps --no-build-isolation -e \.",
    r"(\.venv/bin/)?(ruff (check --fix|format) \.|codespell|lint-imports)",
]


# What a command begins with. One of these words alone is a name, not a command.
PROGRAM = re.compile(
    r"(make|carlib|papermill|jupyter|python3?|py|bash|sh|source|pytest|ruff|mypy|codespell|git|curl"
    r"|sphinx-build|nbdiff|pipx?|uv|conda|mamba|npm|apt|apt-get|sudo|docker|psql|createdb"
    r"|\.venv[/\\]\S+)\s+\S"
)


def shown_commands(path: Path) -> Iterator[str]:
    """The commands in a page's ``sh`` blocks, sentences and tables, without their comments."""
    page = rendered(path)
    blocks = [code.get_text() for code in page.select("pre > code.language-sh")]
    lines = "".join(blocks).replace("\\\n", " ").splitlines()
    words = [code.get_text() for code in page.select(":not(pre) > code")]
    for text in [*lines, *filter(PROGRAM.match, words)]:
        if command := " ".join(f" {text}".partition(" #")[0].split()):
            yield command


COMMANDS = {command: page_id(path) for path in pages(".md") for command in shown_commands(path)}


@pytest.mark.parametrize("command", COMMANDS, ids=COMMANDS)
def test_a_shown_command_can_be_typed(command: str) -> None:
    words = shlex.split(command.replace("\\", "/"))
    program = Path(words[0]).name
    where = f"{COMMANDS[command]}: {command}"
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
        assert any(re.fullmatch(form, command) for form in OTHERS), where
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


@pytest.mark.parametrize("path", pages(".md"), ids=page_id)
def test_no_page_hides_commands_in_a_block_that_is_not_called_sh(path: Path) -> None:
    blocks = rendered(path).select("pre > code:not(.language-sh)")
    lines = [line.strip() for block in blocks for line in block.get_text().splitlines()]
    assert [line for line in lines if PROGRAM.match(line.removeprefix("$ "))] == []
