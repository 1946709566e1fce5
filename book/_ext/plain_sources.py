"""Sphinx extension: a page offers the notebook as it is written, without outputs.

What Sphinx reads has outputs, and Markdown that only the site understands.
"""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import nbformat
from sphinx.application import Sphinx


def copy_plain(app: Sphinx, error: Exception | None) -> None:
    """Put the notebooks of the folders ``files`` in place of those that Sphinx read."""
    source = Path(app.srcdir)
    for plain in source.rglob("files/*.ipynb"):
        place = Path(app.outdir) / "_sources" / plain.parent.parent.relative_to(source)
        for page in (plain.stem, f"{plain.stem}_in_depth"):  # one notebook, two pages
            offered = place / f"{page}.ipynb"
            if error is None and offered.is_file():
                shutil.copyfile(plain, offered)
    for offered in (Path(app.outdir) / "_sources").rglob("*.ipynb"):
        notebook = nbformat.read(offered, as_version=4)
        for cell in notebook.cells:
            if cell.cell_type == "code":
                cell.update(outputs=[], execution_count=None)
        nbformat.write(notebook, offered)


def setup(app: Sphinx) -> dict[str, Any]:
    """Register the hook; called by Sphinx."""
    app.connect("build-finished", copy_plain)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
