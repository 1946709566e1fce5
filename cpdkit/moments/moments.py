r"""Sufficient statistics of (C, X, Y) that add up, bucket by bucket.

Everything that a linear probe needs of the rows is the number of rows, the means, and the scatter
:math:`\sum_i (m_i - \bar m)(m_i - \bar m)^\top` of :math:`m = [C, X, Y]`. They are kept for each of
about 50 hash buckets, so that every fold scheme and repeat is a sum of some of them. Each bucket is
centred on its own mean (the merge is that of Chan et al. [1]_), so that features far from zero lose
no digits.

References
----------
.. [1] T. F. Chan, G. H. Golub and R. J. LeVeque, Algorithms for computing the sample variance,
   The American Statistician 37, 242 (1983).
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from cpdkit._sealed import read_sealed, write_sealed

__all__ = ["Moments", "Pooled"]

_FORMAT = "cpdkit-moments-2"
_Columns = slice | Sequence[int] | np.ndarray | None


@dataclass(frozen=True, eq=False)
class Pooled:
    """Moments of the union of some buckets.

    Attributes
    ----------
    n : int
        Number of rows.
    mean : ndarray of shape (n_columns,)
        Mean of [C, X, Y].
    scatter : ndarray of shape (n_columns, n_columns)
        Sum of outer products of rows about `mean`; symmetric.
    n_composition, n_features : int
        Columns of C and of X; the rest is Y.
    """

    n: int
    mean: np.ndarray
    scatter: np.ndarray
    n_composition: int
    n_features: int

    @property
    def c(self) -> slice:
        """Columns of C."""
        return slice(0, self.n_composition)

    @property
    def x(self) -> slice:
        """Columns of X."""
        return slice(self.n_composition, self.n_composition + self.n_features)

    @property
    def y(self) -> slice:
        """Columns of Y."""
        return slice(self.n_composition + self.n_features, len(self.mean))


@dataclass(frozen=True, eq=False)
class Moments:
    """Count, mean and scatter of [C, X, Y] in each bucket.

    Made by `cpdkit.moments.sources.moments_from_arrays` and its like. Moments of disjoint rows add
    up, in any order and to rounding; a subset of features, of nuisance columns or of targets is a
    slice.

    Attributes
    ----------
    counts : ndarray of int64, shape (n_buckets,)
        Rows in each bucket.
    means : ndarray of shape (n_buckets, n_columns)
        Their means; zero for an empty bucket.
    scatters : ndarray of shape (n_buckets, n_columns, n_columns)
        Sums of outer products about these means; symmetric.
    n_composition, n_features : int
        Columns of C (without intercept) and of X. The rest are targets.
    targets : tuple of str
        Names of the targets.

    Raises
    ------
    ValueError
        If shapes and numbers of columns do not fit.
    """

    counts: np.ndarray
    means: np.ndarray = field(repr=False)
    scatters: np.ndarray = field(repr=False)
    n_composition: int
    n_features: int
    targets: tuple[str, ...]

    def __post_init__(self) -> None:
        object.__setattr__(self, "targets", tuple(self.targets))
        buckets = len(self.counts)
        columns = self.n_composition + self.n_features + len(self.targets)
        expected = ((buckets, columns), (buckets, columns, columns))
        if (self.means.shape, self.scatters.shape) != expected:
            raise ValueError(
                f"{buckets} buckets of {self.n_composition} + {self.n_features} + "
                f"{len(self.targets)} columns need means and scatters of shapes {expected[0]} and "
                f"{expected[1]}; got {self.means.shape} and {self.scatters.shape}."
            )

    def __len__(self) -> int:
        """Number of rows."""
        return int(self.counts.sum())

    @property
    def n_buckets(self) -> int:
        """Number of buckets."""
        return len(self.counts)

    def __add__(self, other: Moments) -> Moments:
        """Moments of the rows of both."""
        self._check_alike(other)
        counts = self.counts + other.counts
        share = other.counts / np.maximum(counts, 1)
        gap = other.means - self.means
        means = self.means + share[:, None] * gap
        scatters = self.scatters + other.scatters
        _add_outer(scatters, self.counts * share, gap)
        return self._with(counts, means, scatters)

    def __sub__(self, other: Moments) -> Moments:
        """Moments without the rows of `other`, which must be among these.

        Digits are lost where hardly any scatter remains; add buckets up instead where you can.
        """
        self._check_alike(other)
        counts = self.counts - other.counts
        if (counts < 0).any():
            raise ValueError(
                f"bucket {np.argmin(counts)} holds fewer rows than are to be taken away; subtract "
                "only moments of rows that were added before."
            )
        kept = np.maximum(counts, 1)
        gap = self.means - other.means
        means = np.where(
            counts[:, None] > 0, self.means + (other.counts / kept)[:, None] * gap, 0.0
        )
        scatters = self.scatters - other.scatters
        _add_outer(scatters, -other.counts * self.counts / kept, gap)
        scatters[counts == 0] = 0.0
        return self._with(counts, means, scatters)

    def regroup(self, labels: np.ndarray) -> Moments:
        """Merge buckets by label, such as the fold of each bucket.

        Parameters
        ----------
        labels : ndarray of int, shape (n_buckets,)
            Number of the new bucket, from 0; negative for buckets to leave out.

        Returns
        -------
        Moments
            With ``max(labels) + 1`` buckets.
        """
        labels = np.asarray(labels)
        if labels.shape != self.counts.shape or not np.issubdtype(labels.dtype, np.integer):
            raise ValueError(
                f"{self.n_buckets} buckets, but labels of shape {labels.shape} and "
                f"type {labels.dtype}; give a whole number for each."
            )
        groups = [self.pool(labels == label) for label in range(labels.max() + 1)]
        return self._with(
            np.array([group.n for group in groups]),
            np.stack([group.mean for group in groups]),
            np.stack([group.scatter for group in groups]),
        )

    def pool(self, buckets: np.ndarray | Sequence[int] | None = None) -> Pooled:
        """Join buckets.

        Parameters
        ----------
        buckets : mask or sequence of int, shape (n_buckets,) or any, optional
            Which buckets; all by default.

        Returns
        -------
        Pooled
            Moments of their union.
        """
        chosen = np.arange(self.n_buckets) if buckets is None else np.asarray(buckets)
        chosen = np.flatnonzero(chosen) if chosen.dtype == bool else chosen
        counts, means = self.counts[chosen], self.means[chosen]
        n = int(counts.sum())
        mean = counts @ means / max(n, 1)
        deviation = np.sqrt(counts)[:, None] * (means - mean)
        scatter = deviation.T @ deviation  # never by subtraction: it keeps what is zero at zero
        for bucket in chosen:
            scatter += self.scatters[bucket]
        return Pooled(n, mean, scatter, self.n_composition, self.n_features)

    def select(
        self,
        *,
        features: _Columns = None,
        composition: _Columns = None,
        targets: Sequence[str] | None = None,
    ) -> Moments:
        """Keep some columns: another question to the same pass over the data.

        Parameters
        ----------
        features : slice, sequence of int or mask, optional
            Columns of X, such as those of one layer; all by default.
        composition : slice, sequence of int or mask, optional
            Columns of C; ``[]`` removes the mean only.
        targets : sequence of str, optional
            Names of targets.

        Returns
        -------
        Moments
            A copy of the chosen part.

        Raises
        ------
        ValueError
            If a target is not known or no feature is chosen.
        """
        names = self.targets if targets is None else tuple(targets)
        unknown_names = [name for name in names if name not in self.targets]
        if unknown_names:
            raise ValueError(f"no targets {unknown_names}; there are {list(self.targets)}.")
        k, d = self.n_composition, self.n_features
        c, x = _numbers(composition, k), _numbers(features, d)
        if len(x) == 0:
            raise ValueError(f"no feature chosen of {d}; a probe needs at least one channel.")
        y = [k + d + self.targets.index(name) for name in names]
        columns = np.concatenate([c, k + x, y]).astype(np.intp)
        scatters = np.stack([scatter[np.ix_(columns, columns)] for scatter in self.scatters])
        return Moments(self.counts, self.means[:, columns], scatters, len(c), len(x), names)

    def save(self, path: str | os.PathLike[str]) -> Path:
        """Write to a safetensors file, complete or not at all.

        Parameters
        ----------
        path : path
            Where to; folders are made.

        Returns
        -------
        Path
            The same.
        """
        about = {
            "format": _FORMAT,
            "n_composition": self.n_composition,
            "n_features": self.n_features,
            "targets": self.targets,
        }
        arrays = {"counts": self.counts, "means": self.means, "scatters": self.scatters}
        return write_sealed(path, arrays, about)

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> Moments:
        """Read what :meth:`save` wrote; nothing is unpickled.

        Parameters
        ----------
        path : path
            A file of :meth:`save`.

        Returns
        -------
        Moments
            Equal to those saved.

        Raises
        ------
        FileNotFoundError
            If there is no such file.
        ValueError
            If the file is damaged, altered, or holds no moments.
        """
        arrays, about = read_sealed(
            path,
            ("counts", "means", "scatters"),
            form=_FORMAT,
            what="moments",
            remedy="accumulate them again",
        )
        try:
            return cls(
                arrays["counts"],
                arrays["means"],
                arrays["scatters"],
                n_composition=about["n_composition"],
                n_features=about["n_features"],
                targets=about["targets"],
            )
        except (KeyError, TypeError, AttributeError, ValueError) as error:
            raise ValueError(
                f"{path} holds no sound moments ({error!r}); accumulate them again."
            ) from error

    def _with(self, counts: np.ndarray, means: np.ndarray, scatters: np.ndarray) -> Moments:
        return Moments(counts, means, scatters, self.n_composition, self.n_features, self.targets)

    def _check_alike(self, other: Moments) -> None:
        mine, theirs = (
            (m.n_buckets, m.n_composition, m.n_features, m.targets) for m in (self, other)
        )
        if mine != theirs:
            raise ValueError(
                "moments do not match: (buckets, composition, features, targets) are "
                f"{mine} and {theirs}."
            )


def _numbers(columns: _Columns, n: int) -> np.ndarray:
    if columns is None:
        return np.arange(n)
    if not isinstance(columns, slice):
        columns = np.asarray(columns)
        columns = columns.astype(np.intp) if columns.size == 0 else columns
    return np.arange(n)[columns]


def _add_outer(scatters: np.ndarray, weights: np.ndarray, rows: np.ndarray) -> None:
    """Add ``weights[b] * outer(rows[b], rows[b])`` to each scatter, in place."""
    for scatter, weight, row in zip(scatters, weights, rows, strict=True):
        if weight:
            scatter += weight * np.outer(row, row)
