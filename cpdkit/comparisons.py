"""Is a score more than chance, and is one representation better than another?

Nulls are extra target columns or other features under the protocol of `cpdkit.cpd`; comparisons
are paired on the same folds.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import combinations
from typing import Any

import numpy as np
import pandas as pd
from scipy import stats

from cpdkit._checks import check_composition, check_features, check_groups, check_targets
from cpdkit._messages import unknown
from cpdkit.folds import make_folds
from cpdkit.intervals import corrected_t
from cpdkit.moments.accumulate import moments_from_arrays
from cpdkit.moments.scores import nested_scores
from cpdkit.summary import SCORES

__all__ = [
    "compare",
    "formula_labels",
    "holm",
    "null_scores",
    "permuted_within",
    "random_features",
]


def holm(p_values: Sequence[float]) -> np.ndarray:
    """Adjust p-values so that they bound the chance of any false rejection [1]_.

    Parameters
    ----------
    p_values : sequence of float
        Of all tests that were made.

    Returns
    -------
    ndarray of the same length
        Adjusted p-values.

    References
    ----------
    .. [1] S. Holm, A simple sequentially rejective multiple test procedure, Scandinavian Journal
       of Statistics 6, 65 (1979).
    """
    p = np.asarray(p_values, dtype=np.float64)
    order = np.argsort(p)
    steps = np.maximum.accumulate(p[order] * np.arange(len(p), 0, -1))
    adjusted = np.empty_like(p)
    adjusted[order] = np.minimum(steps, 1.0)
    return adjusted


def compare(
    tables: Mapping[str, pd.DataFrame], *, score: str = "r2_partial", level: float = 0.95
) -> pd.DataFrame:
    """Compare representations fold by fold, with Holm's correction.

    Parameters
    ----------
    tables : mapping of name to DataFrame
        Tables of `cpdkit.cpd` on the same structures and folds.
    score : str, default "r2_partial"
        Which score to compare.
    level : float, default 0.95
        Level of the corrected resampled t intervals of the differences.

    Returns
    -------
    pandas.DataFrame
        One row per target and pair: ``target``, ``a``, ``b``, ``difference`` (a minus b),
        ``low``, ``high``, ``p``, ``p_holm`` (over all rows) and ``note``.

    Raises
    ------
    ValueError
        If there are fewer than two tables, the score is not known, or the tables are of other
        structures, folds or targets.
    """
    if len(tables) < 2:
        raise ValueError(f"{len(tables)} table(s) given; a comparison needs at least two.")
    settings = {
        name: {key: table.attrs.get(key) for key in ("n", "folds", "n_folds", "repeats", "seed")}
        for name, table in tables.items()
    }
    first, *others = settings
    for other in others:
        if settings[other] != settings[first]:
            raise ValueError(
                f"{first!r} and {other!r} are not on the same folds: {settings[first]} and "
                f"{settings[other]}; run cpd with the same structures, folds and seed."
            )
    columns = {name: _fold_values(table, name, score) for name, table in tables.items()}
    targets = list(columns[first])
    for other in others:
        if list(columns[other]) != targets:
            raise ValueError(
                f"{first!r} has targets {targets} and {other!r} has {list(columns[other])}."
            )
    share = 1 / (settings[first]["n_folds"] - 1)
    rows = []
    for target in targets:
        for a, b in combinations(columns, 2):
            gap = columns[a][target] - columns[b][target]
            low, high = corrected_t(gap, test_share=share, level=level)
            rows.append(
                {
                    "target": target,
                    "a": a,
                    "b": b,
                    "difference": float(gap.mean()),
                    "low": low,
                    "high": high,
                    "p": _p_value(gap, share),
                    "note": "" if np.isfinite(gap).all() else "undefined for one of them",
                }
            )
    table = pd.DataFrame(rows)
    known = table["p"].notna()
    table.insert(7, "p_holm", np.nan)
    table.loc[known, "p_holm"] = holm(table.loc[known, "p"])
    table.attrs = {"score": score, "level": level, **settings[first]}
    return table


def permuted_within(y: np.ndarray, groups: Sequence[str], n: int, *, seed: int = 0) -> np.ndarray:
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
    y = np.asarray(y, dtype=np.float64)
    _, inverse, sizes = np.unique(groups, return_inverse=True, return_counts=True)
    if sizes.max() < 2:
        raise ValueError("no formula occurs twice, so nothing can be permuted within formulas.")
    inverse = inverse.ravel()
    home = np.argsort(inverse, kind="stable")
    rng = np.random.default_rng(seed)
    shuffled = np.empty((len(y), n))
    for column in range(n):
        shuffled[home, column] = y[np.lexsort((rng.random(len(y)), inverse))]
    return shuffled


def formula_labels(groups: Sequence[str], n: int, *, seed: int = 0) -> np.ndarray:
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
    names, inverse = np.unique(groups, return_inverse=True)
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
    if n_draws < 1:
        raise ValueError(f"n_draws={n_draws} must be at least 1.")
    X = check_features(features)
    C = check_composition(composition, len(X))
    frame = check_targets(targets, len(X))
    if check_groups(groups, len(X)) is None:
        raise ValueError("nulls need groups: the formula of each row (ds.formulas).")
    split = make_folds(
        len(X), scheme=folds, groups=groups, ids=ids, n_folds=n_folds, repeats=repeats, seed=seed
    )

    def means(features: np.ndarray, Y: np.ndarray) -> np.ndarray:
        """Mean score of each column of Y over folds; a column more costs little."""
        parts = []
        for fold in split:
            moments = moments_from_arrays(features, C, Y, buckets=fold, n_buckets=n_folds)
            parts += [scores[score] for scores, _ in nested_scores(moments)]
        return np.mean(parts, axis=0)

    values = frame.to_numpy()
    t = values.shape[1]
    shuffled = [permuted_within(values[:, i], groups, n_draws, seed=seed + i) for i in range(t)]
    control = formula_labels(groups, n_draws, seed=seed)
    found = means(X, np.hstack([values, *shuffled, control]))
    n_features = max(5, n_draws // 10)
    noise = np.stack([means(random_features(X, seed=seed + i), values) for i in range(n_features)])
    rows = []
    for i, name in enumerate(frame.columns):
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


def _fold_values(table: pd.DataFrame, name: str, score: str) -> dict[str, np.ndarray]:
    chosen = table[table["score"] == score]
    if chosen.empty:
        raise ValueError(f"{name!r}: {unknown('score', score, table['score'].unique())}")
    return {
        str(target): np.asarray(values, dtype=np.float64)
        for target, values in zip(chosen["target"], chosen["fold_values"], strict=True)
    }


def _p_value(gap: np.ndarray, share: float) -> float:
    """Two-sided p of the corrected resampled t test of a zero mean."""
    if not np.isfinite(gap).all() or len(gap) < 2:
        return float("nan")
    spread = gap.std(ddof=1) * np.sqrt(1 / len(gap) + share)
    if spread == 0:
        return 1.0 if gap.mean() == 0 else 0.0
    return float(2 * stats.t.sf(abs(gap.mean()) / spread, len(gap) - 1))
