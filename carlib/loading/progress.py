"""A progress bar for what lasts: work that is soon done makes none at all.

In a notebook, tqdm's own `delay` makes the widgets of a bar at once and hides them. These are some
ten messages to the page for each load, and widgets that stay until the kernel ends.
"""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from tqdm.auto import tqdm

_DELAY = 2  # seconds


class Progress:
    """How much is done; shown from the moment when it has taken two seconds."""

    def __init__(self, total: int | None, **options: Any):
        self._total = total
        self._options = options
        self._begun = time.time()
        self._done = 0
        self._bar: tqdm | None = None

    def update(self, count: int) -> None:
        """Add `count` to what is done."""
        self._done += count
        if self._bar is not None:
            self._bar.update(count)
        elif time.time() - self._begun >= _DELAY:
            self._bar = tqdm(total=self._total, leave=False, **self._options)
            self._bar.start_t = self._begun  # so that rate and rest count from the beginning
            self._bar.update(self._done)
            self._bar.refresh()

    def close(self) -> None:
        """Take the bar away."""
        if self._bar is not None:
            self._bar.close()


@contextmanager
def progress(total: int | None, **options: Any) -> Iterator[Progress]:
    """Show the progress of a block of work if it lasts.

    Args:
        total: How much there is to do, if known.
        options: For tqdm, such as its ``unit``.
    """
    shown = Progress(total, **options)
    try:
        yield shown
    finally:
        shown.close()
