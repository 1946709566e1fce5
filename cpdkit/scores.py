r"""Scores of held-out predictions, weighted so that a bootstrap needs no refit.

Every function takes rows weighted by `weights` of shape (n_draws, n) and returns one value per
draw; a single draw of ones is the point estimate.
"""

from __future__ import annotations

import numpy as np

__all__ = ["ceiling", "partial_r2", "r2", "squared_correlation", "total"]


def total(y: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Weighted sum of squares of `y` (n,) about its weighted mean, shape (n_draws,)."""
    shifted = y - y.mean()  # before squaring, or an offset would cost all digits
    weight = weights.sum(axis=1)
    return weights @ shifted**2 - (weights @ shifted) ** 2 / weight


def r2(y: np.ndarray, prediction: np.ndarray, weights: np.ndarray) -> np.ndarray:
    r"""Coefficient of determination.

    :math:`1 - \mathrm{SSE} / \mathrm{SS}(y - \bar y_\text{test})`.

    Parameters
    ----------
    y, prediction : ndarray of shape (n,)
        Held-out targets and predictions.
    weights : ndarray of shape (n_draws, n)
        Row weights.

    Returns
    -------
    ndarray of shape (n_draws,)
        At most 1.
    """
    return 1 - weights @ (y - prediction) ** 2 / total(y, weights)


def ceiling(
    y: np.ndarray, composition_prediction: np.ndarray, train_mean: float, weights: np.ndarray
) -> np.ndarray:
    r"""What a perfect residual would score against raw targets.

    A probe that knows all of y but its composition part predicts
    :math:`\bar y_\text{train} + y - \hat y_\text{comp}`, so
    :math:`1 - \mathrm{SS}(\hat y_\text{comp} - \bar y_\text{train}) / \mathrm{SS}(y - \bar
    y_\text{test})`.

    Parameters
    ----------
    y, composition_prediction : ndarray of shape (n,)
        Held-out targets and their least-squares prediction from composition.
    train_mean : float
        Mean of the training targets.
    weights : ndarray of shape (n_draws, n)
        Row weights.

    Returns
    -------
    ndarray of shape (n_draws,)
        At most 1.
    """
    return 1 - weights @ (composition_prediction - train_mean) ** 2 / total(y, weights)


def partial_r2(
    y: np.ndarray, small: np.ndarray, large: np.ndarray, weights: np.ndarray
) -> np.ndarray:
    r"""Share of the small model's error that the large one explains.

    :math:`1 - \mathrm{SSE}_\text{large} / \mathrm{SSE}_\text{small}` on the same rows.

    Parameters
    ----------
    y, small, large : ndarray of shape (n,)
        Held-out targets and the two predictions.
    weights : ndarray of shape (n_draws, n)
        Row weights.

    Returns
    -------
    ndarray of shape (n_draws,)
        At most 1.
    """
    return 1 - weights @ (y - large) ** 2 / (weights @ (y - small) ** 2)


def squared_correlation(a: np.ndarray, b: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Squared weighted Pearson correlation of `a` and `b`; 0 where one of them is constant."""
    a, b = a - a.mean(), b - b.mean()
    weight = weights.sum(axis=1)
    covariance = weights @ (a * b) - (weights @ a) * (weights @ b) / weight
    variances = total(a, weights) * total(b, weights)
    return np.divide(covariance**2, variances, out=np.zeros_like(covariance), where=variances > 0)
