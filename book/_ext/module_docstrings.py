"""Sphinx extension: headings in a module's docstring are rubrics, not sections of the page.

numpydoc does this for functions and classes but leaves modules alone; two modules with a heading
"References" on one page would then have the same label.
"""

from __future__ import annotations

import re
from typing import Any

from sphinx.application import Sphinx

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


def setup(app: Sphinx) -> dict[str, Any]:
    """Register the hook; called by Sphinx."""
    app.connect("autodoc-process-docstring", use_rubrics)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
