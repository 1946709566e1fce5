"""Composition cut off at its rank: the factorisations of rows and of their products."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
import scipy.linalg
from scipy.linalg import lapack

from cpdkit.projection.rank import rank_of

__all__ = ["minimum_norm", "ranked_cholesky", "ranked_qr"]

# The same training rows come again for other features and targets; at most 64 MB are kept.
_KEPT = 16
_MOST_ENTRIES = 250_000


def minimum_norm(lower: np.ndarray) -> np.ndarray:
    r"""What turns :math:`Q^\top X` into the least-squares solution of minimum norm.

    For a matrix :math:`Q L^\top` of rank r, by the complete orthogonal decomposition [1]_.

    Parameters
    ----------
    lower : ndarray of shape (k, r)
        L, of full column rank; its first r rows are lower triangular.

    Returns
    -------
    ndarray of shape (k, r)
        The pseudo-inverse of :math:`L^\top`.

    References
    ----------
    .. [1] G. H. Golub and C. F. Van Loan, Matrix Computations, 4th ed. (2013), section 5.5.
    """
    basis, triangle = scipy.linalg.qr(lower, mode="economic")
    return scipy.linalg.solve_triangular(triangle, basis.T).T


def ranked_qr(scaled: np.ndarray, tol: float) -> tuple[np.ndarray, np.ndarray]:
    """Pivoted QR of columns of unit length, cut off at their rank.

    Parameters
    ----------
    scaled : ndarray of shape (n, k)
        Columns, not all zero.
    tol : float
        Smallest pivot kept, relative to the largest.

    Returns
    -------
    q : ndarray of shape (n, r)
        Orthonormal basis of the directions that carry something.
    solver : ndarray of shape (k, r)
        Turns products with `q` into coefficients of least squares and minimum norm.
    """
    if scaled.size > _MOST_ENTRIES:
        return _factors(scaled, tol)
    return _kept_factors(scaled.tobytes(), scaled.shape, tol)


@lru_cache(_KEPT)
def _kept_factors(
    content: bytes, shape: tuple[int, int], tol: float
) -> tuple[np.ndarray, np.ndarray]:
    factors = _factors(np.frombuffer(content).reshape(shape), tol)
    for array in factors:
        array.flags.writeable = False  # others get them too
    return factors


def _factors(scaled: np.ndarray, tol: float) -> tuple[np.ndarray, np.ndarray]:
    q, r, pivot = scipy.linalg.qr(scaled, mode="economic", pivoting=True, check_finite=False)
    rank = rank_of(np.abs(np.diag(r)), tol)
    solver = np.empty((len(pivot), rank))
    solver[pivot] = minimum_norm(r[:rank].T)
    return q[:, :rank], solver


def ranked_cholesky(scatter: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Pivoted Cholesky factor of the products of such columns, cut off at the same rank.

    Its pivots are the squares of those of pivoted QR [1]_.

    Parameters
    ----------
    scatter : ndarray of shape (k, k)
        Products of columns of unit length.

    Returns
    -------
    lower : ndarray of shape (k, r)
        Its first r rows are lower triangular.
    order : ndarray of int, shape (k,)
        The column that each row of `lower` belongs to.

    References
    ----------
    .. [1] N. J. Higham, Accuracy and Stability of Numerical Algorithms, 2nd ed. (2002),
       section 10.3.
    """
    factor, pivot, resolved, _ = lapack.dpstrf(scatter, tol=0.0, lower=1)
    rank = rank_of(np.where(np.arange(len(factor)) < resolved, np.diag(factor), 0.0))
    return np.tril(factor[:, :rank]), pivot - 1
