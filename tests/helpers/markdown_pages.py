"""Reads what the Markdown files, and the markdown cells of the notebooks, say: by a real parser."""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import nbformat
from markdown_it import MarkdownIt
from markdown_it.token import Token

ROOT = Path(__file__).parents[2]
_MADE = {"build", "workbook"}
_HIDDEN_BUT_OURS = {".github", ".devcontainer"}


@dataclass(frozen=True)
class Text:
    """One piece of Markdown: a whole file, or one cell of a notebook.

    Attributes:
        path: The file.
        source: What is written there.
        cell: The cell's id; empty for a Markdown file.
    """

    path: Path
    source: str
    cell: str = ""

    @cached_property
    def tokens(self) -> list[Token]:
        """The text as CommonMark with GitHub's tables; addresses stay as they are written."""
        parser = MarkdownIt("commonmark").enable("table")
        parser.validateLink = lambda url: True
        parser.normalizeLink = lambda url: url
        return parser.parse(self.source)

    @property
    def name(self) -> str:
        """Where it is, for messages and test ids: ``docs/page.md``."""
        place = self.path.relative_to(ROOT).as_posix()
        return f"{place} cell {self.cell}" if self.cell else place

    def inline(self) -> Iterator[tuple[int, Token]]:
        """Each inline token (text, code, link, image, HTML) with the line its block begins at."""
        for token in self.tokens:
            for child in token.children or []:
                yield (token.map or [0])[0] + 1, child


def files(ending: str, root: Path = ROOT) -> list[Path]:
    """The project's files of an ending, in order; what tools made is left out."""

    def ours(path: Path) -> bool:
        *folders, _ = path.relative_to(root).parts
        hidden = {name for name in folders if name.startswith(".")} - _HIDDEN_BUT_OURS
        return not hidden and not _MADE & set(folders)

    return sorted(path for path in root.rglob(f"*.{ending}") if ours(path))


def markdown_files() -> list[Text]:
    """Every Markdown file of the project, the README first."""
    found = sorted(files("md"), key=lambda path: path != ROOT / "README.md")
    return [Text(path, path.read_text(encoding="utf-8")) for path in found]


def notebook_cells(path: Path) -> list[Text]:
    """The markdown cells of a notebook."""
    cells = nbformat.read(path, as_version=4).cells
    return [Text(path, cell.source, cell.id) for cell in cells if cell.cell_type == "markdown"]
