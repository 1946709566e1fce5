"""Removers and the scores after them: laws, known answers, and what each cannot do."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.ensemble import RandomForestRegressor
from sklearn.linear_model import LinearRegression
from sklearn.preprocessing import PolynomialFeatures
from sklearn.utils.estimator_checks import parametrize_with_checks
from toy import planted

from cpdkit import CompositionProjector, cpd
from cpdkit.controls import control_scores
from cpdkit.experiments.inflation.alarms import alarm_rates, crossing_draws
from cpdkit.experiments.inflation.planted import composition_only, plant
from cpdkit.experiments.inflation.remedies import minus_control, scores_after_removal
from cpdkit.probes.nonlinear import boosted_trees, kernel, neighbors
from cpdkit.projection.flexible import BasisProjector, CrossFittedResidual
from cpdkit.projection.within import WithinGroups, group_index

TREES = boosted_trees(n_trees=30, learning_rate=0.3, max_leaf_nodes=8)
REMOVERS = {
    "linear": CompositionProjector(),
    "degree 2": BasisProjector(),
    "spline": BasisProjector(basis="spline"),
    "cross-fitted": CrossFittedResidual(LinearRegression()),
    "within": WithinGroups(),
}


@parametrize_with_checks([BasisProjector(), BasisProjector(basis="spline"), CrossFittedResidual()])
def test_sklearn_estimator_contract(estimator, check):
    check(estimator)


def rows(table):
    return table.set_index(["target", "score"])


def test_with_the_linear_remover_the_scores_are_those_of_cpd():
    data = planted(n=200, seed=1)
    probe = neighbors(10)
    remover = CompositionProjector()
    ours = rows(scores_after_removal(data.X, data.C, data.y, remover=remover, probe=probe))
    theirs = rows(cpd(data.X, data.C, data.y, probe=probe, leak=False))
    for score in ("r2_geom", "r2_partial"):
        np.testing.assert_allclose(
            ours.loc[("y", score), "fold_values"], theirs.loc[("y", score), "fold_values"]
        )
        assert ours.loc[("y", score), "low"] == pytest.approx(theirs.loc[("y", score), "low"])


def test_polynomials_remove_every_polynomial_of_composition():
    data = planted(n=200, seed=2)
    monomials = PolynomialFeatures(3, include_bias=False).fit_transform(data.C)
    residual = BasisProjector(degree=3).fit_transform(monomials, composition=data.C)
    assert np.abs(residual / monomials.std(axis=0)).max() < 1e-5
    first = BasisProjector(degree=1).fit_transform(data.X, composition=data.C)
    plain = CompositionProjector().fit_transform(data.X, composition=data.C)
    np.testing.assert_allclose(first, plain)


def test_a_row_is_cross_fitted_from_folds_that_did_not_see_it():
    """Spoiling one row changes others' residuals, but its own by exactly the spoiling."""
    data = planted(n=120, seed=3)
    spoilt = data.X.copy()
    spoilt[17] += 50.0
    remover = CrossFittedResidual(LinearRegression())
    before = remover.fit_transform(data.X, composition=data.C)
    after = remover.fit_transform(spoilt, composition=data.C)
    np.testing.assert_allclose(after[17] - before[17], 50.0, atol=1e-8)
    overfit = CrossFittedResidual(RandomForestRegressor(20, random_state=0, bootstrap=False))
    alone = np.arange(40, dtype=float)[:, None]
    noise = np.random.default_rng(0).normal(size=(40, 2))
    overfit.fit(noise, composition=alone)
    assert np.abs(overfit.transform(noise, composition=alone)).max() < 1e-9  # fits its own noise
    inside = overfit.fit_transform(noise, composition=alone)
    assert inside.std() > 0.5  # and cross-fitted it does not


@pytest.mark.parametrize("name", REMOVERS)
def test_every_remedy_finds_the_planted_share(name):
    """Geometry decides half of what composition leaves; composition is affine in the features."""
    data = planted(n=800, seed=4)
    known = plant(data.C, n_channels=12, truth=0.5, seed=4)
    table = scores_after_removal(
        known.features, data.C, known.target, remover=REMOVERS[name], n_folds=5
    )
    row = rows(table).loc[("y", "r2_partial")]
    assert row["low"] - 0.03 < known.truth < row["high"] + 0.03
    assert row["high"] - row["low"] < 0.4


@settings(max_examples=10)
@given(seed=st.integers(0, 1000), width=st.sampled_from([1, 8, 32]))
@pytest.mark.parametrize("probe", [TREES, kernel(alpha=1e-4, width=1.0)])
def test_composition_alone_scores_exactly_nothing_within_formulas(probe, seed, width):
    data = planted(n=120, seed=seed)
    X = composition_only(data.C, width, seed=seed)
    table = rows(
        scores_after_removal(X, data.C, data.y, remover=WithinGroups(), probe=probe, n_folds=3)
    )
    np.testing.assert_allclose(table.loc[("y", "r2_partial"), "fold_values"], 0.0, atol=1e-9)


@given(seed=st.integers(0, 1000), width=st.sampled_from([2, 12]))
def test_the_proposition_of_chapter_3(seed, width):
    """What a projection leaves of composition is E[X|C] - P E[X|C], and enough to name formulas."""
    data = planted(n=100, d=3, seed=seed)
    X = np.hstack([data.X, composition_only(data.C, width, seed=seed)])
    residual = CompositionProjector().fit_transform(X, composition=data.C)
    means = X - WithinGroups().fit_transform(X, composition=data.C)  # E[X|C], row by row
    left = CompositionProjector().fit_transform(means, composition=data.C)
    found = residual - WithinGroups().fit_transform(residual, composition=data.C)
    np.testing.assert_allclose(found, left, atol=1e-9)  # E[X_geom|C] = m - Pm
    assert np.abs(data.C.T @ residual).max() < 1e-7  # nothing linear in C is left
    # An affine m leaves nothing; a curved one tells every formula from every other.
    affine = CompositionProjector().fit_transform(data.C @ np.ones((3, 2)), composition=data.C)
    assert np.abs(affine).max() < 1e-9
    curved = left[:, 3:]
    formula = group_index(data.C, 100)
    apart = np.abs(curved[:, None] - curved[None]).max(axis=2)
    assert apart[formula[:, None] != formula[None]].min() > 1e-9
    g = np.random.default_rng(seed).normal(size=formula.max() + 1)[formula]
    nearest = np.where(np.eye(100, dtype=bool), np.inf, apart).argmin(axis=1)
    companions = np.bincount(formula)[formula] > 1
    np.testing.assert_array_equal(g[nearest][companions], g[companions])


def test_composition_alone_scores_much_after_a_linear_projection():
    data = planted(n=400, seed=6)
    table = control_scores(composition_only(data.C, 16), data.C, data.formulas, probe=TREES)
    found = table[table.score == "r2_geom"].set_index("target")["mean"]
    assert found["mass"] > 0.7
    assert found["mean_Z"] > 0.7


@settings(max_examples=4)
@given(seed=st.integers(0, 1000))
def test_projection_writes_composition_into_columns_that_never_held_it(seed):
    """Rare events, independent of composition: where none occurs the residual is -Z B."""
    data = planted(n=400, seed=seed)
    rare = (np.random.default_rng(seed).random((400, 16)) < 0.05).astype(float)
    found = {}
    for name, removed in {"before": None, "after": data.C}.items():
        table = control_scores(rare, removed, data.formulas, probe=TREES, seed=seed)
        found[name] = table[table.score == "r2_geom"].set_index("target")["mean"]["heavy_atoms"]
    assert found["before"] < 0.1
    assert found["after"] > 0.6
    quiet = (rare == 0).all(axis=1)
    projector = CompositionProjector().fit(rare, composition=data.C)
    residual = projector.transform(rare, composition=data.C)[quiet]
    np.testing.assert_allclose(residual, -projector.explained(data.C)[quiet], atol=1e-12)


def test_the_control_is_subtracted_by_its_share():
    data = planted(n=400, seed=7)
    X = np.hstack([composition_only(data.C, 16), data.X])
    table = rows(minus_control(X, data.C, data.y, groups=data.formulas, probe=TREES))
    plain = rows(cpd(X, data.C, data.y, groups=data.formulas, probe=TREES, leak=False))
    names = ("r2_geom", "control", "corrected")
    score, control, corrected = (np.array(table.loc[("y", n), "fold_values"]) for n in names)
    np.testing.assert_allclose(score, plain.loc[("y", "r2_geom"), "fold_values"])
    ceiling = np.array(plain.loc[("y", "ceiling"), "fold_values"])
    np.testing.assert_allclose(corrected, score - (1 - ceiling) * np.maximum(control, 0))
    assert table.loc[("y", "control"), "mean"] > 0.5
    ridge = rows(minus_control(X, data.C, data.y, groups=data.formulas))
    assert ridge.loc[("y", "control"), "mean"] < 0.02


def test_rows_that_count_and_targets_of_which_nothing_is_left():
    data = planted(n=150, seed=8)
    Y = {"linear": data.C @ [1.0, 2.0, 3.0], "y": data.y}
    options = {"remover": WithinGroups(), "groups": data.formulas}
    within = rows(scores_after_removal(data.X, data.C, Y, **options))
    assert 0 < within.loc[("y", "r2_partial"), "n_used"] < 150
    linear = rows(scores_after_removal(data.X, data.C, Y, remover=CompositionProjector()))
    assert linear.loc[("y", "r2_partial"), "n_used"] == 150
    for table in (within, linear):
        row = table.loc[("linear", "r2_partial")]
        assert np.isnan(row["mean"])
        assert row["note"] == "the removal leaves nothing of the target"


def test_several_probes_at_once_score_as_one_by_one():
    data = planted(n=120, seed=10)
    probes = {"a": neighbors(), "b": "ridge"}
    remover = CrossFittedResidual(LinearRegression())
    together = scores_after_removal(data.X, data.C, data.y, remover=remover, probe=probes)
    for name, probe in probes.items():
        alone = scores_after_removal(data.X, data.C, data.y, remover=remover, probe=probe)
        part = together[together.probe == name].drop(columns="probe").reset_index(drop=True)
        pd.testing.assert_frame_equal(part, alone)


def test_wrong_calls_are_answered():
    data = planted(n=60)
    with pytest.raises(ValueError, match="a remedy needs composition"):
        scores_after_removal(data.X, None, data.y, remover=CompositionProjector())
    with pytest.raises(ValueError, match="unknown probe 'tree'; did you mean 'trees'"):
        scores_after_removal(data.X, data.C, data.y, remover=CompositionProjector(), probe="tree")
    with pytest.raises(ValueError, match="unknown basis 'splines'; did you mean 'spline'"):
        BasisProjector(basis="splines").fit(data.X, composition=data.C)
    with pytest.raises(ValueError, match="unknown scheme 'formulas'"):
        CrossFittedResidual(scheme="formulas").fit(data.X, composition=data.C)
    with pytest.raises(ValueError, match="both fit and transform"):
        CrossFittedResidual(LinearRegression()).fit(data.X, composition=data.C).transform(data.X)
    with pytest.raises(ValueError, match="truth=2"):
        plant(data.C, truth=2)
    with pytest.raises(ValueError, match="n_channels=0"):
        composition_only(data.C, 0)


def test_alarms_are_false_only_rarely_and_raised_where_composition_was_planted():
    data = planted(n=200, seed=9)
    draws = crossing_draws(data.C, n_draws=40, truth=1.0, strengths=(0.0,))
    rate = alarm_rates(draws).iloc[0]
    assert rate.draws == 40
    assert rate.low < 0.05
    assert draws.alarm.equals(draws.low > 0)
    probe = kernel(alpha=1e-4, width=1.0)
    planted_in = crossing_draws(
        data.C, probe=probe, n_draws=5, truth=0.9, composition_share=0.8, strengths=(0.0, 8.0)
    )
    mean = planted_in.groupby("strength").crossing.mean()
    assert mean[8.0] > mean[0.0] + 0.2
    assert planted_in[planted_in.strength == 8.0].alarm.sum() >= 3
