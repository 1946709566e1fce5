"""Every experiment: stored clean, parameters typed, runs with other parameters, says its result."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import nbformat
import pytest
from lxml import html
from paths import ROOT

from cpdkit.runs.parameters import check_parameters
from cpdkit.runs.run import (
    notebook_aliases,
    notebook_parameters,
    profile_parameters,
    read_notebook,
    run_notebook,
)

NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.ipynb"))
PAGES = sorted((ROOT / "book").glob("*.ipynb"))

IDENTIFIERS = {"r2", "mae", "rho", "mlp", "knn", "l", "p", "std", "pca", "qm9", "minus control"}

each = pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)


@pytest.mark.parametrize("path", NOTEBOOKS + PAGES, ids=lambda path: path.stem)
def test_stored_without_outputs(path: Path) -> None:
    for cell in read_notebook(path).cells:
        assert not cell.get("outputs")
        assert not cell.get("execution_count")


@each
def test_every_parameter_is_typed_and_explained(path: Path) -> None:
    notebook = read_notebook(path)
    (cell,) = [c for c in notebook.cells if "parameters" in c.metadata.get("tags", [])]
    parameters = notebook_parameters(notebook)
    assert len(parameters) == len(ast.parse(cell.source).body)
    assert all(isinstance(line, ast.AnnAssign) for line in ast.parse(cell.source).body)
    assert [p.name for p in parameters.values() if not p.help] == []
    defaults = {p.name: p.default for p in parameters.values()}
    assert check_parameters(parameters, defaults) == defaults
    for profile in ("test", *notebook.metadata["cpdkit"].get("profiles", {})):
        check_parameters(parameters, profile_parameters(notebook, profile))
    aliases = notebook_aliases(notebook)
    assert set(aliases.values()) <= set(parameters)
    assert not set(aliases) & set(parameters)


@each
def test_the_result_is_a_computed_sentence(path: Path) -> None:
    run = run_notebook(path, profile="test", runs_dir=ROOT / "_build/runs", progress=False)
    executed = nbformat.read(run.notebook, as_version=4)
    last = [cell for cell in executed.cells if cell.cell_type == "code"][-1]
    said = " ".join(
        str(output.get("text") or output.get("data", {}).get("text/markdown", ""))
        for output in last.outputs
    )
    assert len(said.split()) > 5, said
    assert re.search(r"\d|\b(?:none|one|two|three|four|five)\b", said), said


@each
def test_tables_are_in_words(path: Path) -> None:
    """No header that a page shows is a name of the code, and no cell is empty."""
    run = run_notebook(path, profile="test", runs_dir=ROOT / "_build/runs", progress=False)
    cells = nbformat.read(run.notebook, as_version=4).cells
    said = [o.get("data", {}).get("text/html", "") for c in cells for o in c.get("outputs", [])]
    shown = [text for text in said if "<table" in text]
    names, empty = set(), 0
    for table in map(html.fromstring, shown):
        heads = [cell.text_content() for cell in table.xpath(".//thead//th")]
        names |= {name for name in heads if "_" in name or name in IDENTIFIERS}
        cells = [cell.text_content() for cell in table.xpath(".//tbody//*[self::th or self::td]")]
        assert cells
        empty += sum(cell in ("", "NaN", "nan") or "_" in cell for cell in cells)
    assert shown
    assert names == set()
    assert empty == 0
