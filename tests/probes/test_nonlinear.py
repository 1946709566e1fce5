"""Probes that need the rows: same folds, same projection, same table."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from sklearn.base import BaseEstimator, RegressorMixin
from sklearn.linear_model import Ridge
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVR
from sklearn.utils.estimator_checks import parametrize_with_checks
from toy import planted

from cpdkit import cpd
from cpdkit.folds import make_folds
from cpdkit.held_out.estimators import held_out_regressor
from cpdkit.held_out.protocol import PROTOCOLS
from cpdkit.held_out.rows import held_out
from cpdkit.probes.nonlinear import NONLINEAR, boosted_trees, kernel, mlp, neighbors
from cpdkit.probes.residual import ResidualProbe
from cpdkit.projection.conditioned import ConditionedResidual

QUICK = {
    "mlp": mlp(hidden=(32,), max_epochs=60),
    "trees": boosted_trees(n_trees=40),
    "knn": neighbors(),
    "kernel": kernel(alpha=1e-3, max_rows=400),
}


CHECKED = {**QUICK, "mlp": mlp(hidden=(16,))}


@parametrize_with_checks([ResidualProbe(each) for each in CHECKED.values()])
def test_sklearn_estimator_contract(estimator, check):
    check(estimator)


class LinearRidge(RegressorMixin, BaseEstimator):
    """Ridge with a penalty per row: the known answer."""

    def __init__(self, alpha):
        self.alpha = alpha

    def fit(self, X, y):
        self.ridge_ = Ridge(alpha=self.alpha * len(X)).fit(X, y)
        return self

    def predict(self, X):
        return self.ridge_.predict(X)


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


@pytest.mark.parametrize("protocol", ["sound", "naive", "transductive"])
def test_with_a_linear_model_the_folds_and_scores_are_those_of_the_reference(protocol):
    data = planted(n=300)
    Y = np.column_stack([data.y, data.X[:, 0]])
    folds = make_folds(300, repeats=2)
    how, model = PROTOCOLS[protocol], LinearRidge(1e-3)
    same = type(how)("same", how.plain, how.transductive, (1e-3,))
    for a, b in zip(
        held_out_regressor(data.X, data.C, Y, folds, candidates=[model], protocol=how),
        held_out(data.X, data.C, Y, folds, protocol=same),
        strict=True,
    ):
        assert (a.repeat, a.fold, a.rows.tolist()) == (b.repeat, b.fold, b.rows.tolist())
        np.testing.assert_allclose(a.comp, b.comp, atol=1e-9)
        for name in ("full", "geom", *(() if protocol == "transductive" else ("joint",))):
            np.testing.assert_allclose(a.predictions[name], b.predictions[name], atol=1e-8)


@pytest.mark.parametrize("name", NONLINEAR)
def test_seed_fixes_the_result_and_test_targets_do_not_enter(name):
    data = planted(n=160)
    folds = make_folds(160)
    spoilt = data.y.copy()
    spoilt[folds[0] == 3] += 100.0

    def third(y):
        parts = held_out_regressor(data.X, data.C, y[:, None], folds, candidates=[QUICK[name]])
        return next(part for part in parts if part.fold == 3)

    first, again, other = third(data.y), third(data.y), third(spoilt)
    for kind, values in first.predictions.items():
        assert np.array_equal(values, again.predictions[kind])
        assert np.array_equal(values, other.predictions[kind])


def test_projection_and_scale_are_of_the_training_rows():
    data = planted(n=200)
    train, test = np.arange(150), np.arange(150, 200)
    probe = ResidualProbe(neighbors(3))
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
    small = kernel(max_rows=50, seed=1).fit(data.X, data.y)
    assert small.n_rows_ == 50 == small.regressor_.X_fit_.shape[0]
    again = kernel(max_rows=50, seed=1).fit(data.X, data.y)
    other = kernel(max_rows=50, seed=2).fit(data.X, data.y)
    assert np.array_equal(small.regressor_.X_fit_, again.regressor_.X_fit_)
    assert not np.array_equal(small.regressor_.X_fit_, other.regressor_.X_fit_)
    with pytest.raises(ValueError, match="max_rows=0 must be at least 1"):
        kernel(max_rows=0).fit(data.X, data.y)


def test_settings_are_chosen_on_an_inner_fold_per_target():
    rng = np.random.default_rng(0)
    X = rng.uniform(size=(300, 1))
    smooth, noise = np.sin(6 * X[:, 0]), rng.normal(size=300)
    table = cpd(X, None, {"smooth": smooth, "noise": noise}, probe="knn", leak=False)
    mean = table.set_index(["target", "score"])["mean"]
    best = cpd(X, None, {"noise": noise}, probe=neighbors(3), leak=False)
    assert mean["smooth", "r2_geom"] > 0.99
    assert mean["noise", "r2_geom"] > best.set_index("score")["mean"]["r2_geom"] + 0.1
    with pytest.raises(ValueError, match="among 3 settings needs at least 3 folds, got 2"):
        cpd(X, None, smooth, probe="knn", leak=False, n_folds=2)


def test_names_of_probes():
    data = planted(n=100)
    with pytest.raises(ValueError, match="unknown probe 'tree'; did you mean 'trees'"):
        cpd(data.X, data.C, data.y, probe="tree")
    table = cpd(data.X, data.C, data.y, probe="trees", seed=3, leak=False)
    own = cpd(data.X, data.C, data.y, probe=boosted_trees(seed=3), seed=3, leak=False)
    pd.testing.assert_frame_equal(table, own)


def test_any_regressor_or_pipeline_is_a_probe():
    data = planted(n=200)
    Y = {"y": data.y, "x": data.X[:, 0]}
    ridge = cpd(data.X, data.C, Y, probe=Ridge(1e-3), leak=False)
    pipe = make_pipeline(StandardScaler(), Ridge(1e-3))
    piped = cpd(data.X, data.C, Y, probe=pipe, leak=False)
    searched = cpd(data.X, data.C, Y, probe=GridSearchCV(Ridge(), {"alpha": [1e-3]}), leak=False)
    single = cpd(data.X, data.C, Y, probe=SVR(), leak=False)  # takes one target at a time
    linear = cpd(data.X, data.C, Y, leak=False).set_index(["target", "score"])["mean"]
    found = ridge.set_index(["target", "score"])["mean"]
    assert abs(found["y", "r2_partial"] - linear["y", "r2_partial"]) < 0.05
    np.testing.assert_allclose(ridge["mean"], searched["mean"], rtol=1e-7)
    np.testing.assert_allclose(ridge["mean"], piped["mean"], atol=0.02)
    assert single["mean"].notna().any()


@pytest.mark.parametrize(
    ("probe", "message"),
    [
        (Ridge, r"probe=Ridge is a class; give an object: Ridge\(\)"),
        (StandardScaler(), "no regressor"),
    ],
)
def test_what_is_no_regressor_is_named(probe, message):
    data = planted(n=60)
    with pytest.raises(TypeError, match=message):
        cpd(data.X, data.C, data.y, probe=probe)
