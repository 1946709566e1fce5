"""Ridge for all penalties at once: the linear probe."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from cpdkit.projection.conditioned import SPECTRUM_FLOOR

__all__ = ["RidgePath"]


class RidgePath:
    r"""Ridge for many penalties and targets from one eigendecomposition.

    Minimises :math:`\|Y - X W\|^2 + \max(\alpha n, 10^{-10} \lambda) \|W\|^2` for columns of X and
    Y that have zero mean [1]_; :math:`\lambda` is the largest eigenvalue of :math:`X^\top X`.

    Parameters
    ----------
    X : ndarray of shape (n, n_features)
        Training features with zero column means.
    Y : ndarray of shape (n, n_targets)
        Training targets with zero column means: what composition leaves of them. As X is
        orthogonal to composition, the raw targets would give the same weights up to rounding.

    References
    ----------
    .. [1] A. E. Hoerl and R. W. Kennard, Ridge regression, Technometrics 12, 55 (1970).
    """

    def __init__(self, X: np.ndarray, Y: np.ndarray) -> None:
        n, d = X.shape
        self.n = n
        if d <= n:
            values, vectors = np.linalg.eigh(X.T @ X)
            self._basis, self._load = vectors, vectors.T @ (X.T @ Y)
        else:  # the dual has the smaller matrix
            values, vectors = np.linalg.eigh(X @ X.T)
            self._basis, self._load = X.T @ vectors, vectors.T @ Y
        self._values = np.maximum(values, 0.0)

    def coefficients(self, alpha: float) -> np.ndarray:
        """Weights W for one penalty per row, shape (n_features, n_targets)."""
        return self._basis @ self._solve(alpha)

    def predict(self, X: np.ndarray, alphas: Sequence[float]) -> np.ndarray:
        """Predictions for every penalty.

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
        return np.stack([rotated @ self._solve(alpha) for alpha in alphas])

    def _solve(self, alpha: float) -> np.ndarray:
        penalty = max(alpha * self.n, SPECTRUM_FLOOR * self._values[-1])
        shifted = self._values + penalty
        # Only where X is zero throughout can a shifted eigenvalue vanish.
        return self._load / np.where(shifted > 0, shifted, 1.0)[:, None]
