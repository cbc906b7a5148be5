"""The book: every lesson in it, shown whole, nothing fetched from elsewhere.

That links lead somewhere is Sphinx's to check, which the last test sees stop a build.
"""

import re
import sys
from pathlib import Path

import nbformat
import pytest
from book_site import EXTRA, ROOT, Site, build, copy_book_settings
from tiny_lessons import write_lesson

from course.lessons import Lesson, find_lessons
from course.widgets import KEPT

pytestmark = pytest.mark.slow
LESSONS = find_lessons()
DOCUMENTS = ["*.md", "docs/*.md", "docs/*.ipynb", "carlib/*.md", "benchmarks/*.md"]
PAGES = {
    lesson.path: lesson.path.relative_to(ROOT).with_suffix(".html").as_posix() for lesson in LESSONS
}


def test_the_navigation_has_every_lesson_in_order_and_the_documents(site: Site) -> None:
    menu = site.page(EXTRA).select_one("nav.bd-links")
    captions = [caption.get_text(strip=True) for caption in menu.select(".caption")]
    parts = sorted({lesson.part for lesson in LESSONS})
    assert len(captions) == len(parts) + 2
    assert captions[0] == "Part 1, core"
    assert captions[-2:] == ["Part 9, extra", "About the course"]
    found = [site.target(EXTRA, link["href"]) for link in menu.select("li > a")]
    lessons = [*PAGES.values(), EXTRA]
    assert found[: len(lessons)] == lessons
    shown = [path for glob in DOCUMENTS for path in ROOT.glob(glob)]
    documents = {path.relative_to(ROOT).with_suffix(".html").as_posix() for path in shown}
    assert set(found[len(lessons) :]) == documents - {"README.html"}
    titles = [link.get_text(strip=True) for link in menu.select("li > a")]
    assert titles[: len(LESSONS)] == [lesson.title for lesson in LESSONS]


def test_nothing_comes_from_another_host(site: Site) -> None:
    """Only what a reader clicks may lead away, and then by https."""
    for page in site.pages:
        away = {(tag, link) for tag, link in site.links(page) if re.match(r"(\w+:)?//", link)}
        assert {tag for tag, _ in away} <= {"a"}, page
        assert all(link.startswith("https://") for _, link in away), page
    for sheet in site.folder.rglob("*.css"):
        text = sheet.read_text(encoding="utf-8")
        for url in re.findall(r"(?:url\(|@import)\s*['\"]?([^)'\"]+)", text):
            address = url.partition("#")[0].partition("?")[0]
            good = url.startswith("data:") or not address or (sheet.parent / address).is_file()
            assert good, (sheet, url)


def test_nothing_tells_where_it_was_built(site: Site) -> None:
    secrets = [str(site.checkout), str(ROOT), str(Path.home().resolve()) + "/", sys.prefix]
    for path in site.folder.rglob("*"):
        if path.is_file():
            content = path.read_bytes()
            assert not [secret for secret in secrets if secret.encode() in content], path


@pytest.mark.parametrize("lesson", LESSONS, ids=str)
def test_a_lesson_is_shown_whole(site: Site, lesson: Lesson) -> None:
    page = site.page(PAGES[lesson.path])
    cells = lesson.notebook.cells
    code = [cell for cell in cells if cell.cell_type == "code"]
    outputs = [output for cell in code for output in cell.outputs]
    texts = "\n".join(cell.source for cell in cells if cell.cell_type == "markdown")
    tables = ["dataframe" in output.get("data", {}).get("text/html", "") for output in outputs]
    pictures = ["image/png" in output.get("data", {}) for output in outputs]
    kept = [KEPT in output.get("metadata", {}) for output in outputs]
    drawn = [output.get("data", {}).get("text/markdown", "") for output in outputs]
    diagrams = ["```mermaid\nerDiagram" in text for text in drawn]
    assert len(page.select("div.cell_input")) == len(code)
    assert len(page.select("table.dataframe")) >= sum(tables)
    assert len(page.select(".admonition.trap")) == len(re.findall(r"^> \*\*Trap", texts, re.M))
    folded = sum(cell.metadata.get("jupyter", {}).get("source_hidden", False) for cell in code)
    details = page.select("details:not(.toc-drawer, nav *)")
    assert len(details) == texts.count("<details>") + folded
    states = page.select(".widget-state")
    assert len(states) == sum("import ipywidgets" in cell.source for cell in code)
    assert len([state for state in states if state.find("b")]) == sum(kept)
    assert len(page.select(".cell_output > img")) == sum(pictures)
    assert all(" " in picture.get("alt", "") for picture in page.select("article img"))
    assert len(page.select(".highlight-mermaid")) >= sum(diagrams)


def test_formulas_traps_links_and_widgets_without_a_state(site: Site) -> None:
    page = site.page(EXTRA)
    assert page.select("math:not([display=block]) msup")
    assert page.select("math[display=block] mfrac")
    (trap,) = page.select(".admonition.trap")
    assert trap.select_one(".admonition-title").get_text() == "Trap: a quotation."
    assert trap.find_all("p")[-1].get_text(strip=True) == "It warns."
    (quote,) = page.select("blockquote")
    assert quote.get_text(strip=True) == "No trap, just a quotation."
    links = {tag.get_text(): tag["href"] for tag in page.select("article a.reference")}
    assert links["README"] == "../../README.html"
    assert links["a heading"] == "../../README.html#the-lessons"
    assert links["compose"].endswith("/docker-compose.yml")
    assert "a folder" not in links
    assert "a folder" in page.get_text()
    unknown, known = page.select(".widget-state")
    assert "The next cell turns them." in unknown.get_text()
    assert known.find("b").get_text() == "7"
    assert page.select(".highlight-mermaid")
    numbers = site.page(PAGES[LESSONS[0].path]).select("td.number")
    assert numbers, "columns of numbers are told from words"
    assert all(re.match(r"[-+\d.,]|NaN|None|$", cell.get_text()) for cell in numbers)


def test_the_notebook_is_there_to_be_taken(site: Site) -> None:
    for lesson in LESSONS:
        page = PAGES[lesson.path]
        (link,) = {link for _, link in site.links(page) if link.endswith(".ipynb")}
        taken = ((site.folder / page).parent / link).resolve()
        assert nbformat.read(taken, as_version=4) == lesson.notebook


def test_what_is_broken_stops_the_build(tmp_path: Path) -> None:
    """Each of it is named; the one good link is not."""
    broken = ["missing.md", "README.md#nowhere", "docs/missing.png"]
    copy_book_settings(tmp_path)
    write_lesson(tmp_path / "notebooks", "01_only", ["1"])
    links = "\n".join(f"- [link]({link})" for link in [*broken, "README.md#a-title"])
    text = f"# A title\n\n{links}\n\n![picture](gone.png) $\\noformula$\n"
    (tmp_path / "README.md").write_text(text, encoding="utf-8")
    done = build(tmp_path)
    assert done.returncode == 1
    warnings = [line for line in done.stdout.splitlines() if "WARNING" in line]
    assert len(warnings) == 5, done.stdout
    for named in ["missing.md", "nowhere", "docs/missing.png", "gone.png", "noformula"]:
        assert any(named in warning for warning in warnings), named
