"""How much of the spread between models is architecture, how much task?"""

from __future__ import annotations

import numpy as np
import pandas as pd
from scipy import special, stats

from cpdkit.figures import needs
from cpdkit.intervals import corrected_t

__all__ = ["ADJUSTED", "DIFFERENCE", "anova_shares"]

DIFFERENCE = "task - architecture"
"""The effect that says how much larger the share of the task is."""

ADJUSTED = "task - architecture, adjusted"
"""The same without what chance adds to each share for its degrees of freedom."""

_LEVELS = ["architecture", "task", "seed"]
_EFFECTS = ("architecture", "task", "interaction")


def anova_shares(table: pd.DataFrame, *, test_share: float, level: float = 0.95) -> pd.DataFrame:
    r"""Shares of architecture, task and seed in the spread of a balanced design.

    With a value :math:`y_{ats}` for architecture a, task t and seed s,

    .. math:: \sum (y_{ats} - \bar y)^2 = \sum (\bar y_a - \bar y)^2 + \sum (\bar y_t - \bar y)^2
              + \sum (\bar y_{at} - \bar y_a - \bar y_t + \bar y)^2 + \sum (y_{ats} - \bar y_{at})^2

    the classical analysis of variance (R. A. Fisher, 1925), fold by fold, seeds nested in pairs of
    an architecture and a task.

    With several seeds the mean square M between them is what chance adds to every degree of
    freedom, so a share is :math:`(S - f M) / (S_\text{total} + M)` for a sum of squares S with f
    degrees of freedom (:math:`\omega^2`; W. L. Hays, 1963), and that of the seed is N M over the
    same. Intervals hold the molecules and the seeds of these architectures and tasks: distances of
    their ends from the mean are added in squares. Those of the molecules are of the corrected t
    over folds. Those of the seeds are of the values averaged over folds: a sum of squares over the
    variance is a noncentral :math:`\chi^2`, and the confidence distributions of the variance and
    of the three noncentralities are combined.

    With one seed, interaction and seed cannot be told apart, and the effect is called ``interaction
    and seed``; shares are sums of squares over their total, and intervals hold molecules only.

    Two more effects compare: `DIFFERENCE`, and `ADJUSTED`, where from each sum of squares its
    degrees of freedom times the mean square of the interaction (and of the seeds in it) are taken:
    of chance alone five architectures get four times the share of two tasks. How far this goes
    beyond the architectures at hand stands in ``p``, the F test of an effect against that mean
    square, and in ``least`` and ``most``, the adjusted difference without any one architecture.
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
    averaged = y.mean(axis=-1, keepdims=True)
    p, of_seeds = _p_values(averaged), _reach_of_seeds(averaged, level)
    without = [
        float(_shares(np.delete(y, i, axis=0))[ADJUSTED].mean())
        for i in range(len(y))
        if len(y) > 2
    ] or [np.nan]
    rows = []
    for name, share in _shares(y).items():
        mean = share.mean()
        low, high = corrected_t(share, test_share=test_share, level=level)
        if name in of_seeds:
            below, above = of_seeds[name]
            low, high = mean - np.hypot(mean - low, below), mean + np.hypot(high - mean, above)
        extremes = (min(without), max(without)) if name == ADJUSTED else (np.nan, np.nan)
        about = (p.get(name, np.nan), *extremes, y.shape[2], tuple(share))
        rows.append((name, mean, low, high, *about))
    columns = ["effect", "mean", "low", "high", "p", "least", "most", "seeds", "fold_values"]
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


def _freedom(y: np.ndarray) -> dict[str, int]:
    """Degrees of freedom of each effect."""
    a, t, seeds = y.shape[:3]
    interaction = (a - 1) * (t - 1)
    between = a * t * (seeds - 1)
    return {"architecture": a - 1, "task": t - 1, "interaction": interaction, "seed": between}


def _shares(y: np.ndarray) -> dict[str, np.ndarray]:
    """Shares of each effect and their comparisons, fold by fold."""
    sums, free = _sums(y), _freedom(y)
    chance = sums["seed"] / max(1, free["seed"])  # none with one seed
    total = sums["total"] + chance
    shares = {name: (sums[name] - free[name] * chance) / total for name in _EFFECTS}
    if free["seed"]:
        shares["seed"] = np.prod(y.shape[:3]) * chance / total
    else:
        shares["interaction and seed"] = shares.pop("interaction")
    noise = sums["interaction"] / free["interaction"]
    task, architecture = (sums[k] - free[k] * noise for k in ("task", "architecture"))
    shares[DIFFERENCE] = shares["task"] - shares["architecture"]
    shares[ADJUSTED] = (task - architecture) / total
    return shares


def _reach_of_seeds(
    y: np.ndarray, level: float, *, log2_draws: int = 10
) -> dict[str, tuple[float, float]]:
    """How far other seeds may move each share down and up, from the values of one fold."""
    sums, free = {k: float(v[0]) for k, v in _sums(y).items()}, _freedom(y)
    if not free["seed"] or not sums["seed"] > 0:
        return {}
    u = stats.qmc.Sobol(4, rng=0).random_base2(log2_draws).T
    variance = sums["seed"] / stats.chi2.ppf(u[0], free["seed"])
    found = {
        name: variance * _noncentrality(sums[name] / variance, free[name], at)
        for name, at in zip(_EFFECTS, u[1:], strict=True)
    }
    found["seed"] = variance * np.prod(y.shape[:3])
    total = sum(found.values())
    found[DIFFERENCE] = found["task"] - found["architecture"]
    more = (free["architecture"] - free["task"]) / free["interaction"]
    found[ADJUSTED] = found[DIFFERENCE] + more * found["interaction"]
    estimates = _shares(y)
    reach = {}
    for name, drawn in found.items():
        low, high = np.quantile(drawn / total, [0.5 - level / 2, 0.5 + level / 2])
        at = float(estimates[name][0])
        reach[name] = (max(0.0, at - low), max(0.0, high - at))
    return reach


def _noncentrality(x: np.ndarray, freedom: int, p: np.ndarray) -> np.ndarray:
    """Of the chi square that stays below `x` with probability `p`; 0 where none does."""
    far = x > 300  # where the root is normal to 0.1 %, and the inversion slow
    near = special.chndtrinc(np.where(far, 300, x), freedom, p)
    return np.where(far, (np.sqrt(x) - special.ndtri(p)) ** 2 - (freedom - 1), near)


def _p_values(y: np.ndarray) -> dict[str, float]:
    """Of the F test of each effect against the interaction, with the seeds in it."""
    sums, free = {name: float(part[0]) for name, part in _sums(y).items()}, _freedom(y)
    noise = sums["interaction"] / free["interaction"]
    found = {}
    for name in ("architecture", "task"):
        ratio = sums[name] / free[name] / noise if noise > 0 else np.inf
        found[name] = float(stats.f.sf(ratio, free[name], free["interaction"]))
    return found
