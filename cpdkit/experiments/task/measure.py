"""How much of the spread between models is architecture, how much task?"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd

from cpdkit.experiments.verdict import Verdict
from cpdkit.intervals import corrected_t

__all__ = ["effect_shares", "task_or_architecture"]

_LEVELS = ["architecture", "task", "seed"]


def effect_shares(table: pd.DataFrame, *, test_share: float, level: float = 0.95) -> pd.DataFrame:
    r"""Shares of the sum of squares of a balanced design, fold by fold.

    With a value :math:`y_{ats}` for architecture a, task t and seed s,

    .. math:: \sum (y_{ats} - \bar y)^2 = \sum (\bar y_a - \bar y)^2 + \sum (\bar y_t - \bar y)^2
              + \sum (\bar y_{at} - \bar y_a - \bar y_t + \bar y)^2 + \sum (y_{ats} - \bar y_{at})^2

    the classical analysis of variance (R. A. Fisher, 1925). The shares describe these models; they
    are no test, and the interval over folds holds the choice of molecules only, not that of
    architectures or seeds.

    Parameters
    ----------
    table : DataFrame
        Columns ``architecture, task, seed, fold_values``; every architecture with every task and
        the same number of seeds.
    test_share : float
        Of the folds, ``1 / (n_folds - 1)``.
    level : float, default 0.95
        Confidence level.

    Returns
    -------
    DataFrame
        Columns ``effect, mean, low, high, fold_values``; effects ``architecture``, ``task``,
        ``interaction``, ``seed``, and ``task - architecture``. With one seed the last two of the
        four cannot be told apart, and the effect is called ``interaction and seed``.

    Raises
    ------
    ValueError
        If a column is missing, the design is not balanced or has fewer than two architectures or
        tasks.
    """
    missing = [c for c in [*_LEVELS, "fold_values"] if c not in table]
    if missing:
        raise ValueError(f"the table lacks the columns {missing}; it has {list(table.columns)}.")
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


def task_or_architecture(
    shares: pd.DataFrame, *, target: str, others: Mapping[str, pd.DataFrame] | None = None
) -> Verdict:
    """Judge version 2 of the paper: the task explains more than the architecture.

    The claim **holds** if the interval of the difference of shares lies above zero, **fails** if it
    lies below, and is otherwise **undecided**. A network puts out the target it was trained on, so
    other targets are set beside it: where the interval of one of them lies on the other side, the
    claim is undecided too, as the answer then depends on what is asked for.

    Parameters
    ----------
    shares : DataFrame
        Of :func:`effect_shares`.
    target : str
        What was probed.
    others : mapping of str to DataFrame, optional
        Shares of targets that nobody was trained on, by name.
    """
    rows = shares.set_index("effect")
    difference = rows.loc["task - architecture"]
    beside = {
        name: table.set_index("effect").loc["task - architecture"]
        for name, table in (others or {}).items()
    }
    outcome = "undecided"
    if difference["low"] > 0 and not any(row["high"] < 0 for row in beside.values()):
        outcome = "holds"
    elif difference["high"] < 0 and not any(row["low"] > 0 for row in beside.values()):
        outcome = "fails"
    verb = "is undecided" if outcome == "undecided" else outcome
    return Verdict(
        "The training task explains more of what a representation keeps than the architecture.",
        outcome,
        f"Task before architecture {verb} here: of the spread of r2_partial of {target} between "
        f"these models the task explains {rows.loc['task', 'mean']:.0%}, the architecture "
        f"{rows.loc['architecture', 'mean']:.0%}; the difference is {_points(difference)}."
        + (
            " Of targets that nobody was trained on: "
            + ", ".join(f"{name} {_points(row)}" for name, row in beside.items())
            + "."
            if beside
            else ""
        ),
    )


def _points(row: pd.Series) -> str:
    return f"{row['mean']:+.0%} ({row['low']:+.0%} to {row['high']:+.0%})"
