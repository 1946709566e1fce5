"""Claim 4: do linearly disentangled representations need fewer samples?"""

from __future__ import annotations

import numpy as np
import pandas as pd

from cpdkit.comparisons import rank_correlation
from cpdkit.experiments.verdict import VERBS, Verdict, decide, with_interval

__all__ = ["efficiency_correlations", "fewer_than_unstructured", "in_one_line"]
__all__ += ["sample_efficiency", "without_trained"]

CLAIM = "Linearly disentangled representations need fewer samples."

_MATCHED = {"subset": "channels drawn at random", "pca": "principal components"}


def efficiency_correlations(needed: pd.DataFrame, *, level: float = 0.95) -> pd.DataFrame:
    """Correlate, over representations, structures needed with the final score.

    Parameters
    ----------
    needed : DataFrame
        Tables of `needed.structures_needed` with the columns ``representation`` and
        ``width`` (``"all"`` channels, or how widths were matched) added. Where fewer structures
        suffice than the smallest subset has, a representation ranks first; where more are needed
        than there are, it ranks last; those without a final score above zero are left out.
    level : float, default 0.95
        Confidence level.

    Returns
    -------
    pandas.DataFrame
        One row per width, target and criterion: ``width, target, criterion, rho, low, high, p,
        models`` and ``left_out``.

    Raises
    ------
    ValueError
        If a column is missing.
    """
    columns = ["representation", "width", "target", "criterion", "final", "needed", "bound"]
    missing = [c for c in columns if c not in needed]
    if missing:
        raise ValueError(f"the table lacks the columns {missing}; it has {list(needed.columns)}.")
    rows = []
    for (width, target, criterion), part in needed.groupby(columns[1:4], sort=False):
        n = part["needed"].mask(part["bound"] == "below", -np.inf)
        n = n.mask(part["bound"] == "above", np.inf)
        found = rank_correlation(part["final"].to_numpy(), n.to_numpy(dtype=float), level=level)
        rows.append(
            {
                "width": width,
                "target": target,
                "criterion": criterion,
                "rho": found.rho,
                "low": found.low,
                "high": found.high,
                "p": found.p,
                "models": found.n,
                "left_out": len(part) - found.n,
            }
        )
    return pd.DataFrame(rows)


def sample_efficiency(
    correlations: pd.DataFrame,
    *,
    target: str,
    criterion: str = "50% of final",
    without: pd.DataFrame | None = None,
) -> Verdict:
    """Judge claim 4 by the rank correlation of structures needed with the final score.

    The claim expects a negative correlation. It **holds** if the interval lies below zero at the
    representations' own widths and in every way of matching widths; it **fails** if the interval
    lies above zero in every way of matching and not below zero at their own widths; otherwise it
    is **undecided**.

    Parameters
    ----------
    correlations : DataFrame
        From `efficiency_correlations`, with rows for the width ``"all"`` and at least one other.
    target : str
        The target to judge by.
    criterion : str, default "50% of final"
        Which structures needed.
    without : DataFrame, optional
        The same correlations without the networks that were trained on the target, to be set
        beside them; they do not decide.

    Returns
    -------
    Verdict

    Raises
    ------
    ValueError
        If a row is missing.
    """
    rows = correlations[
        (correlations["target"] == target) & (correlations["criterion"] == criterion)
    ].set_index("width")
    if "all" not in rows.index or len(rows) < 2:
        raise ValueError(
            f"the table has {criterion!r} of {target!r} for the widths {list(rows.index)}; needed "
            "are 'all' and at least one way of matching widths."
        )
    own, matched = rows.loc["all"], rows.drop(index="all")
    below, above = (matched["high"] < 0).all(), (matched["low"] > 0).all()
    outcome = decide(
        holds=bool(own["high"] < 0 and below), fails=bool(above and not own["high"] < 0)
    )
    if outcome == "holds":
        reason = "the higher the final score, the fewer structures were needed, at all widths tried"
    elif outcome == "fails":
        reason = "the higher the final score, the more structures were needed"
    elif rows["low"].isna().any():
        reason = f"a ranking of {rows['models'].min()} says too little"
    elif own["high"] < 0:
        reason = "a high score and a small need go together, but not at every matched width"
    elif below:
        reason = "a high score and a small need go together only once widths are matched"
    else:
        reason = "not every interval excludes zero"
    others = " and ".join(
        f"{_rho(row)} with {_MATCHED.get(str(width), width)}" for width, row in matched.iterrows()
    )
    sentence = (
        f"Claim 4 {VERBS[outcome]} here: {reason}. Over {own['models']} representations the rank "
        f"correlation between the final score for {target} and the structures needed for "
        f"{criterion.replace('of final', 'of it')} is {_rho(own)}; at one width, {others}."
    )
    if without is not None:
        sentence += without_trained(without, target=target, criterion=criterion)
    return Verdict(CLAIM, outcome, sentence)


def without_trained(without: pd.DataFrame, *, target: str, criterion: str) -> str:
    """A sentence on the correlations without the networks that were trained on the target.

    Parameters
    ----------
    without : DataFrame
        Of `efficiency_correlations`, without these networks.
    target, criterion : str
        Which rows.

    Returns
    -------
    str
        With a space before it, to be set behind another; empty where there is no such row.
    """
    rows = without[(without["target"] == target) & (without["criterion"] == criterion)]
    if rows.empty:
        return ""
    return (
        f" Without the networks trained on {target} ({rows['models'].min()} left): {_told(rows)}."
    )


def fewer_than_unstructured(needs: pd.DataFrame) -> str:
    """How many representations need fewer structures than features without structure would.

    Parameters
    ----------
    needs : DataFrame
        Of `tables.unstructured_needs`.
    """
    fewer = needs["needed"].fillna(needs["smallest"]) < needs["unstructured"]
    count = int(fewer[needs["bound"] != "above"].sum())
    return f"Fewer structures than unstructured features need: {count} of {len(needs)}."


def in_one_line(
    verdict: Verdict, correlations: pd.DataFrame, *, target: str, criterion: str
) -> str:
    """The outcome with the correlations it rests on.

    Parameters
    ----------
    verdict, correlations, target, criterion
        Of `sample_efficiency`, and what it was given.
    """
    rows = correlations[
        (correlations["target"] == target) & (correlations["criterion"] == criterion)
    ]
    return (
        f"Claim 4: {verdict.outcome}; rank correlation of score and need for {target}: "
        f"{_told(rows)}."
    )


def _told(rows: pd.DataFrame) -> str:
    return ", ".join(f"{row['width']} {_rho(row)}" for _, row in rows.iterrows())


def _rho(row: pd.Series) -> str:
    return with_interval(row, "rho", style="signed")
