"""Sphinx extension: numbers of references without the hash that makes their labels unique.

In Markdown pages numpydoc leaves it standing.
"""

from __future__ import annotations

import re
from typing import Any

from docutils import nodes
from sphinx.application import Sphinx

_HASHED = re.compile(r"R[0-9a-f]{12}-(?=\d)")


def take_off_hashes(app: Sphinx, doctree: nodes.document, page: str) -> None:
    """Show the reference ``[R1da33d9a6f00-1]`` as ``[1]``."""
    for text in list(doctree.findall(nodes.Text)):
        shown = _HASHED.sub("", text.astext())
        if shown != text.astext():
            text.parent.replace(text, nodes.Text(shown))


def setup(app: Sphinx) -> dict[str, Any]:
    """Register the hook; called by Sphinx."""
    app.connect("doctree-resolved", take_off_hashes)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
