"""Claim 4: do linearly disentangled representations need fewer samples?"""

from __future__ import annotations

from dataclasses import asdict

import numpy as np
import pandas as pd

from cpdkit.comparisons import rank_correlation
from cpdkit.experiments.verdict import VERBS, Verdict, decide, with_interval
from cpdkit.figures import needs

__all__ = ["efficiency_correlations", "fewer_than_unstructured", "in_one_line"]
__all__ += ["sample_efficiency", "without_trained"]

CLAIM = "Linearly disentangled representations need fewer samples."

_MATCHED = {"subset": "channels drawn at random", "pca": "principal components"}


def efficiency_correlations(needed: pd.DataFrame, *, level: float = 0.95) -> pd.DataFrame:
    """Correlate, over representations, structures needed with the final score.

    Where fewer structures suffice than the smallest subset has, a representation ranks first; where
    more are needed than there are, it ranks last; those without a final score above zero are
    ``left_out``.
    """
    keys = ["width", "target", "criterion"]
    needs(needed, ["representation", *keys, "final", "needed", "bound"])
    rows = []
    for key, part in needed.groupby(keys, sort=False):
        n = part["needed"].mask(part["bound"] == "below", -np.inf)
        n = n.mask(part["bound"] == "above", np.inf)
        found = rank_correlation(part["final"].to_numpy(), n.to_numpy(dtype=float), level=level)
        about = dict(zip(keys, key, strict=True))
        rows.append({**about, **asdict(found), "left_out": len(part) - found.n})
    return pd.DataFrame(rows).rename(columns={"n": "models"})


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
    lies above zero in every way of matching and not below zero at their own widths; otherwise it is
    **undecided**.
    """
    rows = _of(correlations, target, criterion).set_index("width")
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
    """The correlations without the networks trained on the target, as a sentence to be appended."""
    rows = _of(without, target, criterion)
    if rows.empty:
        return ""
    return (
        f" Without the networks trained on {target} ({rows['models'].min()} left): {_told(rows)}."
    )


def fewer_than_unstructured(table: pd.DataFrame) -> str:
    """How many representations need fewer structures than features without structure would."""
    fewer = table["needed"].fillna(table["smallest"]) < table["unstructured"]
    count = int(fewer[table["bound"] != "above"].sum())
    return f"Fewer structures than unstructured features need: {count} of {len(table)}."


def in_one_line(
    verdict: Verdict, correlations: pd.DataFrame, *, target: str, criterion: str
) -> str:
    """The outcome with the correlations it rests on."""
    told = _told(_of(correlations, target, criterion))
    return f"Claim 4: {verdict.outcome}; rank correlation of score and need for {target}: {told}."


def _of(correlations: pd.DataFrame, target: str, criterion: str) -> pd.DataFrame:
    asked = (correlations["target"] == target) & (correlations["criterion"] == criterion)
    return correlations[asked]


def _told(rows: pd.DataFrame) -> str:
    return ", ".join(f"{row['width']} {_rho(row)}" for _, row in rows.iterrows())


def _rho(row: pd.Series) -> str:
    return with_interval(row, "rho", style="signed")
