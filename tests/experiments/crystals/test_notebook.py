"""Notebook 08: embedded crystals, the Materials Project, a file of one's own."""

from __future__ import annotations

import ase.io
import numpy as np
import pandas as pd
import pytest
from paths import ROOT

import cpdkit
from cpdkit.experiments.labels import in_words
from cpdkit.runs.run import (
    NotebookError,
    profile_parameters,
    read_notebook,
    run_notebook,
)

NOTEBOOK = ROOT / "notebooks" / "08_crystals.ipynb"
SMALL = {
    "n_structures": 400, "n_polymorphs": 100, "encoders": ["painn-untrained", "soap"], "n_trees": 5,
    "ladder": ["fractions", "bonds"], "n_sizes": 4, "orders": 2, "width": 8,
}  # fmt: skip


def check(run, targets):
    table = pd.read_csv(run.directory / "08_gradient.csv")
    assert set(table["target"]) == set(targets)
    carried = pd.read_csv(run.directory / "08_carried.csv")
    assert len(carried) == 5
    verdicts = pd.read_csv(run.directory / "08_verdict.csv")
    assert set(verdicts["outcome"]) <= {"holds", "fails", "undecided"}
    sentence = (run.directory / "08_sentence.txt").read_text()
    assert sentence == in_words(verdicts["sentence"].iloc[0])
    return table


def test_embedded_crystals():
    run = run_notebook(NOTEBOOK, profile="test", runs_dir=ROOT / "_build/runs", progress=False)
    parameters = profile_parameters(read_notebook(NOTEBOOK), "test")
    table = check(run, parameters["targets"])
    assert set(table["representation"]) == set(parameters["encoders"])
    within = pd.read_csv(run.directory / "08_within.csv")
    assert set(within["representation"]) == set(parameters["encoders"])
    pairs = pd.read_csv(run.directory / "08_polymorphs.csv")
    assert {"coordination", "prototype"} < set(pairs["representation"])


def test_materials_project(cpdkit_data, tmp_path):
    targets = ["band_gap", "formation_energy_per_atom"]
    parameters = SMALL | {"dataset": "materials-project", "targets": targets}
    run = run_notebook(NOTEBOOK, parameters, runs_dir=tmp_path, progress=False)
    check(run, targets)
    assert set(pd.read_csv(run.directory / "08_ladder.csv")["removed"]) == {"fractions"}


def test_a_file_of_the_users_own(tmp_path):
    ds = cpdkit.load_dataset("prototypes", n=500, seed=3)
    first = np.sort(np.unique(ds.formulas, return_index=True)[1])  # no polymorphs
    frames = list(ds.atoms.select(first))
    for atoms, value in zip(frames, ds.targets["packing_fraction"][first], strict=True):
        atoms.info["mine"] = value
    ase.io.write(tmp_path / "mine.xyz", frames, format="extxyz")
    parameters = SMALL | {"dataset": str(tmp_path / "mine.xyz"), "targets": ["mine"]}
    run = run_notebook(NOTEBOOK, parameters, runs_dir=tmp_path / "runs", progress=False)
    check(run, ["mine"])
    assert not (run.directory / "08_polymorphs.csv").exists()


def test_molecules_are_refused(tmp_path):
    parameters = SMALL | {"dataset": "xtb9", "targets": ["gap"], "max_atoms": 30}
    with pytest.raises(NotebookError, match="has no cell; a crystal repeats in three directions"):
        run_notebook(NOTEBOOK, parameters, runs_dir=tmp_path, progress=False)
