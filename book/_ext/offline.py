"""Sphinx extension: the book asks the network for nothing and opens from the file system."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path
from typing import Any

from sphinx.application import Sphinx
from sphinx.util.fileutil import copy_asset

MATHJAX = "tex-svg-full.js"  # one file with all of TeX; glyphs are SVG paths, so no web fonts

REVEAL = (  # what slides need of it
    "LICENSE", "dist/reveal.js", "dist/reveal.css", "dist/theme/white.css",
    "dist/theme/fonts/source-sans-pro", "plugin/notes/notes.js",
)  # fmt: skip


def copy_mathjax(app: Sphinx, error: Exception | None) -> None:
    """Put MathJax, which the pinned package ``sphinx-mathjax-offline`` carries, into the pages."""
    if error is None:
        package = Path(find_spec("sphinx-mathjax-offline").origin).parent
        copy_asset(package / "static" / "mathjax" / MATHJAX, Path(app.outdir) / "_static/mathjax")


def copy_reveal(app: Sphinx, error: Exception | None) -> None:
    """Put reveal.js, which the pinned package ``sphinx-revealjs`` carries, into the pages."""
    if error is None:
        package = Path(find_spec("sphinx_revealjs").origin).parent / "_static" / "revealjs"
        to = Path(app.outdir) / "_static" / "reveal"
        for name in REVEAL:
            copy_asset(
                package / name, to / (name if (package / name).is_dir() else Path(name).parent)
            )


def drop_thebe(app: Sphinx, page: str, template: str, context: dict[str, Any], _: Any) -> None:
    """Remove the scripts of sphinx-thebe, which would load a kernel client from a CDN."""

    def unwanted(script: Any) -> bool:
        body = getattr(script, "attributes", {}).get("body") or ""
        return "thebe" in f"{script} {body}".lower()

    context["script_files"] = [s for s in context.get("script_files", []) if not unwanted(s)]


def setup(app: Sphinx) -> dict[str, Any]:
    """Register the hooks; called by Sphinx."""
    app.config.mathjax_path = f"mathjax/{MATHJAX}"
    app.connect("build-finished", copy_mathjax)
    app.connect("build-finished", copy_reveal)
    app.connect("html-page-context", drop_thebe, priority=900)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
