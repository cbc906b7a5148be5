"""The page that a run opens with: each lesson, how it went, how long it took."""

import html
import os
import time
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from course.run import CourseRun, LessonRun

STYLE = """
:root { color-scheme: light dark; --line: #8884; --soft: #666; }
@media (prefers-color-scheme: dark) { :root { --soft: #999; } }
body { font: 16px/1.5 system-ui, sans-serif; max-width: 52rem; margin: 3rem auto; padding: 0 1rem; }
h1 { font-size: 1.7rem; margin-bottom: .2rem; }
h2 { font-size: 1rem; color: var(--soft); font-weight: normal; margin: 2rem 0 .4rem; }
p.about, small, .seconds { color: var(--soft); }
ol { list-style: none; padding: 0; margin: 0; }
li { display: grid; grid-template-columns: 1fr auto auto; gap: 0 1.2rem; align-items: baseline;
     border-top: 1px solid var(--line); padding: .8rem 0; }
li > p { grid-column: 1 / -1; margin: .1rem 0 0; }
li a { font-weight: 600; text-decoration: none; }
li a:hover { text-decoration: underline; }
.seconds { font-variant-numeric: tabular-nums; }
.status { border-radius: 1em; padding: 0 .7em; font-size: .85rem; color: #fff; }
.ok { background: #2a7d46; } .failed { background: #b3261e; } .not-run { background: #666; }
pre { grid-column: 1 / -1; white-space: pre-wrap; border-left: 3px solid #b3261e;
      padding-left: .8em; margin: .4rem 0 0; }
"""


def write_index(course: "CourseRun") -> None:
    """Write the index page of a run, one file that needs no other.

    Args:
        course: The run, finished or stopped. Links are relative to the folder of its `index`.
    """
    path = course.index
    started = time.strftime("%Y-%m-%d %H:%M", time.localtime(course.started))
    counts = [sum(run.status == status for run in course.lessons) for status in ("ok", "failed")]
    said = f"{counts[0]} of {len(course.lessons)} lessons ok"
    said += f", {counts[1]} failed" if counts[1] else ""
    parts = dict.fromkeys(run.lesson.part for run in course.lessons)
    body = "".join(
        f"<h2>{html.escape(part_name(part))}</h2><ol>"
        + "".join(_entry(run, path.parent) for run in course.lessons if run.lesson.part == part)
        + "</ol>"
        for part in parts
    )
    about = [said, course.server, started]
    if course.learner:
        about.insert(0, f"for {course.learner}")
        body += '<p class="about"><a href="../index.html">The whole class</a></p>'
    path.write_text(
        '<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>The lessons, run: {said}</title><style>{STYLE}</style></head><body>"
        f"<h1>Storing data in PostgreSQL</h1>"
        f'<p class="about">{html.escape(" · ".join(about))}</p>'
        f"{body}</body></html>\n",
        encoding="utf-8",
    )


def part_name(part: str) -> str:
    """``1_core`` as a person reads it: Part 1, core."""
    number, _, name = part.partition("_")
    return f"Part {number}, {name.replace('_', ' ')}" if number.isdigit() else part


def _entry(run: "LessonRun", folder: Path) -> str:
    title = html.escape(run.lesson.title)
    notebook = ""
    if run.page.exists():
        title = f'<a href="{_link(run.page, folder)}">{title}</a>'
        notebook = f' · <a href="{_link(run.notebook, folder)}">notebook</a>'
    values = run.lesson.parameters | run.parameters
    used = ", ".join(f"{name} = {value!r}" for name, value in values.items())
    error = f"<pre>{html.escape(run.error)}</pre>" if run.error else ""
    seconds = f"{run.seconds:.1f} s" if run.seconds else ""
    return (
        f'<li><span>{title}</span><span class="seconds">{seconds}</span>'
        f'<span class="status {run.status.replace(" ", "-")}">{run.status}</span>'
        f"<p>{html.escape(run.lesson.summary)}<br><small>{html.escape(used)}{notebook}</small></p>"
        f"{error}</li>"
    )


def _link(target: Path, folder: Path) -> str:
    return html.escape(Path(os.path.relpath(target, folder)).as_posix())
