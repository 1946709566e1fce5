"""Moments from arrays, chunks, saved representations and dask."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Sequence
from functools import reduce
from operator import add
from typing import Any

import numpy as np

from cpdkit.folds import N_BUCKETS
from cpdkit.moments.accumulate import MomentAccumulator, as_matrix
from cpdkit.moments.moments import Moments
from cpdkit.representation import Representation

__all__ = [
    "moments_from_arrays",
    "moments_from_chunks",
    "moments_from_dask",
    "representation_chunks",
]

Chunk = tuple[Any, Any, Any] | tuple[Any, Any, Any, Any]


def moments_from_arrays(
    X: Any,
    composition: Any,
    Y: Any,
    *,
    keys: Sequence[object] | None = None,
    buckets: np.ndarray | None = None,
    n_buckets: int = N_BUCKETS,
    targets: Sequence[str] | None = None,
) -> Moments:
    """Accumulate rows that are in memory.

    Parameters
    ----------
    X : array of shape (n, n_features)
        Features.
    composition : array of shape (n, n_composition) or None
        Nuisance without intercept.
    Y : array of shape (n,) or (n, n_targets)
        Targets.
    keys, buckets
        As in `MomentAccumulator.update`.
    n_buckets, targets
        As in `MomentAccumulator`.

    Returns
    -------
    Moments
        Of all rows.

    Raises
    ------
    ValueError
        As from `MomentAccumulator.update`, or if there are no rows.
    """
    accumulator = MomentAccumulator(n_buckets=n_buckets, targets=targets)
    return accumulator.update(X, composition, Y, keys=keys, buckets=buckets).result()


def moments_from_chunks(
    chunks: Iterable[Chunk],
    *,
    n_buckets: int = N_BUCKETS,
    targets: Sequence[str] | None = None,
) -> Moments:
    """Accumulate rows that arrive in chunks, in one pass and bounded memory.

    Parameters
    ----------
    chunks : iterable of (X, composition, Y) or (X, composition, Y, keys)
        Arrays of some rows each; composition may be None.
    n_buckets, targets
        As in `MomentAccumulator`.

    Returns
    -------
    Moments
        Of all rows.
    """
    accumulator = MomentAccumulator(n_buckets=n_buckets, targets=targets)
    for chunk in chunks:
        X, composition, Y, *keys = chunk
        accumulator.update(X, composition, Y, keys=keys[0] if keys else None)
    return accumulator.result()


def representation_chunks(
    paths: Iterable[str | os.PathLike[str]],
    composition: Any,
    Y: Any,
    *,
    keys: Sequence[object] | None = None,
    layer: Any = None,
    l: Any = None,  # noqa: E741 - the field's own symbol
) -> Iterator[Chunk]:
    """Read saved representations as chunks, one file in memory at a time.

    Parameters
    ----------
    paths : iterable of path
        Files of `Representation.save` that follow one another.
    composition, Y, keys
        For the rows of all files together.
    layer, l
        Passed to `Representation.select`.

    Yields
    ------
    tuple
        ``(features, composition, Y, keys)`` of one file.

    Raises
    ------
    ValueError
        If the files hold another number of rows than `Y`.
    """
    C, Y = as_matrix(composition, len(Y)), as_matrix(Y, len(Y))
    names = np.arange(len(Y)) if keys is None else np.asarray(keys)
    start = 0
    for path in paths:
        representation = Representation.load(path)
        if layer is not None or l is not None:
            representation = representation.select(layer=layer, l=l)
        stop = start + len(representation)
        if stop > len(Y):
            raise ValueError(f"the files up to {path} hold {stop} rows; targets have {len(Y)}.")
        yield representation.features, C[start:stop], Y[start:stop], names[start:stop]
        start = stop
    if start != len(Y):
        raise ValueError(f"the files hold {start} rows, but targets have {len(Y)}.")


def moments_from_dask(
    X: Any,
    composition: Any,
    Y: Any,
    *,
    keys: Sequence[object] | None = None,
    n_buckets: int = N_BUCKETS,
    targets: Sequence[str] | None = None,
    split_every: int = 8,
) -> Moments:
    """Accumulate a dask array: one task per chunk of rows and a tree of sums.

    Runs on whatever scheduler is active: threads, processes or a cluster's client.

    Parameters
    ----------
    X : dask.array.Array of shape (n, n_features)
        Features; the sizes of its row chunks must be known.
    composition, Y : array of shape (n, ...), in memory or dask
        As in `MomentAccumulator`.
    keys, n_buckets, targets
        As in `MomentAccumulator`.
    split_every : int, default 8
        Moments added up in one task.

    Returns
    -------
    Moments
        The same as of the array in memory, to rounding.

    Raises
    ------
    ValueError
        If chunk sizes are unknown, or numbers of rows differ.
    """
    import dask
    import dask.array as da

    X = X.rechunk({1: -1})
    rows = X.chunks[0]
    if np.isnan(rows).any():
        raise ValueError("the row chunks of X have unknown sizes; call X.compute_chunk_sizes().")
    n = int(sum(rows))
    names = np.arange(n) if keys is None else np.asarray(keys)
    if len(names) != n:
        raise ValueError(f"X has {n} rows, but keys has {len(names)}.")

    def cut(array: Any) -> list[Any]:
        """Row chunks of `array` that match those of X."""
        if array is None:
            return [None] * len(rows)
        if len(array) != n:
            raise ValueError(f"X has {n} rows, but another array has {len(array)}.")
        if isinstance(array, da.Array):
            chunks = {0: rows} | dict.fromkeys(range(1, array.ndim), -1)
            return list(array.rechunk(chunks).to_delayed().ravel())
        return np.split(np.asarray(array), np.cumsum(rows)[:-1])

    task = dask.delayed(moments_from_arrays, pure=False)
    parts = [
        task(x, c, y, keys=key, n_buckets=n_buckets, targets=targets)
        for x, c, y, key in zip(
            X.to_delayed().ravel(), cut(composition), cut(Y), cut(names), strict=True
        )
    ]
    merge = dask.delayed(_sum, pure=False)
    while len(parts) > 1:
        parts = [merge(parts[i : i + split_every]) for i in range(0, len(parts), split_every)]
    return parts[0].compute()


def _sum(parts: Sequence[Moments]) -> Moments:
    return reduce(add, parts)
