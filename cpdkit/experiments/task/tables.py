"""What chapter 5 tabulates of the scores of `models.score_models`."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations

import numpy as np
import pandas as pd

from cpdkit.comparisons import paired_difference, stack
from cpdkit.experiments.task.measure import ADJUSTED, anova_shares
from cpdkit.experiments.verdict import saw_target

__all__ = ["EFFECTS", "PAPER", "differences_elsewhere", "drops", "plain", "shares"]

PAPER = {"painn": (0.53, 0.31), "mace": (0.44, 0.08)}
"""R2_geom of the gap in version 2 of the paper: trained for the gap, and for energies."""
EFFECTS = ("architecture", "task", ADJUSTED)
"""Of `measure.anova_shares`, those to show for every two arms."""

_UNKNOWN = (np.nan, np.nan)


def shares(*stages: pd.DataFrame, tasks: Sequence[str]) -> pd.DataFrame:
    """Shares of architecture and task in the spread of ``r2_partial``.

    By target, stage, ``features``, ``folds`` and ``arms``: every two of `tasks` and of *untrained*
    that all architectures of a stage have, such as ``"energy, untrained"``, with as many seeds as
    all their networks have.
    """
    found = {}
    keys = ["at", "features", "folds", "target"]
    for stage in stages:
        counted = stage[stage["score"] == "r2_partial"]
        for key in dict.fromkeys(counted[keys].itertuples(index=False, name=None)):
            cell = counted[(counted[keys] == list(key)).all(axis=1)]
            for arms in combinations([*tasks, "untrained"], 2):
                chosen = cell[cell["task"].isin(arms)]
                tasks_of = chosen.groupby("architecture")["task"].nunique()
                if (
                    len(tasks_of) < 2 or tasks_of.min() < 2
                ):  # who reads vectors has no scalar readout
                    continue
                networks = chosen.sort_values("seed").groupby(["architecture", "task"])
                chosen = networks.head(networks.size().min())
                share = 1 / (stage.attrs["n_folds"] - 1)
                found[(*key, ", ".join(arms))] = anova_shares(chosen, test_share=share)
    return stack(found, [*keys, "arms"])


def plain(table: pd.DataFrame, *, arms: str | None = None) -> pd.DataFrame:
    """Rows of last layers by the first kind of folds, of one pair of `arms` where that is given.

    Older records have no other rows, and no columns that say so.
    """
    for column in ("features", "folds"):
        if column in table and len(table):
            table = table[table[column] == table[column].iloc[0]]
    return table[table["arms"] == arms] if arms is not None and "arms" in table else table


def drops(*stages: pd.DataFrame, tasks: Sequence[str], target: str) -> pd.DataFrame:
    """How far scores fall from networks trained for one task to those trained for another.

    Means over seeds, their paired difference ``drop``, the least and the most of single seeds, and
    at the last epoch what the paper reports.
    """
    first, second = tasks[:2]
    rows = []
    for stage in stages:
        here = stage[(stage["target"] == target) & stage["task"].isin([first, second])]
        for architecture in here["architecture"].unique():
            ours = here[here["architecture"] == architecture]
            for score in ("r2_geom", "r2_partial"):
                one, other = (_by_seed(ours, task, score) for task in (first, second))
                each = (one - other).mean(axis=1)
                drop = paired_difference(
                    one.mean(axis=0), other.mean(axis=0), n_folds=stage.attrs["n_folds"]
                )
                at = ours["at"].iloc[0]
                known = score == "r2_geom" and at == "last epoch"
                paper = PAPER.get(architecture, _UNKNOWN) if known else _UNKNOWN
                rows.append({
                    "architecture": architecture, "at": at, "seeds": len(each), "score": score,
                    f"for {first}": one.mean(), f"for {second}": other.mean(),
                    "drop": drop["mean"], "low": drop["low"], "high": drop["high"],
                    "least of seeds": each.min(), "most of seeds": each.max(),
                    "paper, for gap": paper[0], "paper, for energy": paper[1],
                })  # fmt: skip
    return pd.DataFrame(rows)


def differences_elsewhere(scores: pd.DataFrame) -> pd.DataFrame:
    """``r2_partial`` of published networks minus the mean of those trained here for energies.

    ``beside`` says which: ``all``, or only those of the architecture that the network's name begins
    with, where there are such. ``seen`` says whether the network was trained on the target.
    """
    partial = scores[scores["score"] == "r2_partial"]
    ours = partial[(partial["at"] == "last epoch") & (partial["task"] == "energy")]
    rows = []
    for row in partial[partial["at"] == "published"].to_dict("records"):
        here = ours[ours["target"] == row["target"]]
        own = here[here["architecture"] == row["architecture"].partition("-")[0]]
        seen = saw_target(row["architecture"], row["target"])
        for beside, known in {"all": here, "its architecture": own}.items():
            if known.empty:
                continue
            gain = paired_difference(
                row["fold_values"], np.mean(known["fold_values"].tolist(), axis=0),
                n_folds=scores.attrs["n_folds"],
            )  # fmt: skip
            about = (row["architecture"], row["target"], seen, row["mean"], beside)
            rows.append((*about, gain["mean"], gain["low"], gain["high"]))
    columns = ["model", "target", "seen", "r2_partial", "beside", "minus ours", "low", "high"]
    return pd.DataFrame(rows, columns=columns)


def _by_seed(rows: pd.DataFrame, task: str, score: str) -> np.ndarray:
    """Fold values of every seed, in the order of the seeds."""
    chosen = rows[(rows["task"] == task) & (rows["score"] == score)].sort_values("seed")
    return np.array(chosen["fold_values"].tolist())
