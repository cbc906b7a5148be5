"""Reads the Markdown files, and the Markdown cells of the notebooks, as their readers see them."""

import subprocess
from functools import cache
from pathlib import Path

import nbformat
from bs4 import BeautifulSoup
from markdown_it import MarkdownIt

ROOT = Path(__file__).parents[2]


@cache
def project_files() -> frozenset[Path]:
    """All files but those that git ignores."""
    command = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    listed = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout
    return frozenset(path for name in listed.split("\0")[:-1] if (path := ROOT / name).is_file())


def pages(*endings: str) -> list[Path]:
    """The project's files of these endings, in order."""
    return sorted(path for path in project_files() if path.suffix in endings)


@cache
def rendered(path: Path) -> BeautifulSoup:
    """A page as HTML: CommonMark with GitHub's tables."""
    text = path.read_text(encoding="utf-8")
    if path.suffix == ".ipynb":
        cells = nbformat.reads(text, as_version=4).cells
        text = "\n\n".join(cell.source for cell in cells if cell.cell_type == "markdown")
    return BeautifulSoup(MarkdownIt("commonmark").enable("table").render(text), "html.parser")


def page_id(path: Path) -> str:
    """The page's path from the root, for the ids of tests."""
    return path.relative_to(ROOT).as_posix()
