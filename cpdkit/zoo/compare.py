"""The zoo's cards as tables, and models of equal error."""

from __future__ import annotations

import numpy as np
import pandas as pd

from cpdkit.zoo.checkpoints import UNTRAINED, model_names, read_card
from cpdkit.zoo.recipe import ARCHITECTURES, TASKS

__all__ = ["at_equal_error", "learning_curves", "overview"]


def _cards(names: list[str] | None) -> list[dict]:
    return [read_card(name) for name in (model_names() if names is None else names)]


def overview(names: list[str] | None = None) -> pd.DataFrame:
    """One row per trained model: size, errors, and what composition and bonds reach.

    Parameters
    ----------
    names : list of str, optional
        Models; all by default.

    Returns
    -------
    DataFrame
        Columns ``model, architecture, task, seed, parameters, unit, mae, r2, r2_composition,
        r2_bonds, minutes``; R2 and error on the probe split.
    """
    rows = [
        {
            "model": card["name"],
            **{key: card[key] for key in ("architecture", "task", "seed", "parameters", "unit")},
            **{key: card["probe"][key] for key in ("mae", "r2")},
            "r2_composition": card["baselines"]["composition"]["r2"],
            "r2_bonds": card["baselines"]["bonds"]["r2"],
            "minutes": round(card["seconds"] / 60, 1),
        }
        for card in _cards(names)
        if card["task"] != UNTRAINED
    ]
    order = {name: rank for rank, name in enumerate([*TASKS, *ARCHITECTURES])}
    return pd.DataFrame(rows).sort_values(
        ["task", "architecture", "seed"], key=lambda c: c.map(order).fillna(c), ignore_index=True
    )


def learning_curves(names: list[str] | None = None) -> pd.DataFrame:
    """Error against epoch: every kept set of weights on the probe split.

    Returns
    -------
    DataFrame
        Columns ``model, architecture, task, seed, epoch, validation_mae, mae, r2``; the model is
        the name it is loaded by.
    """
    rows = []
    for card in _cards(names):
        if card["task"] == UNTRAINED:
            continue
        about = {key: card[key] for key in ("architecture", "task", "seed")}
        rows += [
            {"model": f"{card['name']}@{c['epoch']:g}"} | about | c for c in card["checkpoints"]
        ]
        if card["epochs"] < card["recipe"]["epochs"]:
            continue  # stopped: there are no final weights
        rows.append(
            {
                "model": card["name"],
                **about,
                "epoch": float(card["epochs"]),
                "validation_mae": card["validation_curve"][-1]["validation_mae"],
                **{key: card["probe"][key] for key in ("mae", "r2")},
            }
        )
    return pd.DataFrame(rows)


def at_equal_error(
    task: str, *, names: list[str] | None = None, level: float | None = None
) -> pd.DataFrame:
    """For each model of a task, the kept weights whose validation error is nearest to `level`.

    Parameters
    ----------
    task : str
        Of :data:`TASKS`.
    names : list of str, optional
        Models; all by default.
    level : float, optional
        Validation error in the target's unit; by default the final one of the worst model, which
        all others pass on their way.

    Returns
    -------
    DataFrame
        As :func:`learning_curves`, one row per architecture and seed, with ``level`` and
        ``ratio``, the validation error over the level.

    Raises
    ------
    ValueError
        If no model was trained for the task.
    """
    curves = learning_curves(names)
    curves = curves[curves["task"] == task] if len(curves) else curves
    if curves.empty:
        raise ValueError(f"no model was trained for task {task!r}; see `cpdkit zoo list`.")
    last = curves.loc[curves.groupby(["architecture", "seed"])["epoch"].idxmax()]
    chosen = float(last["validation_mae"].max()) if level is None else level
    distance = np.abs(np.log(curves["validation_mae"] / chosen))
    rows = curves.loc[distance.groupby([curves["architecture"], curves["seed"]]).idxmin()]
    return rows.assign(level=chosen, ratio=rows["validation_mae"] / chosen).reset_index(drop=True)
