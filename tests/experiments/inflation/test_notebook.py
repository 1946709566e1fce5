"""Notebook 03 answers for other data by parameters alone and twice alike."""

from __future__ import annotations

import ase.io
import nbformat
import pandas as pd
import pytest
from paths import ROOT
from sklearn.ensemble import HistGradientBoostingRegressor

import cpdkit
from cpdkit.composition import composition_matrix
from cpdkit.controls import control_scores
from cpdkit.experiments.inflation.verdict import inflated_trees
from cpdkit.probes.nonlinear import boosted_trees
from cpdkit.runs.run import run_notebook

NOTEBOOK = ROOT / "notebooks" / "03_gbt_inflation.ipynb"
TABLES = ("03_controls.csv", "03_widths.csv", "03_alarms.csv", "03_remedies.csv", "03_models.csv")
SMALL = {
    "n_structures": 100, "n_planted": 80, "probes": ["ridge", "trees"], "n_trees": 10,
    "n_strong": 5,
    "widths": [2, 16], "n_simulations": 2, "folds": ["formula"],
}  # fmt: skip


@pytest.fixture(scope="module")
def first():
    return run_notebook(NOTEBOOK, profile="test", runs_dir=ROOT / "_build/runs", progress=False)


def test_tables_hold_every_representation_probe_and_scheme(first):
    given = first.manifest["parameters"]
    table = pd.read_csv(first.directory / "03_controls.csv")
    assert set(table.representation) == set(given["encoders"])
    assert set(table.probe) == set(given["probes"])
    assert set(table.folds) == set(given["folds"])
    assert {"heavy_atoms", "mass", "mean_Z", "x_H", "unsaturation", "log_N"} == set(table.target)
    verdict = pd.read_csv(first.directory / "03_verdict.csv").iloc[0]
    strong = pd.read_csv(first.directory / "03_strong.csv")
    controls = ["mass", "heavy_atoms", "unsaturation"]
    kinds = pd.read_csv(first.directory / "03_kinds.csv")
    again = inflated_trees(kinds, controls=controls)
    assert (verdict.outcome, verdict.sentence) == (again.outcome, again.sentence)
    counted = strong[strong.score == "r2_geom"].groupby("folds")["target"].nunique()
    assert counted.to_dict() == {"formula": 1, "random": 3}
    cells = nbformat.read(first.notebook, as_version=4).cells
    shown = "".join(str(c.get("outputs", "")) for c in cells)
    assert verdict.sentence[:60] in shown
    for name in ("03_controls.svg", "03_widths.svg", "03_remedies.svg", "03_mechanism.svg"):
        assert (first.directory / name).read_text().startswith("<?xml")


def test_scores_are_those_of_the_library(first):
    given = first.manifest["parameters"]
    ds = cpdkit.load_dataset("xtb9", n=given["n_structures"], seed=0)
    encoder = cpdkit.load_encoder(given["encoders"][0])
    X = cpdkit.extract(encoder, ds, progress=False).select(layer=-1).features.astype(float)
    trees = boosted_trees(n_trees=given["n_trees"], learning_rate=0.3, max_leaf_nodes=8)
    expected = control_scores(
        X[:, X.std(axis=0) > 0], composition_matrix(ds.atoms), ds.formulas, probe=trees,
        targets=["mass"], ids=ds.ids,
    ).set_index("score")["mean"]  # fmt: skip
    table = pd.read_csv(first.directory / "03_controls.csv")
    table = table[(table.probe == "trees") & (table.folds == "random") & (table.target == "mass")]
    found = table.set_index("score")["mean"]
    for score in ("r2_geom", "ceiling", "crossing"):
        assert found[score] == pytest.approx(expected[score], abs=1e-9)
    as_default = HistGradientBoostingRegressor(max_iter=given["n_strong"], random_state=0)
    expected = control_scores(
        X[:, X.std(axis=0) > 0], composition_matrix(ds.atoms), ds.formulas, probe=as_default,
        targets=["mass"], ids=ds.ids,
    ).set_index("score")["mean"]  # fmt: skip
    strong = pd.read_csv(first.directory / "03_strong.csv").query("folds == 'random'")
    found = strong[strong.target == "mass"].set_index("score")["mean"]
    assert found["r2_geom"] == pytest.approx(expected["r2_geom"], abs=1e-9)


def test_what_holds_nothing_is_inflated_by_the_projection_and_not_within_formulas(first):
    table = pd.read_csv(first.directory / "03_widths.csv")
    table = table[table.width == table.width.max()].set_index(["planted", "probe"])["mean"]
    assert table["rare random events", "trees"] > 0.5
    assert table["functions of composition", "trees"] > 0.2  # of 120 structures
    assert table["rare events, within formulas", "trees"] < 0.1
    assert table["rare random events", "ridge"] < 0.05


def test_a_second_run_gives_the_same_tables(first, tmp_path):
    again = run_notebook(NOTEBOOK, profile="test", runs_dir=tmp_path, progress=False)
    for name in TABLES:
        assert (first.directory / name).read_bytes() == (again.directory / name).read_bytes(), name


def test_a_file_of_the_users_own(tmp_path):
    ds = cpdkit.load_dataset("xtb9", n=100, seed=3)
    frames = list(ds.atoms)
    for atoms, value in zip(frames, ds.targets["gap"], strict=True):
        atoms.info["bandgap"] = value
    ase.io.write(tmp_path / "mine.xyz", frames, format="extxyz")
    parameters = SMALL | {
        "dataset": str(tmp_path / "mine.xyz"), "target": "bandgap", "encoders": ["ani2x-aev"],
        "control": "heavy_atoms",
    }  # fmt: skip
    run = run_notebook(NOTEBOOK, parameters, runs_dir=tmp_path / "runs", progress=False)
    assert set(pd.read_csv(run.directory / "03_models.csv").target) == {"bandgap"}
    assert "heavy atoms" in pd.read_csv(run.directory / "03_verdict.csv").iloc[0].sentence


def test_qm9(cpdkit_data, tmp_path):
    parameters = SMALL | {"dataset": "qm9", "encoders": ["painn-untrained"]}
    run = run_notebook(NOTEBOOK, parameters, runs_dir=tmp_path / "runs", progress=False)
    assert set(pd.read_csv(run.directory / "03_models.csv").target) == {"gap"}
