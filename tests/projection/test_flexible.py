"""Flexible removers against the same done by hand with scikit-learn."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.exceptions import NotFittedError
from sklearn.linear_model import LinearRegression
from sklearn.preprocessing import PolynomialFeatures
from toy import planted

from cpdkit.folds import make_folds
from cpdkit.projection.flexible import BasisProjector, CrossFittedResidual

DATA = planted(n=120)
NEW = planted(n=30, seed=1)


@pytest.mark.parametrize("columns", [slice(None), slice(1)])
def test_cross_fitting_by_hand(columns):
    X, new = DATA.X[:, columns], NEW.X[:, columns]
    remover = CrossFittedResidual(LinearRegression(), n_folds=4, seed=3)
    found = remover.fit_transform(X, composition=DATA.C)
    fold = make_folds(120, n_folds=4, seed=3)[0]
    expected = np.empty_like(X)
    for k in range(4):
        line = LinearRegression().fit(DATA.C[fold != k], X[fold != k])
        expected[fold == k] = X[fold == k] - line.predict(DATA.C[fold == k])
    np.testing.assert_allclose(found, expected, atol=1e-9)
    line = LinearRegression().fit(DATA.C, X)
    np.testing.assert_allclose(
        remover.transform(new, composition=NEW.C), new - line.predict(NEW.C), atol=1e-9
    )


def test_a_polynomial_by_hand():
    basis = PolynomialFeatures(2, include_bias=False).fit(DATA.C)
    line = LinearRegression().fit(basis.transform(DATA.C), DATA.X)
    expected = NEW.X - line.predict(basis.transform(NEW.C))
    found = BasisProjector().fit(DATA.X, composition=DATA.C).transform(NEW.X, composition=NEW.C)
    np.testing.assert_allclose(found, expected, atol=1e-8)


@pytest.mark.parametrize("remover", [BasisProjector(), CrossFittedResidual()])
def test_without_composition_the_training_mean_goes(remover):
    with pytest.raises(NotFittedError):
        remover.transform(NEW.X)
    fitted = remover.fit(DATA.X)
    np.testing.assert_allclose(fitted.transform(NEW.X), NEW.X - DATA.X.mean(axis=0))
    np.testing.assert_allclose(fitted.fit_transform(DATA.X), DATA.X - DATA.X.mean(axis=0))
