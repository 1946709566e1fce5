"""Notebook 06: constitution scores nothing, and its scores are scikit-learn's."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import reference
from paths import ROOT
from sklearn.metrics import r2_score

import cpdkit
from cpdkit.experiments.labels import in_words
from cpdkit.folds import make_folds
from cpdkit.runs.run import profile_parameters, read_notebook, run_notebook

NOTEBOOK = ROOT / "notebooks" / "06_geometry_alone.ipynb"
NULLS = {"bonds (no geometry)", "random numbers"}


@pytest.fixture(scope="module")
def run():
    return run_notebook(NOTEBOOK, profile="test", runs_dir=ROOT / "_build/runs", progress=False)


@pytest.fixture(scope="module")
def parameters():
    return profile_parameters(read_notebook(NOTEBOOK), "test")


def read(run, name):
    return pd.read_csv(run.directory / f"06_{name}.csv")


def test_tables_figures_and_sentence(run, parameters):
    within = read(run, "within")
    assert set(within.representation) == {*parameters["encoders"], *NULLS}
    assert set(within.target) == set(parameters["targets"])
    bonds = within[within.representation == "bonds (no geometry)"]
    assert (bonds[["mean", "low", "high"]].abs() < 1e-12).all(axis=None)
    noise = within[within.representation == "random numbers"]
    assert (noise["mean"] < 0.05).all()
    verdict = read(run, "verdict").iloc[0]
    assert verdict.outcome in {"holds", "fails", "undecided"}
    assert (run.directory / "06_sentence.txt").read_text() == in_words(verdict.sentence)
    assert parameters["targets"][0] in verdict.sentence
    for figure in ("within", "rulers"):
        assert (run.directory / f"06_{figure}.svg").read_text().startswith("<?xml")
    kinds = read(run, "kinds")
    assert set(kinds.geometries) == {"all", "displaced", "conformers"}
    rulers = read(run, "rulers")
    both = rulers.groupby(["representation", "target"])["score"].agg(set)
    assert (both == {"r2_partial", "r2_within"}).all()


def test_scores_within_molecules_are_those_of_scikit_learn(run, parameters):
    ds = cpdkit.load_dataset("xtb9", split="conformers")
    names = ds.info["inchikey"].unique()
    drawn = np.random.default_rng(0).choice(names, parameters["n_molecules"], replace=False)
    ds = ds.select(ds.info["inchikey"].isin(drawn).to_numpy())
    molecules = ds.info["inchikey"].to_numpy()
    encoder = cpdkit.load_encoder("zoo/schnet-gap-0")
    features = cpdkit.extract(encoder, ds, progress=False).select(layer=-1).features
    frame = pd.DataFrame(features.astype(float)).assign(y=ds.targets["gap"])
    centred = (frame - frame.groupby(molecules).transform("mean")).to_numpy()
    X, y = centred[:, :-1], centred[:, -1]
    fold = make_folds(len(ds), scheme="formula", groups=molecules, seed=0)[0]

    def said(fit, test, alpha):
        fitted = reference.standardised(X[fit], X[test], None, None)
        return reference.ridge(*fitted, y[fit], alpha)

    values = []
    for k in range(5):
        error = {}
        for alpha in reference.ALPHAS:
            inner = [((fold != k) & (fold != j), fold == j) for j in range(5) if j != k]
            error[alpha] = sum(((said(f, t, alpha) - y[t]) ** 2).sum() for f, t in inner)
        test = fold == k
        values.append(r2_score(y[test], said(~test, test, min(error, key=error.get))))
    within = read(run, "within").set_index(["representation", "target"])
    assert within.loc[("zoo/schnet-gap-0", "gap"), "mean"] == pytest.approx(
        np.mean(values), abs=1e-6
    )
