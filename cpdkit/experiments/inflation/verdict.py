"""Claim 3: are boosted trees on projected residuals inflated?"""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd

from cpdkit.experiments.verdict import VERBS, Verdict, number, with_interval

__all__ = ["inflated_trees", "safe_widths"]

CLAIM = "Boosted trees on projected residuals are inflated: they find composition again."
PAPER = (0.68, 0.95)


def inflated_trees(
    table: pd.DataFrame,
    *,
    target: str,
    also: Sequence[str] = (),
    probe: str = "trees",
    least: float = 0.1,
) -> Verdict:
    """Judge claim 3 by a target that is linear in what was removed, so that 0 is sound.

    The claim **holds** if the interval of the trees' score lies above `least` for at least half
    of the representations, **fails** if for every one it lies below, and is **undecided**
    otherwise. Undefined scores do not count. Which target is judged is a choice, so others of
    the kind can be judged beside it; where they disagree the claim is **undecided**.

    Parameters
    ----------
    table : DataFrame
        Columns ``representation, probe, target, score, mean, low, high``; one fold scheme. Only
        representations of models, none planted.
    target : str
        A compositional target that is linear in the nuisance.
    also : sequence of str
        More of them, judged by the same rule; those that are not in the table or do not vary
        within every fold are passed over.
    probe : str, default "trees"
        Value of ``probe`` that is judged; ``"ridge"``, where present, is set beside it.
    least : float, default 0.1
        R2 from which a score of what should be zero counts.

    Returns
    -------
    Verdict

    Raises
    ------
    ValueError
        If the table has no such rows, or several for one representation.
    """
    rows = table[(table["target"] == target) & (table["score"] == "r2_geom")]
    judged = rows[rows["probe"] == probe]
    if judged.empty:
        raise ValueError(f"the table has no 'r2_geom' of {target!r} under {probe!r}.")
    if judged["representation"].duplicated().any():
        raise ValueError("several rows for one representation; give one fold scheme.")
    judged = judged[judged["mean"].notna()]
    if judged.empty:
        why = f"{target.replace('_', ' ')} does not vary within every test fold"
        return Verdict(CLAIM, "undecided", f"Claim 3 is undecided here: {why}.")
    outcome, count = _outcome(judged, least)
    total = len(judged)
    told = []
    for other in also:
        beside = table[(table["target"] == other) & (table["score"] == "r2_geom")]
        beside = beside[(beside["probe"] == probe) & beside["mean"].notna()]
        if len(beside):
            says, found = _outcome(beside, least)
            told.append(f"{other.replace('_', ' ')} in {found} of {len(beside)}")
            outcome = outcome if says == outcome else "undecided"
    best, worst = judged.loc[judged["mean"].idxmax()], judged.loc[judged["mean"].idxmin()]
    sentence = (
        f"Claim 3 {VERBS[outcome]} here: from projected residuals, which hold nothing linear in "
        f"composition, boosted trees recover {target.replace('_', ' ')} in {count} of {total} "
        "models" + (f" ({', '.join(told)})" if told else "") + f"; {_named(best)}"
    )
    if total > 1:
        sentence += f", {_named(worst)}"
    sentence += f" (paper: {PAPER[0]:.2f} to {PAPER[1]:.2f})."
    ridge = rows[rows["probe"] == "ridge"]
    if len(ridge):
        sentence += f" Ridge scores at most {number(ridge['mean'].max())}."
    return Verdict(CLAIM, outcome, sentence)


def _outcome(judged: pd.DataFrame, least: float) -> tuple[str, int]:
    """What the scores of one control say, and how many are inflated."""
    count = int((judged["low"] > least).sum())
    if 2 * count >= len(judged):
        return "holds", count
    return ("fails" if (judged["high"] < least).all() else "undecided"), count


def safe_widths(table: pd.DataFrame, *, bound: float = 0.1) -> pd.DataFrame:
    """Up to which width a probe finds no more than `bound` where nothing is to be found.

    Parameters
    ----------
    table : DataFrame
        Columns ``planted, probe, width, mean``: scores whose truth is 0.
    bound : float, default 0.1
        R2 that is tolerated.

    Returns
    -------
    pandas.DataFrame
        One row per planted representation and probe: ``planted``, ``probe``, ``width``, the largest
        that was tried such that it and all smaller ones keep to the bound; 0 where none does.
    """
    rows = []
    for (kind, probe), part in table.groupby(["planted", "probe"], sort=False):
        part = part.sort_values("width")
        kept = part.loc[(part["mean"] <= bound).cummin(), "width"]
        width = int(kept.max()) if len(kept) else 0
        rows.append({"planted": kind, "probe": probe, "width": width})
    return pd.DataFrame(rows)


def _named(row: pd.Series) -> str:
    return f"{row['representation']} {with_interval(row)}"
