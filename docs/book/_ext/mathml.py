"""Formulas as MathML, which browsers draw by themselves; MathJax would come from the internet."""

from docutils import nodes
from docutils.utils.math import MathError
from docutils.utils.math.latex2mathml import tex2mathml
from sphinx.application import Sphinx
from sphinx.util import logging
from sphinx.writers.html5 import HTML5Translator

_LOGGER = logging.getLogger(__name__)


def _inline(translator: HTML5Translator, node: nodes.math) -> None:
    translator.body.append(_translate(translator, node, as_block=False))
    raise nodes.SkipNode


def _block(translator: HTML5Translator, node: nodes.math_block) -> None:
    translator.body.append(f"<div>{_translate(translator, node, as_block=True)}</div>\n")
    raise nodes.SkipNode


def _translate(translator: HTML5Translator, node: nodes.Element, as_block: bool) -> str:
    """The formula; where docutils can't translate it, its TeX, with a warning."""
    try:
        return tex2mathml(node.astext(), as_block=as_block)
    except MathError as error:
        _LOGGER.warning("%s", error, location=node, type="book", subtype="math")
        return f"<code>{translator.encode(node.astext())}</code>"


def setup(app: Sphinx) -> dict[str, bool]:
    """Connect with Sphinx."""
    app.add_html_math_renderer("mathml", (_inline, None), (_block, None))
    return {"parallel_read_safe": True, "parallel_write_safe": True}
