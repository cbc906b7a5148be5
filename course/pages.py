"""Executed lessons as HTML pages that need nothing but the file itself: no network, no kernel."""

import copy
import html
import logging
import os
import re
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import nbformat
from jinja2 import DictLoader
from nbconvert import HTMLExporter

from course.mermaid import draw_er_diagram
from course.widgets import freeze_widgets

if TYPE_CHECKING:
    from course.run import LessonRun

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


def write_page(run: "LessonRun", runs: Sequence["LessonRun"]) -> None:
    """Write the page of an executed notebook beside it.

    Args:
        run: The lesson; its notebook exists.
        runs: All lessons of the run: links between them lead to their pages.
    """
    notebook = copy.deepcopy(nbformat.read(run.notebook, as_version=4))
    freeze_widgets(notebook)
    draw_diagrams(notebook)
    quiet = logging.Logger("pages", level=logging.ERROR)  # it reports pictures without a caption
    exporter = HTMLExporter(
        extra_loaders=[DictLoader({"offline.html.j2": _TEMPLATE})],
        template_file="offline.html.j2",
        log=quiet,
    )
    index = Path(os.path.relpath(run.page.parents[1] / "index.html", run.page.parent))
    resources = {"metadata": {"name": run.lesson.title}, "index_link": index.as_posix()}
    resources |= {"dark": _DARK, "style": _STYLE}
    text, _ = exporter.from_notebook_node(notebook, resources)
    run.page.write_text(_link_pages(text, run, runs), encoding="utf-8")


def draw_diagrams(notebook: nbformat.NotebookNode) -> None:
    """Put pictures where Mermaid's text stands, in texts and in outputs."""
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
        drawn = draw_er_diagram(fence[1])
        return f"<div>{drawn}</div>" if drawn else fence[0]

    return re.sub(r"^```mermaid\n(.*?)^```$", picture, markdown, flags=re.MULTILINE | re.DOTALL)


def _link_pages(text: str, run: "LessonRun", runs: Sequence["LessonRun"]) -> str:
    """Let links to notebooks of this run lead to their pages, and to the README to the index."""
    pages = {other.lesson.path: other.page for other in runs}
    pages[run.lesson.path.parents[2] / "README.md"] = run.page.parents[1] / "index.html"

    def link(found: re.Match[str]) -> str:
        target = (run.lesson.path.parent / html.unescape(found[1])).resolve()
        if target not in pages:
            return found[0]
        return f'href="{Path(os.path.relpath(pages[target], run.page.parent)).as_posix()}"'

    return re.sub(r'href="([^":#?]+\.(?:ipynb|md))"', link, text)
