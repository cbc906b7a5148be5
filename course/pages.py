"""Executed lessons as HTML pages that need no network and no kernel, and the index of a run."""

import copy
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

from course.diagram import draw_er_diagram
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
{% block notebook_css %}{{ super() }}
{{ resources.include_css("static/theme-dark.css") | replace("<style", "<style " ~ resources.dark) }}
<style>{{ resources.style }}</style>
{% endblock %}
{% block body_header %}{{ super() }}
<nav class="jp-RenderedHTMLCommon"><a href="{{ resources.index_link }}">All lessons</a></nav>
{% endblock %}
"""
_DARK = 'media="screen and (prefers-color-scheme: dark)"'  # paper stays white
# Lines no longer than an eye follows back; and where the theme's colors are too faint for WCAG's
# level AA (a contrast of 4.5), others like them.
_STYLE = """
:root { color-scheme: light dark; --jp-cell-prompt-not-active-opacity: 1;
  --jp-cell-prompt-not-active-font-color: #737373; --jp-mirror-editor-operator-color: #8a1fd0;
  --jp-mirror-editor-number-color: #070; --jp-mirror-editor-comment-color: #2f6f6f; }
@media screen and (prefers-color-scheme: dark) {
  :root { --jp-cell-prompt-not-active-font-color: #8c8c8c;
    --jp-mirror-editor-operator-color: #c88cff;
    --jp-mirror-editor-number-color: #66bb6a; --jp-mirror-editor-comment-color: #7fb5b5; } }
main, nav { max-width: 1100px; margin: 0 auto; }
nav { padding-left: 5em; }
.jp-RenderedMarkdown > :is(p, ul, ol, blockquote, details) { max-width: 54em; }
"""
_INDEX_STYLE = """
:root { color-scheme: light dark; --line: #8884; --soft: #666; }
@media (prefers-color-scheme: dark) { :root { --soft: #999; } }
body { font: 16px/1.5 system-ui, sans-serif; max-width: 52rem; margin: 3rem auto; padding: 0 1rem; }
.about, caption, small { color: var(--soft); }
table { border-collapse: collapse; width: 100%; margin-top: 2rem; } caption { text-align: left; }
th, td { border-top: 1px solid var(--line); padding: .7rem .8rem .7rem 0; text-align: left;
  vertical-align: top; font-weight: normal; }
td { white-space: nowrap; font-variant-numeric: tabular-nums; }
.status { border-radius: 1em; padding: 0 .7em; font-size: .85rem; color: #fff; }
.ok { background: #2a7d46; } .failed { background: #b3261e; } .not-run { background: #666; }
pre { white-space: pre-wrap; border-left: 3px solid #b3261e; padding-left: .8em; margin: .4rem 0; }
"""


def make_static(notebook: nbformat.NotebookNode) -> None:
    """Replace widgets and diagrams by what a page can show without scripts; changes `notebook`."""
    freeze_widgets(notebook)
    for cell in notebook.cells:
        if cell.cell_type == "markdown":
            cell.source = _with_pictures(cell.source)
        for output in cell.get("outputs", []):
            data = output.get("data", {})
            if "text/markdown" in data:
                data["text/markdown"] = _with_pictures(data["text/markdown"])
            if picture := draw_er_diagram(data.get("text/vnd.mermaid", "")):
                data["text/html"] = picture


def _with_pictures(markdown: str) -> str:
    def picture(fence: re.Match[str]) -> str:
        drawing = draw_er_diagram(fence[1])
        return f"<div>{drawing}</div>" if drawing else fence[0]

    return re.sub(r"^```mermaid\n(.*?)^```$", picture, markdown, flags=re.MULTILINE | re.DOTALL)


def write_page(run: LessonRun, runs: Sequence[LessonRun]) -> None:
    """Write the page of an executed notebook beside it.

    Args:
        run: The lesson; its notebook exists.
        runs: All lessons of the run: links between them lead to their pages.
    """
    notebook = copy.deepcopy(nbformat.read(run.notebook, as_version=4))
    make_static(notebook)
    exporter = HTMLExporter(
        extra_loaders=[DictLoader({"offline.html.j2": _TEMPLATE})],
        template_file="offline.html.j2",
        log=logging.Logger("pages", level=logging.ERROR),  # it warns of pictures without a caption
    )
    index = _link(run.page.parents[1] / "index.html", run.page.parent)
    resources = {"metadata": {"name": run.lesson.title}, "index_link": index}
    resources |= {"dark": _DARK, "style": _STYLE}
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
    """Write the index page of a run, one file that needs no other.

    Args:
        course: The run, finished or stopped. Links are relative to the folder of its `index`.
    """
    ok, failed = (sum(r.status == status for r in course.lessons) for status in ("ok", "failed"))
    outcome = f"{ok} of {len(course.lessons)} lessons ok" + (f", {failed} failed" if failed else "")
    started = time.strftime("%Y-%m-%d %H:%M", time.localtime(course.started))
    about = " · ".join([outcome, course.server, started])
    body = ""
    for part, runs in groupby(course.lessons, key=lambda run: run.lesson.part_title):
        rows = "".join(_row(run, course.index.parent) for run in runs)
        body += f"<table><caption>{html.escape(part)}</caption>{rows}</table>"
    if course.learner:
        about = f"for {course.learner} · {about}"
    course.index.parent.mkdir(parents=True, exist_ok=True)
    course.index.write_text(
        '<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>The lessons, run: {outcome}</title><style>{_INDEX_STYLE}</style></head><body>"
        f'<h1>Storing data in PostgreSQL</h1><p class="about">{html.escape(about)}</p>'
        f"{body}</body></html>\n",
        encoding="utf-8",
    )


def _row(run: LessonRun, folder: Path) -> str:
    title, notebook = html.escape(run.lesson.title), ""
    if run.page.exists():
        title = f'<a href="{_link(run.page, folder)}">{title}</a>'
        notebook = f' · <a href="{_link(run.notebook, folder)}">notebook</a>'
    values = (run.lesson.parameters | run.parameters).items()
    used = html.escape(", ".join(f"{name} = {value!r}" for name, value in values))
    error = f"<pre>{html.escape(run.error)}</pre>" if run.error else ""
    return (
        f"<tr><th>{title}<br>{html.escape(run.lesson.summary)}<br><small>{used}{notebook}</small>"
        f"{error}</th><td>{f'{run.seconds:.1f} s' if run.seconds else ''}</td>"
        f'<td><span class="status {run.status.replace(" ", "-")}">{run.status}</span></td></tr>'
    )


def _link(target: Path, folder: Path) -> str:
    return html.escape(Path(os.path.relpath(target, folder)).as_posix())
