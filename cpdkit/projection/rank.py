"""Which directions of composition carry something, and least squares on those."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
import scipy.linalg
from scipy.linalg import lapack

from cpdkit._checks import CONSTANT

__all__ = [
    "RANK_TOLERANCE",
    "differs",
    "minimum_norm",
    "rank_of",
    "ranked_cholesky",
    "ranked_qr",
    "untold",
    "varying",
]

# Looser than machine precision on purpose: the same rule must decide alike when only second
# moments are known, where a vanishing direction is seen as about sqrt(eps).
RANK_TOLERANCE = 1e-6

# The same training rows come again for other features and targets; at most 64 MB are kept.
_KEPT = 16
_MOST_ENTRIES = 250_000


def rank_of(pivots: np.ndarray, tol: float = RANK_TOLERANCE) -> int:
    """How many directions of composition carry something: the rank rule, for rows and moments.

    Parameters
    ----------
    pivots : ndarray of shape (k,)
        Lengths that columns of unit length still have when those before them are projected out, the
        longest first. Below about 1e-8 those from moments are rounding.
    tol : float
        Shortest that counts, relative to the first.

    Returns
    -------
    int
        The leading pivots to keep.
    """
    return int(np.count_nonzero(pivots > tol * pivots[0]))


def differs(values: np.ndarray, constant: np.ndarray) -> np.ndarray:
    """Where columns that are constant in training take another value than there."""
    return np.asarray(np.abs(values - constant) > RANK_TOLERANCE * np.abs(constant))


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
    rank = rank_of(np.diag(factor)[:resolved])
    return np.tril(factor[:, :rank]), pivot - 1


def varying(C: np.ndarray, centred: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Length of each column once it is centred, and whether it varies."""
    norm = np.linalg.norm(centred, axis=0)
    return norm, norm > CONSTANT * np.linalg.norm(C, axis=0)


def untold(C: np.ndarray, train: np.ndarray) -> tuple[int, np.ndarray]:
    """What training rows do not tell, without a fit.

    Parameters
    ----------
    C : ndarray of shape (n, k)
        Nuisance.
    train : ndarray of bool, shape (n,)
        Training rows.

    Returns
    -------
    dropped : int
        Number of columns that do not vary, ``dropped_`` of a `cpdkit.CompositionProjector`.
    unseen : ndarray of bool, shape (n,)
        Rows that are set aside where they are tested, as by its ``unseen``.
    """
    mean = C[train].mean(axis=0)
    dropped = ~varying(C[train], C[train] - mean)[1]
    return int(dropped.sum()), np.any(differs(C[:, dropped], mean[dropped]), axis=1)
