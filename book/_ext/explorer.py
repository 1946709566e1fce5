"""Sphinx extension: the directive ``explorer`` shows molecules behind the points of a map.

Chemiscope comes from the pinned package of that name; it is loaded when a reader asks for a map.
"""

from __future__ import annotations

import json
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from docutils import nodes
from sphinx.application import Sphinx
from sphinx.util.docutils import SphinxDirective
from sphinx.util.fileutil import copy_asset

HERE = Path(__file__).parent
TO = "chemiscope"  # below the static files


class Explorer(SphinxDirective):
    """``{explorer} FILE``, made by ``python -m tools.explorer``; FILE is beside the page."""

    required_arguments = 1

    def run(self) -> list[nodes.Node]:
        """The place of the maps, and their data, without which nothing works from a disk."""
        path = Path(self.env.relfn2path(self.arguments[0])[1])
        self.env.note_dependency(str(path))
        data = json.dumps(json.loads(path.read_text()), separators=(",", ":")).replace("</", r"<\/")
        html = (
            '<div class="explorer"><p class="explorer-choices"></p>'
            f'<script type="application/json">{data}</script></div>'
        )
        return [nodes.raw("", html, format="html")]


def load_script(app: Sphinx, page: str, template: str, context: dict[str, Any], _: Any) -> None:
    """Load what offers the maps on pages that have some, and on no others."""
    if '<div class="explorer"' in context.get("body", ""):
        app.add_js_file(f"{TO}/explorer.js", loading_method="defer")


def copy_chemiscope(app: Sphinx, error: Exception | None) -> None:
    """Put chemiscope, its licence and our script into the site."""
    if error is None:
        package = Path(find_spec("chemiscope").origin).parent
        to = Path(app.outdir) / "_static" / TO
        copy_asset(package / "sphinx/static/chemiscope.min.js", to)
        copy_asset(package / "static/chemiscope-widget.mjs.LICENSE.txt", to)
        copy_asset(HERE / "explorer.js", to)


def setup(app: Sphinx) -> dict[str, Any]:
    """Register directive and hooks; called by Sphinx."""
    app.add_directive("explorer", Explorer)
    app.connect("html-page-context", load_script)
    app.connect("build-finished", copy_chemiscope)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
