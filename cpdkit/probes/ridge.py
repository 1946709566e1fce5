"""Ridge for all penalties at once: the linear probe."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

__all__ = ["RidgePath"]


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
