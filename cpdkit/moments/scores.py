"""Scores of CPD from moments alone: no row is needed twice, or at all."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

from cpdkit.folds import assign_folds
from cpdkit.intervals import corrected_t
from cpdkit.moments.moments import Moments, Pooled
from cpdkit.moments.ridge import Alphas, FoldRidge, HeldOutSums, choose_alphas
from cpdkit.probes.ridge import DEFAULT_ALPHAS
from cpdkit.summary import NOTHING_LEFT, SCORES

__all__ = ["cpd_from_moments", "nested_scores", "score_path"]

# A spread below this share of the mean is rounding.
_CONSTANT = 1e-12
_ALPHA_OF = {"r2_full": "full", "r2_geom": "geom", "crossing": "geom", "r2_partial": "joint"}


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
        If fewer buckets are filled than there are folds, or a target is constant within a fold.
    """
    filled = np.count_nonzero(moments.counts)
    if not 2 <= n_folds <= filled:
        raise ValueError(
            f"n_folds={n_folds} must lie between 2 and the number of filled buckets, {filled}."
        )
    folds = [_deal(moments, n_folds, [seed, repeat]) for repeat in range(repeats)]
    parts = [part for by_fold in folds for part in nested_scores(by_fold, alphas)]
    rows = []
    for t, target in enumerate(moments.targets):
        empty = [part for part, _ in parts if np.isnan(part["r2_comp"][t])]
        if empty:
            raise ValueError(
                f"target {target!r} is constant in {len(empty)} test folds, where R2 is undefined; "
                "use fewer folds or another seed."
            )
        for score in SCORES:
            values = np.array([part[score][t] for part, _ in parts])
            defined = bool(np.isfinite(values).all())
            low, high = corrected_t(values, test_share=1 / (n_folds - 1), level=level)
            name = _ALPHA_OF.get(score)
            rows.append(
                {
                    "target": target,
                    "score": score,
                    "mean": float(values.mean()) if defined else np.nan,
                    "low": low if defined else np.nan,
                    "high": high if defined else np.nan,
                    "fold_values": tuple(values.tolist()) if defined else (np.nan,) * len(values),
                    "alphas": tuple(float(chosen[name][t]) for _, chosen in parts)
                    if name and defined
                    else None,
                    "note": ""
                    if defined
                    else "linear in what was removed: nothing is left to explain",
                }
            )
    table = pd.DataFrame(rows)
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


def score_path(folds: Moments, alphas: Sequence[float]) -> dict[str, np.ndarray]:
    """Every score of every fold and target at every penalty, without selection.

    Parameters
    ----------
    folds : Moments
        One bucket per fold (`Moments.regroup`).
    alphas : sequence of float
        Penalties per training row.

    Returns
    -------
    dict of str to ndarray of shape (n_folds, n_alphas, n_targets)
        Those of `cpdkit.summary.SCORES`; NaN where undefined.
    """
    values = []
    for fold in range(folds.n_buckets):
        fit = FoldRidge(folds.pool([i for i in range(folds.n_buckets) if i != fold]))
        test = folds.pool([fold])
        geom = HeldOutSums.of(fit, fit.weights("geom", alphas), test)
        full = HeldOutSums.of(fit, fit.weights("full", alphas), test)
        values.append(_scores(fit, test, geom, geom, full))
    shape = values[0]["r2_full"].shape
    return {
        score: np.stack([np.broadcast_to(value[score], shape) for value in values])
        for score in SCORES
    }


def nested_scores(
    folds: Moments, alphas: Sequence[float] = DEFAULT_ALPHAS
) -> list[tuple[dict[str, Any], Alphas]]:
    """Every score at the penalty that inner folds choose, fold by fold.

    Parameters
    ----------
    folds : Moments
        One bucket per fold (`Moments.regroup`).
    alphas : sequence of float
        Penalties per training row.

    Returns
    -------
    list of tuple
        For each fold the scores of `cpdkit.summary.SCORES`, (n_targets,) each and NaN where
        undefined, and the penalties as from `cpdkit.moments.ridge.choose_alphas`.
    """
    parts = []
    for fold, chosen in enumerate(choose_alphas(folds, alphas)):
        fit = FoldRidge(folds.pool([i for i in range(folds.n_buckets) if i != fold]))
        test = folds.pool([fold])
        sums = {
            name: HeldOutSums.of(
                fit, fit.chosen_weights("full" if name == "full" else "geom", alpha)[:, None], test
            )
            for name, alpha in chosen.items()
        }
        values = _scores(fit, test, sums["geom"], sums["joint"], sums["full"])
        parts.append(({score: np.ravel(value) for score, value in values.items()}, chosen))
    return parts


def _deal(moments: Moments, n_folds: int, seed: list[int]) -> Moments:
    return moments.regroup(assign_folds(moments.counts, n_folds=n_folds, seed=seed))


def _scores(
    fit: FoldRidge, test: Pooled, geom: HeldOutSums, joint: HeldOutSums, full: HeldOutSums
) -> dict[str, np.ndarray]:
    """The scores of `cpdkit.summary`, (n_targets,) or (n_alphas, n_targets)."""
    total = geom.total.copy()
    size = np.maximum(np.abs(test.mean[test.y]), np.abs(fit.train.mean[test.y]))
    total[total <= test.n * (_CONSTANT * size) ** 2] = np.nan
    left = np.where(geom.comp <= NOTHING_LEFT * total, np.nan, geom.comp)
    ceiling = 1 - geom.comp_squared / total
    r2_geom = 1 - geom.probe / total
    return {
        "r2_comp": 1 - geom.comp / total,
        "r2_full": 1 - full.probe / total,
        "r2_geom": r2_geom,
        "ceiling": ceiling,
        "crossing": r2_geom - ceiling,
        "r2_comp_in_probe": geom.correlation + 0 * total,
        "r2_partial": 1 - joint.joint / left,
    }
