"""The probe of lessons 1 and 2: ridge regression in a few lines that one can read."""

from __future__ import annotations

from typing import Any

import numpy as np

__all__ = ["r2", "ridge_probe"]


def ridge_probe(X: Any, y: Any, train: Any, *, penalty: float = 1e-3) -> np.ndarray:
    """Fit a linear probe on the training rows and predict all rows.

    Parameters
    ----------
    X : array of shape (n, d)
        Features.
    y : array of shape (n,)
        What to predict.
    train : array of bool, shape (n,)
        Rows to learn from. Only these decide middle and spread of the columns.
    penalty : float, default 1e-3
        Of the squared weights, for each training row.

    Returns
    -------
    ndarray of shape (n,)
        Predictions.

    Examples
    --------
    >>> x = np.arange(6.0)
    >>> train = x < 4
    >>> ridge_probe(x[:, None], 2 * x, train, penalty=0).round(6).tolist()
    [0.0, 2.0, 4.0, 6.0, 8.0, 10.0]
    """
    X, y, train = np.asarray(X, dtype=float), np.asarray(y, dtype=float), np.asarray(train, bool)
    middle, spread = X[train].mean(axis=0), X[train].std(axis=0)
    Z = (X - middle) / np.where(spread > 0, spread, 1)
    A = Z[train].T @ Z[train] + penalty * train.sum() * np.eye(Z.shape[1])
    weights = np.linalg.lstsq(A, Z[train].T @ (y[train] - y[train].mean()), rcond=None)[0]
    return y[train].mean() + Z @ weights


def r2(y: Any, predicted: Any, rows: Any) -> float:
    """1 - (sum of squared errors) / (sum of squares about the mean), over these rows.

    Parameters
    ----------
    y, predicted : array of shape (n,)
        Measured and predicted.
    rows : array of bool, shape (n,)
        Rows to judge by, usually ``~train``.

    Returns
    -------
    float
        1 is perfect, 0 as good as the rows' mean, below 0 worse than that.

    Examples
    --------
    >>> r2([1, 2, 3], [1, 2, 3], [True, True, True])
    1.0
    """
    rows = np.asarray(rows, dtype=bool)
    y, predicted = (np.asarray(v, dtype=float)[rows] for v in (y, predicted))
    return float(1 - ((y - predicted) ** 2).sum() / ((y - y.mean()) ** 2).sum())
