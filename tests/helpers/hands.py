"""Hands on the knobs of one cell in JupyterLab drag, type and choose; eyes read what follows."""

from __future__ import annotations

import re
from collections.abc import Callable

from lesson_view import LessonView
from playwright.sync_api import Locator

KNOBS = ".widget-slider, .widget-text, .widget-dropdown"
# Everything of ipywidgets that a hand could move.
MOVABLE = ".jupyter-widgets :is(input, select, textarea, button, .noUi-target)"


class Hands:
    """Works on the widgets that one cell shows.

    Before each movement they wait until the last one has had its effect, as a reader does. (Just
    after a kernel's start, JupyterLab sends one movement to its main thread and the next to
    another, so that the older one may show its result last.)

    Attributes:
        moved: The knobs that were moved, by label or by place.
    """

    def __init__(self, view: LessonView, index: int, settle: Callable[[], object]):
        self.view = view
        self.index = index
        self.settle = settle
        self.mouse, self.keyboard = view.page.mouse, view.page.keyboard
        self.moved: set[str | int] = set()
        view.cell(index)

    @property
    def cell(self) -> Locator:
        """The cell."""
        return self.view.located(self.index)

    @property
    def movable(self) -> int:
        """How many knobs there are to move."""
        return self.cell.locator(MOVABLE).count()

    def knob(self, label: str | int) -> Locator:
        """A knob, by its label, or by its place where it has none."""
        self.moved.add(label)
        self.settle()
        knobs = self.cell.locator(KNOBS)
        if isinstance(label, int):
            found = knobs.nth(label)
        else:
            exactly = re.compile(f"^{re.escape(label)}$")
            named = self.view.page.locator(".widget-label", has_text=exactly)
            found = knobs.filter(has=named)
        found.scroll_into_view_if_needed()
        return found

    def drag(self, label: str, share: float) -> str:
        """Drag a slider's handle to a share of its way; returns the number beside it."""
        knob = self.knob(label)
        way = knob.locator(".noUi-base").bounding_box()
        handle = knob.locator(".noUi-handle").bounding_box()
        y = handle["y"] + handle["height"] / 2
        self.mouse.move(handle["x"] + handle["width"] / 2, y)
        self.mouse.down()
        self.mouse.move(way["x"] + way["width"] * share, y, steps=4)
        self.mouse.up()
        return self.readout(label)

    def readout(self, label: str) -> str:
        """The number beside a slider."""
        return self.knob(label).locator(".widget-readout").inner_text()

    def type(self, label: str | int, text: str) -> None:
        """Type into a field in place of what it holds."""
        self.knob(label).locator("input").click()
        self.keyboard.press("ControlOrMeta+a")
        self.keyboard.type(text) if text else self.keyboard.press("Delete")
        self.keyboard.press("Enter")

    def choose(self, label: str, option: str) -> None:
        """Choose from a list."""
        self.knob(label).locator("select").select_option(label=option)

    def options(self, label: str) -> list[str]:
        """What a list offers."""
        return self.knob(label).locator("option").all_inner_texts()

    def text(self, place: int = 0) -> str:
        """One of the texts that the widgets show."""
        shown = self.cell.locator(".widget-html-content").nth(place)
        return " ".join(shown.inner_text().split())

    def picture(self) -> str | None:
        """The address of the picture that the widgets show."""
        return self.cell.locator("img.widget-image").get_attribute("src")

    def see(self, expected: Callable[[], str] | str, place: int = 0) -> None:
        """Wait until a text is the expected one."""
        wanted = expected if isinstance(expected, str) else expected()
        self.view.wait(
            lambda: self.text(place) == wanted, f"{wanted!r} is shown", lambda: self.text(place)
        )
