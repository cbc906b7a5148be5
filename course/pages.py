"""Executed lessons as HTML pages that need no network and no kernel, and the index of a run."""

import html
import logging
import os
import re
import time
from collections.abc import Sequence
from itertools import groupby
from pathlib import Path

import nbformat
from jinja2 import DictLoader
from nbconvert import HTMLExporter

from course.lessons import CourseRun, LessonRun
from course.widgets import freeze_widgets

# nbconvert's own page, without the five scripts that it would fetch from the internet: RequireJS,
# MathJax, Mermaid and the two of the widgets.
_TEMPLATE = """
{%- extends 'lab/index.html.j2' -%}
{% block html_head_js %}{% endblock %}
{% block html_head_js_mathjax %}{% endblock %}
{% block html_head_js_mermaidjs %}{% endblock %}
{% block jupyter_widgets %}{% endblock %}
{% block body_header %}{{ super() }}
<nav class="jp-RenderedHTMLCommon"><a href="{{ resources.index }}">All lessons</a></nav>
<style>main, nav { max-width: 1100px; margin: 0 auto; }</style>
{% endblock %}
"""
_INDEX = """<!DOCTYPE html>
<html lang="en"><head><meta charset="utf-8"><title>The lessons, run: {outcome}</title><style>
:root {{ color-scheme: light dark; }} caption {{ text-align: left; opacity: .7; }}
body {{ font: 16px/1.5 system-ui, sans-serif; max-width: 52rem; margin: 3rem auto; }}
table {{ border-collapse: collapse; width: 100%; margin-top: 2rem; }} small {{ opacity: .7; }}
td {{ border-top: 1px solid #8884; padding: .7rem .8rem .7rem 0; vertical-align: top; }}
pre {{ white-space: pre-wrap; border-left: 3px solid #b3261e; padding-left: .8em; }}
</style></head><body><h1>Storing data in PostgreSQL</h1><p>{about}</p>{body}</body></html>
"""


def write_page(run: LessonRun, runs: Sequence[LessonRun]) -> None:
    """Write the page of an executed notebook beside it; links lead to the pages of all `runs`."""
    notebook = nbformat.read(run.notebook, as_version=4)
    freeze_widgets(notebook)
    exporter = HTMLExporter(
        extra_loaders=[DictLoader({"offline.html.j2": _TEMPLATE})],
        template_file="offline.html.j2",
        log=logging.Logger("pages", level=logging.ERROR),  # it warns of pictures without a caption
    )
    resources = {"metadata": {"name": run.lesson.title}, "index": "../index.html"}
    text, _ = exporter.from_notebook_node(notebook, resources)
    run.page.write_text(_link_pages(text, run, runs), encoding="utf-8")


def _link_pages(text: str, run: LessonRun, runs: Sequence[LessonRun]) -> str:
    """Let links to notebooks of this run lead to their pages, and to the README to the index."""
    pages = {other.lesson.path: other.page for other in runs}
    pages[run.lesson.path.parents[2] / "README.md"] = run.page.parents[1] / "index.html"

    def link(match: re.Match[str]) -> str:
        target = (run.lesson.path.parent / html.unescape(match[1])).resolve()
        return f'href="{_link(pages[target], run.page.parent)}"' if target in pages else match[0]

    return re.sub(r'href="([^":#?]+\.(?:ipynb|md))"', link, text)


def write_index(course: CourseRun) -> None:
    """Write the index page of a run, finished or stopped: one file that needs no other."""
    ok, failed = (sum(r.status == status for r in course.lessons) for status in ("ok", "failed"))
    outcome = f"{ok} of {len(course.lessons)} lessons ok" + (f", {failed} failed" if failed else "")
    started = time.strftime("%Y-%m-%d %H:%M", time.localtime(course.started))
    about = f"for {course.learner}" if course.learner else ""
    about = html.escape(" · ".join(filter(None, [about, outcome, course.server, started])))
    body = ""
    for part, runs in groupby(course.lessons, key=lambda run: run.lesson.part):
        rows = "".join(_row(run, course.index.parent) for run in runs)
        body += f"<table><caption>{html.escape(part)}</caption>{rows}</table>"
    course.index.parent.mkdir(parents=True, exist_ok=True)
    page = _INDEX.format(outcome=outcome, about=about, body=body)
    course.index.write_text(page, encoding="utf-8")


def _row(run: LessonRun, folder: Path) -> str:
    title, notebook = html.escape(run.lesson.title), ""
    if run.page.exists():
        title = f'<a href="{_link(run.page, folder)}">{title}</a>'
        notebook = f' · <a href="{_link(run.notebook, folder)}">notebook</a>'
    values = (run.lesson.parameters | run.parameters).items()
    used = html.escape(", ".join(f"{name} = {value!r}" for name, value in values))
    error = f"<pre>{html.escape(run.error)}</pre>" if run.error else ""
    seconds = f"{run.seconds:.1f} s" if run.seconds else ""
    about = f"{title}<br><small>{used}{notebook}</small>{error}"
    return f"<tr><td>{about}</td><td>{seconds}</td><td>{run.status}</td></tr>"


def _link(target: Path, folder: Path) -> str:
    return html.escape(Path(os.path.relpath(target, folder)).as_posix())
