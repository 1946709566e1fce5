"""Which directions of composition carry something, and least squares on those."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
import scipy.linalg

from cpdkit._checks import CONSTANT

__all__ = ["RANK_TOLERANCE", "differs", "minimum_norm", "ranked_qr", "untold", "varying"]

# Looser than machine precision on purpose: the same rule must decide alike when only second
# moments are known, where a vanishing direction is seen as about sqrt(eps).
RANK_TOLERANCE = 1e-6

# The same training rows come again for other features and targets; at most 64 MB are kept.
_KEPT = 16
_MOST_ENTRIES = 250_000


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
    diagonal = np.abs(np.diag(r))
    rank = int(np.count_nonzero(diagonal > tol * diagonal[0]))
    solver = np.empty((len(pivot), rank))
    solver[pivot] = minimum_norm(r[:rank].T)
    return q[:, :rank], solver


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
