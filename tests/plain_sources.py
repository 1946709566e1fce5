"""What only this book's site understands, and JupyterLab, VS Code or a code host show raw."""

from __future__ import annotations

import re

MYST = re.compile(
    r"(?<!`)\{[\w:+.-]+\}`"  # a role
    r"|^[\s>*-]*(?::{3,}|(?:`{3,}|~{3,})\s*\{)"  # a directive, in a list too
    r"|^\([\w-]+\)=\s*$"  # a target
    r"|^%|^\+\+\+|\{\{",  # a comment, a break between blocks, a substitution
    re.MULTILINE,
)


def myst(notebook: dict) -> list[str]:
    """Lines of Markdown cells that hold such a thing."""
    prose = [c["source"] for c in notebook["cells"] if c["cell_type"] == "markdown"]
    lines = [line for text in prose for line in "".join(text).splitlines()]
    return [line for line in lines if MYST.search(line)]
