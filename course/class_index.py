"""The summary page of a class: each learner and lesson, how it went, how long it took."""

from __future__ import annotations

import html
import os
import time
from pathlib import Path
from typing import TYPE_CHECKING

from course.class_table import said_of
from course.index import STYLE

if TYPE_CHECKING:
    from course.class_run import ClassRun, LearnerRun
    from course.run import LessonRun

_TABLE_STYLE = """
body { max-width: 72rem; }
.wide { overflow-x: auto; }
table { border-collapse: collapse; }
th, td { text-align: left; padding: .5rem .9rem .5rem 0; border-top: 1px solid var(--line); }
th { font-weight: 600; } td { white-space: nowrap; } thead th { border: 0; color: var(--soft); }
td small { font-variant-numeric: tabular-nums; }
"""


def write_class_index(whole: ClassRun) -> None:
    """Write the summary page of a class, one file that needs no other.

    Args:
        whole: The run, finished or not. Links are relative to the folder of its `index`.
    """
    whole.index.parent.mkdir(parents=True, exist_ok=True)
    started = time.strftime("%Y-%m-%d %H:%M", time.localtime(whole.started))
    heads = "".join(f"<th>{html.escape(lesson.title)}</th>" for lesson in whole.lessons)
    rows = "".join(_row(run, whole.index.parent) for run in whole.learners)
    errors = "".join(_errors(run) for run in whole.learners)
    said = html.escape(said_of(whole))
    whole.index.write_text(
        '<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>The class, run: {said}</title><style>{STYLE}{_TABLE_STYLE}</style></head><body>"
        f'<h1>Storing data in PostgreSQL</h1><p class="about">{said} · {started}</p>'
        f'<div class="wide"><table><thead><tr><th>Learner</th>{heads}<th>Seconds</th></tr></thead>'
        f"<tbody>{rows}</tbody></table></div>{errors}</body></html>\n",
        encoding="utf-8",
    )


def _row(run: LearnerRun, folder: Path) -> str:
    name = html.escape(run.learner.name)
    if run.course.index.exists():
        name = f'<a href="{_link(run.course.index, folder)}">{name}</a>'
    cells = "".join(_cell(one, folder) for one in run.course.lessons)
    total = sum(one.seconds for one in run.course.lessons)
    return f"<tr><th>{name}</th>{cells}<td><small>{total:.1f}</small></td></tr>"


def _cell(one: LessonRun, folder: Path) -> str:
    status = f'<span class="status {one.status.replace(" ", "-")}">{one.status}</span>'
    if one.page.exists():
        status = f'<a href="{_link(one.page, folder)}">{status}</a>'
    seconds = f" <small>{one.seconds:.1f} s</small>" if one.seconds else ""
    return f"<td>{status}{seconds}</td>"


def _errors(run: LearnerRun) -> str:
    found = [(run.learner.name, run.error)] if run.error else []
    found += [
        (f"{run.learner.name}, {one.lesson.title}", one.error)
        for one in run.course.lessons
        if one.error
    ]
    return "".join(
        f"<h2>{html.escape(what)}</h2><pre>{html.escape(error)}</pre>" for what, error in found
    )


def _link(target: Path, folder: Path) -> str:
    return html.escape(Path(os.path.relpath(target, folder)).as_posix())
