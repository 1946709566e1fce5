"""Notebook 02 answers for other data by parameters alone, and twice alike."""

from __future__ import annotations

import ase.io
import nbformat
import pandas as pd
import pytest
from paths import ROOT

import cpdkit
from cpdkit.experiments.labels import in_words
from cpdkit.runs.run import profile_parameters, read_notebook, run_notebook

NOTEBOOK = ROOT / "notebooks" / "02_irrep_routing.ipynb"
TABLES = ("02_scores.csv", "02_index.csv", "02_choices.csv", "02_vectors.csv", "02_verdict.csv")


def check(run):
    verdict = pd.read_csv(run.directory / "02_verdict.csv").iloc[0]
    assert verdict.outcome in {"holds", "fails", "undecided"}
    cells = nbformat.read(run.notebook, as_version=4).cells
    assert in_words(verdict.sentence)[:60] in "".join(str(c.get("outputs", "")) for c in cells)
    for name in ("02_scores.svg", "02_index.svg"):
        assert (run.directory / name).read_text().startswith("<?xml")
    return pd.read_csv(run.directory / "02_scores.csv")


@pytest.fixture(scope="module")
def first():
    return run_notebook(NOTEBOOK, profile="test", runs_dir=ROOT / "_build/runs", progress=False)


def test_tables_hold_every_block_at_equal_width(first):
    table = check(first)
    width = first.manifest["parameters"]["width"]
    assert set(table.encoder) == set(first.manifest["parameters"]["encoders"])
    assert set(table[table.matched != "all"].width) == {width}
    keys = ["encoder", "layer", "irrep", "kind", "matched", "target"]
    assert not table.duplicated(keys).any()


def test_a_second_run_gives_the_same_tables(first, tmp_path):
    second = run_notebook(NOTEBOOK, profile="test", runs_dir=tmp_path, progress=False)
    for name in TABLES:
        assert (first.directory / name).read_bytes() == (second.directory / name).read_bytes()


def test_a_file_of_the_users_own(tmp_path):
    """Other names, no vector labels; a network against itself has learned nothing."""
    ds = cpdkit.load_dataset("xtb9", n=60, seed=3)
    frames = list(ds.atoms)
    for atoms, row in zip(frames, ds.targets.itertuples(), strict=True):
        atoms.info.update(strength=row.mu, level=row.gap)
    path = tmp_path / "molecules.xyz"
    ase.io.write(path, frames, format="extxyz")
    run = run_notebook(
        NOTEBOOK,
        {
            "dataset": str(path), "targets": ["strength", "level"], "encoders": ["painn-untrained"],
            "untrained": {"painn-untrained": "painn-untrained"},
            "n_draws": 2, "repeats": 1, "width": 16,
        },
        runs_dir=tmp_path / "runs",
        progress=False,
    )  # fmt: skip
    assert set(check(run).target) == {"strength", "level"}
    assert (pd.read_csv(run.directory / "02_training.csv")["mean"] == 0).all()
    assert not (run.directory / "02_vectors.csv").exists()


@pytest.mark.cpdkit_data
def test_qm9_takes_its_dipole_vectors_from_another_split(tmp_path):
    small = profile_parameters(read_notebook(NOTEBOOK), "test") | {
        "dataset": "qm9", "encoders": ["painn-untrained"],
    }  # fmt: skip
    run = run_notebook(NOTEBOOK, small, runs_dir=tmp_path, progress=False)
    check(run)
    vectors = pd.read_csv(run.directory / "02_vectors.csv")
    assert set(vectors.target) == {"dipole"}
