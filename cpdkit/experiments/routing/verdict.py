"""Claim 2: which models send the dipole to l=1 and the gap to l=0."""

from __future__ import annotations

import re

import numpy as np
import pandas as pd

from cpdkit.experiments.verdict import VERBS, Verdict, decide, difference, signed, with_interval
from cpdkit.intervals import corrected_t

__all__ = ["STATES", "family", "irrep_routing", "is_trained", "origin", "routing_states"]

STATES = ("routes", "does not route", "open")
CLAIM = "MACE sends the dipole to l=1 and the gap to l=0; ViSNet does not."
_SIDES = ("vector side", "scalar side")
_WORDS = {
    "routes": "{} routes",
    "does not route": "{} does not route",
    "open": "whether {} routes stays open",
}


def family(encoder: str) -> str:
    """Architecture an encoder's name begins with.

    Examples
    --------
    >>> family("zoo/mace-gap-0"), family("mace:my.model"), family("soap[n_max=4]")
    ('mace', 'mace', 'soap')
    """
    return re.split(r"[-:\[]", encoder.removeprefix("zoo/"))[0]


def is_trained(encoder: str) -> bool:
    """Whether the name is not that of an untrained network."""
    return "untrained" not in encoder


def routing_states(index: pd.DataFrame) -> pd.DataFrame:
    r"""Say of every model whether it routes.

    A model **routes** if in at least one of its layers the intervals of both sides of the index of
    l=1 lie above zero; it **does not route** if in each of its layers the interval of one of the
    sides lies below zero; otherwise that is **open**. With m layers the intervals have level
    :math:`1 - (1 - \text{level}) / m` (Bonferroni), so that more layers are not more chances.

    Parameters
    ----------
    index : DataFrame
        From `measure.routing_index`, with a column ``encoder``.

    Returns
    -------
    pandas.DataFrame
        One row per encoder: ``encoder, family, trained, state``, and of one layer ``name, mean,
        low, high`` (the index, at the level of the table) and ``fold_values``: the one with the
        largest index among those that route, or among all where none does.
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
        about = {"encoder": encoder, "family": family(encoder), "trained": is_trained(encoder)}
        kept = {key: top[key] for key in ("name", "mean", "low", "high", "fold_values")}
        rows.append({**about, "state": state, **kept})
    columns = ["encoder", "family", "trained", "state", "name", "mean", "low", "high"]
    states = pd.DataFrame(rows, columns=[*columns, "fold_values"])
    states.attrs = dict(index.attrs)
    return states


def irrep_routing(index: pd.DataFrame) -> Verdict:
    """Judge claim 2 by the states of `routing_states`.

    The claim **holds** if every trained MACE routes and no trained ViSNet does; it **fails** if a
    trained MACE does not route or a trained ViSNet does; otherwise, or where one of them is
    missing, it is **undecided**.

    Parameters
    ----------
    index : DataFrame
        From `measure.routing_index`, with a column ``encoder``.

    Returns
    -------
    Verdict

    Raises
    ------
    ValueError
        If no encoder of the table has l=1 beside l=0.
    """
    states = routing_states(index)
    if states.empty:
        raise ValueError("no encoder has a layer with both l=0 and l=1; there is nothing to judge.")
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
        reason = _reason(mace, visnet)
    # The numbers of the two models the claim is about, or of whatever the run has.
    shown = trained[trained["family"].isin(["mace", "visnet"])]
    shown = trained if shown.empty else shown
    sentence = f"Claim 2 {VERBS[outcome]} here: {reason}."
    if len(shown):
        numbers = "; ".join(map(_number, shown.to_dict("records")))
        sentence += f" Routing index of the layer that decides: {numbers}."
    if not missing:
        one, other = (rows.loc[rows["mean"].idxmax()] for rows in (mace, visnet))
        gain = difference(
            one["fold_values"], other["fold_values"], n_folds=states.attrs["n_folds"],
            level=states.attrs["level"],
        )  # fmt: skip
        sentence += f" Best MACE minus best ViSNet: {with_interval(gain, style='signed')}."
    null = states[~states["trained"]]
    if not shown.empty and set(null["family"]) & set(shown["family"]):
        null = null[null["family"].isin(set(shown["family"]))]
    if len(null):
        told = [
            f"{_WORDS[r['state']].format(r['encoder'])}: {_index(r)}"
            for r in null.to_dict("records")
        ]
        sentence += f" Without training, {'; '.join(told)}."
    return Verdict(CLAIM, outcome, sentence)


def origin(pooled: pd.DataFrame, atomic: pd.DataFrame, choices: pd.DataFrame) -> str:
    """Say how many networks route where norms are taken of pooled vectors, or atom by atom.

    Parameters
    ----------
    pooled, atomic : DataFrame
        From `measure.routing_index`, with either kind of norm.
    choices : DataFrame
        From `tables.choices`.
    """
    states = [routing_states(index)["state"] for index in (pooled, atomic)]
    routing = [(state == "routes").sum() for state in states]
    return (
        f"Where the norm is taken of pooled vectors, {routing[0]} of {len(states[0])} networks "
        f"route; where it is taken atom by atom, {routing[1]} do. Of {len(choices)} ways of making "
        f"degrees comparable, {(choices['claim'] == 'holds').sum()} say that the claim holds, "
        f"{(choices['claim'] == 'fails').sum()} that it fails."
    )


def _reason(mace: pd.DataFrame, visnet: pd.DataFrame) -> str:
    return ", ".join(
        _WORDS[row["state"]].format(row["encoder"])
        for row in [*mace.to_dict("records"), *visnet.to_dict("records")]
    )


def _number(row: dict) -> str:
    return f"{row['encoder']} {_index(row)}"


def _index(row: dict) -> str:
    mean, low, high = (signed(row[key]) for key in ("mean", "low", "high"))
    return f"{mean} ({low} to {high}, {row['name']})"
