"""Finds the commands that Markdown files show: in ``sh`` blocks, sentences and tables."""

import subprocess
from collections.abc import Iterator
from dataclasses import dataclass

from markdown_pages import Text

# What a command in a sentence or a table begins with. One word alone is a name, not a command.
PROGRAMS = {
    *("make", "carlib", "papermill", "jupyter", "python", "python3", "py", "bash", "sh", "source"),
    *("pytest", "ruff", "mypy", "codespell", "sphinx-build", "git", "nbdiff", "jupytext", "curl"),
    *("pip", "pipx", "uv", "conda", "mamba", "npm", "apt", "apt-get", "sudo", "playwright"),
    *("docker", "psql", "createdb"),
}
_OTHER_SHELLS = {"bash", "shell", "zsh", "console", "shell-session", "terminal", "text", ""}


@dataclass(frozen=True)
class Shown:
    """A command as a page shows it.

    Attributes:
        page: The Markdown file, from the root.
        line: Its line there, or that of its paragraph.
        text: The command as written, with a comment behind it where there is one.
    """

    page: str
    line: int
    text: str

    @property
    def command(self) -> str:
        """The command without its comment, on one line, words apart by one space."""
        return " ".join(self.text.partition(" #")[0].replace("\\\n", " ").split())


def commands_of(page: Text) -> Iterator[Shown]:
    """The commands of one page, from its first line to its last."""
    for token in page.tokens:
        if token.type == "fence" and token.info.strip() == "sh":
            yield from _of_block(page.name, (token.map or [0])[0] + 2, token.content)
    for line, token in page.inline():
        if token.type == "code_inline" and _is_command(token.content):
            yield Shown(page.name, line, token.content)


def hidden_commands(page: Text) -> Iterator[str]:
    """Blocks that hold commands and don't say ``sh``, so that nobody would execute them."""
    for token in page.tokens:
        unnamed = token.type == "code_block" or (
            token.type == "fence" and token.info.strip() in _OTHER_SHELLS
        )
        for line in token.content.splitlines() if unnamed else ():
            if _is_command(line.strip().removeprefix("$ ")):
                yield f"{page.name}: `{line.strip()}` belongs into a block that begins with ```sh"


def _is_command(text: str) -> bool:
    first, *others = text.split() or [""]
    return bool(others) and (first in PROGRAMS or first.startswith((".venv/", ".venv\\")))


def _of_block(page: str, line: int, content: str) -> Iterator[Shown]:
    """Split a block into commands; one goes on over lines until bash takes it for complete."""
    parts: list[str] = []
    for number, part in enumerate(content.splitlines(), line):
        if not parts and (not part.strip() or part.lstrip().startswith("#")):
            continue
        parts.append(part)
        text = "\n".join(parts)
        if part.endswith("\\") or subprocess.run(["bash", "-nc", text], stderr=-3).returncode:
            continue
        yield Shown(page, number - len(parts) + 1, text)
        parts = []
    if parts:
        yield Shown(page, number, "\n".join(parts))
