"""Sphinx extension: every picture has a text for those who do not see it.

Where a page gives none, the description that our figures carry is taken; a picture without either
is a warning, and warnings stop the build.
"""

from __future__ import annotations

import xml.etree.ElementTree as ET
from pathlib import Path
from typing import Any

from docutils import nodes
from sphinx.application import Sphinx
from sphinx.util import logging

_DESCRIPTION = ".//{http://purl.org/dc/elements/1.1/}description"


def described(path: Path) -> str:
    """The description that an SVG file carries in its metadata, empty where there is none."""
    found = ET.parse(path).getroot().find(_DESCRIPTION) if path.suffix == ".svg" else None
    return (found.text or "").strip() if found is not None else ""


def add_alternatives(app: Sphinx, doctree: nodes.document) -> None:
    """Give pictures of a page their text."""
    for image in doctree.findall(nodes.image):
        path = Path(app.srcdir, image["uri"].lstrip("/"))
        if not image.get("alt") and path.is_file():
            image["alt"] = described(path)
        if not image.get("alt"):
            logging.getLogger(__name__).warning(
                "%s has no alternative text; give its cell mystnb.image.alt, or its figure :alt:.",
                path.name, location=image,
            )  # fmt: skip


def setup(app: Sphinx) -> dict[str, Any]:
    """Register the hook; called by Sphinx."""
    app.connect("doctree-read", add_alternatives)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
