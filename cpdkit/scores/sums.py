r"""From held-out predictions to scores.

An engine yields `HeldOut` predictions, fold by fold. Seven numbers from their rows (`Sums`) decide
every score (`SCORES`); they come from rows, weighted or not, or from moments.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

__all__ = ["NOTHING_LEFT", "SCORES", "HeldOut", "Sums", "weighted_total"]

# Below this share of the variance, what composition leaves of a target is rounding.
NOTHING_LEFT = 1e-10


@dataclass(frozen=True)
class HeldOut:
    """Predictions for the rows of one test fold.

    Attributes
    ----------
    repeat, fold : int
        Which split.
    rows : ndarray of int, shape (n_test,)
        The test rows, without those set aside.
    train_mean : ndarray of shape (n_targets,)
        Mean of the training targets.
    y, comp : ndarray of shape (n_test, n_targets)
        Targets, and their least-squares prediction from Z.
    predictions : dict of str to ndarray of shape (n_test, n_targets)
        By each of `cpdkit.held_out.protocol.INPUTS` that was asked for.
    alphas : dict of str to ndarray of shape (n_targets,)
        Chosen penalty per training row, by input.
    aside : int
        Rows of the fold that are set aside: they hold an element (or formula, or whatever columns
        stand for) that the training rows lack, so that no probe can have learned its effect.
    """

    repeat: int
    fold: int
    rows: np.ndarray
    train_mean: np.ndarray
    y: np.ndarray
    comp: np.ndarray
    predictions: dict[str, np.ndarray]
    alphas: dict[str, np.ndarray]
    aside: int = 0


@dataclass(frozen=True, eq=False)
class Sums:
    r"""Sums over the held-out rows of a fold, each of shape (..., n_targets).

    Attributes
    ----------
    total : ndarray
        :math:`\sum (y - \bar y_\text{test})^2`; zero or NaN where y is constant.
    comp : ndarray
        :math:`\sum (y - \hat y_\text{comp})^2`, the error of least squares on Z.
    comp_squared : ndarray
        :math:`\sum (\hat y_\text{comp} - \bar y_\text{train})^2`.
    geom, joint, full : ndarray
        Errors of the probe on X_geom, on Z and X_geom together, and on X; NaN where not asked for.
    correlation : ndarray
        Squared correlation of the predictions from Z and from X_geom; 0 where one is constant.
    """

    total: np.ndarray
    comp: np.ndarray
    comp_squared: np.ndarray
    geom: np.ndarray
    joint: np.ndarray
    full: np.ndarray
    correlation: np.ndarray

    @classmethod
    def of_rows(cls, part: HeldOut, weights: np.ndarray | None = None) -> Sums:
        """Sum over the rows of a fold, once for each draw of a bootstrap.

        Parameters
        ----------
        part : HeldOut
            Predictions.
        weights : ndarray of shape (n_draws, n_test), optional
            Row weights; a single draw of ones by default.
        """
        W = np.ones((1, len(part.rows))) if weights is None else weights
        missing = np.full((len(W), part.y.shape[1]), np.nan)
        errors = dict.fromkeys(("geom", "joint", "full"), missing)
        for name, predicted in part.predictions.items():
            errors[name] = W @ (part.y - predicted) ** 2
        return cls(
            total=np.where((part.y == part.y[:1]).all(axis=0), 0.0, weighted_total(part.y, W)),
            comp=W @ (part.y - part.comp) ** 2,
            comp_squared=W @ (part.comp - part.train_mean) ** 2,
            correlation=_squared_correlation(part.comp, part.predictions["geom"], W),
            **errors,
        )

    @property
    def left(self) -> np.ndarray:
        """`comp`, NaN where composition leaves nothing of the target but rounding."""
        return np.where(self.comp <= NOTHING_LEFT * self.total, np.nan, self.comp)


def weighted_total(y: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Weighted squares of each column about its weighted mean, shape (n_draws, n_targets)."""
    shifted = y - y.mean(axis=0)  # before squaring, or an offset would cost all digits
    weight = weights.sum(axis=1, keepdims=True)
    return weights @ shifted**2 - (weights @ shifted) ** 2 / weight


def _squared_correlation(a: np.ndarray, b: np.ndarray, weights: np.ndarray) -> np.ndarray:
    a, b = a - a.mean(axis=0), b - b.mean(axis=0)
    weight = weights.sum(axis=1, keepdims=True)
    covariance = weights @ (a * b) - (weights @ a) * (weights @ b) / weight
    variances = weighted_total(a, weights) * weighted_total(b, weights)
    return np.divide(covariance**2, variances, out=np.zeros_like(covariance), where=variances > 0)


SCORES: dict[str, Callable[[Sums], np.ndarray]] = {
    "r2_comp": lambda s: 1 - s.comp / s.total,
    "r2_full": lambda s: 1 - s.full / s.total,
    "r2_geom": lambda s: 1 - s.geom / s.total,
    "ceiling": lambda s: 1 - s.comp_squared / s.total,
    "crossing": lambda s: (s.comp_squared - s.geom) / s.total,
    "r2_comp_in_probe": lambda s: np.where(np.isnan(s.left), np.nan, s.correlation),
    "r2_partial": lambda s: 1 - s.joint / s.left,
}
"""The scores of `cpdkit.cpd`, in the order of its table; what each means stands there."""
