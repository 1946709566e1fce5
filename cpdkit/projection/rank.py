"""The rank rule: which columns and directions of composition carry something."""

from __future__ import annotations

import numpy as np

from cpdkit._checks import CONSTANT

__all__ = ["RANK_TOLERANCE", "differs", "rank_of", "untold", "varying"]

# Looser than machine precision on purpose: the same rule must decide alike when only second
# moments are known, where a vanishing direction is seen as about sqrt(eps).
RANK_TOLERANCE = 1e-6


def rank_of(pivots: np.ndarray, tol: float = RANK_TOLERANCE) -> int:
    """How many directions of composition carry something: the rank rule, for rows and moments.

    Parameters
    ----------
    pivots : ndarray of shape (k,)
        Lengths that columns of unit length still have when those before them are projected out, the
        longest first. Below about 1e-7 those from moments are rounding, or 0: a rule that compares
        pivots with one another has to treat all that are smaller alike.
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
