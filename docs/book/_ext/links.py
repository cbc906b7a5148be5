"""Links to folders of the repository, which have no page, become plain text."""

from pathlib import Path

from docutils import nodes
from sphinx.addnodes import pending_xref
from sphinx.application import Sphinx


def drop_links_to_folders(app: Sphinx, document: nodes.document) -> None:
    """Keep the words of a link to a folder; any other link that leads nowhere stops the build."""
    for link in list(document.findall(pending_xref)):
        page = Path(app.env.doc2path(link["refdoc"]))
        if not link["refdomain"] and (page.parent / link["reftarget"]).is_dir():
            link.replace_self(link.children)


def setup(app: Sphinx) -> dict[str, bool]:
    """Connect with Sphinx."""
    app.connect("doctree-read", drop_links_to_folders)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
