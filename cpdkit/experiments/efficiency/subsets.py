"""Nested training subsets with one test set, drawn by hashes of row ids."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from cpdkit._checks import check_groups
from cpdkit._messages import unknown
from cpdkit.folds import N_BUCKETS, SCHEMES, hash_buckets

__all__ = ["Subsets", "nested_subsets"]


@dataclass(frozen=True, eq=False)
class Subsets:
    """Nested training subsets and the test set they share."""

    sizes: tuple[int, ...]  # rows of each subset, ascending; the last one is all training rows
    order: np.ndarray  # training rows as each repeat takes them, (repeats, n_train)
    inner: np.ndarray  # inner fold of each row of `order`, on which the penalty is chosen
    test: np.ndarray  # test rows, in no subset

    @property
    def repeats(self) -> int:
        """Number of repeats."""
        return len(self.order)

    def __str__(self) -> str:
        return f"test set: {len(self.test)}; subsets: {', '.join(map(str, self.sizes))}"


def nested_subsets(
    n: int,
    *,
    ids: Sequence[object] | None = None,
    groups: Sequence[str] | None = None,
    scheme: str = "random",
    smallest: int = 25,
    n_sizes: int = 10,
    repeats: int = 10,
    n_inner: int = 5,
    test_share: float = 0.2,
    seed: int = 0,
) -> Subsets:
    """Draw nested subsets by hashes of row ids.

    Where a row stands depends on its id (with ``scheme="formula"`` the test set and the inner folds
    on its formula) and on `seed` alone: rows that are added later, or the order of the rows, change
    neither the test set nor the order in which the old rows are taken.
    """
    if scheme not in SCHEMES:
        raise ValueError(unknown("fold scheme", scheme, SCHEMES))
    if scheme == "formula" and groups is None:
        raise ValueError("scheme='formula' needs groups: the formula of each row (ds.formulas).")
    if not 0 < test_share < 1:
        raise ValueError(f"test_share={test_share!r} must lie between 0 and 1, such as 0.2.")
    if n_inner < 2 or repeats < 1 or n_sizes < 2 or smallest < 2 * n_inner:
        raise ValueError(
            f"n_inner={n_inner} must be at least 2, repeats={repeats} at least 1, n_sizes={n_sizes}"
            f" at least 2 and smallest={smallest} at least twice n_inner."
        )
    names = np.asarray(np.arange(n) if ids is None else ids).astype(str)
    if names.shape != (n,) or len(np.unique(names)) != n:
        raise ValueError(f"ids must be {n} distinct values; got {len(np.unique(names))} of them.")
    formulas = check_groups(groups, n) if scheme == "formula" else None
    buckets = hash_buckets(names if formulas is None else formulas)
    dealt = np.random.default_rng(seed).permutation(N_BUCKETS)
    of_test = dealt[: max(1, round(test_share * N_BUCKETS))]
    is_test = np.isin(buckets, of_test)
    test, train = np.flatnonzero(is_test), np.flatnonzero(~is_test)
    if len(train) <= smallest or len(test) < 2:
        raise ValueError(
            f"{n} rows give {len(train)} training and {len(test)} test rows, too few for subsets "
            f"from smallest={smallest} upwards; give more rows or a smaller smallest."
        )
    sizes = np.unique(np.geomspace(smallest, len(train), n_sizes).round().astype(int))
    order = np.empty((repeats, len(train)), dtype=np.intp)
    for repeat in range(repeats):
        texts = (f"{seed}/{repeat}/{name}".encode() for name in names[train])
        digests = (hashlib.blake2b(text, digest_size=8).digest() for text in texts)
        keys = [int.from_bytes(digest, "little") for digest in digests]
        order[repeat] = train[np.argsort(keys, kind="stable")]
    if formulas is None:
        inner = np.tile(np.arange(len(train)) % n_inner, (repeats, 1))
    else:
        fold = np.empty(N_BUCKETS, dtype=np.intp)
        fold[dealt] = np.arange(N_BUCKETS) % n_inner
        inner = fold[buckets[order]]
        if (np.ptp(inner[:, :smallest], axis=1) == 0).any():
            raise ValueError(
                f"the first {smallest} rows of a repeat are of too few formulas to choose a "
                "penalty on formula-disjoint inner folds; use a larger smallest, another seed or "
                "scheme='random'."
            )
    return Subsets(tuple(sizes.tolist()), order, inner, test)
