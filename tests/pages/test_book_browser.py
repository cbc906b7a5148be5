"""The book in a real browser: from files and from a server, searched, copied from, legible.

Skipped where there is no Chromium: Playwright brings none that can be had without a download.
"""

import functools
import os
import shutil
import threading
from collections.abc import Iterator
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer

import pytest
from book_site import EXTRA, Site
from playwright.sync_api import BrowserContext, Page, expect, sync_playwright

CHROMIUM = next(
    filter(None, map(shutil.which, ["chromium", "chromium-browser", "google-chrome"])), ""
)
FLAGS = [
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
if hasattr(os, "geteuid") and os.geteuid() == 0:
    FLAGS.append("--no-sandbox")  # Chromium refuses to run as root with it
LESSON = "notebooks/1_core/01_schema.html"
PATIENCE = 60_000  # milliseconds; other work may make the machine slow
LEAST_CONTRAST = 4.5  # WCAG 2.2, success criterion 1.4.3, level AA

pytestmark = pytest.mark.skipif(not CHROMIUM, reason="there is no Chromium on the PATH")

# Of each piece of text that is shown: its contrast with what is behind it, and the text.
CONTRASTS = """() => {
  const canvas = document.createElement('canvas').getContext('2d', {willReadFrequently: true});
  const rgba = color => {
    canvas.clearRect(0, 0, 1, 1);
    canvas.fillStyle = color;
    canvas.fillRect(0, 0, 1, 1);
    return [...canvas.getImageData(0, 0, 1, 1).data];
  };
  const over = (front, back) => {
    const alpha = front[3] / 255;
    return [0, 1, 2].map(i => front[i] * alpha + back[i] * (1 - alpha));
  };
  const behind = element => {
    if (!element) return [255, 255, 255];
    const color = rgba(getComputedStyle(element).backgroundColor);
    return color[3] === 255 ? color.slice(0, 3) : over(color, behind(element.parentElement));
  };
  const luminance = rgb => {
    const [r, g, b] = rgb.map(c => c / 255).map(
      c => c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4);
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const found = [];
  const walker = document.createTreeWalker(document.querySelector('article'), NodeFilter.SHOW_TEXT);
  while (walker.nextNode()) {
    const element = walker.currentNode.parentElement;
    const text = walker.currentNode.textContent.trim();
    const drawn = element.closest('svg, math, button, .headerlink');
    if (!text || drawn || !element.checkVisibility()) continue;
    const back = behind(element);
    const tones = [luminance(over(rgba(getComputedStyle(element).color), back)), luminance(back)];
    const contrast = (Math.max(...tones) + 0.05) / (Math.min(...tones) + 0.05);
    found.push([contrast, text.slice(0, 40), getComputedStyle(element).color, String(back)]);
  }
  return found;
}"""


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
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[BrowserContext]:
    """Chromium with a profile of its own."""
    with sync_playwright() as playwright:
        context = playwright.chromium.launch_persistent_context(
            tmp_path_factory.mktemp("profile"),
            executable_path=CHROMIUM,
            headless=True,
            args=FLAGS,
            viewport={"width": 1300, "height": 900},
            timeout=PATIENCE,
        )
        context.set_default_timeout(PATIENCE)
        yield context
        context.close()


@pytest.fixture
def page(browser: BrowserContext) -> Iterator[Page]:
    """A page that may not complain, nor ask anyone but this machine."""
    page = browser.new_page()
    complaints: list[str] = []
    asked: list[str] = []
    page.on("console", lambda said: complaints.append(said.text) if said.type == "error" else None)
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.on("request", lambda request: asked.append(request.url))
    yield page
    page.close()
    assert complaints == []
    assert asked
    own = ("file://", "http://127.0.0.1:", "data:")
    assert [url for url in asked if not url.startswith(own)] == []


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
    assert "engine = connect(" in code


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_texts_stand_out_from_what_is_behind_them(site: Site, page: Page, theme: str) -> None:
    page.emulate_media(color_scheme=theme)
    for name in (LESSON, "notebooks/1_core/03_delta_load.html", "README.html", EXTRA):
        page.goto((site.folder / name).as_uri())
        assert page.locator("html").get_attribute("data-theme") == theme
        page.evaluate("document.querySelectorAll('details').forEach(one => one.open = true)")
        found = page.evaluate(CONTRASTS)
        assert len(found) > 5
        assert not [one for one in found if one[0] < LEAST_CONTRAST], name


@pytest.mark.parametrize("width", [1300, 400])
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
    assert page.locator("article svg[aria-label]").bounding_box()["width"] > 100
