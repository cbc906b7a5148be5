"""One lesson in JupyterLab, in a browser: opened, run, typed into, looked at."""

import re
import time
from collections.abc import Callable
from typing import Any, Self

from browsing import PATIENCE
from playwright.sync_api import Locator, Page

_FIND = """([name, argument]) => {
  const open = globalThis.jupyterapp ? [...jupyterapp.shell.widgets('main')] : [];
  const panel = open.find(one => one.context?.path.endsWith(name) && one.content?.widgets);
  if (!panel) return null;
"""
# What a notebook holds, asked of the page: a cell that is scrolled away has no element to look at.
_STATE = f"""{_FIND}
  const kernel = panel.sessionContext.session?.kernel;
  return {{
    kernel: kernel?.id, status: kernel?.status,
    cells: panel.content.widgets.map(cell => ({{
      kind: cell.model.type,
      count: cell.model.executionCount ?? null,
      waits: cell.model.executionState === 'running' || cell.prompt === '*',
      source: argument ? cell.model.sharedModel.source : null,
      outputs: argument ? cell.model.outputs?.toJSON() ?? [] : null,
    }})),
  }};
}}"""
_SCROLL = f"{_FIND} return panel.content.scrollToItem(argument, 'center'); }}"


class LessonView:
    """A lesson that is open in JupyterLab; it is brought to the front when it is used."""

    def __init__(self, page: Page, name: str):
        self.page = page
        self.name = name

    @property
    def state(self) -> dict[str, Any]:
        """The kernel's id and status, and of each cell its kind, its number and if it waits."""
        return self.page.evaluate(_STATE, [self.name, False])

    @property
    def cells(self) -> list[dict[str, Any]]:
        """Each cell, with source and outputs too."""
        return self.page.evaluate(_STATE, [self.name, True])["cells"]

    @property
    def panel(self) -> Locator:
        """The notebook in front."""
        return self.page.locator(".jp-NotebookPanel:not(.lm-mod-hidden)")

    def open(self) -> Self:
        """Open it from the list of files."""
        kind = '.jp-DirListing-item[data-file-type="notebook"]'
        self.page.locator(f'{kind}[title*="{self.name}"]').dblclick()
        self.wait(lambda: self.state is not None, "it is open")
        return self

    def wait_ready(self) -> Self:
        """Wait until it is open and its kernel answers."""
        self.wait(lambda: (self.state or {}).get("status") == "idle", "the kernel is idle")
        return self

    def show(self) -> None:
        """Bring it to the front."""
        self.page.locator(f'#jp-main-dock-panel .lm-TabBar-tab[title*="{self.name}"]').click()
        self.panel.locator(".jp-Cell").first.wait_for()

    def menu(self, bar: str, item: str) -> None:
        """Choose from the menus at the top."""
        self.page.locator(".lm-MenuBar-itemLabel", has_text=re.compile(f"^{bar}$")).click()
        self.page.locator(".lm-Menu-itemLabel", has_text=re.compile(f"^{item}$")).click()

    def run_all(self) -> None:
        """Choose Run All Cells, and wait until the kernel has begun."""
        self.menu("Run", "Run All Cells")

        def begun() -> bool:
            return any(cell["count"] or cell["waits"] for cell in self.state["cells"])

        self.wait(begun, "it runs")

    def wait_done(self) -> list[dict[str, Any]]:
        """Wait until no cell waits or runs; returns all cells."""

        def done() -> bool:
            state = self.state
            return state["status"] == "idle" and not any(cell["waits"] for cell in state["cells"])

        self.wait(done, "all cells are done")
        return self.cells

    def located(self, index: int) -> Locator:
        """A cell, which has an element only when it is near to what is in sight."""
        return self.panel.locator(f'.jp-Cell[data-windowed-list-index="{index}"]')

    def cell(self, index: int) -> Locator:
        """A cell, scrolled into sight."""
        cell = self.located(index)
        self.page.evaluate(_SCROLL, [self.name, index])
        cell.wait_for()
        return cell

    def answer(self, index: int, source: str) -> list[dict[str, Any]]:
        """Type into a code cell in place of what it holds, run it; returns its outputs."""
        before = self.state["cells"][index]["count"]
        self.cell(index).locator(".cm-content").click()
        self.page.keyboard.press("ControlOrMeta+a")
        self.page.keyboard.insert_text(source)
        self.page.keyboard.press("Control+Enter")

        def done() -> bool:
            cell = self.state["cells"][index]
            return not cell["waits"] and cell["count"] not in (None, before)

        self.wait(done, f"cell {index} has run")
        return self.cells[index]["outputs"]

    def wait(
        self, condition: Callable[[], bool], what: str, actual: Callable[[], object] = str
    ) -> None:
        """Wait until a condition holds; if it never does, fail with what is there instead."""
        end = time.monotonic() + PATIENCE / 1000
        while not condition():
            late = time.monotonic() > end
            assert not late, f"{self.name}: expected that {what}, found {actual()!r}"
            self.page.wait_for_timeout(100)
