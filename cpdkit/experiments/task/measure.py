"""How much of the spread between models is architecture, how much task?"""

from __future__ import annotations

import numpy as np
import pandas as pd

from cpdkit.figures import needs
from cpdkit.intervals import corrected_t

__all__ = ["anova_shares"]

_LEVELS = ["architecture", "task", "seed"]


def anova_shares(table: pd.DataFrame, *, test_share: float, level: float = 0.95) -> pd.DataFrame:
    r"""Shares of the sum of squares of a balanced design, fold by fold.

    With a value :math:`y_{ats}` for architecture a, task t and seed s,

    .. math:: \sum (y_{ats} - \bar y)^2 = \sum (\bar y_a - \bar y)^2 + \sum (\bar y_t - \bar y)^2
              + \sum (\bar y_{at} - \bar y_a - \bar y_t + \bar y)^2 + \sum (y_{ats} - \bar y_{at})^2

    the classical analysis of variance (R. A. Fisher, 1925). The shares describe these models; they
    are no test, and the interval over folds holds the choice of molecules only, not that of
    architectures or seeds. With one seed the last two cannot be told apart, and the effect is
    called ``interaction and seed``. A last effect is ``task - architecture``.
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
    mean = y.mean(axis=(0, 1, 2), keepdims=True)
    by_architecture = y.mean(axis=(1, 2), keepdims=True)
    by_task = y.mean(axis=(0, 2), keepdims=True)
    by_cell = y.mean(axis=2, keepdims=True)
    parts = {
        "architecture": by_architecture - mean,
        "task": by_task - mean,
        "interaction": by_cell - by_architecture - by_task + mean,
        "seed": y - by_cell,
    }
    total = ((y - mean) ** 2).sum(axis=(0, 1, 2))
    shares = {
        name: (np.broadcast_to(part, y.shape) ** 2).sum(axis=(0, 1, 2)) / total
        for name, part in parts.items()
    }
    if y.shape[2] == 1:
        shares["interaction and seed"] = shares.pop("interaction") + shares.pop("seed")
    shares["task - architecture"] = shares["task"] - shares["architecture"]
    rows = []
    for name, share in shares.items():
        low, high = corrected_t(share, test_share=test_share, level=level)
        rows.append((name, share.mean(), low, high, tuple(share)))
    return pd.DataFrame(rows, columns=["effect", "mean", "low", "high", "fold_values"])
