"""The method by hand: what its page says of planted parts follows from its code, which is `cpd`."""

from __future__ import annotations

import re
from typing import Any

import numpy as np
import pytest
from paths import ROOT

import cpdkit
from cpdkit.runs.run import read_notebook

PAGE = read_notebook(ROOT / "book/by_hand.ipynb")
CODE = [cell for cell in PAGE.cells if cell.cell_type == "code"]


@pytest.fixture(scope="module")
def page() -> dict[str, Any]:
    """All names of the page after its last cell; its code is plain Python."""
    names: dict[str, Any] = {}
    for cell in CODE:
        exec(compile(cell.source, "by_hand.ipynb", "exec"), names)
    return names


@pytest.fixture(scope="module")
def geom(page: dict[str, Any]) -> float:
    """`r2_geom` of the first split."""
    return page["r2"](page["y"], page["geom"](page["X"], page["y"]))


def test_the_page_is_short_and_quotes_no_number_that_code_computes() -> None:
    lines = [[line for line in cell.source.splitlines() if line] for cell in CODE]
    assert max(map(len, lines)) <= 6
    assert max(len(line) for cell in lines for line in cell) < 80  # what the page is wide
    prose = " ".join(cell.source for cell in PAGE.cells if cell.cell_type == "markdown")
    assert len(prose.split()) < 1000
    assert re.findall(r"\d\.\d", prose) == []


def test_every_figure_says_what_it_shows() -> None:
    drawn = [cell for cell in CODE if "_figure(" in cell.source]
    assert len(drawn) == 2
    assert all(cell.metadata["mystnb"]["image"]["alt"] for cell in drawn)


def test_the_last_line_agrees_with_the_library(page: dict[str, Any]) -> None:
    both = page["both"]
    assert list(both.index) == ["r2_geom", "r2_partial"]
    assert np.abs(both["by hand"] - both["cpd"]).max() < 1e-10


def test_composition_and_ceiling_of_the_first_split_are_those_of_the_library(
    page: dict[str, Any],
) -> None:
    X, counts, y, fold, test = (page[k] for k in ("X", "counts", "y", "fold", "test"))
    first = cpdkit.cpd(X, counts, y, folds=fold).set_index("score")["fold_values"].str[0]
    assert page["r2"](y, page["comp"]) == pytest.approx(first["r2_comp"], abs=1e-10)
    assert page["ceiling"] == pytest.approx(first["ceiling"], abs=1e-10)
    explained = ((page["comp"] - y[page["train"]].mean())[test] ** 2).sum()
    total = ((y[test] - y[test].mean()) ** 2).sum()
    assert page["ceiling"] == pytest.approx(1 - explained / total, abs=1e-10)


def test_the_probe_without_a_floor_is_the_naive_protocol(page: dict[str, Any]) -> None:
    wide, y, train = (page[k] for k in ("wide", "y", "train"))
    table = cpdkit.cpd(wide, page["counts"], y, folds=page["fold"], protocol="naive")
    naive = table.set_index("score").loc["r2_geom", "fold_values"][0]
    bare = page["geom"](wide, y, alpha=1 / train.sum(), floor=0)
    assert page["r2"](y, bare) == pytest.approx(naive, rel=1e-6)


def test_the_projection_removes_what_is_linear_in_the_counts(page: dict[str, Any]) -> None:
    X, Z, train, left = (page[k] for k in ("X", "Z", "train", "share_left"))
    residual = page["project"](X, Z, train)[train]
    assert np.abs(Z[train].T @ residual).max() < 1e-9 * np.abs(Z[train].T @ X[train]).max()
    counts = page["counts"]
    assert left(counts.sum(axis=1)) < 1e-20
    assert 0.05 < left(np.log(counts[:, 0])) < 0.2
    assert 0.3 < left(page["doubles"]) < 0.7
    assert left(page["stretch"]) > 0.98


def test_scores_lie_as_the_page_says(page: dict[str, Any], geom: float) -> None:
    r2, y, ceiling, planted = (page[k] for k in ("r2", "y", "ceiling", "planted"))
    share = planted / planted.sum()
    assert geom < r2(y, page["comp"])
    assert ceiling == pytest.approx(1 - share["composition"], abs=0.05)
    assert 0.8 < ceiling + r2(y, page["comp"]) < 1  # less than 1, as the page says
    of_comp = [part[page["test"]] for part in (page["comp"], y - page["comp"])]
    assert np.corrcoef(*of_comp)[0, 1] < 0
    assert page["both"].loc["r2_geom", "cpd"] < geom
    assert page["both"].loc["r2_partial", "cpd"] < page["partial"](page["X"], page["Z"], y)
    assert geom == pytest.approx(share["double bonds"] + share["stretch"], abs=0.05)
    found = page["partial"](page["X"], page["Z"], y)
    expected = 1 - share["twist"] / (1 - share["composition"])
    assert found == pytest.approx(expected, abs=0.05)


def test_bonds_and_stretch_are_recovered_and_the_twist_is_missed(page: dict[str, Any]) -> None:
    partial, X, y, Z, doubles = (page[k] for k in ("partial", "X", "y", "Z", "doubles"))
    assert partial(X, Z, doubles) > 0.99
    assert partial(X, Z, page["stretch"]) > 0.99
    assert abs(partial(X, Z, page["turn"])) < 0.1
    assert partial(X, np.column_stack([Z, doubles]), y) < partial(X, Z, y) - 0.1


def test_trees_find_the_twist_and_composition_again(page: dict[str, Any]) -> None:
    line, trees = page["by_line"], page["by_trees"]
    assert trees["twist"] > 0.9
    assert trees["number of atoms"] > 0.9
    assert abs(line["number of atoms"]) < 0.05
    assert line["y"] < page["ceiling"] < trees["y"] - 0.2


def test_one_molecule_ruins_the_score_without_a_floor_or_a_penalty(
    page: dict[str, Any], geom: float
) -> None:
    r2, y, test = (page[k] for k in ("r2", "y", "test"))
    assert r2(y, page["bare"]) < -1e5
    off = np.abs(page["bare"] - y)
    assert np.flatnonzero(test & (off > 100)).tolist() == [5]
    assert r2(y, page["floored"]) == pytest.approx(geom, abs=0.01)
    assert r2(y, page["geom"](page["wide"], y, alpha=1e-8)) < -1
