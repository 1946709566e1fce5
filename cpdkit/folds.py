"""Folds from stable hashes.

Rows are put into a fixed number of buckets by a hash of their formula or of their id; folds are
unions of buckets. The bucket of a row depends on nothing but its key, so data that arrive in
chunks, in another order or on another machine fall into the same buckets, and every fold scheme
and repeat follows from one pass over the data.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from hashlib import blake2b
from itertools import combinations
from typing import Any, TypeVar

import numpy as np
import pandas as pd

from cpdkit._arrays import check_labels
from cpdkit._messages import unknown
from cpdkit._options import check_count, check_seed
from cpdkit.datasets.formulas import canonical_groups

__all__ = [
    "N_BUCKETS",
    "SCHEMES",
    "assign_folds",
    "hash_buckets",
    "make_folds",
    "nested_choice",
]

Model = TypeVar("Model")

N_BUCKETS = 50
SCHEMES = ("random", "formula")


def hash_buckets(keys: Sequence[object] | np.ndarray, *, n_buckets: int = N_BUCKETS) -> np.ndarray:
    """Bucket of each row, a stable hash of its key.

    Parameters
    ----------
    keys : sequence of int or str, shape (n_rows,)
        Formulas or row ids. An integer and its decimal string fall into the same bucket.
    n_buckets : int, default 50
        Number of buckets.

    Returns
    -------
    ndarray of int, shape (n_rows,)
        Numbers from 0 to ``n_buckets - 1``.
    """
    check_count(n_buckets, "n_buckets")
    inverse, names = pd.factorize(np.asarray(keys).astype(str).astype(object))
    digests = b"".join([blake2b(name.encode(), digest_size=8).digest() for name in names])
    return (np.frombuffer(digests, dtype="<u8") % n_buckets).astype(np.int64)[inverse]


def assign_folds(sizes: np.ndarray, *, n_folds: int, seed: int | Sequence[int]) -> np.ndarray:
    """Distribute buckets over folds: in random order, each to the fold with fewest rows.

    Parameters
    ----------
    sizes : ndarray of int, shape (n_buckets,)
        Rows in each bucket.
    n_folds : int
        Number of folds.
    seed : int or sequence of int
        Seed of the order.

    Returns
    -------
    ndarray of int, shape (n_buckets,)
        Fold of each bucket.
    """
    check_seed(seed)
    fold = np.zeros(len(sizes), dtype=np.int64)
    filled = np.zeros(check_count(n_folds, "n_folds"), dtype=np.int64)
    for bucket in np.random.default_rng(seed).permutation(len(sizes)):
        fold[bucket] = np.argmin(filled)
        filled[fold[bucket]] += sizes[bucket]
    return fold


def make_folds(
    n: int,
    *,
    scheme: str = "random",
    groups: Sequence[str] | np.ndarray | None = None,
    ids: Sequence[object] | np.ndarray | None = None,
    n_folds: int = 5,
    repeats: int = 1,
    seed: int = 0,
) -> np.ndarray:
    """Fold of every row, for every repeat.

    Parameters
    ----------
    n : int
        Number of rows.
    scheme : {"random", "formula"}
        Hash the row id, or the formula (then no formula stands on both sides of a split).
    groups : sequence of str, shape (n,), optional
        Formulas in any spelling; needed for ``scheme="formula"``.
    ids : sequence of int or str, shape (n,), optional
        Row ids; by default 0 to ``n - 1``.
    n_folds, repeats : int
        Number of folds, and of times the buckets are dealt out anew.
    seed : int
        Seed of the dealing.

    Returns
    -------
    ndarray of int, shape (repeats, n)
        Fold labels from 0 to ``n_folds - 1``.

    Raises
    ------
    ValueError
        If the scheme or an option is not known, a key is missing, there are fewer rows (or
        formulas) than folds, or the filled buckets do not suffice for the folds.
    """
    if scheme not in SCHEMES:
        raise ValueError(unknown("fold scheme", scheme, SCHEMES))
    check_count(n_folds, "n_folds", least=2)
    check_count(repeats, "repeats")
    check_seed(seed)
    if check_count(n, "n") < n_folds:
        raise ValueError(f"{n} rows cannot fill {n_folds} folds; give more rows or fewer folds.")
    keys = np.arange(n) if ids is None else check_labels(ids, "ids", n)
    if scheme == "formula":
        if groups is None:
            raise ValueError("folds='formula' needs groups: the formula of each row (ds.formulas).")
        keys = canonical_groups(check_labels(groups, "groups", n))
        if (found := len(np.unique(keys))) < n_folds:
            raise ValueError(
                f"{found} formula(s) cannot fill {n_folds} formula-disjoint folds; use "
                f"folds='random', fewer folds, or data with at least {n_folds} formulas."
            )
    buckets = hash_buckets(keys)
    sizes = np.bincount(buckets, minlength=N_BUCKETS)
    if np.count_nonzero(sizes) < n_folds:
        raise ValueError(
            f"the {n} rows fall into only {np.count_nonzero(sizes)} hash buckets, too few for "
            f"{n_folds} folds; give more rows or fewer folds."
        )
    return np.stack(
        [assign_folds(sizes, n_folds=n_folds, seed=[seed, r])[buckets] for r in range(repeats)]
    )


def nested_choice(
    n_folds: int,
    fit: Callable[[tuple[int, int]], Model],
    error: Callable[[Model, int], dict[str, np.ndarray]],
    *,
    outer: int | None = None,
    progress: Callable[[Iterable[Any]], Iterable[Any]] = iter,
) -> list[dict[str, np.ndarray]]:
    """Choose a penalty for every outer fold: that with the least squared error on inner folds.

    The inner folds of an outer fold are the other outer folds, so formula folds stay
    formula-disjoint. Outer fold k with inner fold j trains on the same rows as j with k: one model
    serves both.

    Parameters
    ----------
    n_folds : int
        Number of folds, numbered from 0.
    fit : callable
        Fits everything (projection, scale, probe) to the rows of all folds but these two.
    error : callable
        Squared errors of such a model on one fold, by name; arrays whose first axis is the penalty.
        No name where all of its rows are set aside.
    outer : int, optional
        The one outer fold that matters; the others then get empty dictionaries.
    progress : callable, optional
        Wraps the loop over pairs of folds.

    Returns
    -------
    list of dict of str to ndarray
        For each outer fold the numbers of the penalties with the least sum over its inner folds;
        the first of several that are equal.

    Raises
    ------
    ValueError
        If there are fewer than three folds, or all rows of all inner folds are set aside.
    """
    if n_folds < 3:
        raise ValueError(
            f"choosing the penalty on inner folds needs at least 3 folds, got {n_folds}."
        )
    total: list[dict[str, np.ndarray]] = [{} for _ in range(n_folds)]
    pairs = [p for p in combinations(range(n_folds), 2) if outer is None or outer in p]
    for j, k in progress(pairs):
        model = fit((j, k))
        for asked, inner in ((j, k), (k, j)):
            if outer in (None, asked):
                for name, value in error(model, inner).items():
                    before = total[asked].get(name)
                    total[asked][name] = value if before is None else before + value
    if not all(by_name or outer not in (None, k) for k, by_name in enumerate(total)):
        raise ValueError(
            "every row of every inner fold holds an element (or another column of composition) "
            "that its training rows lack, so that no penalty can be chosen; use folds='random', "
            "coarser columns, one penalty, or leave these rows out."
        )
    return [{name: sums.argmin(axis=0) for name, sums in by_name.items()} for by_name in total]
