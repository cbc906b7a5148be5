"""Makes a warning of each quotation that begins with **Trap**."""

from docutils import nodes
from sphinx.application import Sphinx


def mark_traps(app: Sphinx, document: nodes.document) -> None:
    """Turn ``> **Trap: what it is.** Text`` into a warning with the bold words as its title."""
    for quote in list(document.findall(nodes.block_quote)):
        paragraph = quote.next_node(nodes.paragraph)
        bold = next((child for child in paragraph or () if child.astext()), None)
        if not isinstance(bold, nodes.strong) or not bold.astext().startswith("Trap"):
            continue
        paragraph.remove(bold)
        title = nodes.title("", "", *bold.children)
        rest = quote.children if paragraph.astext().strip() else quote.children[1:]
        quote.replace_self(nodes.admonition("", title, *rest, classes=["warning", "trap"]))


def setup(app: Sphinx) -> dict[str, bool]:
    """Connect with Sphinx."""
    app.connect("doctree-read", mark_traps)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
