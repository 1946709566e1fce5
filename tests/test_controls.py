"""Laws of the controls."""

from __future__ import annotations

import numpy as np
import pytest
from toy import planted

from cpdkit.composition import composition_matrix
from cpdkit.controls import (
    LINEAR_TARGETS,
    compositional_targets,
    control_scores,
    isomer_accuracy,
)
from cpdkit.datasets import load_dataset


def test_targets_of_known_molecules():
    table = compositional_targets(["CH4", "C6H6", "CO2", "C5H5N", "CHF3"])
    assert table.heavy_atoms.tolist() == [1, 6, 3, 6, 4]
    assert table.unsaturation.tolist() == [0, 4, 2, 4, 0]
    assert np.allclose(table.mass, [16.043, 78.114, 44.009, 79.102, 70.013], atol=2e-3)
    assert np.allclose(table.x_H, [4 / 5, 1 / 2, 0, 5 / 11, 1 / 5])
    assert np.allclose(table.mean_Z, [10 / 5, 42 / 12, 22 / 3, 42 / 11, 34 / 5])


def test_exactly_the_targets_said_to_be_linear_are():
    ds = load_dataset("xtb9", n=400, seed=0)
    Z = np.column_stack([np.ones(len(ds)), composition_matrix(ds.atoms)])
    targets = compositional_targets(ds.formulas)
    left = targets - Z @ np.linalg.lstsq(Z, targets.to_numpy(), rcond=None)[0]
    linear = left.std() < 1e-9 * targets.std()
    assert set(targets.columns[linear]) == set(LINEAR_TARGETS)


def test_what_is_linear_in_counts_is_gone_for_ridge_and_not_for_trees():
    data = planted(n=600, seed=2)
    X = np.column_stack([data.C**2, data.C[:, :1] * data.C[:, 1:], np.exp(-data.C / 3)])
    scores = {}
    for probe in ("ridge", "trees"):
        table = control_scores(X, data.C, data.formulas, probe=probe)
        scores[probe] = table.pivot(index="target", columns="score", values="mean")
    for target in ("heavy_atoms", "mass", "unsaturation"):
        assert abs(scores["ridge"].loc[target, "r2_geom"]) < 0.03
        assert scores["trees"].loc[target, "r2_geom"] > 0.4
        assert abs(scores["trees"].loc[target, "ceiling"]) < 0.05


def test_one_target_alone_scores_as_among_others():
    data = planted(n=200, seed=2)
    every = control_scores(data.X**2, data.C, data.formulas)
    one = control_scores(data.X**2, data.C, data.formulas, targets=["mass"])
    kept = every[every.target == "mass"].reset_index(drop=True)
    np.testing.assert_allclose(one["mean"], kept["mean"], atol=1e-12)
    with pytest.raises(ValueError, match="unknown compositional target 'Mass'; did you mean"):
        control_scores(data.X, data.C, data.formulas, targets=["Mass"])


def test_features_that_know_no_composition_score_nothing_under_any_probe():
    data = planted(n=400, seed=3)
    X = np.random.default_rng(0).normal(size=(400, 10))
    for probe in ("ridge", "trees", "knn"):
        table = control_scores(X, data.C, data.formulas, probe=probe)
        assert (table[table.score == "r2_geom"]["mean"] < 0.1).all()


def test_isomers_are_ordered_by_geometry_and_not_by_composition():
    data = planted(n=600, seed=4, noise=0.0)
    full = isomer_accuracy(data.X, data.C, data.y, data.formulas).iloc[0]
    assert full.accuracy > 0.9
    rng = np.random.default_rng(1)
    blind = isomer_accuracy(
        np.column_stack([data.C, rng.normal(size=(600, 3))]), data.C, data.y, data.formulas
    ).iloc[0]
    assert blind.low < 0.5 < blind.high and blind.accuracy == pytest.approx(0.5, abs=0.06)
    far = isomer_accuracy(data.X, data.C, data.y, data.formulas, min_difference=1.0).iloc[0]
    assert far.accuracy > full.accuracy and far.n_pairs < full.n_pairs


def test_a_probe_that_sees_composition_alone_is_right_half_of_the_time():
    data = planted(n=300, seed=5)
    row = isomer_accuracy(data.C**2, None, data.y, data.formulas).iloc[0]
    assert np.allclose(row.fold_values, 0.5)


def test_folds_without_isomers_are_answered():
    formulas = [f"C{i}H{i}" for i in range(1, 61)]
    data = planted(n=60)
    with pytest.raises(ValueError, match="no two structures of one formula"):
        isomer_accuracy(data.X, data.C, data.y, formulas)
    with pytest.raises(ValueError, match="is no chemical formula"):
        compositional_targets(["CH4", "water!"])
