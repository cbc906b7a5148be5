"""Every link of the Markdown files and of the notebooks' cells leads somewhere.

Links inside the project are followed, to the heading where one is named. Whether another site
answers is not asked, since tests need no network: its address has to be https and well-formed.
"""

import re
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest
from markdown_pages import ROOT, page_id, pages, project_files, rendered

HOST = re.compile(r"([a-z0-9]([a-z0-9-]*[a-z0-9])?\.)+[a-z]{2,}")


def prose(path: Path) -> str:
    """The text of a page without its code."""
    texts = rendered(path).find_all(string=True)
    return " ".join(text for text in texts if not text.find_parent(["code", "pre"]))


def anchors(path: Path) -> set[str]:
    """What can stand behind # in an address of this page: ids, and headings by GitHub's rule."""
    page = rendered(path)
    headings = [tag.get_text().strip() for tag in page.find_all(re.compile("^h[1-6]$"))]
    if path.suffix == ".md":
        headings = [re.sub(r"[^\w\- ]", "", heading.lower()) for heading in headings]
    ids = {tag["id"] for tag in page.select("[id]")}
    return ids | {heading.replace(" ", "-") for heading in headings}


def problems(path: Path) -> Iterator[str]:
    """What is wrong with the links and images of a page."""
    page = rendered(path)
    for image in page.select("img"):
        if not image.get("alt", "").strip():
            yield f"the image {image.get('src')} has no text for who can't see it"
    if broken := re.search(r"\[[^\]]+\]\[[^\]]*\]", prose(path)):
        yield f"{broken[0]} refers to an address that is not given"
    targets = [tag.get("href") or tag.get("src") for tag in page.select("[href], [src]")]
    for target in [*targets, *re.findall(r"\bhttps?://[^\s<>\"]+[^\s<>\".,;:!?)]", prose(path))]:
        parts = urlsplit(target)
        if parts.scheme:
            if parts.scheme != "https" or not HOST.fullmatch(parts.netloc):
                yield f"{target} is no https address of a public site"
            continue
        linked = (path.parent / unquote(parts.path)).resolve() if parts.path else path
        if not any(file == linked or linked in file.parents for file in project_files()):
            yield f"{target} leads to no file of the project"
        elif parts.fragment and unquote(parts.fragment) not in anchors(linked):
            yield f"{target} names no heading of {linked.name}"


@pytest.mark.parametrize("path", pages(".md", ".ipynb"), ids=page_id)
def test_links_lead_somewhere(path: Path) -> None:
    assert list(problems(path)) == []


def test_all_pages_are_looked_at() -> None:
    assert {"README.md", "benchmarks/README.md"} <= set(map(page_id, pages(".md")))
    assert set((ROOT / "notebooks").rglob("*.ipynb")) <= set(pages(".ipynb"))
