"""Settings of `make book`: the lessons and documents as a site that needs no network.

Sphinx reads the repository itself, so that a link between two files is a link between two pages.
The lessons are shown as committed; nothing is executed. What Sphinx and its extensions can't do by
a setting is in ``_ext``, one idea a module.
"""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent / "_ext"))

project = "Storing data in PostgreSQL"
language = "en"
root_doc = "README"
extensions = ["myst_nb", "sphinx_copybutton", "contents", "outputs", "traps", "links", "mathml"]

include_patterns = [
    *("*.md", "docs/*.md", "docs/*.ipynb", "carlib/*.md", "benchmarks/*.md"),
    "notebooks/*/[0-9][0-9]_*.ipynb",
]
exclude_patterns = [
    ".*",
    "**/.*",
    "build",
    "docs/book",
    "exercises",
    "servers",
    "course",
    "tests",
    "workbook",
]

suppress_warnings = ["misc.highlighting_failure"]  # the lexer for sql knows no $$
nb_execution_mode = "off"
nb_merge_streams = True
nb_render_image_options = {"alt": "A chart drawn by the code above"}
myst_heading_anchors = 4
myst_enable_extensions = ["dollarmath", "amsmath"]  # as JupyterLab reads a text
html_math_renderer = "mathml"

html_theme = "sphinx_book_theme"
html_title = project
html_static_path = ["_static"]
html_css_files = ["book.css"]
html_js_files = [("book.js", {"priority": 1000})]
html_copy_source = True  # the notebook itself, behind the download button
html_show_sourcelink = False
html_use_index = False  # of Python's names; there are none
html_favicon = "_static/favicon.svg"
html_theme_options = {
    "show_toc_level": 2,
    "use_fullscreen_button": False,
    "search_bar_text": "Search the book",
    "footer_content_items": [],  # it would name an author that is not set
    "navbar_persistent": [],  # the search stands in the left column
}
html_context = {"default_mode": "auto"}  # light or dark as the reader's system is

# What a person types, not what a cell answered.
copybutton_selector = "div.highlight pre:not(.cell_output pre)"
