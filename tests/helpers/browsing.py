"""A real browser, Chromium, with a profile of its own, and what went wrong in its pages.

Playwright brings no browser that can be had without a download: the system's own is driven, and
without one the tests that need it say that they were skipped.
"""

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import BrowserContext, Request, Response, sync_playwright

PATIENCE = 180_000  # milliseconds; other work may make the machine slow
WIDTH = 1300  # pixels; a reader's window
NAMES = ("chromium", "chromium-browser", "google-chrome")
CHROMIUM = next(filter(None, map(shutil.which, NAMES)), "")
FLAGS = [
    *("--disable-gpu", "--disable-quic", "--no-first-run", "--disable-sync"),
    *("--disable-background-networking", "--disable-component-update"),
]
if hasattr(os, "geteuid") and os.geteuid() == 0:
    FLAGS.append("--no-sandbox")  # Chromium refuses to run as root with it

needs_chromium = pytest.mark.skipif(
    not CHROMIUM, reason=f"there is no {', '.join(NAMES)} on the PATH"
)


@dataclass
class Watched:
    """A browser and what its pages complained of.

    Attributes:
        context: The browser.
        errors: What pages wrote to the console as errors, and exceptions that nothing caught.
        failures: Requests that were answered with an error, or not at all.
        strangers: Requests to anything but this machine.
    """

    context: BrowserContext
    errors: list[str] = field(default_factory=list)
    failures: list[str] = field(default_factory=list)
    strangers: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        context = self.context
        context.on("console", lambda log: log.type == "error" and self.errors.append(log.text))
        context.on("weberror", lambda found: self.errors.append(str(found.error)))
        context.on("request", self._request)
        context.on("response", self._response)
        context.on("requestfailed", self._failed)

    def _request(self, request: Request) -> None:
        parts = urlsplit(request.url)
        ours = parts.hostname in ("127.0.0.1", "localhost")
        if not ours and parts.scheme not in ("data", "blob", "file", "about"):
            self.strangers.append(request.url)

    def _response(self, response: Response) -> None:
        if response.status >= 400:
            self.failures.append(f"{response.status} {response.url}")

    def _failed(self, request: Request) -> None:
        if request.failure != "net::ERR_ABORTED":  # the page itself changed its mind
            self.failures.append(f"{request.failure} {request.url}")


@contextmanager
def browser(folder: Path) -> Iterator[Watched]:
    """Start Chromium with an empty profile in this folder."""
    with sync_playwright() as playwright:
        context = playwright.chromium.launch_persistent_context(
            folder,
            executable_path=CHROMIUM,
            headless=True,
            args=FLAGS,
            viewport={"width": WIDTH, "height": 900},
            timeout=PATIENCE,
        )
        context.set_default_timeout(PATIENCE)
        try:
            yield Watched(context)
        finally:
            context.close()
