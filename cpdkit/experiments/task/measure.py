"""How much of the spread between models is architecture, how much task?"""

from __future__ import annotations

import numpy as np
import pandas as pd
from scipy import stats

from cpdkit.figures import needs
from cpdkit.intervals import corrected_t

__all__ = ["ADJUSTED", "DIFFERENCE", "anova_shares"]

DIFFERENCE = "task - architecture"
"""The effect that says how much larger the share of the task is."""

ADJUSTED = "task - architecture, adjusted"
"""The same without what chance adds to each share for its degrees of freedom."""

_LEVELS = ["architecture", "task", "seed"]


def anova_shares(table: pd.DataFrame, *, test_share: float, level: float = 0.95) -> pd.DataFrame:
    r"""Shares of the sum of squares of a balanced design, fold by fold.

    With a value :math:`y_{ats}` for architecture a, task t and seed s,

    .. math:: \sum (y_{ats} - \bar y)^2 = \sum (\bar y_a - \bar y)^2 + \sum (\bar y_t - \bar y)^2
              + \sum (\bar y_{at} - \bar y_a - \bar y_t + \bar y)^2 + \sum (y_{ats} - \bar y_{at})^2

    the classical analysis of variance (R. A. Fisher, 1925). Intervals over folds hold the choice of
    molecules only, not that of architectures or seeds. With one seed the last two cannot be told
    apart, and the effect is called ``interaction and seed``.

    Two more effects compare: `DIFFERENCE`, and `ADJUSTED`, where from each sum of squares its
    degrees of freedom times the mean square of what both effects leave are taken (as in
    :math:`\epsilon^2`): of chance alone five architectures get four times the share of two tasks.
    What the interval lacks stands in ``p``, the F test of an effect against what both leave, and in
    ``least`` and ``most``, the adjusted difference without any one architecture.
    """
    needs(table, [*_LEVELS, "fold_values"])
    counts = table.groupby(["architecture", "task"])["seed"].count().unstack()
    if counts.isna().any(axis=None) or counts.to_numpy().min() != counts.to_numpy().max():
        raise ValueError(
            "every architecture needs every task and equally many seeds; got\n"
            f"{counts.fillna(0).astype(int)}"
        )
    if min(counts.shape) < 2:
        raise ValueError(
            f"at least two architectures and two tasks are needed; got {counts.shape[0]} and "
            f"{counts.shape[1]}."
        )
    ordered = table.sort_values(_LEVELS)
    values = np.array(ordered["fold_values"].tolist(), dtype=float)
    y = values.reshape(*counts.shape, -1, values.shape[1])  # architecture, task, seed, fold
    sums, free = _sums(y), _freedom(y.shape)
    shares = {name: part / sums["total"] for name, part in sums.items() if name != "total"}
    if y.shape[2] == 1:
        shares["interaction and seed"] = shares.pop("interaction") + shares.pop("seed")
    shares[DIFFERENCE] = shares["task"] - shares["architecture"]
    shares[ADJUSTED] = _adjusted(y)
    p = _p_values(y.mean(axis=-1, keepdims=True), free)
    without = [
        float(_adjusted(np.delete(y, i, axis=0)).mean()) for i in range(len(y)) if len(y) > 2
    ] or [np.nan]
    rows = []
    for name, share in shares.items():
        low, high = corrected_t(share, test_share=test_share, level=level)
        extremes = (min(without), max(without)) if name == ADJUSTED else (np.nan, np.nan)
        about = (p.get(name, np.nan), *extremes, tuple(share))
        rows.append((name, share.mean(), low, high, *about))
    columns = ["effect", "mean", "low", "high", "p", "least", "most", "fold_values"]
    return pd.DataFrame(rows, columns=columns)


def _sums(y: np.ndarray) -> dict[str, np.ndarray]:
    """Sums of squares of each effect and their total, fold by fold."""
    mean = y.mean(axis=(0, 1, 2), keepdims=True)
    by_architecture = y.mean(axis=(1, 2), keepdims=True)
    by_task = y.mean(axis=(0, 2), keepdims=True)
    by_cell = y.mean(axis=2, keepdims=True)
    parts = {
        "architecture": by_architecture - mean,
        "task": by_task - mean,
        "interaction": by_cell - by_architecture - by_task + mean,
        "seed": y - by_cell,
        "total": y - mean,
    }
    return {
        name: (np.broadcast_to(part, y.shape) ** 2).sum(axis=(0, 1, 2))
        for name, part in parts.items()
    }


def _freedom(shape: tuple[int, ...]) -> dict[str, int]:
    """Degrees of freedom of both effects and of what they leave."""
    a, t, seeds = shape[:3]
    return {"architecture": a - 1, "task": t - 1, "rest": a * t * seeds - a - t + 1}


def _adjusted(y: np.ndarray) -> np.ndarray:
    """Difference of the shares without what chance adds to each for its degrees of freedom."""
    sums, free = _sums(y), _freedom(y.shape)
    noise = (sums["interaction"] + sums["seed"]) / free["rest"]
    task, architecture = (sums[k] - free[k] * noise for k in ("task", "architecture"))
    return (task - architecture) / sums["total"]


def _p_values(y: np.ndarray, free: dict[str, int]) -> dict[str, float]:
    """Of the F test of each effect against what both leave."""
    sums = {name: float(part[0]) for name, part in _sums(y).items()}
    noise = (sums["interaction"] + sums["seed"]) / free["rest"]
    found = {}
    for name in ("architecture", "task"):
        mean_square = sums[name] / free[name]
        ratio = mean_square / noise if noise > 0 else np.inf
        found[name] = float(stats.f.sf(ratio, free[name], free["rest"]))
    return found
