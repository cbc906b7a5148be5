"""Finds the pages and puts them in order: the lessons by part, then the documents."""

import shutil
from pathlib import Path

from sphinx.application import Sphinx

from course.lessons import find_lessons

# The order of the documents that are known; others follow by name.
_FIRST = ["docs/instructors", "docs/course_ci", "docs/requirements", "CONTRIBUTING", "CHANGELOG"]


def add_contents(app: Sphinx, docname: str, source: list[str]) -> None:
    """Append the table of contents to the start page, from the files that are there."""
    if docname != app.config.root_doc:
        return
    entries: dict[str, list[str]] = {}
    for lesson in find_lessons(Path(app.srcdir) / "notebooks"):
        page = lesson.path.relative_to(Path(app.srcdir).resolve()).with_suffix("").as_posix()
        number, _, name = lesson.part.partition("_")
        entries.setdefault(f"Part {number}, {name.replace('_', ' ')}", []).append(page)
    listed = {page for pages in entries.values() for page in pages}
    documents = sorted(app.env.found_docs - listed - {app.config.root_doc})
    entries["About the course"] = sorted(
        documents, key=lambda page: _FIRST.index(page) if page in _FIRST else len(_FIRST)
    )
    for caption, pages in entries.items():
        if pages:
            lines = "\n".join(f"/{page}" for page in pages)
            source[0] += f"\n\n```{{toctree}}\n:hidden:\n:caption: {caption}\n\n{lines}\n```\n"


def write_index(app: Sphinx, error: Exception | None) -> None:
    """Let a server, and a person who looks for it, find the start page as ``index.html``."""
    if error is None and app.builder.format == "html":
        folder = Path(app.outdir)
        shutil.copyfile(folder / f"{app.config.root_doc}.html", folder / "index.html")


def setup(app: Sphinx) -> dict[str, bool]:
    """Connect with Sphinx."""
    app.connect("source-read", add_contents)
    app.connect("build-finished", write_index)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
