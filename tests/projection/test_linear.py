"""Laws of the projection."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import statsmodels.api as sm
import torch
from concept_erasure import OracleFitter
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.exceptions import NotFittedError
from sklearn.utils.estimator_checks import parametrize_with_checks
from toy import planted

from cpdkit import CompositionProjector
from cpdkit.probes.residual import RidgeProbe
from cpdkit.projection.conditioned import ConditionedResidual
from cpdkit.projection.factors import ranked_qr
from cpdkit.projection.rank import RANK_TOLERANCE


@parametrize_with_checks([CompositionProjector(), ConditionedResidual(), RidgeProbe()])
def test_scikit_learn_contract(estimator, check):
    check(estimator)


@st.composite
def problems(draw):
    """Any shapes, with duplicated, constant and dependent columns in C and X."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    n, d, k = draw(st.integers(5, 40)), draw(st.integers(1, 30)), draw(st.integers(1, 6))
    C = rng.integers(0, draw(st.integers(1, 9)), size=(n, k)).astype(float)
    X = rng.normal(size=(n, d)) * 10.0 ** rng.integers(-3, 4, size=d)
    if draw(st.booleans()):
        C = np.column_stack([C, C[:, 0], np.full(n, 7.0), C.sum(axis=1)])
    if draw(st.booleans()):
        X[:, 0] = X[0, 0]
    return X, C


@given(problems())
@settings(deadline=None, max_examples=80)
def test_training_residual_is_orthogonal_to_intercept_and_composition(problem):
    X, C = problem
    residual = CompositionProjector().fit_transform(X, composition=C)
    Z = np.column_stack([np.ones(len(C)), C])
    bound = np.linalg.norm(Z, axis=0)[:, None] * np.linalg.norm(X, axis=0)
    assert (np.abs(Z.T @ residual) <= 1e-11 * bound + 1e-300).all()


@given(problems())
@settings(deadline=None, max_examples=80)
def test_refitting_on_the_residual_changes_nothing(problem):
    X, C = problem
    once = CompositionProjector().fit_transform(X, composition=C)
    twice = CompositionProjector().fit_transform(once, composition=C)
    assert np.allclose(twice, once, rtol=0, atol=1e-12 * max(1.0, np.abs(X).max()))


@pytest.mark.filterwarnings("ignore:The design matrix is rank-deficient")
@given(problems())
@settings(deadline=None, max_examples=40)
def test_residual_equals_statsmodels_ols(problem):
    X, C = problem
    residual = CompositionProjector().fit_transform(X, composition=C)
    Z = sm.add_constant(C, has_constant="add")
    expected = np.column_stack([sm.OLS(column, Z).fit().resid for column in X.T])
    assert np.allclose(residual, expected, rtol=0, atol=1e-9 * max(1.0, np.abs(X).max()))


def test_residual_equals_the_oracle_eraser_without_shrinkage():
    data = planted(n=200)
    X, C = torch.from_numpy(data.X), torch.from_numpy(data.C)
    fitter = OracleFitter(X.shape[1], C.shape[1], dtype=torch.float64, shrinkage=False)
    erased = fitter.update(X, C).eraser(X, C).numpy()
    ours = CompositionProjector().fit_transform(data.X, composition=data.C)
    # The oracle keeps the mean of X; the residual has none.
    assert np.allclose(ours, erased - erased.mean(axis=0), atol=1e-9)


@pytest.mark.parametrize("k", [2, 3, 5])
def test_intercept_and_fractions_have_one_dependent_column(k):
    counts = np.random.default_rng(k).integers(1, 9, size=(50, k)).astype(float)
    fractions = counts / counts.sum(axis=1, keepdims=True)
    X = np.random.default_rng(0).normal(size=(50, 3))
    assert CompositionProjector().fit(X, composition=counts).rank_ == k + 1
    assert CompositionProjector().fit(X, composition=fractions).rank_ == k


def test_rank_does_not_depend_on_units():
    data = planted()
    scales = np.array([1e-6, 1.0, 1e6])
    plain = CompositionProjector().fit_transform(data.X, composition=data.C)
    scaled = CompositionProjector().fit(data.X, composition=data.C * scales)
    assert scaled.rank_ == 4
    assert np.allclose(scaled.transform(data.X, composition=data.C * scales), plain, atol=1e-9)


def test_a_column_may_be_in_a_far_smaller_unit_than_another():
    data = planted()
    C = data.C * [1e-8, 1.0, 1e8]
    assert CompositionProjector().fit(data.X, composition=C).rank_ == 4


@pytest.mark.parametrize(("angle", "rank"), [(3e-6, 2), (3e-7, 1)])
def test_directions_count_from_a_millionth_on(angle, rank):
    columns = np.array([[1.0, np.cos(angle)], [0.0, np.sin(angle)], [0.0, 0.0]])
    q, solver = ranked_qr(columns, RANK_TOLERANCE)
    assert (q.shape, solver.shape) == ((3, rank), (2, rank))


def test_before_fit_nothing_is_said():
    for call in ("unseen", "explained", "transform"):
        with pytest.raises(NotFittedError):
            getattr(CompositionProjector(), call)(np.eye(3))


def test_new_rows_get_the_training_coefficients():
    data = planted()
    fitted = CompositionProjector().fit(data.X[:300], composition=data.C[:300])
    Z = np.column_stack([np.ones(400), data.C])
    B = np.linalg.lstsq(Z[:300], data.X[:300], rcond=None)[0]
    expected = data.X[300:] - Z[300:] @ B
    assert np.allclose(fitted.transform(data.X[300:], composition=data.C[300:]), expected)


def test_without_composition_only_the_mean_goes():
    X = planted().X
    assert np.allclose(CompositionProjector().fit_transform(X), X - X.mean(axis=0))


def test_composition_to_one_of_fit_and_transform_is_refused():
    data = planted()
    with pytest.raises(ValueError, match="given to fit and not to here"):
        CompositionProjector().fit(data.X, composition=data.C).transform(data.X)
    with pytest.raises(ValueError, match="given to here and not to fit"):
        CompositionProjector().fit(data.X).transform(data.X, composition=data.C)


def test_other_columns_are_refused():
    data = planted()
    frame = pd.DataFrame(data.C, columns=["C", "H", "O"])
    fitted = CompositionProjector().fit(data.X, composition=frame)
    with pytest.raises(ValueError, match="2 columns, but fit saw 3"):
        fitted.transform(data.X, composition=data.C[:, :2])
    with pytest.raises(ValueError, match="same order"):
        fitted.transform(data.X, composition=frame[["H", "C", "O"]])


def test_rows_that_do_not_match_are_refused():
    data = planted()
    with pytest.raises(ValueError, match="X has 400 rows and composition has 399"):
        CompositionProjector().fit(data.X, composition=data.C[:-1])
