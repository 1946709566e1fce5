"""Notebook 01 answers for other data by parameters alone, and its scores are scikit-learn's."""

from __future__ import annotations

import ase.io
import nbformat
import numpy as np
import pandas as pd
import pytest
import reference
from paths import ROOT

import cpdkit
from cpdkit.composition import composition_matrix
from cpdkit.experiments.labels import in_words
from cpdkit.experiments.verdict import VERBS
from cpdkit.folds import make_folds
from cpdkit.runs.run import run_notebook

NOTEBOOK = ROOT / "notebooks" / "01_disentanglement_gradient.ipynb"
ENCODERS = ["ani2x-aev", "sevennet-0"]


def check(run, encoders):
    table = pd.read_csv(run.directory / "01_gradient.csv")
    assert set(table.encoder) == set(encoders)
    assert set(table.protocol) == {"sound", "naive", "transductive"}
    verdict = pd.read_csv(run.directory / "01_verdict.csv").iloc[0]
    assert verdict.outcome in VERBS
    text = nbformat.read(run.notebook, as_version=4).cells
    shown = "".join(str(c.get("outputs", "")) for c in text)
    assert verdict.sentence[:25] in shown
    assert in_words(verdict.sentence) == (run.directory / "01_sentence.txt").read_text()
    assert (run.directory / "01_gradient.svg").read_text().startswith("<?xml")
    return table


def test_a_file_of_the_users_own(tmp_path):
    ds = cpdkit.load_dataset("xtb9", n=60, seed=3)
    frames = list(ds.atoms)
    for atoms, value in zip(frames, ds.targets["gap"], strict=True):
        atoms.info["bandgap"] = value
    ase.io.write(tmp_path / "mine.xyz", frames, format="extxyz")
    parameters = {
        "dataset": str(tmp_path / "mine.xyz"),
        "targets": ["bandgap"],
        "encoders": ["ani2x-aev"],
        "probes": ["ridge"],
        "folds": "formula",
        "pooling": "sum",
        "removed": "fractions",
    }
    run = run_notebook(NOTEBOOK, parameters, runs_dir=tmp_path / "runs", progress=False)
    table = check(run, ["ani2x-aev"])
    assert set(table[table.score == "r2_geom"].target) == {"bandgap"}


def test_qm9(cpdkit_data, tmp_path):
    parameters = {"dataset": "qm9", "n_structures": 150, "layers": "last"}
    parameters |= {"targets": ["gap", "alpha"], "encoders": ENCODERS, "probes": ["ridge"]}
    run = run_notebook(NOTEBOOK, parameters, runs_dir=tmp_path / "runs", progress=False)
    table = check(run, ENCODERS)

    ds = cpdkit.load_dataset("qm9", n=150, seed=0)
    C = composition_matrix(ds.atoms)
    fold = make_folds(150, ids=ds.ids, seed=0)[0]
    sound = table[table.protocol == "sound"]
    for name in ENCODERS:
        rep = cpdkit.extract(cpdkit.load_encoder(name), ds, progress=False).select(layer=-1)
        expected = reference.cpd(rep.features.astype(float), C, ds.targets["gap"].to_numpy(), fold)
        mine = sound[(sound.encoder == name) & (sound.target == "gap")].set_index("score")["mean"]
        for score, values in expected.items():
            assert mine[score] == pytest.approx(np.mean(values), abs=1e-6), (name, score)


@pytest.mark.parametrize("encoder", ENCODERS)
@pytest.mark.parametrize("scheme", ["random", "formula"])
def test_scores_on_qm9_agree_with_scikit_learn_fold_by_fold(cpdkit_data, encoder, scheme):
    ds = cpdkit.load_dataset("qm9", n=250, seed=1)
    C = composition_matrix(ds.atoms)
    fold = make_folds(250, scheme=scheme, groups=ds.formulas, seed=1)[0]
    rep = cpdkit.extract(cpdkit.load_encoder(encoder), ds, progress=False)
    part = rep.select(layer=-1) if encoder == "ani2x-aev" else rep.select(layer=0)
    table = cpdkit.cpd(part, C, ds.targets[["mu"]], groups=ds.formulas, folds=fold)
    ours = table.set_index("score")["fold_values"]
    expected = reference.cpd(part.features.astype(float), C, ds.targets["mu"].to_numpy(), fold)
    for score, values in expected.items():
        assert np.allclose(ours[score], values, rtol=0, atol=1e-6), score


def test_an_element_outside_the_range_of_an_encoder_is_answered():
    from ase.build import molecule

    with pytest.raises(ValueError, match="Si.*does not know"):
        cpdkit.extract(cpdkit.load_encoder("ani2x-aev"), [molecule("SiH4")], progress=False)


def test_misspelt_parameters_and_encoders_are_answered(tmp_path):
    with pytest.raises(ValueError, match="did you mean 'n_structures'"):
        run_notebook(NOTEBOOK, {"n_structure": 5}, runs_dir=tmp_path, progress=False)
    with pytest.raises(ValueError, match="did you mean 'ani2x-aev'"):
        cpdkit.load_encoder("ani2x-avr")
