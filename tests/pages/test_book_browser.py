"""The book in a real browser: from files and from a server, searched, copied from, legible."""

import functools
import threading
from collections.abc import Iterator
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer

import pytest
from book_site import EXTRA, Site
from browsing import PATIENCE, WIDTH, Watched, browser, needs_chromium
from legible import faint_texts
from playwright.sync_api import Page, expect

LESSON = "notebooks/1_core/01_schema.html"
pytestmark = [needs_chromium, pytest.mark.slow, pytest.mark.browser]


class _Quiet(SimpleHTTPRequestHandler):
    def log_message(self, *_: object) -> None:
        """Say nothing of each request."""


@pytest.fixture(scope="module")
def served(site: Site) -> Iterator[str]:
    """The address of a server that shows the book to this machine alone."""
    handler = functools.partial(_Quiet, directory=str(site.folder))
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


@pytest.fixture(scope="module")
def watched(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Watched]:
    with browser(tmp_path_factory.mktemp("profile")) as found:
        yield found


@pytest.fixture
def page(watched: Watched) -> Iterator[Page]:
    """A page that may not complain, nor ask anyone but this machine."""
    page = watched.context.new_page()
    yield page
    page.close()
    assert watched.errors == []
    assert watched.strangers == []


@pytest.mark.parametrize("how", ["as files", "served"])
def test_a_search_finds_the_lesson(site: Site, served: str, page: Page, how: str) -> None:
    start = site.folder.as_uri() if how == "as files" else served
    page.goto(f"{start}/index.html")
    assert page.title() == "Storing data in PostgreSQL: a workbook — Storing data in PostgreSQL"
    page.locator(".bd-sidebar-primary button.search-button__button").click()
    page.keyboard.type("spreadsheet")
    page.keyboard.press("Enter")
    found = page.locator("#search-results li a", has_text="1 · Schema").first
    expect(found).to_be_visible(timeout=PATIENCE)
    excerpt = page.locator("#search-results p.context", has_text="spreadsheet")
    if how == "served":
        expect(excerpt.first).to_be_visible(timeout=PATIENCE)
    else:
        assert excerpt.count() == 0, "a page of a file may not read another"
    found.click()
    page.wait_for_url(lambda url: f"/{LESSON}" in url)
    assert page.locator("article h1").inner_text().startswith("1 · Schema")
    page.locator("a.right-next").click()
    page.wait_for_url(lambda url: "/02_initial_load.html" in url)


def test_the_copy_button_copies_the_code_alone(site: Site, page: Page) -> None:
    page.goto((site.folder / LESSON).as_uri())
    cell = page.locator("div.cell_input").nth(1)
    cell.hover()
    cell.locator("button.copybtn").click()
    expect(cell.locator("button.copybtn.success")).to_be_attached()
    page.evaluate("document.body.append(document.createElement('textarea'))")
    page.locator("body > textarea").focus()
    page.keyboard.press("Control+v")
    code = page.locator("body > textarea").input_value()
    assert code.strip() == cell.locator("pre").inner_text().strip()
    assert "connect(schema=schema" in code


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_texts_stand_out_from_what_is_behind_them(site: Site, page: Page, theme: str) -> None:
    page.emulate_media(color_scheme=theme)
    for name in (LESSON, "README.html", EXTRA):
        page.goto((site.folder / name).as_uri())
        assert page.locator("html").get_attribute("data-theme") == theme
        page.evaluate("document.querySelectorAll('details').forEach(one => one.open = true)")
        page.evaluate("document.getAnimations().forEach(one => one.finish())")  # they fade in
        assert faint_texts(page, "article") == [], name


@pytest.mark.parametrize("width", [WIDTH, 400])
def test_nothing_is_wider_than_the_page(site: Site, page: Page, width: int) -> None:
    page.set_viewport_size({"width": width, "height": 900})
    for name in site.pages:
        page.goto((site.folder / name).as_uri())
        assert page.evaluate("document.documentElement.scrollWidth") <= width, name


def test_formulas_and_folded_answers_are_shown(site: Site, page: Page) -> None:
    page.goto((site.folder / EXTRA).as_uri())
    fraction = page.locator("mfrac").bounding_box()
    letter = page.locator("mfrac mi").first.bounding_box()
    assert fraction["height"] > 1.5 * letter["height"], "one stands above the other"
    answer = page.locator("details em")
    expect(answer).to_be_hidden()
    page.locator("details summary").click()
    expect(answer).to_be_visible()
