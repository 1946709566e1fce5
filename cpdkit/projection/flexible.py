"""Stronger ways to remove composition than a line: bases of it, and flexible regression.

Each remover is a transformer like `cpdkit.CompositionProjector`: `fit_transform` gives the residual
of training rows, `transform` that of any others.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from sklearn.base import BaseEstimator, TransformerMixin, clone
from sklearn.ensemble import RandomForestRegressor
from sklearn.preprocessing import PolynomialFeatures, SplineTransformer
from sklearn.utils.validation import check_is_fitted

from cpdkit._checks import nuisance_array, validate_rows
from cpdkit._messages import unknown
from cpdkit.folds import SCHEMES, make_folds
from cpdkit.projection.linear import CompositionProjector
from cpdkit.projection.within import group_index

__all__ = ["BASES", "BasisProjector", "CrossFittedResidual"]

BASES = ("polynomial", "spline")


class BasisProjector(TransformerMixin, BaseEstimator):
    """Project out nonlinear functions of composition: polynomials or splines of the counts.

    Parameters
    ----------
    basis : {"polynomial", "spline"}
        All monomials up to `degree` (`sklearn.preprocessing.PolynomialFeatures`), or cubic splines
        of each count by itself (`sklearn.preprocessing.SplineTransformer`).
    degree : int, default 2
        Highest degree of the polynomial; 1 is `cpdkit.CompositionProjector`.
    n_knots : int, default 5
        Knots of the splines, equally spaced over the training range, constant beyond it.

    Attributes
    ----------
    projector_ : CompositionProjector
        Fitted on the basis.
    """

    def __init__(self, *, basis: str = "polynomial", degree: int = 2, n_knots: int = 5) -> None:
        self.basis = basis
        self.degree = degree
        self.n_knots = n_knots

    def fit(self, X: Any, y: Any = None, *, composition: Any = None) -> BasisProjector:
        """Regress features on the basis; arguments as in `cpdkit.CompositionProjector`.

        Raises
        ------
        ValueError
            If the basis is not known, or as in `cpdkit.CompositionProjector`.
        """
        if self.basis not in BASES:
            raise ValueError(unknown("basis", self.basis, BASES))
        X = validate_rows(self, X, composition=composition)
        self.projector_ = CompositionProjector()
        if composition is None:
            self.projector_.fit(X)
            return self
        C = nuisance_array(composition, len(X))
        if self.basis == "polynomial":
            self.basis_ = PolynomialFeatures(self.degree, include_bias=False).fit(C)
        else:
            self.basis_ = SplineTransformer(n_knots=self.n_knots, include_bias=False).fit(C)
        self.projector_.fit(X, composition=self.basis_.transform(C))
        return self

    def transform(self, X: Any, *, composition: Any = None) -> np.ndarray:
        """Residual of any rows, shape (n, n_features)."""
        check_is_fitted(self)
        X = validate_rows(self, X, composition=composition, reset=False)
        if composition is not None and hasattr(self, "basis_"):
            C = nuisance_array(composition, len(X))
            composition = self.basis_.transform(C)
        return self.projector_.transform(X, composition=composition)

    def fit_transform(self, X: Any, y: Any = None, *, composition: Any = None) -> np.ndarray:
        """`fit`, then `transform` the same rows with the same composition."""
        return self.fit(X, y, composition=composition).transform(X, composition=composition)


class CrossFittedResidual(TransformerMixin, BaseEstimator):
    r"""Residual after a flexible regression on composition, cross-fitted.

    :math:`X - \hat m(C)`, the first stage of orthogonal (double) machine learning [1]_. Training
    rows get their :math:`\hat m` from folds that did not see them, as a flexible regression would
    otherwise fit their own noise; other rows get it from all training rows.

    Parameters
    ----------
    nuisance : estimator, optional
        Regression of many columns on composition; by default a random forest of 20 trees.
    n_folds : int, default 5
        Folds for the training rows.
    scheme : {"random", "formula"}
        ``"formula"`` keeps a formula together: for test rows whose formulas were not in training.
    seed : int, default 0
        Of the folds and of the default forest.

    Attributes
    ----------
    model_ : estimator
        Fitted on all training rows.
    mean_, spread_ : ndarray of shape (n_features,)
        By which features are standardised for `nuisance`.

    References
    ----------
    .. [1] V. Chernozhukov et al., Double/debiased machine learning for treatment and structural
       parameters, The Econometrics Journal 21, C1 (2018).
    """

    def __init__(
        self,
        nuisance: Any = None,
        *,
        n_folds: int = 5,
        scheme: str = "random",
        seed: int = 0,
    ) -> None:
        self.nuisance = nuisance
        self.n_folds = n_folds
        self.scheme = scheme
        self.seed = seed

    def fit(self, X: Any, y: Any = None, *, composition: Any = None) -> CrossFittedResidual:
        """Regress features on composition; without composition only their mean is removed.

        Raises
        ------
        ValueError
            If the scheme is not known or the numbers of rows differ.
        """
        if self.scheme not in SCHEMES:
            raise ValueError(unknown("scheme", self.scheme, SCHEMES))
        X = validate_rows(self, X, composition=composition)
        self.has_composition_ = composition is not None
        self.mean_, self.spread_ = X.mean(axis=0), X.std(axis=0)
        self.spread_[self.spread_ == 0] = 1.0
        if composition is not None:
            C = nuisance_array(composition, len(X))
            self.model_ = self._fitted(C, (X - self.mean_) / self.spread_)
        return self

    def transform(self, X: Any, *, composition: Any = None) -> np.ndarray:
        """Residual of rows that were not fitted on, shape (n, n_features)."""
        check_is_fitted(self)
        X = validate_rows(self, X, composition=composition, reset=False)
        if (composition is not None) != self.has_composition_:
            raise ValueError("give composition to both fit and transform, or to neither.")
        if composition is None:
            return X - self.mean_
        C = nuisance_array(composition, len(X))
        explained = self.model_.predict(C).reshape(X.shape)
        return X - self.mean_ - self.spread_ * explained

    def fit_transform(self, X: Any, y: Any = None, *, composition: Any = None) -> np.ndarray:
        """Cross-fitted residual of the training rows; other than `fit`, then `transform`."""
        self.fit(X, composition=composition)
        if composition is None:
            return self.transform(X)
        X = np.asarray(X, dtype=np.float64)
        C = nuisance_array(composition, len(X))
        groups = group_index(C, len(C)).astype(str)
        fold = make_folds(
            len(X), scheme=self.scheme, groups=groups, n_folds=self.n_folds, seed=self.seed
        )[0]
        scaled = (X - self.mean_) / self.spread_
        residual = np.empty_like(scaled)
        for k in np.unique(fold):
            train, test = fold != k, fold == k
            explained = self._fitted(C[train], scaled[train]).predict(C[test])
            residual[test] = scaled[test] - explained.reshape(-1, X.shape[1])
        return residual * self.spread_

    def _fitted(self, C: np.ndarray, scaled: np.ndarray) -> Any:
        model = self.nuisance
        if model is None:
            model = RandomForestRegressor(n_estimators=20, random_state=self.seed)
        return clone(model).fit(C, scaled[:, 0] if scaled.shape[1] == 1 else scaled)
