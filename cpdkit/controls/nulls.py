"""What chance scores under the same protocol: shuffled targets, random labels, random features."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

from cpdkit._arrays import check_labels, real_array
from cpdkit._messages import unknown
from cpdkit._options import check_count
from cpdkit.datasets.formulas import canonical_groups
from cpdkit.held_out.inputs import check_inputs
from cpdkit.moments.folds import FoldMoments
from cpdkit.moments.scores import nested_sums
from cpdkit.scores import SCORES

__all__ = ["formula_labels", "null_scores", "permuted_within", "random_features"]


def permuted_within(
    y: np.ndarray, groups: Sequence[str] | np.ndarray, n: int, *, seed: int = 0
) -> np.ndarray:
    """Shuffle `y` among structures of the same formula.

    Whatever y shares with its formula stays; what is left to find is chance.

    Parameters
    ----------
    y : ndarray of shape (n_structures,)
        A target.
    groups : sequence of str, shape (n_structures,)
        Formulas.
    n : int
        Number of shuffles.
    seed : int, default 0
        Of the shuffles.

    Returns
    -------
    ndarray of shape (n_structures, n)
        One shuffle per column.

    Raises
    ------
    ValueError
        If no formula occurs twice.
    """
    y = real_array(y, "y")
    if y.ndim != 1:
        raise ValueError(f"y has shape {y.shape}; give one target, of shape (n_structures,).")
    labels = canonical_groups(check_labels(groups, "groups", len(y)))
    _, inverse, sizes = np.unique(labels, return_inverse=True, return_counts=True)
    if sizes.max() < 2:
        raise ValueError("no formula occurs twice, so nothing can be permuted within formulas.")
    inverse = inverse.ravel()
    home = np.argsort(inverse, kind="stable")
    rng = np.random.default_rng(seed)
    shuffled = np.empty((len(y), n))
    for column in range(n):
        shuffled[home, column] = y[np.lexsort((rng.random(len(y)), inverse))]
    return shuffled


def formula_labels(groups: Sequence[str] | np.ndarray, n: int, *, seed: int = 0) -> np.ndarray:
    """Draw random numbers, one per formula: control tasks [1]_.

    A probe that predicts them on held-out structures of the same formulas has memorised formulas.

    Parameters
    ----------
    groups : sequence of str, shape (n_structures,)
        Formulas.
    n : int
        Number of tasks.
    seed : int, default 0
        Of the draws.

    Returns
    -------
    ndarray of shape (n_structures, n)
        Standard normal, equal within a formula.

    References
    ----------
    .. [1] J. Hewitt and P. Liang, Designing and interpreting probes with control tasks,
       EMNLP 2019, arXiv:1909.03368.
    """
    labels = canonical_groups(check_labels(groups, "groups", len(groups)))
    names, inverse = np.unique(labels, return_inverse=True)
    return np.random.default_rng(seed).normal(size=(len(names), n))[inverse.ravel()]


def random_features(X: np.ndarray, *, seed: int = 0) -> np.ndarray:
    """Draw normal noise with the shape, means and spreads of `X`: what width alone achieves.

    Parameters
    ----------
    X : ndarray of shape (n_structures, n_channels)
        Features to stand in for.
    seed : int, default 0
        Of the noise.

    Returns
    -------
    ndarray of shape (n_structures, n_channels)
        The noise.
    """
    X = np.asarray(X, dtype=np.float64)
    return X.mean(axis=0) + X.std(axis=0) * np.random.default_rng(seed).normal(size=X.shape)


def null_scores(
    features: Any,
    composition: Any,
    targets: Any,
    *,
    groups: Sequence[str],
    ids: Sequence[object] | None = None,
    score: str = "r2_partial",
    n_draws: int = 99,
    folds: str = "random",
    n_folds: int = 5,
    repeats: int = 1,
    seed: int = 0,
) -> pd.DataFrame:
    """Set a score beside what chance gives under the same protocol.

    Parameters
    ----------
    features, composition, targets, groups, ids, folds, n_folds, repeats, seed
        As in `cpdkit.cpd`; probed by ridge.
    score : str, default "r2_partial"
        One of the scores of `cpdkit.cpd`.
    n_draws : int, default 99
        Draws of each null; of random features a tenth, at least 5, as each needs its own pass.

    Returns
    -------
    pandas.DataFrame
        For each target rows with ``null``: ``"none"`` (the score itself), ``"permuted within
        formula"`` (with its one-sided p-value), ``"random formula labels"``, which replace the
        target, and ``"random features"``. ``mean``, ``low`` and ``high`` (2.5 and 97.5 % of the
        draws; NaN for the score itself), ``p``, ``n_draws``.

    Raises
    ------
    ValueError
        As from `cpdkit.cpd`, or if no formula occurs twice.
    """
    if score not in SCORES:
        raise ValueError(unknown("score", score, SCORES))
    check_count(n_draws, "n_draws")
    if groups is None:
        raise ValueError("nulls need groups: the formula of each row (ds.formulas).")
    given = check_inputs(
        features, composition, targets, groups=groups, ids=ids,
        folds=folds, n_folds=n_folds, repeats=repeats, seed=seed,
    )  # fmt: skip

    def means(features: np.ndarray, Y: np.ndarray) -> np.ndarray:
        """Mean score of each column of Y over folds; a column more costs little."""
        parts = []
        for fold in given.folds:
            by_fold = FoldMoments.of_rows(features, given.C, Y, fold)
            parts += [SCORES[score](part.sums)[0] for part in nested_sums(by_fold)]
        return np.mean(parts, axis=0)

    X, values, labels = given.X, given.Y, np.asarray(given.groups)
    t = values.shape[1]
    shuffled = [permuted_within(values[:, i], labels, n_draws, seed=seed + i) for i in range(t)]
    control = formula_labels(labels, n_draws, seed=seed)
    found = means(X, np.hstack([values, *shuffled, control]))
    n_features = max(5, n_draws // 10)
    noise = np.stack([means(random_features(X, seed=seed + i), values) for i in range(n_features)])
    rows = []
    for i, name in enumerate(given.targets):
        permuted = found[t + i * n_draws : t + (i + 1) * n_draws]
        # The score itself counts as one draw, so that p is never 0.
        p = float((1 + np.sum(permuted >= found[i])) / (1 + n_draws))
        rows.append(_null_row(name, "none", found[i : i + 1], np.nan))
        rows.append(_null_row(name, "permuted within formula", permuted, p))
        rows.append(_null_row(name, "random formula labels", found[-n_draws:], np.nan))
        rows.append(_null_row(name, "random features", noise[:, i], np.nan))
    table = pd.DataFrame(rows)
    table.attrs = {"score": score, "folds": folds, "n_folds": n_folds, "seed": seed}
    return table


def _null_row(target: str, null: str, draws: np.ndarray, p: float) -> dict[str, Any]:
    low, high = np.quantile(draws, [0.025, 0.975]) if len(draws) > 1 else (np.nan, np.nan)
    return {
        "target": target,
        "null": null,
        "mean": float(np.mean(draws)),
        "low": float(low),
        "high": float(high),
        "p": p,
        "n_draws": len(draws),
    }
