"""Every link of the Markdown files and of the notebooks' cells leads somewhere.

Links inside the project are followed: the file is there, and the heading in it. Whether another
site answers is not asked, for tests need no network: such an address has to be well-formed and
encrypted.
"""

import re
import subprocess
from collections.abc import Iterator
from functools import cache
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest
from markdown_pages import ROOT, Text, files, markdown_files, notebook_cells

TEXTS = [*markdown_files(), *(cell for path in files("ipynb") for cell in notebook_cells(path))]
PAGES = {text.path.relative_to(ROOT).as_posix(): [] for text in TEXTS}
for one in TEXTS:
    PAGES[one.path.relative_to(ROOT).as_posix()].append(one)


class _Html(HTMLParser):
    """Collects addresses, ids and images without a text from HTML between Markdown."""

    def __init__(self, source: str) -> None:
        super().__init__()
        self.targets: list[str] = []
        self.ids: set[str] = set()
        self.silent: list[str] = []
        self.feed(source)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        self.targets += [given[name] or "" for name in ("href", "src") if name in given]
        self.ids |= {given[name] or "" for name in ("id", "name") if name in given}
        if tag == "img" and not (given.get("alt") or "").strip():
            self.silent.append(given.get("src") or "")


def html_of(text: Text) -> _Html:
    blocks = [token.content for token in text.tokens if token.type == "html_block"]
    pieces = [token.content for _, token in text.inline() if token.type == "html_inline"]
    return _Html("\n".join((*blocks, *pieces)))


@cache
def anchors(path: Path) -> set[str]:
    """What can stand behind # in an address of this file: its headings, and ids in HTML."""
    notebook = path.suffix == ".ipynb"
    texts = notebook_cells(path) if notebook else [Text(path, path.read_text(encoding="utf-8"))]
    found: set[str] = set()
    for text in texts:
        found |= html_of(text).ids
        for before, token in zip(text.tokens, text.tokens[1:], strict=False):
            if before.type == "heading_open":
                shown = "".join(part.content for part in token.children or [])
                found.add(_numbered(_jupyter(shown) if notebook else _github(shown), found))
    return found


def _github(heading: str) -> str:
    """GitHub's id of a heading: small letters, no punctuation, a hyphen for each space."""
    return re.sub(r"[^\w\- ]", "", heading.strip().lower()).replace(" ", "-")


def _jupyter(heading: str) -> str:
    """JupyterLab's id of a heading, which GitHub uses for notebooks too."""
    return heading.strip().replace(" ", "-")


def _numbered(anchor: str, taken: set[str]) -> str:
    names = (f"{anchor}-{number}" if number else anchor for number in range(100))
    return next(name for name in names if name not in taken)


def problems(text: Text) -> Iterator[str]:
    """What is wrong with the links and images of one text."""
    html = html_of(text)
    targets = list(html.targets)
    silent = list(html.silent)
    for _, token in text.inline():
        if token.type == "link_open":
            targets.append(str(token.attrs["href"]))
        elif token.type == "image":
            targets.append(str(token.attrs["src"]))
            if not token.content.strip():
                silent.append(str(token.attrs["src"]))
        elif token.type == "text":
            targets += re.findall(r"\bhttps?://[^\s<>\"]+[^\s<>\".,;:!?)]", token.content)
            if broken := re.search(r"\[[^\]]+\]\[[^\]]*\]", token.content):
                yield f"{text.name}: {broken[0]} refers to an address that is not given"
    for source in silent:
        yield f"{text.name}: the image {source} has no text for who can't see it"
    for target in targets:
        if problem := (_outside if urlsplit(target).scheme else _inside)(text, target):
            yield f"{text.name}: {target} {problem}"


def _outside(text: Text, target: str) -> str | None:
    parts = urlsplit(target)
    if parts.scheme != "https":
        return "is no https address"
    host = r"([a-z0-9]([a-z0-9-]*[a-z0-9])?\.)+[a-z]{2,}"
    if not re.fullmatch(host, parts.netloc) or re.search(r"[\s\\<>\"{}|^`]", target):
        return "is not a well-formed address of a public site"
    return None


def _inside(text: Text, target: str) -> str | None:
    place, _, anchor = target.partition("#")
    path = (text.path.parent / unquote(place)).resolve() if place else text.path
    if not path.is_relative_to(ROOT):
        return "leads out of the project"
    if not path.exists():
        return "leads to no file"
    if place and _is_ignored(path):
        return "leads to a file that git ignores"
    if anchor and unquote(anchor) not in anchors(path):
        return f"names no heading of {path.name}"
    return None


@cache
def _is_ignored(path: Path) -> bool:
    command = ["git", "-C", str(ROOT), "check-ignore", "--quiet", str(path)]
    return subprocess.run(command, capture_output=True, check=False).returncode == 0


@pytest.mark.parametrize("page", PAGES)
def test_links_lead_somewhere(page: str) -> None:
    assert [problem for text in PAGES[page] for problem in problems(text)] == []


def test_all_pages_are_looked_at() -> None:
    assert {"README.md", "CONTRIBUTING.md", "benchmarks/README.md"} <= set(PAGES)
    assert {path.relative_to(ROOT).as_posix() for path in files("ipynb")} <= set(PAGES)
