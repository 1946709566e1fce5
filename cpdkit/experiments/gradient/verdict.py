"""Claim 1: do handcrafted descriptors keep geometry linearly accessible?"""

from __future__ import annotations

from collections.abc import Collection

import pandas as pd

from cpdkit.comparisons import paired_difference
from cpdkit.experiments.verdict import VERBS, Verdict, above_ceiling, decide, with_interval

__all__ = ["NULLS", "crossings", "disentanglement_gradient", "judged"]

NULLS = ("bond-counts", "random")
"""Encoders that are neither a descriptor of geometry nor learned."""

CLAIM = "Learned features keep geometry linearly accessible, handcrafted ones do not."
_REASONS = {
    "fails": "a handcrafted descriptor keeps geometry linearly accessible under a sound probe",
    "holds": "no handcrafted descriptor keeps geometry linearly accessible, a learned one does",
    "undecided": "the intervals do not separate",
}


def judged(table: pd.DataFrame) -> pd.DataFrame:
    """Scores of what the claim speaks of: no :data:`NULLS`, no untrained networks."""
    encoders = table["encoder"]
    return table[~encoders.isin(NULLS) & ~encoders.str.contains("untrained")]


def crossings(table: pd.DataFrame) -> str:
    """How many scores lie above their ceiling for certain, in a sentence."""
    return f"{above_ceiling(table)} of last layers."


def disentanglement_gradient(
    table: pd.DataFrame,
    *,
    target: str,
    handcrafted: Collection[str],
    score: str = "r2_geom",
) -> Verdict:
    """Judge claim 1: handcrafted descriptors do not keep geometry linearly accessible.

    The claim **holds** if the interval of every handcrafted representation lies at or below zero
    and that of some learned one above; it **fails** if the interval of a handcrafted one lies above
    zero; otherwise the results leave it **undecided**. Judged by the sound protocol on last layers.
    Encoders that are not `handcrafted` count as learned; one whose name holds the target, as
    ``zoo/painn-gap-0`` does, was trained on it, and the best that was not is named too.
    """
    rows = table[
        (table["target"] == target)
        & (table["score"] == score)
        & (table["protocol"] == "sound")
        & table["last"]
    ]
    if rows.empty and len(table):
        raise ValueError(f"the table has no sound {score!r} of {target!r} for a last layer.")
    by_hand = rows["encoder"].isin(list(handcrafted))
    hand, learned = rows[by_hand], rows[~by_hand]
    kinds = {"handcrafted descriptor": hand, "learned representation": learned}
    if lacking := [kind for kind, part in kinds.items() if part.empty]:
        missing = " and no ".join(lacking)
        return Verdict(
            CLAIM, "undecided", f"Claim 1 is undecided here: the run has no {missing} to compare."
        )
    best_hand = hand.loc[hand["mean"].idxmax()]
    best_learned = learned.loc[learned["mean"].idxmax()]
    outcome = decide(
        holds=bool((hand["high"] <= 0).all() and (learned["low"] > 0).any()),
        fails=bool((hand["low"] > 0).any()),
    )
    n_folds = table.attrs.get("n_folds", len(best_hand["fold_values"]))

    def beside(best: pd.Series, comma: str = "") -> str:
        folds = (best["fold_values"], best_hand["fold_values"])
        gain = with_interval(paired_difference(*folds, n_folds=n_folds), style="signed")
        named = f"{best['representation']}{comma} {with_interval(best)}"
        return f"{named}; the difference is {gain}"

    sentence = (
        f"Claim 1 {VERBS[outcome]} here: {_REASONS[outcome]}. "
        f"{best_hand['representation']} scores {with_interval(best_hand)} for {target}, "
        f"{beside(best_learned)}."
    )
    unasked = learned[~learned["encoder"].str.contains(f"-{target}-", regex=False)]
    if len(unasked) < len(learned) and len(unasked):
        best = unasked.loc[unasked["mean"].idxmax()]
        sentence += f" Of those not trained on {target} the best is {beside(best, ',')}."
    return Verdict(CLAIM, outcome, sentence)
