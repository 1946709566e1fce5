"""Scores of CPD from moments alone: no row is needed twice, or at all."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pandas as pd

from cpdkit._options import check_alphas, check_count, check_level, check_seed, warn_few_rows
from cpdkit.folds import assign_folds
from cpdkit.moments.folds import FoldMoments
from cpdkit.moments.moments import Moments
from cpdkit.moments.ridge import Alphas, FoldRidge, choose_alphas, held_out_sums
from cpdkit.projection.conditioned import DEFAULT_ALPHAS
from cpdkit.scores import SCORES, Rows, Sums

__all__ = ["cpd_from_moments", "nested_sums"]


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
        rows must be set aside because their training rows lack an element of theirs.
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
    rows = Rows(
        [sums for sums, _ in parts],
        n_folds=n_folds, alphas=[chosen for _, chosen in parts], level=level,
    )  # fmt: skip
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


def nested_sums(
    folds: FoldMoments, alphas: Sequence[float] = DEFAULT_ALPHAS
) -> list[tuple[Sums, Alphas]]:
    """Sums over each fold, from which every score follows, at the penalty that inner folds choose.

    Parameters
    ----------
    folds : FoldMoments
        Moments by fold.
    alphas : sequence of float
        Penalties per training row.

    Returns
    -------
    list of tuple
        For each fold its sums, of shape (1, n_targets), and the penalties as from
        `cpdkit.moments.ridge.choose_alphas`.
    """
    parts = []
    for fold, chosen in enumerate(choose_alphas(folds, alphas)):
        fit = FoldRidge(folds.without([fold]))
        test, _ = folds.test(fold, fit.train)
        geom, joint, full = (
            held_out_sums(fit, fit.chosen_weights(name, chosen[name])[:, None], test)
            for name in ("geom", "joint", "full")
        )
        parts.append((replace(geom, joint=joint.joint, full=full.geom), chosen))
    return parts


def _deal(moments: Moments, n_folds: int, seed: list[int]) -> Moments:
    return moments.regroup(assign_folds(moments.counts, n_folds=n_folds, seed=seed))
