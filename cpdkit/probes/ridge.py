"""The linear probe: ridge on the conditioned residual."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from sklearn.base import BaseEstimator, RegressorMixin
from sklearn.utils import Tags
from sklearn.utils.validation import check_is_fitted, validate_data

from cpdkit.projection.conditioned import RESIDUAL_FLOOR, SPREAD_FLOOR, ConditionedResidual

__all__ = ["RidgePath", "RidgeProbe"]


class RidgePath:
    r"""Ridge for many penalties and targets from one eigendecomposition.

    Minimises :math:`\|Y - X W\|^2 + \alpha n \|W\|^2` for columns of X that have zero mean (so
    the intercept is the mean of Y) [1]_.

    Parameters
    ----------
    X : ndarray of shape (n, n_features)
        Training features with zero column means.
    Y : ndarray of shape (n, n_targets)
        Training targets; their mean is removed here.

    References
    ----------
    .. [1] A. E. Hoerl and R. W. Kennard, Ridge regression, Technometrics 12, 55 (1970).
    """

    def __init__(self, X: np.ndarray, Y: np.ndarray) -> None:
        n, d = X.shape
        self.n = n
        self.mean = Y.mean(axis=0)
        centred = Y - self.mean
        if d <= n:
            values, vectors = np.linalg.eigh(X.T @ X)
            self._basis, self._load = vectors, vectors.T @ (X.T @ centred)
        else:  # the dual has the smaller matrix
            values, vectors = np.linalg.eigh(X @ X.T)
            self._basis, self._load = X.T @ vectors, vectors.T @ centred
        self._values = np.maximum(values, 0.0)

    def coefficients(self, alpha: float) -> np.ndarray:
        """Weights W for one penalty per row, shape (n_features, n_targets)."""
        return self._basis @ (self._load / (self._values + alpha * self.n)[:, None])

    def predict(self, X: np.ndarray, alphas: Sequence[float]) -> np.ndarray:
        """Predictions for every penalty, mean included.

        Parameters
        ----------
        X : ndarray of shape (n_rows, n_features)
            Features of any rows, centred and scaled as the training rows.
        alphas : sequence of float
            Penalties per training row.

        Returns
        -------
        ndarray of shape (n_alphas, n_rows, n_targets)
        """
        rotated = X @ self._basis
        return np.stack(
            [
                self.mean + rotated @ (self._load / (self._values + alpha * self.n)[:, None])
                for alpha in alphas
            ]
        )


class RidgeProbe(RegressorMixin, BaseEstimator):
    """Ridge regression on the conditioned residual, as an estimator with one fixed penalty.

    `cpd` chooses the penalty by nested folds; this estimator is the same probe for use elsewhere.

    Parameters
    ----------
    alpha : float, default 1e-4
        Penalty per training row.
    residual_floor, spread_floor : float
        Passed to `ConditionedResidual`.

    Attributes
    ----------
    conditioner_ : ConditionedResidual
        Fitted projection and scale.
    coef_ : ndarray of shape (n_features, n_targets) or (n_features,)
        Weights on the conditioned residual.
    intercept_ : ndarray or float
        Mean of the training targets.
    """

    def __init__(
        self,
        *,
        alpha: float = 1e-4,
        residual_floor: float = RESIDUAL_FLOOR,
        spread_floor: float = SPREAD_FLOOR,
    ) -> None:
        self.alpha = alpha
        self.residual_floor = residual_floor
        self.spread_floor = spread_floor

    def fit(self, X: Any, y: Any, *, composition: Any = None) -> RidgeProbe:
        """Fit on training rows.

        Parameters
        ----------
        X : array of shape (n, n_features)
            Pooled features.
        y : array of shape (n,) or (n, n_targets)
            Targets.
        composition : array of shape (n, n_composition), optional
            Nuisance to project out.

        Returns
        -------
        RidgeProbe
            Itself.

        Raises
        ------
        ValueError
            If `alpha` is not positive, or as in `CompositionProjector`.
        """
        if not self.alpha > 0:
            raise ValueError(f"alpha={self.alpha!r} must be a positive penalty per row.")
        X, y = validate_data(self, X, y, dtype=np.float64, multi_output=True, y_numeric=True)
        self.conditioner_ = ConditionedResidual(
            residual_floor=self.residual_floor, spread_floor=self.spread_floor
        )
        residual = self.conditioner_.fit_transform(X, composition=composition)
        path = RidgePath(residual, np.asarray(y, dtype=np.float64).reshape(len(X), -1))
        coef = path.coefficients(self.alpha)
        self.coef_ = coef[:, 0] if y.ndim == 1 else coef
        self.intercept_ = path.mean[0] if y.ndim == 1 else path.mean
        return self

    def __sklearn_tags__(self) -> Tags:
        tags = super().__sklearn_tags__()
        tags.target_tags.multi_output = True
        return tags

    def predict(self, X: Any, *, composition: Any = None) -> np.ndarray:
        """Predicted targets of any rows, shape (n,) or (n, n_targets)."""
        check_is_fitted(self)
        residual = self.conditioner_.transform(X, composition=composition)
        return self.intercept_ + residual @ self.coef_
