"""Do residuals order isomers, and better than counts of bonds do?"""

from __future__ import annotations

from collections.abc import Collection

import pandas as pd

from cpdkit.experiments.verdict import (
    VERBS,
    Verdict,
    decide,
    of_target,
    points,
    saw_target,
    with_interval,
)

__all__ = ["CLAIMED", "claimed_accuracy", "residual_against_constitution"]

CLAIMED = 0.946
"""Share of isomer pairs that version 2 of the paper says its residuals put in order."""

_BETTER = "A residual orders isomers better than bond counts and Morgan counts do."
_REACHES = {
    "holds": "is reached",
    "fails": "is not reached",
    "undecided": "may or may not be reached",
}
_REACHED = f"Residuals put {CLAIMED:.1%} of isomer pairs in order."


def residual_against_constitution(
    differences: pd.DataFrame, accuracies: pd.DataFrame, *, target: str
) -> Verdict:
    """Judge whether residuals know more of isomers than what is bonded to what.

    The claim **holds** if some representation that was not trained on the target is better than
    every baseline, the intervals of all its differences lying above zero; it **fails** if each of
    them is worse than some baseline, an interval lying below zero; otherwise it is **undecided**.
    """
    here, every = of_target(differences, target), of_target(accuracies, target)
    seen = here["representation"].map(lambda name: saw_target(name, target))
    if seen.all():
        why = f"is undecided here: every representation was trained on {target}"
        return Verdict(_BETTER, "undecided", f"That residuals order isomers better {why}.")
    taught, here = here[seen], here[~seen]
    every = every[(every["pairs"] == "above") & (every["from_quantile"] == 0)]
    every = every.set_index("representation")
    sides = here.groupby("representation", sort=False)
    better = sides["low"].min() > 0
    worse = sides["high"].min() < 0
    outcome = decide(holds=bool(better.any()), fails=bool(worse.all()))
    if outcome == "holds":
        above = ", ".join(better.index[better])
        reason = (
            f"{above} beat{'s' if better.sum() == 1 else ''} every baseline "
            f"({better.sum()} of {len(better)} representations not trained on {target})"
        )
    elif outcome == "fails":
        reason = "every representation is worse than a baseline"
    else:
        reason = "no representation is resolved above every baseline"
    of_crystals = "coordination" in set(here["baseline"])
    kin, counts = (
        ("polymorphs", "counts of neighbours") if of_crystals else ("isomers", "counts of bonds")
    )
    names = list(sides.groups)
    best = max(names, key=lambda name: every.loc[name, "accuracy"])
    mine = here[here["representation"] == best]
    close = mine.loc[mine["difference"].idxmin()]
    baselines = " and ".join(
        f"{name} {_percent(every.loc[name])}" for name in dict.fromkeys(here["baseline"])
    )
    sentence = (
        f"That residuals order {kin} better than {counts} do {VERBS[outcome]} for "
        f"{target}: {reason}. Of {_pairs(every.loc[best])} {best} puts "
        f"{_percent(every.loc[best])} in order, {baselines}; the difference to {close['baseline']} "
        f"is {points(close['difference'])} points ({points(close['low'])} to "
        f"{points(close['high'])})."
    )
    if "by_formula" in every:
        alike = " and ".join(
            f"{_percent(every.loc[name], 'by_formula')} by {name}"
            for name in (best, *dict.fromkeys(here["baseline"]))
        )
        sentence += f" Each formula counting once: {alike}."
    if len(taught):
        top = max(taught["representation"], key=lambda name: every.loc[name, "accuracy"])
        sentence += f" Trained on {target}, {top} puts {_percent(every.loc[top])} in order."
    return Verdict(_BETTER, outcome, sentence)


def claimed_accuracy(
    accuracies: pd.DataFrame,
    *,
    target: str,
    representations: Collection[str],
    claimed: float = CLAIMED,
    unit: str = "",
) -> Verdict:
    """Judge whether an accuracy is reached over all pairs, and say for which pairs it is.

    The claim **holds** if the interval of some representation lies at or above the claimed share;
    it **fails** if that of every representation lies below; otherwise it is **undecided**. Choose
    the level of the intervals by the number of representations.
    """
    here = of_target(accuracies, target)
    here = here[(here["pairs"] == "above") & here["representation"].isin(list(representations))]
    if here.empty:
        raise ValueError(f"the table has none of the representations {list(representations)}.")
    every = here[here["from_quantile"] == 0].set_index("representation")
    best = every["accuracy"].idxmax()
    outcome = decide(
        holds=bool((every["low"] >= claimed).any()), fails=bool((every["high"] < claimed).all())
    )
    sentence = (
        f"The share of {claimed:.1%} of isomer pairs in order {_REACHES[outcome]} for {target} "
        f"over all {_pairs(every.loc[best])}: {best} comes to {_percent(every.loc[best])}"
    )
    steps = here[here["representation"] == best].sort_values("from_quantile")
    reached = steps[steps["accuracy"] >= claimed]
    if reached.empty:
        sentence += ", and not even the pairs that differ most reach it."
    elif reached.iloc[0]["from_quantile"] > 0:
        row = reached.iloc[0]
        least = f"{row['from_difference']:.2g} {unit}".strip()
        sentence += (
            f", and reaches it among the {1 - row['from_quantile']:.0%} of pairs that differ by "
            f"{least} or more ({_percent(row)})."
        )
    else:
        sentence += "."
    return Verdict(_REACHED, outcome, sentence)


def _percent(row: pd.Series, value: str = "accuracy") -> str:
    if value != "accuracy":
        row = pd.Series({value: row[value], **{k: row[f"{value}_{k}"] for k in ("low", "high")}})
    return with_interval(row, value, style="percent")


def _pairs(row: pd.Series) -> str:
    """How many pairs there are, and how many formulas they are worth."""
    said = f"{int(row['n_pairs']):,} pairs"
    if "n_effective" in row:
        said += (
            f" ({int(row['n_formulas'])} formulas, worth {row['n_effective']:.0f} of equal size)"
        )
    return said
