"""Laws of the controls."""

from __future__ import annotations

import numpy as np
import pytest
from toy import planted

from cpdkit.composition import composition_matrix
from cpdkit.controls import (
    LINEAR_IN_FRACTIONS,
    LINEAR_TARGETS,
    compositional_targets,
    control_scores,
    other_parametrisations,
)
from cpdkit.datasets import load_dataset


def test_targets_of_known_molecules():
    table = compositional_targets(["CH4", "C6H6", "CO2", "C5H5N", "CHF3"])
    assert table.heavy_atoms.tolist() == [1, 6, 3, 6, 4]
    assert table.unsaturation.tolist() == [0, 4, 2, 4, 0]
    assert np.allclose(table.mass, [16.043, 78.114, 44.009, 79.102, 70.013], atol=2e-3)
    assert np.allclose(table.x_H, [4 / 5, 1 / 2, 0, 5 / 11, 1 / 5])
    assert np.allclose(table.mean_Z, [10 / 5, 42 / 12, 22 / 3, 42 / 11, 34 / 5])


@pytest.mark.parametrize(
    ("kind", "said"), [("counts", LINEAR_TARGETS), ("fractions", LINEAR_IN_FRACTIONS)]
)
def test_exactly_the_targets_said_to_be_linear_are(kind, said):
    ds = load_dataset("xtb9", n=400, seed=0)
    Z = np.column_stack([np.ones(len(ds)), composition_matrix(ds.atoms, kind=kind)])
    targets = compositional_targets(ds.formulas)
    left = targets - Z @ np.linalg.lstsq(Z, targets.to_numpy(), rcond=None)[0]
    linear = left.std() < 1e-9 * targets.std()
    assert set(targets.columns[linear]) == set(said)


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


def test_what_is_no_formula_is_refused():
    with pytest.raises(ValueError, match="is no chemical formula"):
        compositional_targets(["CH4", "water!"])


def test_controls_follow_from_the_formula():
    controls = other_parametrisations(["CH4", "C2H6O"])
    assert controls["N"].tolist() == [5, 9]
    assert np.allclose(controls["1/N"], [1 / 5, 1 / 9])
    assert np.allclose(controls[["x(H)", "x(C)", "x(O)"]].sum(axis=1), 1)


def test_labels_that_are_no_formulas_are_refused():
    with pytest.raises(ValueError, match="not all chemical formulas"):
        other_parametrisations(["CH4", "methane!"])
