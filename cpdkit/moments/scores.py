"""Scores of CPD from moments alone: no row is needed twice, or at all."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from cpdkit._options import check_alphas, check_count, check_level, check_seed, warn_few_rows
from cpdkit.folds import assign_folds
from cpdkit.moments.folds import FoldMoments
from cpdkit.moments.moments import Moments, Pooled
from cpdkit.moments.ridge import Alphas, FoldRidge, choose_alphas, held_out_sums
from cpdkit.projection.conditioned import DEFAULT_ALPHAS
from cpdkit.scores import SCORES, Rows, Sums

__all__ = ["FoldSums", "cpd_from_moments", "nested_sums", "rows_of_sums"]


def cpd_from_moments(
    moments: Moments,
    *,
    n_folds: int = 5,
    repeats: int = 1,
    seed: int = 0,
    alphas: Sequence[float] = DEFAULT_ALPHAS,
    level: float = 0.95,
) -> pd.DataFrame:
    """`cpdkit.cpd` under its sound protocol, for data of any size.

    Buckets are dealt out to folds as `cpdkit.folds.make_folds` does, so with row ids as keys this
    is ``folds="random"`` and with formulas ``folds="formula"``. The interval is the corrected t;
    the cluster bootstrap and the leak of formula means need rows.

    Parameters
    ----------
    moments : Moments
        Of all rows; `Moments.select` asks about some of the columns.
    n_folds, repeats, seed : int
        Number of folds, of times the buckets are dealt out anew, and the seed of the dealing.
    alphas : sequence of float
        Penalties per training row; with more than one, chosen by inner folds.
    level : float, default 0.95
        Confidence level.

    Returns
    -------
    pandas.DataFrame
        As from `cpdkit.cpd`.

    Raises
    ------
    ValueError
        If fewer buckets are filled than there are folds, a target is constant within a fold, or
        rows must be set aside, such as those with an element that training lacks.
    """
    check_level(level)
    check_count(n_folds, "n_folds", least=2)
    check_count(repeats, "repeats")
    check_seed(seed)
    alphas = check_alphas(alphas)
    filled = np.count_nonzero(moments.counts)
    if n_folds > filled:
        raise ValueError(
            f"n_folds={n_folds} must lie between 2 and the number of filled buckets, {filled}."
        )
    folds = [_deal(moments, n_folds, [seed, repeat]) for repeat in range(repeats)]
    warn_few_rows(np.concatenate([by_fold.counts for by_fold in folds]))
    parts = [
        part for by_fold in folds for part in nested_sums(FoldMoments.of_buckets(by_fold), alphas)
    ]
    rows = rows_of_sums(parts, n_folds=n_folds, level=level)
    for t, target in enumerate(moments.targets):
        if rows.constant_fold(t) is not None:
            raise ValueError(
                f"target {target!r} is constant in a test fold, where R2 is undefined; use fewer "
                "folds or another seed."
            )
    table = pd.DataFrame(
        [rows.row(name, score, t) for t, name in enumerate(moments.targets) for score in SCORES]
    )
    table.attrs = {
        "n": len(moments),
        "channels": moments.n_features,
        "folds": "buckets",
        "n_folds": n_folds,
        "repeats": repeats,
        "seed": seed,
        "protocol": "sound",
        "interval": "corrected-t",
        "level": level,
    }
    return table


@dataclass(frozen=True, eq=False)
class FoldSums:
    """What the moments of a test fold say of the probes that were trained on the other folds.

    Attributes
    ----------
    sums : Sums
        Of shape (1, n_targets).
    alphas : dict of str to ndarray
        Chosen penalties, as from `cpdkit.moments.ridge.choose_alphas`.
    tested, aside : int
        Rows of the fold that are tested, and that are set aside.
    rounding : float
        About what rounding of the moments can change in a score: the squares of single terms of a
        prediction cancel, and what is left of them may be small.
    """

    sums: Sums
    alphas: Alphas
    tested: int
    aside: int
    rounding: float


def nested_sums(
    folds: FoldMoments,
    alphas: Sequence[float] = DEFAULT_ALPHAS,
    *,
    n_full: int | None = None,
) -> list[FoldSums]:
    """Sums over each fold, from which every score follows, at the penalty that inner folds choose.

    Parameters
    ----------
    folds : FoldMoments
        Moments by fold.
    alphas : sequence of float
        Penalties per training row.
    n_full : int, optional
        As in `cpdkit.moments.ridge.FoldRidge`; `full` of the other targets is NaN.

    Returns
    -------
    list of FoldSums
        One for each fold.
    """
    parts = []
    for fold, chosen in enumerate(choose_alphas(folds, alphas, n_full=n_full)):
        fit = FoldRidge(folds.without([fold]), n_full=n_full)
        test, aside = folds.test(fold, fit.train)
        weights = {name: fit.chosen_weights(name, alpha)[:, None] for name, alpha in chosen.items()}
        found = {name: held_out_sums(fit, w, test) for name, w in weights.items()}
        full = np.full_like(found["geom"].geom, np.nan)
        if "full" in found:
            full[:, : fit.n_full] = found["full"].geom
        sums = replace(found["geom"], joint=found["joint"].joint, full=full)
        rounding = _rounding(fit, weights, test, sums)
        parts.append(FoldSums(sums, chosen, test.n, aside, rounding))
    return parts


def rows_of_sums(parts: Sequence[FoldSums], *, n_folds: float, level: float) -> Rows:
    """What writes the rows of a table from the sums of every repeat and fold."""
    aside = sum(part.aside for part in parts)
    return Rows(
        [part.sums for part in parts],
        n_folds=n_folds, level=level, alphas=[part.alphas for part in parts],
        aside=aside, tested=aside + sum(part.tested for part in parts),
    )  # fmt: skip


def _rounding(fit: FoldRidge, weights: Mapping[str, np.ndarray], test: Pooled, sums: Sums) -> float:
    """Squares of the single terms of predictions over what they are compared with, times epsilon.

    That is all of the variance for ``"geom"``, and for targets with all scores what Z leaves of it.
    """
    squares = np.diag(test.scatter) + test.n * (test.mean - fit.train.mean) ** 2
    terms = [squares[: len(w)] @ w**2 for w in (fit.comp, *(w[:, 0] for w in weights.values()))]
    geom = squares[: test.y.start] @ weights["geom"][:, 0] ** 2
    with np.errstate(divide="ignore", invalid="ignore"):
        shares = [t[: fit.n_full] / sums.comp[: fit.n_full] for t in terms]
        worst = np.concatenate([geom / sums.total, *shares]).max()
    return float(np.finfo(float).eps * worst)


def _deal(moments: Moments, n_folds: int, seed: list[int]) -> Moments:
    return moments.regroup(assign_folds(moments.counts, n_folds=n_folds, seed=seed))
