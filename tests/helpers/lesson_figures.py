"""How much of a lesson is what: the figures of its form, and the bounds that they keep.

``python tests/helpers/lesson_figures.py`` prints the table of all lessons.
"""

import re
from collections.abc import Iterator
from statistics import median

import pandas as pd
from nbformat import NotebookNode

from course.lessons import Lesson, find_lessons

LONG = 8  # lines of a code cell
OUTSIDE = {"parameters", "setup", "exercise"}  # neither a lesson's subject nor its scaffolding
FENCE = re.compile(r"^```.*?^```$", re.MULTILINE | re.DOTALL)
TIME = re.compile(r"^\*\*Time\*\* (\d+) minutes to read and run, (\d+) more", re.MULTILINE)
BOUNDS = {
    "to take to work": lambda share: share >= 0.70,
    "scaffolding": lambda share: share < 0.25,
    "long cells": lambda share: share <= 0.10,
    "words a line": lambda words: words >= 9,
    "minutes": lambda minutes: 35 <= minutes <= 50,
    "for exercises": lambda minutes: 20 <= minutes <= 25,
}


def figures(lesson: Lesson) -> dict[str, float]:
    """Measure a lesson by the tags of its cells.

    Returns:
        The share of lines that a learner can take to work and of scaffolding, among the lines of
        the cells that are neither parameters, start nor exercise; the share of code cells with more
        than eight lines, their median and longest; words of prose for each line of code that the
        page shows; and the minutes that the lesson says it takes.
    """
    prose = "\n".join(c.source for c in lesson.notebook.cells if c.cell_type == "markdown")
    code = [cell for cell in lesson.notebook.cells if cell.cell_type == "code"]
    kinds = {"own": 0, "carlib": 0, "scaffold": 0}
    for cell in code:
        tags = set(cell.metadata.get("tags", []))
        if not tags & OUTSIDE:
            (kind,) = tags & kinds.keys() or {"own"}
            kinds[kind] += _lines(cell)
    shown = [_lines(cell) for cell in code if not _hidden(cell)]
    minutes = TIME.search(prose)
    return {
        "to take to work": kinds["own"] / sum(kinds.values()),
        "scaffolding": kinds["scaffold"] / sum(kinds.values()),
        "long cells": sum(lines > LONG for lines in shown) / len(shown),
        "median lines": median(shown),
        "longest cell": max(shown),
        "words a line": len(FENCE.sub("", prose).split()) / sum(shown),
        "minutes": int(minutes[1]) if minutes else 0,
        "for exercises": int(minutes[2]) if minutes else 0,
    }


def form(lesson: Lesson) -> Iterator[str]:
    """What of a lesson's form is out of bounds."""
    measured = figures(lesson)
    for name, fits in BOUNDS.items():
        if not fits(measured[name]):
            yield f"{name}: {measured[name]:.3g}"


def _lines(cell: NotebookNode) -> int:
    return sum(bool(line.strip()) for line in cell.source.splitlines())


def _hidden(cell: NotebookNode) -> bool:
    return bool(cell.metadata.get("jupyter", {}).get("source_hidden"))


if __name__ == "__main__":
    table = {lesson.name: figures(lesson) for lesson in find_lessons()}
    print(pd.DataFrame.from_dict(table, orient="index").round(2).to_string())
