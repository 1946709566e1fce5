"""Sphinx extension: prose names a score as the tables and figures beside it do.

Sources say `r2_partial`, as code and files do; a page of results says R² with a subscript.
"""

from __future__ import annotations

import re
from typing import Any

from docutils import nodes
from sphinx.application import Sphinx

PAGES = ("notebooks/", "book/claims", "book/data_card", "book/explore", "book/playground")
_SCORE = re.compile(r"\br2_(partial|geom|comp|full|leak)\b(?!\.\w)")
_AS_WRITTEN = (nodes.FixedTextElement, nodes.raw)


def in_words(app: Sphinx, page: nodes.document, name: str) -> None:
    """Write the scores of a page of results as its tables do."""
    if not name.startswith(PAGES):
        return
    for text in list(page.findall(nodes.Text)):
        pieces = _SCORE.split(text)
        above = text.parent
        while above is not None and not isinstance(above, _AS_WRITTEN):
            above = above.parent
        if len(pieces) == 1 or above is not None:
            continue
        made: list[nodes.Node] = [nodes.Text(pieces[0])]
        for score, after in zip(pieces[1::2], pieces[2::2], strict=True):
            made += [nodes.Text("R²"), nodes.subscript("", score), nodes.Text(after)]
        parent = text.parent
        parent.replace(text, made)
        code = parent if isinstance(parent, nodes.literal) else parent.parent
        if isinstance(code, nodes.literal):
            code.parent.replace(code, code.children)


def setup(app: Sphinx) -> dict[str, Any]:
    """Register the hook, after the glossary's; called by Sphinx."""
    app.connect("doctree-resolved", in_words, priority=600)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
