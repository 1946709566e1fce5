r"""The residual on floored scales, as every probe gets it.

Standardising a column that hardly varies in training divides by almost nothing, and one test row
in which it does vary then decides the score. `ConditionedResidual` therefore puts a floor under
the scale, relative to what the column spread before projection and to the typical column.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.preprocessing import StandardScaler
from sklearn.utils.validation import check_is_fitted

from cpdkit._checks import validate_rows
from cpdkit.projection.linear import CompositionProjector
from cpdkit.projection.rank import RANK_TOLERANCE

__all__ = [
    "DEFAULT_ALPHAS",
    "RESIDUAL_FLOOR",
    "SPECTRUM_FLOOR",
    "SPREAD_FLOOR",
    "ConditionedResidual",
    "floored_scale",
]

DEFAULT_ALPHAS: tuple[float, ...] = tuple(float(a) for a in np.logspace(-8, 2, 21))
"""Penalties per training row that the sound protocol chooses from; columns have unit scale."""

RESIDUAL_FLOOR = 1e-4
"""Default floor on var(X_geom) / var(X), column by column."""

SPREAD_FLOOR = 1e-2
"""Default floor on the spread of a column relative to the root-mean-square spread of all."""

SPECTRUM_FLOOR = 1e-10
"""Least penalty, relative to the largest eigenvalue of the training Gram matrix of conditioned
features: below it rounding decides the weights."""


def floored_scale(
    residual: np.ndarray,
    before: np.ndarray,
    *,
    residual_floor: float = RESIDUAL_FLOOR,
    spread_floor: float = SPREAD_FLOOR,
) -> np.ndarray:
    """Divisors of the columns of a residual, with the floors of `ConditionedResidual`.

    Parameters
    ----------
    residual, before : ndarray of shape (n_features,)
        Variance of each column over the training rows, after projection and before.
    residual_floor, spread_floor : float
        As in `ConditionedResidual`.

    Returns
    -------
    ndarray of shape (n_features,)
        Scales; infinite where only rounding is left of a column, which gives it weight zero.
    """
    floor = np.maximum(residual_floor * before, spread_floor**2 * before.mean())
    gone = residual <= RANK_TOLERANCE**2 * before
    return np.where(gone, np.inf, np.sqrt(np.maximum(residual, floor)))


class ConditionedResidual(TransformerMixin, BaseEstimator):
    r"""Project composition out, then divide each column by a floored training spread.

    .. math::

        s_j^2 = \max\Big(\operatorname{var}(X_{\text{geom},j}),\;
        f_r \operatorname{var}(X_j),\;
        f_s^2 \operatorname{mean}_k \operatorname{var}(X_k)\Big)

    with variances over the training rows. A column of which projection leaves at most
    :math:`10^{-12}` of the variance is rounding, and is set to zero.

    Parameters
    ----------
    residual_floor : float, default 1e-4
        :math:`f_r`: a column whose residual variance is a smaller share of its variance is mostly
        rounding and is not blown up to unit spread.
    spread_floor : float, default 1e-2
        :math:`f_s`: a column that spreads less than this share of the root-mean-square spread of
        all columns is not blown up either.
    plain : bool, default False
        Standardise with `sklearn.preprocessing.StandardScaler` instead, without floors: the
        practice that this class mends, kept for comparison.
    rank_tol : float
        Passed to `CompositionProjector`.

    Attributes
    ----------
    projector_ : CompositionProjector
        Fitted on the training rows.
    scale_ : ndarray of shape (n_features,)
        The divisors :math:`s_j`; infinite for columns that are set to zero.
    """

    def __init__(
        self,
        *,
        residual_floor: float = RESIDUAL_FLOOR,
        spread_floor: float = SPREAD_FLOOR,
        plain: bool = False,
        rank_tol: float = RANK_TOLERANCE,
    ) -> None:
        self.residual_floor = residual_floor
        self.spread_floor = spread_floor
        self.plain = plain
        self.rank_tol = rank_tol

    def fit(self, X: Any, y: Any = None, *, composition: Any = None) -> ConditionedResidual:
        """Fit projection and scale on training rows; arguments as in `CompositionProjector`."""
        self.fit_transform(X, y, composition=composition)
        return self

    def fit_transform(self, X: Any, y: Any = None, *, composition: Any = None) -> np.ndarray:
        """`fit`, and return the conditioned training residual, which has zero column means."""
        X = validate_rows(self, X, composition=composition)
        self.projector_ = CompositionProjector(rank_tol=self.rank_tol)
        residual = self.projector_.fit_transform(X, composition=composition)
        if self.plain:
            self.scale_ = StandardScaler().fit(residual).scale_
        else:
            self.scale_ = floored_scale(
                (residual**2).mean(axis=0),
                X.var(axis=0),
                residual_floor=self.residual_floor,
                spread_floor=self.spread_floor,
            )
        return residual / self.scale_

    def transform(self, X: Any, *, composition: Any = None) -> np.ndarray:
        """Conditioned residual of any rows, shape (n, n_features)."""
        check_is_fitted(self)
        X = validate_rows(self, X, composition=composition, reset=False)
        return self.projector_.transform(X, composition=composition) / self.scale_
