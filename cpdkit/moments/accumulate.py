"""Take rows in chunks of any size into second moments, bucket by bucket."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from scipy.linalg import blas

from cpdkit._arrays import check_labels, check_real, check_same_rows, check_scale
from cpdkit._options import check_count
from cpdkit.datasets.formulas import canonical_groups
from cpdkit.folds import N_BUCKETS, hash_buckets
from cpdkit.moments.moments import Moments

__all__ = ["MomentAccumulator"]

# Rows per rank-k update: enough for BLAS, few enough to stay in cache while they are centred.
_BLOCK = 128


class MomentAccumulator:
    """Takes rows in chunks of any size; memory does not grow with their number.

    Rows are gathered by bucket into blocks, shifted by the mean of the first rows of the bucket,
    and enter its second moments by symmetric rank-k updates, in float64 whatever the input.

    Parameters
    ----------
    n_buckets : int, default 50
        Number of buckets.
    targets : sequence of str, optional
        Names of the targets; ``y0``, ``y1``, ... by default.
    """

    def __init__(self, *, n_buckets: int = N_BUCKETS, targets: Sequence[str] | None = None) -> None:
        self.n_buckets = check_count(n_buckets, "n_buckets")
        self.targets = None if targets is None else tuple(targets)
        self.n_rows = 0
        self._widths: tuple[int, int, int] | None = None
        self._counts: np.ndarray
        self._shifts: np.ndarray
        self._sums: np.ndarray
        self._squares: np.ndarray
        self._blocks: np.ndarray
        self._filled: np.ndarray
        self._shared = False  # whether a result holds `_squares`

    def update(
        self,
        X: Any,
        composition: Any,
        Y: Any,
        *,
        keys: Sequence[object] | None = None,
        buckets: np.ndarray | None = None,
    ) -> MomentAccumulator:
        """Add rows.

        Parameters
        ----------
        X : array of shape (n, n_features)
            Features.
        composition : array of shape (n, n_composition) or None
            Nuisance without intercept.
        Y : array of shape (n,) or (n, n_targets)
            Targets.
        keys : sequence of int or str, shape (n,), optional
            Formulas or row ids, hashed into buckets; by default rows are numbered on. Formulas
            must have one spelling in all chunks (`cpdkit.datasets.canonical_formulas`).
        buckets : ndarray of int, shape (n,), optional
            Bucket numbers instead of keys.

        Returns
        -------
        MomentAccumulator
            Itself.

        Raises
        ------
        ValueError
            If shapes differ from each other or from earlier chunks, a bucket number is out of
            range, an entry is NaN or infinite or no real number, or indices of pandas disagree.
        """
        given = {"features": X, "composition": composition, "targets": Y}
        for name, values in given.items():
            if values is not None:
                check_real(values, name)
        check_same_rows(given | {"keys": keys, "buckets": buckets})
        X, C, Y = np.asarray(X), as_matrix(composition, len(X)), as_matrix(Y, len(X))
        self._check(X, C, Y)
        if keys is not None and np.asarray(keys).shape != (len(X),):
            raise ValueError(
                f"{len(X)} rows, but keys or buckets of shape {np.asarray(keys).shape}."
            )
        if buckets is None:
            names: Any = range(self.n_rows, self.n_rows + len(X))
            names = names if keys is None else canonical_groups(check_labels(keys, "keys", len(X)))
            empty = np.empty(0, dtype=np.int64)
            buckets = hash_buckets(names, n_buckets=self.n_buckets) if len(X) else empty
        buckets = np.asarray(buckets)
        if buckets.shape != (len(X),):
            raise ValueError(f"{len(X)} rows, but keys or buckets of shape {buckets.shape}.")
        if len(X) and not np.issubdtype(buckets.dtype, np.integer):
            raise ValueError(f"bucket numbers must be whole; got an array of {buckets.dtype}.")
        if len(X) and not 0 <= buckets.min() <= buckets.max() < self.n_buckets:
            raise ValueError(f"bucket numbers must lie in 0..{self.n_buckets - 1}.")
        if self._shared:
            self._squares, self._shared = self._squares.copy(), False
        # Small integers are sorted by counting.
        small = np.uint16 if self.n_buckets <= 2**16 else np.int64
        order = np.argsort(buckets.astype(small), kind="stable")
        edges = np.searchsorted(buckets[order], np.arange(self.n_buckets + 1))
        for bucket in range(self.n_buckets):
            rows = order[edges[bucket] : edges[bucket + 1]]
            while len(rows):
                taken, rows = np.split(rows, [_BLOCK - self._filled[bucket]])
                self._put(bucket, X, C, Y, taken)
        self.n_rows += len(X)
        return self

    def result(self) -> Moments:
        """Give the moments of all rows so far; more rows may follow.

        Returns
        -------
        Moments
            Independent of rows that follow.

        Raises
        ------
        ValueError
            If there were no rows, or squares overflow.
        """
        if self.n_rows == 0 or self._widths is None:
            raise ValueError("no rows were accumulated: the data set is empty.")
        for bucket in range(self.n_buckets):
            self._flush(bucket)
        k, d, t = self._widths
        # From here on the shifts are the means; large arrays are not copied unless rows follow.
        offset = self._sums / np.maximum(self._counts, 1)[:, None]
        for square, sums, mean in zip(self._squares, self._sums, offset, strict=True):
            with np.errstate(over="ignore", invalid="ignore"):
                square -= np.outer(sums, mean)
            _mirror(square)
            if not np.isfinite(square).all():
                raise ValueError("squares of the entries overflow; rescale features and targets.")
        self._shifts += offset
        self._sums[:] = 0.0
        self._shared = True
        names = self.targets if self.targets is not None else tuple(f"y{i}" for i in range(t))
        return Moments(self._counts.copy(), self._shifts.copy(), self._squares, k, d, names)

    def _check(self, X: np.ndarray, C: np.ndarray, Y: np.ndarray) -> None:
        if X.ndim != 2 or X.shape[1] == 0:
            raise ValueError(f"features have shape {X.shape}; expected (n_rows, n_channels).")
        check_scale(C, "composition", range(C.shape[1]))
        check_scale(Y, "targets", self.targets or range(Y.shape[1]))
        widths = (C.shape[1], X.shape[1], Y.shape[1])
        if self._widths is None:
            if self.targets is not None and len(self.targets) != Y.shape[1]:
                raise ValueError(f"{len(self.targets)} target names for {Y.shape[1]} columns.")
            self._widths = widths
            columns = sum(widths)
            self._counts = np.zeros(self.n_buckets, dtype=np.int64)
            self._shifts = np.zeros((self.n_buckets, columns))
            self._sums = np.zeros((self.n_buckets, columns))
            self._squares = np.zeros((self.n_buckets, columns, columns))
            self._filled = np.zeros(self.n_buckets, dtype=np.int64)
            self._blocks = np.empty((self.n_buckets, _BLOCK, columns))
        elif widths != self._widths:
            raise ValueError(
                f"a chunk has {widths} columns of composition, features and targets; earlier "
                f"chunks had {self._widths}."
            )

    def _put(
        self, bucket: int, X: np.ndarray, C: np.ndarray, Y: np.ndarray, rows: np.ndarray
    ) -> None:
        start, shift = self._filled[bucket], self._shifts[bucket]
        block = self._blocks[bucket, start : start + len(rows)]
        first = start == 0 and self._counts[bucket] == 0
        column = 0
        for part in (C, X, Y):
            columns = slice(column, column + part.shape[1])
            values = part[rows]
            if first:
                shift[columns] = values.mean(axis=0, dtype=np.float64)
            with np.errstate(invalid="ignore"):  # found when the block is full
                np.subtract(values, shift[columns], out=block[:, columns])
            column = columns.stop
        self._filled[bucket] += len(rows)
        if self._filled[bucket] == _BLOCK:
            self._flush(bucket)

    def _flush(self, bucket: int) -> None:
        """Add the pending block of a bucket to its sums."""
        n = self._filled[bucket]
        if n == 0:
            return
        block = self._blocks[bucket, :n]
        sums = np.ones(n) @ block
        if not np.isfinite(sums).all():
            column = int(np.argmin(np.isfinite(sums)))
            k, d, _ = self._widths or (0, 0, 0)
            name, start = ("composition", 0) if column < k else ("features", k)
            name, start = (name, start) if column < k + d else ("targets", k + d)
            raise ValueError(
                f"{name} have a NaN or infinite entry in column {column - start}; drop such rows."
            )
        blas.dsyrk(1.0, block.T, beta=1.0, c=self._squares[bucket].T, lower=1, overwrite_c=1)
        self._sums[bucket] += sums
        self._counts[bucket] += n
        self._filled[bucket] = 0


def _mirror(square: np.ndarray) -> None:
    """Copy the upper triangle onto the lower, in place and in tiles that fit the cache."""
    n, step = len(square), 64
    for i in range(0, n, step):
        own = square[i : i + step, i : i + step]
        own[:] = np.triu(own) + np.triu(own, 1).T
        square[i + step :, i : i + step] = square[i : i + step, i + step :].T


def as_matrix(array: Any, n: int) -> np.ndarray:
    """Array of `n` rows; no columns where it is None, one where it is a vector."""
    if array is None:
        return np.empty((n, 0))
    matrix = np.asarray(array)
    matrix = matrix[:, None] if matrix.ndim == 1 else matrix
    if matrix.ndim != 2 or len(matrix) != n:
        raise ValueError(f"features have {n} rows, but another array has shape {matrix.shape}.")
    return matrix
