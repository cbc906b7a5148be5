"""A progress bar for what takes longer than two seconds."""

from typing import Any

from tqdm import tqdm


def progress(total: int | None, **options: Any) -> tqdm:
    """Return a bar, to be used in a `with` block, that shows nothing before two seconds.

    It is one of text: tqdm's widgets for notebooks are made at once, however short the work.

    Args:
        total: How much there is to do, if known.
        options: For tqdm, such as its ``unit``.
    """
    return tqdm(total=total, delay=2, leave=False, **options)
