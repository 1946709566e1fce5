"""Notebook 07: composition at chance, pairs counted by hand, other data by parameters alone."""

from __future__ import annotations

from collections import Counter
from itertools import combinations

import ase.io
import numpy as np
import pandas as pd
import pytest
import reference
from paths import ROOT

import cpdkit
from cpdkit.composition import bond_counts, composition_matrix
from cpdkit.experiments.labels import in_words
from cpdkit.experiments.of_crystals import polymorphs
from cpdkit.folds import make_folds
from cpdkit.runs.run import profile_parameters, read_notebook, run_notebook

NOTEBOOK = ROOT / "notebooks" / "07_isomers.ipynb"
BASELINES = {"bond counts", "Morgan counts"}


def check(run, encoders, targets, baselines=BASELINES):
    table = pd.read_csv(run.directory / "07_accuracy.csv")
    assert set(table.representation) == {*encoders, *baselines}
    assert set(table.target) == set(targets)
    verdicts = pd.read_csv(run.directory / "07_verdict.csv")
    assert set(verdicts.outcome) <= {"holds", "fails", "undecided"}
    assert len(verdicts) == 2
    assert (run.directory / "07_sentence.txt").read_text() == in_words(verdicts.iloc[0].sentence)
    assert "94.6%" in verdicts.iloc[1].sentence
    assert (run.directory / "07_accuracy.svg").read_text().startswith("<?xml")
    differences = pd.read_csv(run.directory / "07_differences.csv")
    assert set(differences.representation) == set(encoders)
    return table


def test_bond_counts_by_hand():
    run = run_notebook(NOTEBOOK, profile="test", runs_dir=ROOT / "_build/runs", progress=False)
    parameters = profile_parameters(read_notebook(NOTEBOOK), "test")
    table = check(run, parameters["encoders"], parameters["targets"])

    n = parameters["n_structures"]
    ds = cpdkit.load_dataset("xtb9").sample(n, seed=0)
    C, X = composition_matrix(ds.atoms), bond_counts(ds).to_numpy()
    y = ds.targets["gap"].to_numpy()
    fold = make_folds(n, scheme="formula", groups=ds.formulas, seed=0)[0]

    def said(fit, test, alpha):
        fitted = reference.standardised(X[fit], X[test], C[fit], C[test])
        return reference.ridge(*fitted, y[fit], alpha)

    right = []
    for k in range(5):
        error = {}
        for alpha in reference.ALPHAS:
            inner = [((fold != k) & (fold != j), fold == j) for j in range(5) if j != k]
            error[alpha] = sum(((said(f, t, alpha) - y[t]) ** 2).sum() for f, t in inner)
        rows = np.flatnonzero(fold == k)
        guess = said(fold != k, fold == k, min(error, key=error.get))
        for i, j in combinations(range(len(rows)), 2):
            if ds.formulas[rows[i]] == ds.formulas[rows[j]]:
                truth = y[rows[i]] - y[rows[j]]
                tie = abs(guess[i] - guess[j]) < 1e-9  # of equal counts, to rounding
                right.append(0.5 if tie else float((truth > 0) == (guess[i] > guess[j])))
    row = table[(table.target == "gap") & (table.representation == "bond counts")].iloc[0]
    assert row.pairs == "above"
    assert row.from_quantile == 0
    assert row.n_pairs == len(right)
    assert row.accuracy == pytest.approx(np.mean(right), abs=1e-9)


def test_qm9(cpdkit_data, tmp_path):
    parameters = {"dataset": "qm9", "n_structures": 400, "targets": ["gap", "u0"], "n_bins": 4}
    parameters |= {"encoders": ["ani2x-aev"], "repeats": 1}
    run = run_notebook(NOTEBOOK, parameters, runs_dir=tmp_path / "runs", progress=False)
    table = check(run, ["ani2x-aev"], ["gap", "u0"])
    every = table[(table.pairs == "above") & (table.from_quantile == 0)]
    assert (every.set_index(["target", "representation"]).loc[("gap", "ani2x-aev")].low) > 0.5


def test_a_file_of_the_users_own(tmp_path):
    ds = cpdkit.load_dataset("xtb9")
    common = pd.Series(ds.formulas).value_counts().index[:12]
    rows = [np.flatnonzero(ds.formulas == formula)[:6] for formula in common]
    ds = ds.select(np.concatenate(rows))
    frames = list(ds.atoms)
    for atoms, value in zip(frames, ds.targets["gap"], strict=True):
        atoms.info["bandgap"] = value
    ase.io.write(tmp_path / "mine.xyz", frames, format="extxyz")
    parameters = {"dataset": str(tmp_path / "mine.xyz"), "targets": ["bandgap"], "n_bins": 2}
    parameters |= {"encoders": ["ani2x-aev"], "removed": "fractions", "repeats": 1}
    run = run_notebook(NOTEBOOK, parameters, runs_dir=tmp_path / "runs", progress=False)
    check(run, ["ani2x-aev"], ["bandgap"], baselines={"bond counts"})  # it has no SMILES


def test_crystals_have_polymorphs(tmp_path):
    parameters = {"dataset": "prototypes", "n_structures": 150, "targets": ["packing_fraction"]}
    parameters |= {"encoders": ["painn-untrained", "soap"], "removed": "fractions", "repeats": 1}
    parameters |= {"n_bins": 2}
    run = run_notebook(NOTEBOOK, parameters, runs_dir=tmp_path / "runs", progress=False)
    table = check(run, parameters["encoders"], ["packing_fraction"], {"coordination"})
    ds = cpdkit.load_dataset("prototypes", targets=["packing_fraction"])
    drawn = polymorphs(ds, 150, seed=0)
    assert len(drawn) >= 150
    assert set(np.unique(drawn.formulas, return_counts=True)[1]) <= set(range(2, 30))
    assert table.n_pairs.max() <= sum(n * (n - 1) // 2 for n in Counter(drawn.formulas).values())
    assert "order polymorphs better" in (run.directory / "07_sentence.txt").read_text()
