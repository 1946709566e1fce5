"""Notebook 04: its numbers are the library's."""

from __future__ import annotations

import re

import numpy as np
import pandas as pd
import pytest
from paths import ROOT

import cpdkit
from cpdkit.composition import composition_matrix
from cpdkit.experiments.efficiency.measure import learning_curve
from cpdkit.experiments.efficiency.subsets import nested_subsets
from cpdkit.experiments.efficiency.verdict import efficiency_correlations, sample_efficiency
from cpdkit.experiments.labels import in_words
from cpdkit.runs.run import notebook_parameters, profile_parameters, read_notebook, run_notebook

NOTEBOOK = ROOT / "notebooks" / "04_sample_efficiency.ipynb"
SMALL = {
    "encoders": ["bond-counts", "ani2x-aev", "schnet-untrained"],
    "n_structures": 140,
    "n_sizes": 5,
    "repeats": 2,
    "n_draws": 20,
    "shares": [0.3, 0.7],
    "unstructured_draws": 1,
}


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    runs = tmp_path_factory.mktemp("runs")
    return run_notebook(NOTEBOOK, SMALL, runs_dir=runs, progress=False)


def read(run, name):
    return pd.read_csv(run.directory / f"04_{name}.csv")


def test_curves_are_those_of_the_library(run):
    table = read(run, "curves")
    ds = cpdkit.load_dataset("xtb9", n=140, seed=0, targets=["gap", "mu", "alpha"])
    subsets = nested_subsets(140, ids=ds.ids, n_sizes=5, repeats=2)
    rep = cpdkit.extract(cpdkit.load_encoder("ani2x-aev"), ds, progress=False).select(layer=-1)
    curve = learning_curve(rep, composition_matrix(ds.atoms), ds.targets, subsets)
    mine = table[
        (table.representation == "ani2x-aev")
        & (table.width == "all")
        & (table.score == "r2_partial")
    ]
    for t, target in enumerate(ds.targets):
        rows = mine[mine.target == target]
        assert rows.n.tolist() == list(subsets.sizes)
        # written with four digits
        assert np.allclose(rows["mean"], curve.scores().mean(axis=0)[:, t], rtol=1e-3, atol=1e-4)


def test_correlations_and_verdict_follow_from_the_needs(run):
    needed = read(run, "needed")
    needed = needed[needed.score == "r2_partial"]
    found = read(run, "correlations")
    found = found[found.score == "r2_partial"].reset_index(drop=True)
    again = efficiency_correlations(needed)
    assert np.allclose(found.rho, again.rho, atol=1e-3, equal_nan=True)
    verdict = read(run, "verdict").iloc[0]
    assert verdict.outcome == sample_efficiency(again, target="gap").outcome
    at_width = needed[(needed.width != "all") & (needed.target == "gap")]
    assert set(needed.index[needed.unstructured.notna()]) <= set(at_width.index)
    assert (run.directory / "04_sentence.txt").read_text() == in_words(verdict.sentence)
    assert needed.loc[needed.bound != "exact", "needed"].isna().all()
    assert needed.loc[needed.bound != "exact", "note"].str.len().min() > 10
    assert set(needed.channels[needed.width != "all"]) == {28}


def test_every_file_that_prose_names_was_written(run):
    text = "\n".join(c.source for c in read_notebook(NOTEBOOK).cells if c.cell_type == "markdown")
    named = re.findall(r"`(\d\d_\w+\.(?:csv|svg|zip))`", text)
    assert len(named) >= 2
    for name in named:
        assert (run.directory / name).stat().st_size > 0


def test_identical_on_a_second_run(run, tmp_path):
    again = run_notebook(NOTEBOOK, SMALL, runs_dir=tmp_path, progress=False)
    tables = sorted(run.directory.glob("*.csv"))
    assert len(tables) >= 5
    for table in tables:
        assert table.read_bytes() == (again.directory / table.name).read_bytes(), table.name


def test_profiles_name_encoders():
    notebook = read_notebook(NOTEBOOK)
    full = profile_parameters(notebook, "full")
    assert full["n_structures"] == 4200
    assert len(full["encoders"]) > 10
    defaults = {p.name: p.default for p in notebook_parameters(notebook).values()}
    assert len(defaults["encoders"]) <= 6
    assert full["repeats"] >= 10 > defaults["repeats"] >= 5


def test_qm9(cpdkit_data, tmp_path):
    parameters = SMALL | {"dataset": "qm9", "matched": ["pca"], "folds": "formula"}
    run = run_notebook(NOTEBOOK, parameters, runs_dir=tmp_path, progress=False)
    assert set(read(run, "needed").target) == {"gap", "mu", "alpha"}
    assert set(read(run, "curves").width) == {"all", "pca"}
