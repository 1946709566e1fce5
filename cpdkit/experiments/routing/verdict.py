"""Claim 2: which models send the dipole to l=1 and the gap to l=0."""

from __future__ import annotations

import re

import numpy as np
import pandas as pd

from cpdkit.comparisons import paired_difference
from cpdkit.experiments.verdict import VERBS, Verdict, decide, signed, with_interval
from cpdkit.intervals import corrected_t

__all__ = ["family", "irrep_routing", "origin", "routing_states"]

CLAIM = "MACE sends the dipole to l=1 and the gap to l=0; ViSNet does not."
_SIDES = ("vector side", "scalar side")
_OF_LAYER = ["name", "mean", "low", "high", "fold_values"]
_WORDS = {
    "routes": "{} routes",
    "does not route": "{} does not route",
    "open": "whether {} routes stays open",
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


def irrep_routing(index: pd.DataFrame) -> Verdict:
    """Judge claim 2 by the states of `routing_states`.

    The claim **holds** if every trained MACE routes and no trained ViSNet does; it **fails** if a
    trained MACE does not route or a trained ViSNet does; otherwise, or where one of them is
    missing, it is **undecided**.
    """
    states = routing_states(index)
    if states.empty:
        why = "no encoder has a layer with both l=0 and l=1"
        return Verdict(CLAIM, "undecided", f"Claim 2 is undecided here: {why}.")
    trained = states[states["trained"]]
    mace, visnet = (trained[trained["family"] == name] for name in ("mace", "visnet"))
    missing = [name for name, rows in (("MACE", mace), ("ViSNet", visnet)) if rows.empty]
    if missing:
        outcome = "undecided"
        reason = f"the run has no trained {' and no trained '.join(missing)}"
    else:
        outcome = decide(
            holds=(mace["state"] == "routes").all() and (visnet["state"] == "does not route").all(),
            fails=(mace["state"] == "does not route").any() or (visnet["state"] == "routes").any(),
        )
        reason = ", ".join(_states(mace) + _states(visnet))
    # The numbers of the two models the claim is about, or of whatever the run has.
    shown = trained[trained["family"].isin(["mace", "visnet"])]
    shown = trained if shown.empty else shown
    sentence = f"Claim 2 {VERBS[outcome]} here: {reason}."
    if len(shown):
        numbers = [
            f"{name} {at}" for name, at in zip(shown["encoder"], _layers(shown), strict=True)
        ]
        sentence += f" Routing index of the layer that decides: {'; '.join(numbers)}."
    if not missing:
        one, other = (rows.loc[rows["mean"].idxmax()] for rows in (mace, visnet))
        gain = paired_difference(
            one["fold_values"], other["fold_values"], n_folds=states.attrs["n_folds"],
            level=states.attrs["level"],
        )  # fmt: skip
        sentence += f" Best MACE minus best ViSNet: {with_interval(gain, style='signed')}."
    null = states[~states["trained"]]
    if not shown.empty and set(null["family"]) & set(shown["family"]):
        null = null[null["family"].isin(set(shown["family"]))]
    if len(null):
        told = [f"{state}: {at}" for state, at in zip(_states(null), _layers(null), strict=True)]
        sentence += f" Without training, {'; '.join(told)}."
    return Verdict(CLAIM, outcome, sentence)


def origin(pooled: pd.DataFrame, atomic: pd.DataFrame, choices: pd.DataFrame) -> str:
    """Say how many networks route where norms are taken of pooled vectors, or atom by atom."""
    states = [routing_states(index)["state"] for index in (pooled, atomic)]
    routing = [(state == "routes").sum() for state in states]
    return (
        f"Where the norm is taken of pooled vectors, {routing[0]} of {len(states[0])} networks "
        f"route; where it is taken atom by atom, {routing[1]} do. Of {len(choices)} ways of making "
        f"degrees comparable, {(choices['claim'] == 'holds').sum()} say that the claim holds, "
        f"{(choices['claim'] == 'fails').sum()} that it fails."
    )


def _states(states: pd.DataFrame) -> list[str]:
    return [_WORDS[row.state].format(row.encoder) for row in states.itertuples()]


def _layers(states: pd.DataFrame) -> list[str]:
    return [
        f"{signed(row['mean'])} ({signed(row['low'])} to {signed(row['high'])}, {row['name']})"
        for row in states.to_dict("records")
    ]
