"""The within-formula estimator: fixed effects, and composition that cancels exactly."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import statsmodels.formula.api as smf
from hypothesis import given
from hypothesis import strategies as st
from sklearn.linear_model import LinearRegression
from sklearn.tree import DecisionTreeRegressor
from sklearn.utils.estimator_checks import parametrize_with_checks
from toy import planted

from cpdkit.projection.linear import CompositionProjector
from cpdkit.projection.within import WithinGroups, group_index, within_r2


@parametrize_with_checks([WithinGroups()])
def test_sklearn_estimator_contract(estimator, check):
    check(estimator)


def test_slopes_and_residuals_are_those_of_fixed_effects_ols():
    data = planted(n=300, d=4, seed=1)
    frame = pd.DataFrame(data.X, columns=list("abcd")).assign(y=data.y, formula=data.formulas)
    theirs = smf.ols("y ~ a + b + c + d + C(formula)", frame).fit()
    within = WithinGroups()
    X = within.fit_transform(data.X, composition=data.formulas)
    y = within.fit_transform(data.y[:, None], composition=data.formulas)[:, 0]
    ours = LinearRegression(fit_intercept=False).fit(X, y)
    np.testing.assert_allclose(ours.coef_, theirs.params[list("abcd")], rtol=1e-8)
    np.testing.assert_allclose(y - ours.predict(X), theirs.resid, atol=1e-8)
    # The within R2 is the share of what the dummies leave that the features explain.
    small = smf.ols("y ~ C(formula)", frame).fit()
    prediction = data.X @ ours.coef_
    assert within_r2(data.y, prediction, data.formulas) == pytest.approx(
        1 - theirs.ssr / small.ssr, abs=1e-10
    )


def test_equals_projection_on_one_dummy_per_formula():
    data = planted(n=200, seed=2)
    dummies = pd.get_dummies(data.formulas).to_numpy(float)
    expected = CompositionProjector().fit_transform(data.X, composition=dummies)
    ours = WithinGroups().fit_transform(data.X, composition=data.formulas)
    np.testing.assert_allclose(ours, expected, atol=1e-8)


def test_counts_name_the_formulas_as_well_as_strings_do():
    data = planted(n=120)
    by_name = WithinGroups().fit_transform(data.X, composition=data.formulas)
    by_counts = WithinGroups().fit_transform(data.X, composition=data.C)
    assert np.array_equal(by_name, by_counts)


@given(seed=st.integers(0, 10_000), offset=st.sampled_from([0.0, 1e3, -1e6]))
def test_functions_of_the_formula_vanish_from_features_and_gain_nothing_in_scores(seed, offset):
    rng = np.random.default_rng(seed)
    data = planted(n=60, d=3, seed=seed)
    index = group_index(data.formulas, 60)
    table = offset + rng.normal(size=(index.max() + 1, 3))
    shifted = WithinGroups().fit_transform(data.X + table[index], composition=data.formulas)
    plain = WithinGroups().fit_transform(data.X, composition=data.formulas)
    np.testing.assert_allclose(shifted, plain, atol=1e-12 * max(1.0, abs(offset)) * 60)
    guess = rng.normal(size=60)
    assert within_r2(data.y, guess + table[index, 0], data.formulas) == pytest.approx(
        within_r2(data.y, guess, data.formulas), abs=1e-8
    )
    assert within_r2(data.y, table[index, 0], data.formulas) == pytest.approx(0.0, abs=1e-8)


def test_a_tree_that_knows_the_formula_scores_nothing_within():
    data = planted(n=400, seed=5)
    train, test = np.arange(300), np.arange(300, 400)
    tree = DecisionTreeRegressor().fit(data.C[train], data.y[train])
    said = tree.predict(data.C[test])
    assert np.corrcoef(said, data.y[test])[0, 1] > 0.5
    assert within_r2(data.y[test], said, data.C[test]) == pytest.approx(0.0, abs=1e-12)


def test_a_test_fold_is_centred_by_itself_and_no_target_enters():
    data = planted(n=200, seed=3)
    train, test = np.arange(150), np.arange(150, 200)
    fitted = WithinGroups().fit(data.X[train], composition=data.formulas[train])
    other = WithinGroups().fit(data.X[train] + 7.0, composition=data.formulas[train][::-1])
    residual = fitted.transform(data.X[test], composition=data.formulas[test])
    again = other.transform(data.X[test], composition=data.formulas[test])
    assert np.array_equal(residual, again)
    lone = WithinGroups.lone_rows(data.formulas[test], 50)
    assert lone.any()
    assert (residual[lone] == 0).all()
    assert (residual[~lone] != 0).any()


def test_wrong_calls_are_answered():
    data = planted(n=20)
    fitted = WithinGroups().fit(data.X, composition=data.formulas)
    with pytest.raises(ValueError, match="given to fit and not to here"):
        fitted.transform(data.X)
    with pytest.raises(ValueError, match=r"shape \(19,\); expected \(20,\)"):
        WithinGroups().fit(data.X, composition=data.formulas[1:])
    lonely = [f"C{i}" for i in range(20)]
    assert np.isnan(within_r2(data.y, data.y, lonely))
