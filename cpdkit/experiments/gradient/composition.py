"""How well composition itself is read, by layer and pooling: two observations of the author."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

from cpdkit.decomposition import cpd
from cpdkit.experiments.gradient.measure import Layer
from cpdkit.experiments.verdict import MARGIN, VERBS, Verdict, decide, listed, with_interval
from cpdkit.folds import make_folds
from cpdkit.scores import summarise

__all__ = ["composition_scores", "layer_profiles", "pooling", "pooling_sentence", "profile"]
__all__ += ["profile_sentence", "signs"]

PROFILE = "MACE loses composition in its middle layers and regains it in the last."
POOLING = "For ANI-2x the pooling turns the sign of how accessible composition is."

_SCORES = ["representation", "encoder", "depth", "pooling", "mean", "low", "high", "fold_values"]
_PROFILE = ["encoder", "layers", "first", "lowest between", "last", "state"]


def composition_scores(
    layers: Mapping[str, Layer], composition: np.ndarray, *, pooling: str, **settings: Any
) -> pd.DataFrame:
    """Held-out R2 of ridge for what composition holds, mean over the elements of every fold.

    Of every layer as it was pooled, and of last layers the other way too. Elements whose number is
    the same throughout some test fold have no R2 there and are left out.
    """
    scheme = {"scheme": settings["folds"]} | {k: v for k, v in settings.items() if k != "folds"}
    varies = [
        np.ptp(composition[fold == k], axis=0) > 0
        for fold in make_folds(len(composition), **scheme)
        for k in np.unique(fold)
    ]
    asked = composition[:, np.all(varies, axis=0)]
    other = "sum" if pooling == "mean" else "mean"
    rows: list[tuple[Any, ...]] = []
    about: dict[str, Any] = {}
    for name, layer in layers.items() if asked.shape[1] else ():
        pooled = {pooling: layer.features, **({other: layer.otherwise} if layer.last else {})}
        for how, features in pooled.items():
            table = cpd(features, None, asked, leak=False, **settings)
            about = table.attrs
            every = table.loc[table["score"] == "r2_full", "fold_values"].tolist()
            found = summarise(
                np.mean(every, axis=0), n_folds=about["n_folds"], level=about["level"]
            )
            numbers = [found[key] for key in _SCORES[4:]]
            rows.append((name, layer.encoder, layer.depth, how, *numbers))
    scores = pd.DataFrame(rows, columns=_SCORES)
    scores.attrs = dict(about)
    return scores


def layer_profiles(
    scores: pd.DataFrame, *, pooling: str, margin: float = MARGIN, level: float = 0.95
) -> pd.DataFrame:
    """Whether composition is lost between the first and the last layer and regained in the last.

    It **dips** if some layer between is surely more than the margin below both (intervals allow for
    the choice of the layer, Bonferroni), **does not dip** if each surely is less than that below
    one of them, else that is **open**. Networks of two layers have none between.
    """
    rows = []
    here, n_folds = scores[scores["pooling"] == pooling], scores.attrs.get("n_folds")
    for encoder, part in here.groupby("encoder", sort=False):
        if len(part) < 2:
            continue
        first, *between, last = part.sort_values("depth")["fold_values"].map(np.asarray)
        dips, flat = [], []
        for values in between:
            wide, plain = (
                [summarise(end - values, n_folds=n_folds, level=at) for end in (first, last)]
                for at in (1 - (1 - level) / len(between), level)
            )
            dips.append(all(gap["low"] > margin for gap in wide))
            flat.append(any(gap["high"] < margin for gap in plain))
        state = "dips" if any(dips) else "does not dip" if all(flat) else "open"
        lowest = min((values.mean() for values in between), default=np.nan)
        ends = (first.mean(), lowest, last.mean())
        rows.append((encoder, len(part), *ends, state if between else "no layer between"))
    return pd.DataFrame(rows, columns=_PROFILE)


def profile_sentence(profiles: pd.DataFrame) -> str:
    """Who loses composition on the way and regains it."""
    if profiles.empty:
        return "In this run no network is read at several layers."
    by_state = profiles.groupby("state", sort=False)["encoder"].agg(list).to_dict()
    two = by_state.pop("no layer between", [])
    n = len(profiles) - len(two)
    said = f"Composition is lost and regained in {len(by_state.get('dips', []))} of {n} networks"
    said += " with a layer between the first and the last"
    said += f" ({listed(by_state['dips'])})" if "dips" in by_state else ""
    said += f"; {len(by_state.get('does not dip', []))} surely do not."
    return said + (f" No layer between: {listed(two)}." if two else "")


def profile(profiles: pd.DataFrame) -> Verdict:
    """Judge the profile of trained MACE networks that have a layer between the first and the last.

    It **holds** if all of them dip, **fails** if all surely do not, and else is **undecided**.
    """
    mace = profiles["encoder"].str.contains("mace") & ~profiles["encoder"].str.contains("untrained")
    states = profiles.loc[mace & (profiles["state"] != "no layer between"), "state"]
    every = len(states) > 0
    outcome = decide(
        holds=every and bool((states == "dips").all()),
        fails=every and bool((states == "does not dip").all()),
    )
    why = f"of {len(states)} MACE networks {(states == 'dips').sum()} lose and regain it"
    if not every:
        asked = f"the {mace.sum()}" if mace.any() else "the asked"
        why = f"none of {asked} trained MACE networks has a layer between first and last"
    sentence = f"Claim 9 {VERBS[outcome]} here: {why}. {profile_sentence(profiles)}"
    return Verdict(PROFILE, outcome, sentence)


def pooling(found: pd.DataFrame) -> Verdict:
    """Judge by `signs` whether mean and sum pooling surely disagree for the ANI-2x network.

    It **holds** if the sign turns, **fails** if it stays, and else is **undecided**.
    """
    of = found.loc[found["encoder"] == "ani2x", "state"].tolist()
    outcome = decide(holds=of == ["turns"], fails=of == ["stays"])
    why = "" if of else " ANI-2x was not asked."
    sentence = f"Claim 10 {VERBS[outcome]} here. {pooling_sentence(found)}{why}"
    return Verdict(POOLING, outcome, sentence)


def signs(scores: pd.DataFrame) -> pd.DataFrame:
    """Of last layers under both poolings, whether the sign of the score depends on the pooling.

    It **turns** if one score surely is above zero and the other below, **stays** if both surely
    are on one side, else that is **open**.
    """
    rows = []
    for encoder, part in scores[scores["depth"] == 1.0].groupby("encoder", sort=False):
        by = part.set_index("pooling")
        side = np.sign(by["low"]) * (np.sign(by["low"]) == np.sign(by["high"]))
        product = side.prod()
        state = {1: "stays", -1: "turns"}.get(int(product), "open")
        rows.append((encoder, *(with_interval(by.loc[how]) for how in ("mean", "sum")), state))
    return pd.DataFrame(rows, columns=["encoder", "mean", "sum", "state"])


def pooling_sentence(found: pd.DataFrame) -> str:
    """For how many representations the pooling decides the sign, and what ANI-2x does."""
    if found.empty:
        return "No element varies within every test fold here, so none is asked for."
    counts = found["state"].value_counts()
    said = (
        f"Mean or sum over atoms turns the sign of how well composition is read in "
        f"{counts.get('turns', 0)} of {len(found)} last layers, and surely does not in "
        f"{counts.get('stays', 0)}."
    )
    told = [
        f" Of {row.encoder} it {'is open' if row.state == 'open' else row.state}: "
        f"R2 {row.mean} for the mean, {row.sum} for the sum."
        for row in found[found["encoder"].str.fullmatch("ani2x")].itertuples()
    ]
    return said + "".join(told)
