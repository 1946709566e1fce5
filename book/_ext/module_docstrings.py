"""Sphinx extension: what numpydoc leaves undone in docstrings.

It makes rubrics of the headings of functions and classes but leaves those of modules as sections;
two modules with a heading "References" on one page would then have the same label. And it makes the
labels of references unique with a hash, which it does not take off again in Markdown pages.
"""

from __future__ import annotations

import re
from typing import Any

from docutils import nodes
from sphinx.application import Sphinx

_HASHED = re.compile(r"R[0-9a-f]{12}-(?=\d)")
_UNDERLINE = re.compile(r"(-{3,}|={3,})\s*")


def use_rubrics(
    app: Sphinx, what: str, name: str, obj: Any, options: Any, lines: list[str]
) -> None:
    """Rewrite `lines`, the docstring of `name`, in place."""
    if what != "module":
        return
    for i in range(len(lines) - 1, 0, -1):
        if _UNDERLINE.fullmatch(lines[i]) and lines[i - 1].strip():
            lines[i - 1 : i + 1] = [f".. rubric:: {lines[i - 1].strip()}", ""]


def take_off_hashes(app: Sphinx, doctree: nodes.document, page: str) -> None:
    """Show the reference ``[R1da33d9a6f00-1]`` as ``[1]``."""
    for text in list(doctree.findall(nodes.Text)):
        shown = _HASHED.sub("", text.astext())
        if shown != text.astext():
            text.parent.replace(text, nodes.Text(shown))


def setup(app: Sphinx) -> dict[str, Any]:
    """Register the hooks; called by Sphinx."""
    app.connect("autodoc-process-docstring", use_rubrics)
    app.connect("doctree-resolved", take_off_hashes)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
