"""Drags, types and chooses in the widgets of one cell in JupyterLab, and reads what follows."""

import re
from collections.abc import Callable

from lesson_view import LessonView
from playwright.sync_api import Locator

WIDGETS = ".widget-slider, .widget-text, .widget-dropdown"
# Everything of ipywidgets that takes input.
INPUTS = ".jupyter-widgets :is(input, select, textarea, button, .noUi-target)"


class WidgetDriver:
    """Works on the widgets that one cell shows.

    Before each input it waits until the last one has had its effect, as a reader does. (Just after
    a kernel's start, JupyterLab sends one input to its main thread and the next to another, so that
    the older one may show its result last.)

    Attributes:
        used: The widgets that got input, by label or by place.
    """

    def __init__(self, view: LessonView, index: int, settle: Callable[[], object]):
        self.view = view
        self.settle = settle
        self.used: set[str | int] = set()
        self.cell = view.cell(index)

    @property
    def inputs(self) -> int:
        """How many widgets take input."""
        return self.cell.locator(INPUTS).count()

    def widget(self, label: str | int) -> Locator:
        """A widget, by its label, or by its place where it has none."""
        self.used.add(label)
        self.settle()
        widgets = self.cell.locator(WIDGETS)
        if isinstance(label, int):
            return widgets.nth(label)
        exactly = re.compile(f"^{re.escape(label)}$")
        return widgets.filter(has=self.view.page.locator(".widget-label", has_text=exactly))

    def drag(self, label: str, share: float) -> str:
        """Drag a slider's handle to a share of its way; returns the number beside it."""
        slider = self.widget(label)
        slider.scroll_into_view_if_needed()
        track = slider.locator(".noUi-base").bounding_box()
        handle = slider.locator(".noUi-handle").bounding_box()
        mouse, y = self.view.page.mouse, handle["y"] + handle["height"] / 2
        mouse.move(handle["x"] + handle["width"] / 2, y)
        mouse.down()
        mouse.move(track["x"] + track["width"] * share, y, steps=4)
        mouse.up()
        self.settle()
        return slider.locator(".widget-readout").inner_text()

    def type(self, label: str | int, text: str) -> None:
        """Type into a field in place of what it holds."""
        field = self.widget(label).locator("input")
        field.fill("")
        field.press_sequentially(text)
        field.press("Enter")

    def choose(self, label: str, option: str) -> None:
        """Choose from a list."""
        self.widget(label).locator("select").select_option(label=option)

    def text(self) -> str:
        """The text that the widgets show."""
        return " ".join(self.cell.locator(".widget-html-content").first.inner_text().split())

    def expect(self, pattern: str | re.Pattern[str]) -> None:
        """Wait until the text is this one, or matches this pattern."""
        if isinstance(pattern, str):
            pattern = re.compile(re.escape(pattern))
        self.view.wait(lambda: pattern.fullmatch(self.text()), pattern.pattern, self.text)
