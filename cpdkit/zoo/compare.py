"""The zoo's cards as tables, and models of equal error."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from cpdkit.zoo.checkpoints import (
    UNTRAINED,
    Name,
    kept_epochs,
    load_model,
    model_names,
    read_card,
)
from cpdkit.zoo.molecules import unseen_molecules
from cpdkit.zoo.recipe import ARCHITECTURES, TASKS

__all__ = ["at_equal_error", "bond_errors", "errors_on_first", "learning_curves"]
__all__ += ["overview", "recipe", "recipe_exceptions", "trained_names"]


def _cards(names: Sequence[str] | None) -> list[dict]:
    return [read_card(name) for name in (model_names() if names is None else names)]


def trained_names(names: Sequence[str] | None = None) -> list[str]:
    """Names of the models that were trained.

    Parameters
    ----------
    names : sequence of str, optional
        Models; all by default.

    Raises
    ------
    ValueError
        If there is none.
    """
    found = [card["name"] for card in _cards(names) if card["task"] != UNTRAINED]
    if not found:
        raise ValueError("none of these models was trained; see `cpdkit zoo list`.")
    return found


def recipe(name: str) -> pd.DataFrame:
    """How a model was trained.

    Returns
    -------
    DataFrame
        Columns ``setting`` and ``value`` (as text): the recipe, the cutoff and the number of
        molecules.
    """
    card = read_card(name)
    size = {"cutoff / Å": card["cutoff"], "molecules": card["data"]["molecules"]}
    settings = card["recipe"] | size
    return pd.DataFrame({"setting": list(settings), "value": list(map(str, settings.values()))})


def recipe_exceptions(names: Sequence[str]) -> pd.DataFrame:
    """Where the recipes of other models differ from that of the first.

    Parameters
    ----------
    names : sequence of str
        Trained models.

    Returns
    -------
    DataFrame
        Columns ``model, setting, value, first`` (the value of the first model) and ``remark``.
    """
    first, *others = _cards(names)
    rows = [
        (card["name"], setting, value, first["recipe"][setting], card["remark"])
        for card in others
        for setting, value in card["recipe"].items()
        if value != first["recipe"][setting]
    ]
    return pd.DataFrame(rows, columns=["model", "setting", "value", "first", "remark"])


def bond_errors(names: Sequence[str] | None = None) -> dict[str, float]:
    """By task, the error of a ridge on element and bond counts on the probe split."""
    cards = _cards(trained_names(names))
    return {card["task"]: card["baselines"]["bonds"]["mae"] for card in cards}


def errors_on_first(names: Sequence[str], n: int) -> pd.DataFrame:
    """Errors of trained models on the first molecules they were tested on, computed anew.

    Parameters
    ----------
    names : sequence of str
        Trained models. Those are left out whose molecules are not here, unless that is all of them.
    n : int
        How many molecules.

    Returns
    -------
    DataFrame
        Columns ``model, molecules, mae`` and ``mae on the card``, which is that of all they were
        tested on.

    Raises
    ------
    FileNotFoundError
        If the data that all were trained on is not here.
    """
    rows, tests, lacking = [], {}, None
    for name, card in zip(names, _cards(names), strict=True):
        task = TASKS[card["task"]]
        try:
            if task.data not in tests:
                every = unseen_molecules(task)
                tests[task.data] = every.select(np.arange(min(n, len(every))))
        except FileNotFoundError as error:
            lacking = error
            continue
        ds = tests[task.data]
        error_of = np.abs(load_model(name).predict(ds.atoms) - ds.targets[card["target"]])
        rows.append((name, len(ds), error_of.mean(), card["probe"]["mae"]))
    if lacking and not rows:
        raise lacking
    return pd.DataFrame(rows, columns=["model", "molecules", "mae", "mae on the card"])


def overview(names: Sequence[str] | None = None) -> pd.DataFrame:
    """One row per trained model: size, errors, and what composition and bonds reach.

    Parameters
    ----------
    names : sequence of str, optional
        Models; all by default.

    Returns
    -------
    DataFrame
        Columns ``model, architecture, task, seed, parameters, unit, mae, r2, r2_composition,
        r2_bonds, mae_bonds, minutes``; R2 and error on the molecules of the test.
    """
    rows = [
        {
            "model": card["name"],
            **{key: card[key] for key in ("architecture", "task", "seed", "parameters", "unit")},
            **{key: card["probe"][key] for key in ("mae", "r2")},
            "r2_composition": card["baselines"]["composition"]["r2"],
            "r2_bonds": card["baselines"]["bonds"]["r2"],
            "mae_bonds": card["baselines"]["bonds"]["mae"],
            "minutes": round(card["seconds"] / 60, 1),
        }
        for card in _cards(names)
        if card["task"] != UNTRAINED
    ]
    order = {name: rank for rank, name in enumerate([*TASKS, *ARCHITECTURES])}
    return pd.DataFrame(rows).sort_values(
        ["task", "architecture", "seed"], key=lambda c: c.map(order).fillna(c), ignore_index=True
    )


def learning_curves(names: Sequence[str] | None = None) -> pd.DataFrame:
    """Error against epoch: every kept set of weights on the probe split.

    Returns
    -------
    DataFrame
        Columns ``model, architecture, task, seed, epoch, validation_mae, mae, r2``; the model is
        the name it is loaded by, if its weights are here.
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
                **{k: v for k, v in card["probe"].items() if k != "mae_first_200"},
            }
        )
    return pd.DataFrame(rows)


def at_equal_error(
    task: str, *, names: Sequence[str] | None = None, level: float | None = None
) -> pd.DataFrame:
    """For each model of a task, the kept weights whose validation error is nearest to `level`.

    Parameters
    ----------
    task : str
        Of :data:`TASKS`.
    names : sequence of str, optional
        Models; all by default. Epochs whose weights are not here are left out, and models of which
        only the last are; but where none has others (an installed package) the cards alone speak.
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
    asked = [n for n in (model_names() if names is None else names) if Name.parse(n).task == task]
    curves = learning_curves(asked)
    here = {f"{name}@{epoch}" for name in asked for epoch in kept_epochs(name)}
    if here:
        ways = {name.partition("@")[0] for name in here}
        curves = curves[curves["model"].isin(here | ways)]
    if curves.empty:
        raise ValueError(f"no model was trained for task {task!r}; see `cpdkit zoo list`.")
    last = curves.loc[curves.groupby(["architecture", "seed"])["epoch"].idxmax()]
    chosen = float(last["validation_mae"].max()) if level is None else level
    distance = np.abs(np.log(curves["validation_mae"] / chosen))
    rows = curves.loc[distance.groupby([curves["architecture"], curves["seed"]]).idxmin()]
    return rows.assign(level=chosen, ratio=rows["validation_mae"] / chosen).reset_index(drop=True)
