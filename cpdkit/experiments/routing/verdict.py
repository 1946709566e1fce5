"""Claim 2: which models send the dipole to l=1 and the gap to l=0."""

from __future__ import annotations

import re
from collections.abc import Mapping

import numpy as np
import pandas as pd

from cpdkit.experiments.verdict import (
    MARGIN,
    VERBS,
    Verdict,
    decide,
    kind_of,
    lacks,
    saw_target,
    with_interval,
)
from cpdkit.intervals import corrected_t

__all__ = [
    "elsewhere",
    "family",
    "irrep_routing",
    "origin",
    "routing_by",
    "routing_states",
    "training_states",
]

_NEEDED = ["encoder", "l", "quantity", "name", "mean", "low", "high", "least", "most"]
CLAIM = "MACE sends the dipole to l=1 and the gap to l=0; ViSNet does not."
_SIDES = ("vector side", "scalar side")
_OF_LAYER = ["name", "mean", "low", "high", "fold_values"]
_TRAINING = {
    "adds": "{} gains",
    "adds nothing": "{} gains nothing,",
    "open": "whether {} gains stays open,",
}


def family(encoder: str) -> str:
    """Architecture an encoder's name begins with: *mace* for ``"zoo/mace-gap-0"``."""
    return re.split(r"[-:\[]", encoder.removeprefix("zoo/"))[0]


def routing_states(index: pd.DataFrame) -> pd.DataFrame:
    r"""Say of every model whether it routes.

    A model **routes** if in at least one of its layers the intervals of both sides of the index of
    l=1 lie above zero; it **does not route** if in each of its layers the interval of one of the
    sides lies below zero; otherwise that is **open**. With m layers the intervals have level
    :math:`1 - (1 - \text{level}) / m` (Bonferroni), so that more layers are not more chances.

    Beside the state stands the index of one layer, at the level of the table: the largest among
    those that route, or among all where none does.
    """
    rows = []
    one = index[index["l"] == 1]
    for encoder, here in one.groupby("encoder", sort=False):
        layers = here.groupby(["name", "irrep"], sort=False)
        level = 1 - (1 - index.attrs["level"]) / layers.ngroups
        sides, names = [], []
        for (name, _), layer in layers:
            names.append(name)
            values = layer.set_index("quantity")["fold_values"]
            share = 1 / (index.attrs["n_folds"] - 1)
            sides.append(
                [corrected_t(np.asarray(values[s]), test_share=share, level=level) for s in _SIDES]
            )
        routing = [all(low > 0 for low, _ in pair) for pair in sides]
        if any(routing):
            state = "routes"
        elif all(any(high < 0 for _, high in pair) for pair in sides):
            state = "does not route"
        else:
            state = "open"
        best = here[here["quantity"] == "index"]
        if any(routing):
            best = best[best["name"].isin(np.array(names)[routing])]
        top = best.loc[best["mean"].idxmax()]
        about = (encoder, family(encoder), "untrained" not in encoder, state)
        rows.append((*about, *top[_OF_LAYER]))
    states = pd.DataFrame(rows, columns=["encoder", "family", "trained", "state", *_OF_LAYER])
    states.attrs = dict(index.attrs)
    return states


def training_states(changes: pd.DataFrame, *, margin: float = MARGIN) -> pd.DataFrame:
    """Say of every trained network whether training adds to its routing.

    It **adds** if the index of l=1, trained minus untrained, surely lies above `margin` in some
    layer (``least``); it **adds nothing** if in every layer it surely lies below (``most``);
    otherwise that is **open**. Beside the state stands the layer of the largest difference.
    """
    here = changes[(changes["l"] == 1) & (changes["quantity"] == "index")]
    rows = []
    for encoder, layers in here.groupby("encoder", sort=False):
        state = "open"
        if (layers["least"] > margin).any():
            state = "adds"
        elif (layers["most"] < margin).all():
            state = "adds nothing"
        top = layers.loc[layers["mean"].idxmax()]
        rows.append((encoder, family(str(encoder)), state, *top[["name", "mean", "low", "high"]]))
    return pd.DataFrame(rows, columns=["encoder", "family", "state", "name", "mean", "low", "high"])


def irrep_routing(
    changes: pd.DataFrame,
    *,
    index: pd.DataFrame | None = None,
    choices: pd.DataFrame | None = None,
    other_folds: Mapping[str, pd.DataFrame] | None = None,
) -> Verdict:
    """Judge claim 2 by what training adds to routing (`training_states`).

    What a network routes untrained, it does not owe to training. The claim **holds** if training
    adds to every MACE and nothing to every ViSNet; it **fails** if it adds nothing to some MACE or
    adds to some ViSNet; otherwise, or where one of them is missing, it is **undecided**. Networks
    that were taught the dipole moment, from their vectors, are told apart and not judged. Beside it
    are told which networks route at all (`index`), where the norm is taken (`choices`), and what
    `other_folds` say.
    """
    missing = lacks(changes, _NEEDED)
    if missing:
        return Verdict(CLAIM, "undecided", f"Claim 2 is not judged here: {missing}.")
    states, taught = _judged(training_states(changes))
    mace, visnet = (states[states["family"] == name] for name in ("mace", "visnet"))
    lost = [name for name, rows in (("MACE", mace), ("ViSNet", visnet)) if rows.empty]
    outcome = _outcome(states)
    reason = "judged by what training adds to routing"
    if lost:
        reason = f"the run has no trained {' and no trained '.join(lost)} beside its untrained one"
    sentence = f"Claim 2 {VERBS[outcome]} here: {reason}."
    shown = states if lost else pd.concat([mace, visnet])
    if len(shown):
        sentence += f" Routing index, trained minus untrained: {_gains(shown)}."
    if len(taught):
        sentence += f" Not judged, as they were taught the dipole moment: {_gains(taught)}."
    for kind, table in (other_folds or {}).items():
        sentence += f" With {kind} folds it {VERBS[_outcome(training_states(table))]}."
    if index is not None:
        found = routing_states(index)
        routing = found["state"] == "routes"
        counts = [
            f"{(routing & (found['trained'] == trained)).sum()} of "
            f"{(found['trained'] == trained).sum()} {word} networks"
            for trained, word in ((True, "trained"), (False, "untrained"))
            if (found["trained"] == trained).any()
        ]
        sentence += f" {' and '.join(counts)} route"
        sentence += " where the norm is taken of pooled vectors" if choices is not None else ""
        if choices is not None:
            sentence += f", {routing_by(choices, 'pooled norm')} where it is taken atom by atom"
        sentence += "."
    return Verdict(CLAIM, outcome, sentence)


def _judged(states: pd.DataFrame) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Networks that count, and those that were taught the vector they are asked for."""
    taught = states["encoder"].map(lambda name: saw_target(name, "mu")).astype(bool)
    return states[~taught], states[taught]


def _gains(states: pd.DataFrame) -> str:
    told = (
        f"{_TRAINING[row['state']].format(row['encoder'])} {with_interval(row, style='signed')}"
        for _, row in states.iterrows()
    )
    return "; ".join(told)


def _outcome(states: pd.DataFrame) -> str:
    states, _ = _judged(states)
    mace, visnet = (states[states["family"] == name]["state"] for name in ("mace", "visnet"))
    if mace.empty or visnet.empty:
        return "undecided"
    return decide(
        holds=bool((mace == "adds").all() and (visnet == "adds nothing").all()),
        fails=bool((mace == "adds nothing").any() or (visnet == "adds").any()),
    )


def routing_by(choices: pd.DataFrame, norms: str) -> int:
    """How many networks route under one way of taking norms, all else as in the verdict."""
    table = choices.reset_index()
    as_judged = (table["l=0"] == "scalar and square") & (table["columns"] == "subset")
    (row,) = table[as_judged & (table["l=1"] == norms)].to_dict("records")
    return sum(str(cell).endswith(", routes") for cell in row.values())


def origin(pooled: pd.DataFrame, atomic: pd.DataFrame, choices: pd.DataFrame) -> str:
    """Say how many networks route where norms are taken of pooled vectors, or atom by atom."""
    states = [routing_states(index)["state"] for index in (pooled, atomic)]
    routing = [(state == "routes").sum() for state in states]
    cells = [str(cell) for row in choices.to_numpy() for cell in row]
    return (
        f"Where the norm is taken of pooled vectors, {routing[0]} of {len(states[0])} networks "
        f"route; where it is taken atom by atom, {routing[1]} do. Over {len(choices)} ways of "
        f"making degrees comparable, {sum(cell.endswith(', routes') for cell in cells)} of "
        f"{len(cells)} states say that a network routes."
    )


def elsewhere(index: pd.DataFrame) -> str:
    """Say which of the networks that were trained elsewhere route, by `routing_states`."""
    states = routing_states(index)
    states = states[[kind_of(name, ()) == "pretrained" for name in states["encoder"]]]
    if states.empty:
        return "No network with vectors in this run was trained elsewhere."
    words = {"open": "stays open"}
    told = [
        f"{row['encoder']} / {row['name']} {words.get(row['state'], row['state'])}, "
        f"{with_interval(row, style='signed')}"
        for _, row in states.iterrows()
    ]
    return f"Networks that were trained elsewhere, with their routing index: {'; '.join(told)}."
