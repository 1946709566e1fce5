r"""Sphinx extension: formulas as MathML, which browsers draw themselves.

No page loads a script for them. Only pages with formulas load the style sheet, which holds the
part of the font STIX Two Math that formulas need: not every browser loads fonts from the file
system, and not every system has a font for mathematics.
"""

from __future__ import annotations

import base64
import re
from importlib.resources import as_file, files
from io import BytesIO
from pathlib import Path
from typing import Any

from docutils import nodes
from fontTools import subset
from fontTools.ttLib import TTFont
from latex2mathml.converter import convert
from sphinx.application import Sphinx
from sphinx.util import logging

SHEET = "formulas.css"
RULES = """
math {{ font-family: "Formulas", "STIX Two Math", math; font-size: 1.05em; }}
div.math {{ display: block; overflow-x: auto; overflow-y: hidden; padding: 0.2em 0; }}
@font-face {{ font-family: "Formulas"; src: url(data:font/woff;base64,{font}) format("woff"); }}
"""
_RANGES = (  # Latin, Greek, accents, operators, and the bold and italic letters of mathematics
    (0x20, 0x7F), (0xA0, 0x100), (0x2C6, 0x2DE), (0x300, 0x330), (0x391, 0x3D7), (0x2010, 0x2070),
    (0x210E, 0x210F), (0x2113, 0x2114), (0x2190, 0x2194), (0x2200, 0x22A5), (0x22C0, 0x22F0),
    (0x27E6, 0x27EE), (0x1D400, 0x1D468), (0x1D6A4, 0x1D71C),
)  # fmt: skip
# As in TeX, a bar or a slash between letters stands close to them.
_CLOSE = re.compile(r"<mo[^>]*>(?=(?:&#x0007C;|&#x0002F;|\||/)</mo>)")


def mathml(latex: str, *, display: bool = False) -> str:
    r"""A formula as MathML; the LaTeX goes along for those who read or copy it.

    Raises
    ------
    ValueError
        If a command is unknown, which would stand on the page as it is written.
    """
    written = convert(latex, display="block" if display else "inline")
    unknown = re.search(r"<m[iot][^>]*>(?:&</|\\\w*)", written)
    if unknown:
        command = unknown[0].split(">")[-1].rstrip("/<")
        raise ValueError(f"{latex!r} has {command!r}, which cannot be drawn.")
    written = _CLOSE.sub('<mo stretchy="false" lspace="0" rspace="0">', written)
    alternative = latex.replace("&", "&amp;").replace("<", "&lt;").replace('"', "&quot;")
    return written.replace("<math ", f'<math alttext="{alternative}" ', 1)


def font() -> bytes:
    """The part of STIX Two Math that formulas need, as WOFF."""
    with as_file(files("ziamath") / "fonts" / "STIXTwoMath-Regular.ttf") as path:
        whole = TTFont(path)
    chosen = subset.Subsetter(subset.Options(layout_features=["ssty", "dtls", "flac"]))
    chosen.populate(unicodes=[code for bounds in _RANGES for code in range(*bounds)])
    chosen.subset(whole)
    whole.flavor = "woff"
    written = BytesIO()
    whole.save(written)
    return written.getvalue()


def visit(translator: Any, node: nodes.Element) -> None:
    """Write a formula; one that cannot be drawn is a warning, and warnings stop the build."""
    display = isinstance(node, nodes.math_block)
    try:
        written = mathml(node.astext(), display=display)
    except Exception as error:
        logging.getLogger(__name__).warning("formula: %s", error, location=node)
        written = f"<code>{translator.encode(node.astext())}</code>"
    tag = "div" if display else "span"
    reached = {"tabindex": "0"} if display else {}  # it scrolls, which a keyboard has to reach
    start = translator.starttag(node, tag, "", CLASS="math", **reached)
    translator.body.append(start + written)
    translator.body.append(f"</{tag}>\n" if display else f"</{tag}>")
    raise nodes.SkipNode


def dress(app: Sphinx, page: str, template: str, context: dict[str, Any], doctree: Any) -> None:
    """Load the style sheet where there are formulas."""
    formulas = (nodes.math, nodes.math_block)
    if doctree is not None and any(doctree.findall(lambda node: isinstance(node, formulas))):
        app.add_css_file(SHEET)


def write_sheet(app: Sphinx, error: Exception | None) -> None:
    """Put the style sheet into the pages."""
    if error is None:
        sheet = RULES.format(font=base64.b64encode(font()).decode())
        Path(app.outdir, "_static", SHEET).write_text(sheet, encoding="utf-8")


def setup(app: Sphinx) -> dict[str, Any]:
    """Register the renderer; called by Sphinx."""
    app.add_html_math_renderer("mathml", (visit, None), (visit, None))
    app.config.html_math_renderer = "mathml"
    app.connect("html-page-context", dress)
    app.connect("build-finished", write_sheet)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
