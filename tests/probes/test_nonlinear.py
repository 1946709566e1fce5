"""Probes that need the rows: same folds, same projection, same table."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from sklearn.linear_model import Ridge
from sklearn.utils.estimator_checks import parametrize_with_checks
from toy import planted

from cpdkit import cpd
from cpdkit.folds import make_folds
from cpdkit.held_out.estimators import held_out_probe
from cpdkit.held_out.rows import PROTOCOLS, held_out
from cpdkit.probes.nonlinear import (
    NONLINEAR,
    BoostedTreesProbe,
    KernelRidgeProbe,
    MLPProbe,
    NeighborsProbe,
    _RowProbe,
)
from cpdkit.probes.ridge import ConditionedResidual

QUICK = {
    "mlp": MLPProbe(hidden=(32,), max_epochs=60),
    "trees": BoostedTreesProbe(n_trees=40),
    "knn": NeighborsProbe(),
    "kernel": KernelRidgeProbe(alpha=1e-3, max_rows=400),
}


@parametrize_with_checks([MLPProbe(hidden=(16,)), *list(QUICK.values())[1:]])
def test_sklearn_estimator_contract(estimator, check):
    check(estimator)


def nonlinear_data(n=500, seed=0):
    """A product of latent coordinates, which no linear probe of X can find."""
    rng = np.random.default_rng(seed)
    C = rng.integers(1, 5, (n, 2)).astype(float)
    latent = rng.normal(size=(n, 2))
    X = np.hstack([latent, C]) @ rng.normal(size=(4, 6)) + 0.02 * rng.normal(size=(n, 6))
    return X, C, 0.5 * C[:, 0] + latent[:, 0] * latent[:, 1]


@pytest.mark.parametrize("name", NONLINEAR)
def test_finds_what_ridge_does_not(name):
    X, C, y = nonlinear_data()
    table = cpd(X, C, y, probe=QUICK[name], leak=False, n_folds=4).set_index("score")
    linear = cpd(X, C, y, leak=False, n_folds=4).set_index("score")
    assert linear.loc["r2_partial", "mean"] < 0.05
    assert table.loc["r2_partial", "mean"] > 0.5
    for score in ("r2_comp", "ceiling"):  # what does not involve the probe is the same
        np.testing.assert_allclose(table.loc[score, "mean"], linear.loc[score, "mean"], atol=1e-9)
    assert table["alphas"].isna().all()
    assert list(table.columns) == list(linear.columns)


class _Linear(_RowProbe):
    """Ridge dressed as a row probe: the known answer."""

    def __init__(self, *, max_rows=10**6, plain=False, seed=0):
        self.max_rows, self.plain, self.seed = max_rows, plain, seed

    def _model(self, residual):
        return Ridge(alpha=1e-3 * len(residual))


@pytest.mark.parametrize("protocol", ["sound", "naive", "transductive"])
def test_with_a_linear_model_the_folds_and_scores_are_those_of_the_reference(protocol):
    data = planted(n=300)
    Y = np.column_stack([data.y, data.X[:, 0]])
    folds = make_folds(300, repeats=2)
    how = PROTOCOLS[protocol]
    same = type(how)("same", how.plain, how.transductive, (1e-3,))
    for a, b in zip(
        held_out_probe(data.X, data.C, Y, folds, probe=_Linear(), protocol=how),
        held_out(data.X, data.C, Y, folds, protocol=same),
        strict=True,
    ):
        assert (a.repeat, a.fold, a.rows.tolist()) == (b.repeat, b.fold, b.rows.tolist())
        np.testing.assert_allclose(a.comp, b.comp, atol=1e-9)
        for name in ("full", "geom", *(() if protocol == "transductive" else ("joint",))):
            np.testing.assert_allclose(a.probes[name], b.probes[name], atol=1e-8)


@pytest.mark.parametrize("name", NONLINEAR)
def test_seed_fixes_the_result_and_test_targets_do_not_enter(name):
    data = planted(n=160)
    folds = make_folds(160)
    spoilt = data.y.copy()
    spoilt[folds[0] == 3] += 100.0

    def third(y):
        parts = held_out_probe(data.X, data.C, y[:, None], folds, probe=QUICK[name])
        return next(part for part in parts if part.fold == 3)

    first, again, other = third(data.y), third(data.y), third(spoilt)
    for kind, values in first.probes.items():
        assert np.array_equal(values, again.probes[kind])
        assert np.array_equal(values, other.probes[kind])


def test_projection_and_scale_are_of_the_training_rows():
    data = planted(n=200)
    train, test = np.arange(150), np.arange(150, 200)
    probe = NeighborsProbe(n_neighbors=3)
    probe.fit(data.X[train], data.y[train], composition=data.C[train])
    conditioner = ConditionedResidual().fit(data.X[train], composition=data.C[train])
    train_rows = conditioner.transform(data.X[train], composition=data.C[train])
    for row in conditioner.transform(data.X[test], composition=data.C[test])[:5]:
        distance = np.linalg.norm(train_rows - row, axis=1)
        near = np.argsort(distance)[:3]
        expected = np.average(data.y[near], weights=1 / distance[near])
        i = np.flatnonzero(
            (conditioner.transform(data.X[test], composition=data.C[test]) == row).all(axis=1)
        )[0]
        predicted = probe.predict(data.X[test], composition=data.C[test])[i]
        assert predicted == pytest.approx(expected, rel=1e-9)


def test_trees_recover_a_linear_target_that_projection_removed():
    rng = np.random.default_rng(0)
    C = rng.integers(1, 8, (600, 2)).astype(float)
    X = np.column_stack([C[:, 0] ** 2, C[:, 1] ** 2, C[:, 0] * C[:, 1], rng.normal(size=600)])
    y = C @ [1.0, 2.0]
    groups = [f"C{a:.0f}H{b:.0f}" for a, b in C]
    table = cpd(X, C, y, groups=groups, probe=QUICK["trees"], n_folds=4)
    row = table.set_index(["target", "score"])
    assert row.loc[("y", "r2_geom"), "mean"] > 0.9  # and its ceiling is 0
    assert row.loc[("y", "crossing"), "low"] > 0
    assert row.loc[("x(C)", "r2_leak"), "mean"] > 0.8


def test_a_budget_of_rows_holds_and_is_sampled_with_the_seed():
    data = planted(n=300)
    small = KernelRidgeProbe(max_rows=50, seed=1).fit(data.X, data.y, composition=data.C)
    assert small.n_rows_ == 50 == small.model_.X_fit_.shape[0]
    again = KernelRidgeProbe(max_rows=50, seed=1).fit(data.X, data.y, composition=data.C)
    other = KernelRidgeProbe(max_rows=50, seed=2).fit(data.X, data.y, composition=data.C)
    assert np.array_equal(small.model_.X_fit_, again.model_.X_fit_)
    assert not np.array_equal(small.model_.X_fit_, other.model_.X_fit_)
    with pytest.raises(ValueError, match="max_rows=0 must be at least 1"):
        KernelRidgeProbe(max_rows=0).fit(data.X, data.y)


def test_settings_are_chosen_on_an_inner_fold_per_target():
    rng = np.random.default_rng(0)
    X = rng.uniform(size=(300, 1))
    smooth, noise = np.sin(6 * X[:, 0]), rng.normal(size=300)
    table = cpd(X, None, {"smooth": smooth, "noise": noise}, probe="knn", leak=False)
    mean = table.set_index(["target", "score"])["mean"]
    best = cpd(X, None, {"noise": noise}, probe=NeighborsProbe(n_neighbors=3), leak=False)
    assert mean["smooth", "r2_geom"] > 0.99
    assert mean["noise", "r2_geom"] > best.set_index("score")["mean"]["r2_geom"] + 0.1
    with pytest.raises(ValueError, match="among 3 settings needs at least 3 folds, got 2"):
        cpd(X, None, smooth, probe="knn", leak=False, n_folds=2)


def test_names_of_probes():
    data = planted(n=100)
    with pytest.raises(ValueError, match="unknown probe 'tree'; did you mean 'trees'"):
        cpd(data.X, data.C, data.y, probe="tree")
    table = cpd(data.X, data.C, data.y, probe="knn", seed=3, leak=False)
    own = cpd(data.X, data.C, data.y, probe=NeighborsProbe(seed=3), seed=3, leak=False)
    pd.testing.assert_frame_equal(table, own)
