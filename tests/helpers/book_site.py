"""Builds the site of `make book` from a copy of the checkout, and reads what it wrote."""

import os
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from urllib.parse import unquote, urlsplit

import nbformat
from bs4 import BeautifulSoup
from nbformat.v4 import new_markdown_cell, new_output
from tiny_lessons import write_lesson

from course.widgets import STATE, VIEW

ROOT = Path(__file__).parents[2]
SOURCES = [
    *(
        "*.md",
        "LICENSE*",
        "docs/**/*",
        "benchmarks/*",
        "carlib/*.md",
        "notebooks/*/*.ipynb",
        "course/*.sql",
    ),
    "docker-compose.yml",
]
EXTRA = "notebooks/9_extra/01_odd.html"
TEXT = """\
The word quetzalcoatl. Inline $x^2$, and alone:

$$\\frac{a}{b}$$

> **Trap: a quotation.** It warns.

> No trap, just a quotation.

Links: [compose](../../docker-compose.yml), [a folder](../../benchmarks), [README](../../README.md),
[a heading](../../README.md#the-lessons), [out](https://www.postgresql.org/docs/18/).

```mermaid
erDiagram
    a ||--o{ b : has
```

<details><summary>A question?</summary>

An *answer*.
</details>
"""


@dataclass(frozen=True)
class Site:
    """A built site: its folder, and the copy it was built from."""

    folder: Path
    checkout: Path

    @property
    def pages(self) -> list[str]:
        """All pages, as paths within the site."""
        found = {path.relative_to(self.folder).as_posix() for path in self.folder.rglob("*.html")}
        return sorted(name for name in found if not name.startswith("_static/"))

    def page(self, name: str) -> BeautifulSoup:
        """One page, parsed; it is not to be changed."""
        return _parse(self.folder / name)

    def links(self, name: str) -> Iterator[tuple[str, str]]:
        """What a page refers to: the tag's name and the address."""
        for tag in self.page(name).find_all(True):
            for attribute in ("href", "src", "action", "data", "poster", "xlink:href"):
                if attribute in tag.attrs:
                    yield tag.name, tag[attribute]
            for candidate in tag.get("srcset", "").split(","):
                if candidate.strip():
                    yield tag.name, candidate.split()[0]

    def target(self, name: str, link: str) -> str:
        """The page that a link of a page leads to, without the place in it."""
        path = unquote(urlsplit(link).path)
        found = (self.folder / name).parent / path if path else self.folder / name
        return Path(os.path.normpath(found)).relative_to(self.folder).as_posix()


@cache
def _parse(path: Path) -> BeautifulSoup:
    return BeautifulSoup(path.read_text(encoding="utf-8"), "html.parser")


def copy_checkout(folder: Path) -> Path:
    """Copy what the book is made of."""
    for pattern in SOURCES:
        for path in ROOT.glob(pattern):
            if path.is_file() and "__pycache__" not in path.parts:
                target = folder / path.relative_to(ROOT)
                target.parent.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(path, target)
    return folder


def copy_book_settings(folder: Path) -> None:
    """Copy what makes a book, without a page of it."""
    ignored = shutil.ignore_patterns("__pycache__")
    shutil.copytree(ROOT / "docs" / "book", folder / "docs" / "book", ignore=ignored)


def add_extra_lesson(checkout: Path) -> None:
    """Write a lesson of a part that no setting knows, with all that a text can hold."""
    cells = [new_markdown_cell(TEXT), "knob", "kept"]
    path = write_lesson(checkout / "notebooks", "01_odd", cells, part="9_extra")
    notebook = nbformat.read(path, as_version=4)
    shown = {"text/plain": "IntSlider(value=3)"}
    alive = shown | {VIEW: {"model_id": "a", "version_major": 2, "version_minor": 0}}
    for cell, data in zip(notebook.cells[-2:], (shown, alive), strict=True):
        cell.outputs = [new_output("execute_result", data, execution_count=1)]
    state = {"a": {"model_name": "IntSliderModel", "state": {"value": 7}}}
    notebook.metadata["widgets"] = {STATE: {"state": state}}  # as JupyterLab saves it
    nbformat.write(notebook, path)


def build(checkout: Path) -> subprocess.CompletedProcess[str]:
    """Run the line of `make book` that builds, with the Python of the tests."""
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    line = re.search(r"^book:\n\t.* && (.*) \$\(ARGS\)$", makefile, re.MULTILINE)[1]
    python, *arguments = shlex.split(line)
    assert python == ".venv/bin/python"
    return subprocess.run(
        [sys.executable, *arguments],
        cwd=checkout,
        env=os.environ | {"NO_COLOR": "1", "PYTHONDONTWRITEBYTECODE": "1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=300,
        check=False,
    )


def build_site(checkout: Path) -> Site:
    """Build the book of this checkout with the extra lesson, in a folder that is empty."""
    copy_checkout(checkout)
    add_extra_lesson(checkout)
    done = build(checkout)
    assert done.returncode == 0, done.stdout
    return Site(checkout / "build" / "book", checkout)
