"""``cpdkit report``: one page of a run that holds everything, to be sent or kept."""

from __future__ import annotations

import base64
import html
import json
from pathlib import Path
from typing import Any

import pandas as pd

from cpdkit._files import replacing
from cpdkit.runs.tables import FinishedRun, find_run

__all__ = ["report", "write_report"]

ROWS = 200
"""So many rows of a table are shown; all of them are in the file."""

_STYLE = """
body { font: 15px/1.5 system-ui, sans-serif; max-width: 70rem; margin: 2rem auto; padding: 0 1rem;
  color: #222; background: #fff }
table { border-collapse: collapse; font-size: 13px; margin: .5rem 0 }
th, td { padding: .15rem .6rem; border-bottom: 1px solid #ddd; text-align: left }
td { font-variant-numeric: tabular-nums }
img { max-width: 100%; height: auto } details { margin: .6rem 0 } .wide { overflow-x: auto }
pre { white-space: pre-wrap; background: #f6f6f6; padding: .8rem } blockquote { font-weight: 600 }
"""


def write_report(given: str | Path, output: str | Path | None = None) -> Path:
    """Write the page of a run, ``report.html`` in its folder by default.

    Raises
    ------
    FileNotFoundError, ValueError
        If there is no such run.
    """
    run = find_run(given)
    path = Path(output) if output is not None else run.folder / "report.html"
    with replacing(path) as file:
        file.write(report(run).encode())
    return path.resolve()


def report(run: FinishedRun) -> str:
    """The page as HTML, with figures, tables, parameters and manifest inside."""
    manifest = run.manifest
    title = html.escape(Path(manifest["notebook"]).stem)
    when = html.escape(f"{manifest.get('started', '')}, {manifest.get('wall_seconds', 0):,} s")
    parts = [
        f"<h1>{title}</h1><p>{when}, cpdkit {html.escape(str(manifest.get('cpdkit', '')))}</p>",
        *(f"<blockquote>{html.escape(text)}</blockquote>" for text in _sentences(run)),
        "<h2>Parameters</h2>" + _rows(manifest["parameters"]),
        "<h2>Figures</h2>",
        *(_figure(path) for path in sorted(run.folder.glob("*.svg"))),
        "<h2>Tables</h2>",
        *(_table(path) for path in run.tables.values()),
        "<h2>Made from</h2>",
        _rows(
            {key: manifest[key] for key in ("python", "hardware", "revision") if key in manifest}
        ),
        _folded("Packages", _rows(manifest.get("packages", {}))),
        _folded("Manifest", f"<pre>{html.escape(json.dumps(manifest, indent=1))}</pre>"),
    ]
    head = f"<meta charset='utf-8'><title>{title}</title><style>{_STYLE}</style>"
    return (
        f"<!doctype html><html lang='en'><head>{head}</head><body>{''.join(parts)}</body></html>\n"
    )


def _sentences(run: FinishedRun) -> list[str]:
    return [path.read_text() for path in sorted(run.folder.glob("*sentence.txt"))]


def _rows(values: Any) -> str:
    cells = "".join(
        f"<tr><th>{html.escape(str(k))}</th><td>{html.escape(_plain(v))}</td></tr>"
        for k, v in values.items()
    )
    return f"<table>{cells}</table>"


def _plain(value: Any) -> str:
    if isinstance(value, dict):
        return ", ".join(f"{k}: {_plain(v)}" for k, v in value.items())
    return ", ".join(map(_plain, value)) if isinstance(value, list) else str(value)


def _figure(path: Path) -> str:
    data = base64.b64encode(path.read_bytes()).decode()
    name = html.escape(path.stem)
    return f"<h3>{name}</h3><img alt='{name}' src='data:image/svg+xml;base64,{data}'>"


def _table(path: Path) -> str:
    table = pd.read_csv(path)
    more = f"<p>The first {ROWS} of {len(table):,} rows.</p>" if len(table) > ROWS else ""
    shown = table.head(ROWS).to_html(index=False, border=0, float_format="{:.4g}".format, na_rep="")
    return _folded(f"{path.name}, {len(table):,} rows", f"<div class='wide'>{shown}</div>{more}")


def _folded(title: str, content: str) -> str:
    return f"<details><summary>{html.escape(title)}</summary>{content}</details>"
