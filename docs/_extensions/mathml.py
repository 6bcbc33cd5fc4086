"""Mathematics as MathML, which browsers set by themselves: no script, no font and no network.

docutils turns LaTeX into MathML; Sphinx asks for a renderer, and these two functions are one.
"""

from __future__ import annotations

import html
import re
from typing import Any

from docutils import nodes
from docutils.utils.math import MathError
from docutils.utils.math.latex2mathml import tex2mathml
from sphinx.application import Sphinx
from sphinx.util import logging

log = logging.getLogger(__name__)


def _mathml(node: nodes.Node, as_block: bool) -> str:
    try:
        found = str(tex2mathml(node.astext(), as_block=as_block))
    except MathError as error:
        log.warning("mathematics that cannot be set: %s", error, location=node)
        return html.escape(node.astext())
    if re.search(r"<munderover>\s*<mi>", found):
        log.warning("an index below a letter with an accent: write \\bar{y_0}, not \\bar y_0", location=node)
    return found


def _inline(writer: Any, node: nodes.math) -> None:
    writer.body.append(_mathml(node, as_block=False))
    raise nodes.SkipNode


def _block(writer: Any, node: nodes.math_block) -> None:
    writer.body.append(f'<div class="math">{_mathml(node, as_block=True)}</div>\n')
    raise nodes.SkipNode


def setup(app: Sphinx) -> dict[str, Any]:
    app.add_html_math_renderer("mathml", (_inline, None), (_block, None))
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
