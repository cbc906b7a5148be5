"""Executed lessons as HTML pages that need no network and no kernel, and the index of a run."""

import html
import logging
import operator
import os
import re
import time
from collections.abc import Sequence
from pathlib import Path

import nbformat
from jinja2 import Environment, FileSystemLoader
from nbconvert import HTMLExporter

from course.lessons import CourseRun, LessonRun
from course.widgets import freeze_widgets

_TEMPLATES = FileSystemLoader(Path(__file__).parent)  # page.html.j2, index.html.j2


def write_page(run: LessonRun, runs: Sequence[LessonRun]) -> None:
    """Write the page of an executed notebook beside it; links lead to the pages of all `runs`."""
    notebook = nbformat.read(run.notebook, as_version=4)
    freeze_widgets(notebook)
    quiet = logging.Logger("pages", level=logging.ERROR)  # it warns of pictures without a caption
    exporter = HTMLExporter(extra_loaders=[_TEMPLATES], template_file="page.html.j2", log=quiet)
    resources = {"metadata": {"name": run.lesson.title}, "index": "../index.html"}
    text, _ = exporter.from_notebook_node(notebook, resources)
    pages = {other.lesson.path: other.page for other in runs}
    pages[run.lesson.path.parents[2] / "README.md"] = run.page.parents[1] / "index.html"

    def link(match: re.Match[str]) -> str:
        target = (run.lesson.path.parent / html.unescape(match[1])).resolve()
        return f'href="{_link(pages[target], run.page.parent)}"' if target in pages else match[0]

    text = re.sub(r'href="([^":#?]+\.(?:ipynb|md))"', link, text)
    run.page.write_text(text, encoding="utf-8")


def write_index(course: CourseRun) -> None:
    """Write the index page of a run, finished or stopped: one file that needs no other."""
    folder = course.index.parent
    ok, failed = (sum(r.status == status for r in course.lessons) for status in ("ok", "failed"))
    outcome = f"{ok} of {len(course.lessons)} lessons ok" + (f", {failed} failed" if failed else "")
    started = time.strftime("%Y-%m-%d %H:%M", time.localtime(course.started))
    learner = f"for {course.learner}" if course.learner else ""
    about = " · ".join(filter(None, [learner, outcome, course.server, started]))
    templates = Environment(loader=_TEMPLATES, autoescape=True)
    templates.filters |= {"repr": repr, "combine": operator.or_}
    text = templates.get_template("index.html.j2").render(
        course=course, outcome=outcome, about=about, link=lambda path: _link(path, folder)
    )
    folder.mkdir(parents=True, exist_ok=True)
    course.index.write_text(text, encoding="utf-8")


def _link(target: Path, folder: Path) -> str:
    return Path(os.path.relpath(target, folder)).as_posix()
