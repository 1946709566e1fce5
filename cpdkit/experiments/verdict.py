"""Sentences about the paper's claims, computed from results and changing with them."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

import numpy as np
import pandas as pd

from cpdkit.intervals import corrected_t

__all__ = ["OUTCOMES", "Verdict", "disentanglement_gradient"]

OUTCOMES = ("holds", "fails", "undecided")


@dataclass(frozen=True)
class Verdict:
    """What became of a claim.

    Attributes
    ----------
    claim : str
        The claim, in our words.
    outcome : {"holds", "fails", "undecided"}
        What the results say.
    sentence : str
        The outcome with the numbers it rests on.
    """

    claim: str
    outcome: str
    sentence: str


def disentanglement_gradient(
    table: pd.DataFrame,
    *,
    target: str,
    handcrafted: Collection[str],
    score: str = "r2_geom",
) -> Verdict:
    """Judge claim 1: handcrafted descriptors do not keep geometry linearly accessible.

    The claim **holds** if the interval of every handcrafted representation lies at or below zero
    and that of some learned one above; it **fails** if the interval of a handcrafted one lies
    above zero; otherwise the results leave it **undecided**. Judged by the sound protocol on
    last layers.

    Parameters
    ----------
    table : DataFrame
        Columns ``encoder, representation, last, protocol, target, score, mean, low, high,
        fold_values``; all representations on the same folds.
    target : str
        The target to judge by.
    handcrafted : collection of str
        Encoders that are handcrafted descriptors; all others count as learned. A network whose
        name holds the target, as ``zoo/painn-gap-0`` does, was trained on it; the sentence then
        also names the best that was not.
    score : str, default "r2_geom"
        The paper's number.

    Returns
    -------
    Verdict

    Raises
    ------
    ValueError
        If the table has no such rows.
    """
    claim = "Learned features keep geometry linearly accessible, handcrafted ones do not."
    rows = table[
        (table["target"] == target)
        & (table["score"] == score)
        & (table["protocol"] == "sound")
        & table["last"]
    ]
    if rows.empty:
        raise ValueError(f"the table has no sound {score!r} of {target!r} for a last layer.")
    by_hand = rows["encoder"].isin(list(handcrafted))
    hand, learned = rows[by_hand], rows[~by_hand]
    if hand.empty or learned.empty:
        kind = "handcrafted descriptor" if hand.empty else "learned representation"
        return Verdict(
            claim, "undecided", f"Claim 1 is undecided here: the run has no {kind} to compare."
        )
    best_hand = hand.loc[hand["mean"].idxmax()]
    best_learned = learned.loc[learned["mean"].idxmax()]
    if (hand["low"] > 0).any():
        outcome = "fails"
        reason = "a handcrafted descriptor keeps geometry linearly accessible under a sound probe"
    elif (hand["high"] <= 0).all() and (learned["low"] > 0).any():
        outcome = "holds"
        reason = "no handcrafted descriptor keeps geometry linearly accessible, a learned one does"
    else:
        outcome = "undecided"
        reason = "the intervals do not separate"
    folds = table.attrs.get("n_folds", len(best_hand["fold_values"]))
    verb = "is undecided" if outcome == "undecided" else outcome
    sentence = (
        f"Claim 1 {verb} here: {reason}. {_names(best_hand)} scores {_number(best_hand)} for "
        f"{target}, {_names(best_learned)} {_number(best_learned)}; "
        f"{_difference(best_learned, best_hand, folds)}."
    )
    unasked = learned[~learned["encoder"].str.contains(f"-{target}-", regex=False)]
    if len(unasked) < len(learned) and len(unasked):
        best = unasked.loc[unasked["mean"].idxmax()]
        sentence += (
            f" Of those not trained on {target} the best is {_names(best)}, {_number(best)}; "
            f"{_difference(best, best_hand, folds)}."
        )
    return Verdict(claim, outcome, sentence)


def _difference(one: pd.Series, other: pd.Series, n_folds: int) -> str:
    folds = np.subtract(one["fold_values"], other["fold_values"])
    low, high = corrected_t(folds, test_share=1 / (n_folds - 1))
    mean = _signed(float(folds.mean()))
    return f"the difference is {mean} ({_signed(low)} to {_signed(high)})"


def _signed(value: float) -> str:
    return f"{round(value, 2) + 0.0:+.2f}"  # adding zero turns -0.00 into +0.00


def _names(row: pd.Series) -> str:
    return str(row["representation"])


def _number(row: pd.Series) -> str:
    return f"{row['mean']:.2f} ({row['low']:.2f} to {row['high']:.2f})"
