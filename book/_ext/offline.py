"""Sphinx extension: the book asks the network for nothing and opens from the file system."""

from __future__ import annotations

import base64
import re
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from sphinx.application import Sphinx
from sphinx.util.fileutil import copy_asset

MATHJAX = "tex-svg-full.js"  # for slides; glyphs are SVG paths, so no web fonts

REVEAL = (  # what slides need of it
    "LICENSE", "dist/reveal.js", "dist/reveal.css", "dist/theme/white.css",
    "dist/theme/fonts/source-sans-pro", "plugin/notes/notes.js",
)  # fmt: skip

_ICONS = "url(../vendor/fontawesome/webfonts/fa-solid-900.woff2)"
_SEARCH = re.compile(
    r'\s*<script src="[./]*(?:_static/searchtools|_static/language_data|searchindex)\.js"></script>'
)
_SLIPS = [
    (re.compile(r"<script[^>]*fontawesome\.js[^>]*></script>\n?"), ""),
    (re.compile(r"<link[^>]*fontawesome\.js[^>]*>\n?"), ""),
    (
        re.compile(r"<summary>(?=<span class=\"toctree-toggle\")"),
        '<summary aria-label="pages below">',
    ),
    (re.compile(r'(<div) role="list"(?= class="citation-list")'), r"\1"),
    # On a phone outputs scroll, which a keyboard can only do where it can go.
    (re.compile(r'<div(?= class="cell_output docutils container")'), '<div tabindex="0"'),
]


def copy_mathjax(app: Sphinx, error: Exception | None) -> None:
    """Put MathJax, which the package ``sphinx-mathjax-offline`` carries, beside the slides."""
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


def lighten(app: Sphinx, error: Exception | None) -> None:
    """Take out what no page needs: source maps, and icons a second time as 1.5 MB of script.

    The index of all words stays with the page of search results: others only lead there.

    The icons' font, which the theme's style sheet brings, is written into that sheet, since not
    every browser loads fonts from the file system. Slips of the theme are mended on the way: folds
    without a name, lists without items, and outputs that scroll but that a keyboard cannot reach.
    """
    if error is not None:
        return
    out = Path(app.outdir)
    for file in [*out.rglob("*.map"), out / "_static/scripts/fontawesome.js"]:
        file.unlink(missing_ok=True)
    fonts = out / "_static/vendor/fontawesome/webfonts"
    solid = base64.b64encode((fonts / "fa-solid-900.woff2").read_bytes()).decode()
    sheet = out / "_static/styles/pydata-sphinx-theme.css"
    text = re.sub(r"/\*# sourceMappingURL=.*?\*/", "", sheet.read_text(encoding="utf-8"))
    text = text.replace(_ICONS, f"url(data:font/woff2;base64,{solid})")
    sheet.write_text(text, encoding="utf-8")
    for page in out.rglob("*.html"):
        text = page.read_text(encoding="utf-8")
        for pattern, instead in _SLIPS:
            text = pattern.sub(instead, text)
        if page.name != "search.html":
            text = _SEARCH.sub("", text)
        page.write_text(text, encoding="utf-8")


def drop_thebe(app: Sphinx, page: str, template: str, context: dict[str, Any], _: Any) -> None:
    """Remove the scripts of sphinx-thebe, which would load a kernel client from a CDN."""

    def unwanted(script: Any) -> bool:
        body = getattr(script, "attributes", {}).get("body") or ""
        return "thebe" in f"{script} {body}".lower()

    context["script_files"] = [s for s in context.get("script_files", []) if not unwanted(s)]


def setup(app: Sphinx) -> dict[str, Any]:
    """Register the hooks; called by Sphinx."""
    app.connect("build-finished", copy_mathjax)
    app.connect("build-finished", copy_reveal)
    app.connect("build-finished", lighten)
    app.connect("html-page-context", drop_thebe, priority=900)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
