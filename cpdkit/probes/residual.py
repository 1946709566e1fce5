"""Probes as estimators: ridge, or any regressor, on the conditioned residual."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
from sklearn.base import BaseEstimator, RegressorMixin, clone
from sklearn.exceptions import ConvergenceWarning
from sklearn.metrics import r2_score
from sklearn.utils import Tags, get_tags
from sklearn.utils.validation import check_is_fitted

from cpdkit._arrays import check_real, check_same_rows
from cpdkit._checks import validate_rows
from cpdkit.probes.ridge import RidgePath
from cpdkit.projection.conditioned import RESIDUAL_FLOOR, SPREAD_FLOOR, ConditionedResidual
from cpdkit.projection.linear import CompositionProjector

__all__ = ["ResidualProbe", "RidgeProbe"]


class _Probe(RegressorMixin, BaseEstimator):
    """What the probes share: several targets, and a score that takes composition."""

    def score(self, X: Any, y: Any, sample_weight: Any = None, *, composition: Any = None) -> float:
        """R2 of the predictions, averaged over targets."""
        check_real(y, "y")
        check_same_rows({"X": X, "y": y, "composition": composition})
        predicted = self.predict(X, composition=composition)
        return float(r2_score(y, predicted, sample_weight=sample_weight))

    def __sklearn_tags__(self) -> Tags:
        tags = super().__sklearn_tags__()
        tags.target_tags.multi_output = True
        return tags


class ResidualProbe(_Probe):
    """Project composition out, put columns and targets on unit scale, fit a regressor.

    Parameters
    ----------
    regressor : estimator
        A regressor or pipeline of scikit-learn's kind. One that takes a single target is fitted
        once for each.
    plain : bool, default False
        As in `cpdkit.projection.ConditionedResidual`.

    Attributes
    ----------
    conditioner_ : ConditionedResidual
        Fitted projection and scale.
    regressors_ : list of estimator
        Fitted; one, or one for each target.
    mean_, spread_ : ndarray of shape (n_targets,)
        Of the training targets.

    Examples
    --------
    >>> from sklearn.linear_model import Ridge
    >>> rng = np.random.default_rng(0)
    >>> C = rng.integers(1, 5, (60, 1)).astype(float)
    >>> X = np.hstack([C, rng.normal(size=(60, 1))])
    >>> probe = ResidualProbe(Ridge(1e-6)).fit(X, X[:, 1], composition=C)
    >>> bool(probe.score(X, X[:, 1], composition=C) > 0.9)
    True
    """

    def __init__(self, regressor: Any, *, plain: bool = False) -> None:
        self.regressor = regressor
        self.plain = plain

    def fit(self, X: Any, y: Any, *, composition: Any = None) -> ResidualProbe:
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
        ResidualProbe
            Itself.

        Raises
        ------
        ValueError
            As in `cpdkit.CompositionProjector`.
        """
        X, y = validate_rows(self, X, y, composition=composition)
        self.conditioner_ = ConditionedResidual(plain=self.plain)
        residual = self.conditioner_.fit_transform(X, composition=composition)
        Y = np.asarray(y, dtype=np.float64).reshape(len(X), -1)
        self.single_ = np.ndim(y) == 1
        self.mean_, self.spread_ = Y.mean(axis=0), Y.std(axis=0)
        self.spread_[self.spread_ == 0] = 1.0
        scaled = (Y - self.mean_) / self.spread_
        together = Y.shape[1] > 1 and get_tags(self.regressor).target_tags.multi_output
        with warnings.catch_warnings():  # a regressor's number of iterations is its budget
            warnings.simplefilter("ignore", ConvergenceWarning)
            self.regressors_ = [
                clone(self.regressor).fit(residual, part)
                for part in ([scaled] if together else scaled.T)
            ]
        return self

    def predict(self, X: Any, *, composition: Any = None) -> np.ndarray:
        """Predict targets of any rows.

        Parameters
        ----------
        X : array of shape (n, n_features)
            Pooled features.
        composition : array of shape (n, n_composition), optional
            Their nuisance, if `fit` had one.

        Returns
        -------
        ndarray of shape (n,) or (n, n_targets)
            Predictions.
        """
        check_is_fitted(self)
        residual = self.conditioner_.transform(X, composition=composition)
        parts = [each.predict(residual).reshape(len(residual), -1) for each in self.regressors_]
        predicted = self.mean_ + np.hstack(parts) * self.spread_
        return predicted[:, 0] if self.single_ else predicted


class RidgeProbe(_Probe):
    """Ridge regression on the conditioned residual, as an estimator with one fixed penalty.

    `cpd` chooses the penalty by nested folds; this estimator is the same probe for use elsewhere.

    Parameters
    ----------
    alpha : float, default 1e-4
        Penalty per training row; raised where it is below what double precision carries.
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
        X, y = validate_rows(self, X, y, composition=composition)
        self.conditioner_ = ConditionedResidual(
            residual_floor=self.residual_floor, spread_floor=self.spread_floor
        )
        residual = self.conditioner_.fit_transform(X, composition=composition)
        Y = np.asarray(y, dtype=np.float64).reshape(len(X), -1)
        left = CompositionProjector().fit_transform(Y, composition=composition)
        coef, mean = RidgePath(residual, left).coefficients(self.alpha), Y.mean(axis=0)
        self.coef_ = coef[:, 0] if y.ndim == 1 else coef
        self.intercept_ = mean[0] if y.ndim == 1 else mean
        return self

    def predict(self, X: Any, *, composition: Any = None) -> np.ndarray:
        """Predicted targets of any rows, shape (n,) or (n, n_targets)."""
        check_is_fitted(self)
        residual = self.conditioner_.transform(X, composition=composition)
        return self.intercept_ + residual @ self.coef_
