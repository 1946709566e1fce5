"""Moments by fold, with rows that must be set aside in buckets of their own."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import KW_ONLY, dataclass, replace
from itertools import combinations
from typing import Any

import numpy as np
import pandas as pd

from cpdkit.moments.moments import Moments, Pooled
from cpdkit.moments.sources import moments_from_arrays
from cpdkit.projection.rank import RANK_TOLERANCE

__all__ = ["FoldMoments", "constant_columns", "rare_rows", "row_classes"]


@dataclass(frozen=True, eq=False)
class FoldMoments:
    """Which buckets of moments make up which fold.

    A test row with an element that the training rows lack is set aside
    (`cpdkit.CompositionProjector.unseen`). Moments can leave out whole buckets only, so such rows
    need buckets of their own, which `rare_rows` tells.

    Attributes
    ----------
    moments : Moments
        Of all rows.
    fold : ndarray of int, shape (n_buckets,)
        Fold of each bucket, from 0.
    apart : bool
        Whether rows of rare elements have buckets of their own. Where they do not, a test fold
        with such rows is refused.
    """

    moments: Moments
    fold: np.ndarray
    _: KW_ONLY
    apart: bool = False

    @classmethod
    def of_buckets(cls, moments: Moments) -> FoldMoments:
        """Take every bucket as a fold."""
        return cls(moments, np.arange(moments.n_buckets))

    @classmethod
    def of_rows(
        cls,
        X: np.ndarray,
        C: np.ndarray | None,
        Y: Any,
        fold: np.ndarray,
        *,
        targets: Sequence[str] | None = None,
    ) -> FoldMoments:
        """Accumulate rows by their fold, shape (n,), numbered from 0."""
        rare = rare_rows(C, fold[None])
        classes, buckets = row_classes(fold, rare)
        n = classes.shape[1]
        moments = moments_from_arrays(X, C, Y, buckets=buckets, n_buckets=n, targets=targets)
        return cls(moments, classes[0], apart=True)

    @classmethod
    def of_classes(cls, moments: Moments, fold: np.ndarray, kind: np.ndarray) -> FoldMoments:
        """Put classes of rows together, by fold.

        Parameters
        ----------
        moments : Moments
            With a bucket for each class.
        fold, kind : ndarray of int, shape (n_buckets,)
            Fold of each class, and the number from `rare_rows`; -1 for classes to leave out.

        Returns
        -------
        FoldMoments
        """
        kept = kind >= 0
        number = np.unique(fold[kept], return_inverse=True)[1]
        own, group = np.unique(np.stack([number, kind[kept]]), axis=1, return_inverse=True)
        label = np.full(len(fold), -1)
        label[kept] = group.ravel()
        return cls(moments.regroup(label), own[0], apart=True)

    def select(self, **columns: Any) -> FoldMoments:
        """Keep some columns, as `Moments.select`."""
        return replace(self, moments=self.moments.select(**columns))

    @property
    def n_folds(self) -> int:
        """Number of folds."""
        return int(self.fold.max()) + 1

    def without(self, left_out: Collection[int]) -> Pooled:
        """Moments of all folds but these."""
        return self.moments.pool(~np.isin(self.fold, list(left_out)))

    def test(self, fold: int, train: Pooled) -> tuple[Pooled, int]:
        """Moments of a fold without the rows that are set aside, and how many these are.

        Raises
        ------
        ValueError
            If rows must be set aside that share a bucket with others.
        """
        buckets = np.flatnonzero(self.fold == fold)
        pooled = [self.moments.pool([bucket]) for bucket in buckets.tolist()]
        known = np.array([not _unseen(train, part).any() for part in pooled])
        if not self.apart and not known.all():
            column = np.flatnonzero(_unseen(train, self.moments.pool(buckets[~known])))[0]
            raise ValueError(
                f"column {column} of composition does not vary outside fold {fold}, so that "
                "nothing can be learnt of it, and moments cannot leave its rows out; accumulate "
                "them without the rows in which it differs, or use cpdkit.cpd on the rows."
            )
        aside = int(self.moments.counts[buckets[~known]].sum())
        return self.moments.pool(buckets[known]), aside


def row_classes(*keys: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Number rows so that those which agree in all keys have one number.

    Parameters
    ----------
    *keys : ndarray of int, shape (n,)
        Such as fold labels and the numbers from `rare_rows`.

    Returns
    -------
    classes : ndarray of int, shape (n_keys, n_classes)
        The keys of each class.
    number : ndarray of int, shape (n,)
        The class of each row.
    """
    number = np.zeros(len(keys[0]), dtype=np.int64)
    for key in keys:  # pair by pair: a product of many keys would overflow
        codes, values = pd.factorize(key)
        number = pd.factorize(number * len(values) + codes)[0]
    first = np.unique(number, return_index=True)[1]
    return np.stack(keys)[:, first], number


def constant_columns(train: Pooled) -> np.ndarray:
    """Which columns of C do not vary over these rows, as far as moments can tell."""
    c = train.c
    squares = np.diag(train.scatter)[c]
    return squares <= RANK_TOLERANCE**2 * (squares + train.n * train.mean[c] ** 2)


def _unseen(train: Pooled, test: Pooled) -> np.ndarray:
    """Columns of C that do not vary in training and take other values in `test`."""
    c, constant = train.c, constant_columns(train)
    off = np.diag(test.scatter)[c] + test.n * (test.mean[c] - train.mean[c]) ** 2
    return constant & (off > test.n * (RANK_TOLERANCE * train.mean[c]) ** 2)


def rare_rows(C: np.ndarray | None, folds: np.ndarray) -> np.ndarray:
    """Number rows so that those of one number are set aside together or not at all.

    Parameters
    ----------
    C : ndarray of shape (n, k) or None
        Nuisance.
    folds : ndarray of int, shape (repeats, n)
        Fold labels.

    Returns
    -------
    ndarray of int, shape (n,)
        0 for all rows where no column is constant without one or two folds.
    """
    n = folds.shape[1]
    if C is None:
        return np.zeros(n, dtype=np.intp)
    rare = np.zeros(C.shape[1], dtype=bool)
    for fold in folds:
        labels = np.unique(fold)
        low = np.stack([C[fold == k].min(axis=0) for k in labels])
        high = np.stack([C[fold == k].max(axis=0) for k in labels])
        out: list[tuple[int, ...]] = [(i,) for i in range(len(labels))]
        out += combinations(range(len(labels)), 2) if len(labels) > 2 else []
        for left_out in out:
            rest = np.delete(np.arange(len(labels)), left_out)
            least, most = low[rest].min(axis=0), high[rest].max(axis=0)
            rare |= most - least <= 2 * RANK_TOLERANCE * np.maximum(np.abs(least), np.abs(most))
    rare &= np.ptp(C, axis=0) > 0
    if not rare.any():
        return np.zeros(n, dtype=np.intp)
    return np.unique(C[:, rare], axis=0, return_inverse=True)[1].ravel()
