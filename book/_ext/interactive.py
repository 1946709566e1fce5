"""Sphinx extension: the directive ``chart`` puts an interactive chart and its still into a page.

Scripts come from the pinned package ``vl-convert-python`` and are loaded where a chart is.
"""

from __future__ import annotations

import json
from html import escape
from importlib.metadata import distribution
from pathlib import Path
from typing import Any

import vl_convert
from altair import SCHEMA_VERSION
from charts import CHARTS
from docutils import nodes
from docutils.parsers.rst import directives
from sphinx.application import Sphinx
from sphinx.util.docutils import SphinxDirective

VEGA_LITE = SCHEMA_VERSION[1:].rpartition(".")[0]  # as altair writes it, such as 6.4
# Of the still picture, which fits on a phone; fonts may be wider where it is seen.
STILL = {"width": 358, "padding": {"left": 26, "right": 8, "top": 5, "bottom": 5}}
SCRIPT = "vega/charts.js"


class Chart(SphinxDirective):
    """``{chart} NAME`` with ``:alt:``; NAME is of `charts.CHARTS`."""

    required_arguments = 1
    option_spec = {"alt": directives.unchanged_required}

    def run(self) -> list[nodes.Node]:
        """The chart's place on the page: controls, the still that scripts replace, the data."""
        name, alt = self.arguments[0], self.options.get("alt")
        if name not in CHARTS or not alt:
            raise self.error(f"chart {name!r}: give one of {', '.join(CHARTS)}, and :alt:.")
        spec = CHARTS[name]() | {"description": alt}
        still = vl_convert.vegalite_to_svg(spec | STILL, vl_version=VEGA_LITE)
        still = still.replace("<svg ", f'<svg role="img" aria-label="{escape(alt)}" ', 1)
        data = json.dumps(spec, ensure_ascii=False).replace("</", "<\\/")
        html = (
            f'<div class="chart" id="chart-{name}"><form class="chart-choices"></form>'
            f'<div class="chart-picture">{still}</div>'
            f'<script type="application/json">{data}</script></div>'
        )
        return [nodes.raw("", html, format="html")]


def load_scripts(app: Sphinx, page: str, template: str, context: dict[str, Any], _: Any) -> None:
    """Load the scripts on pages with a chart, and on no others."""
    if '<div class="chart"' in context.get("body", ""):
        app.add_js_file(SCRIPT, loading_method="defer")


def write_scripts(app: Sphinx, error: Exception | None) -> None:
    """Bundle ``charts.js`` with Vega, Vega-Lite and Vega-Embed, beside their licence."""
    if error is None:
        script = Path(app.outdir) / "_static" / SCRIPT
        script.parent.mkdir(parents=True, exist_ok=True)
        own = Path(__file__).with_name("charts.js").read_text()
        bundle = vl_convert.javascript_bundle(own, vl_version=VEGA_LITE)
        script.write_text(f"(() => {{{bundle}}})();")  # its names are its own
        licence = distribution("vl-convert-python").read_text("licenses/LICENSE")
        script.with_name("LICENSE").write_text(licence or "")


def setup(app: Sphinx) -> dict[str, Any]:
    """Register directive and hooks; called by Sphinx."""
    app.add_directive("chart", Chart)
    app.connect("html-page-context", load_scripts)
    app.connect("build-finished", write_scripts)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
