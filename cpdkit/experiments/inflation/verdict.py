"""Claim 3: are boosted trees on projected residuals inflated?"""

from __future__ import annotations

from collections.abc import Collection, Sequence

import numpy as np
import pandas as pd

from cpdkit.experiments.inflation.planted import RARE, SMOOTH
from cpdkit.experiments.verdict import (
    VERBS,
    Verdict,
    above_ceiling,
    decide,
    kind_of,
    lacks,
    listed,
    named,
    number,
    with_interval,
)
from cpdkit.scores import summarise

__all__ = [
    "STRONG",
    "by_kind",
    "caught_by_trees",
    "control_recovered",
    "inflated_trees",
    "made_by_projection",
]
__all__ += ["models_above_ceiling", "recommended_remedy", "safe_after_projection", "safe_widths"]

CLAIM = "Boosted trees on projected residuals are inflated: they find composition again."
PAPER = (0.68, 0.95)

STRONG = "strong trees"
"""Trees as scikit-learn makes them by default, which decide."""

_KIND_COLUMNS = ["folds", "target", "kind", "models", "above", "mean", "low", "high"]
_KINDS = {
    "descriptor": "descriptors",
    "trained": "networks trained here",
    "pretrained": "pretrained networks",
    "untrained": "untrained networks",
    "null": "nulls",
}


def by_kind(
    scores: pd.DataFrame, *, handcrafted: Collection[str], n_folds: int, least: float = 0.1
) -> pd.DataFrame:
    """What the typical representation of each kind gives: medians over representations, by fold.

    Kinds are descriptors, trained, pretrained and untrained networks. Columns ``folds, target,
    kind, models``, how many of them lie surely ``above`` `least`, and ``mean, low, high`` of the
    median. Undefined scores do not count.
    """
    rows = scores[(scores["score"] == "r2_geom") & scores["mean"].notna()]
    if rows[["representation", "target", "folds"]].duplicated().any():
        raise ValueError("several rows for one representation, target and kind of folds.")
    rows = rows.assign(kind=[kind_of(name, handcrafted) for name in rows["representation"]])
    found = []
    for key, part in rows.groupby(["folds", "target", "kind"], sort=False):
        median = np.median(np.array(part["fold_values"].tolist(), dtype=float), axis=0)
        counts = (len(part), int((part["low"] > least).sum()))
        numbers = summarise(median, n_folds=n_folds)
        found.append((*key, *counts, *(numbers[name] for name in ("mean", "low", "high"))))
    return pd.DataFrame(found, columns=_KIND_COLUMNS)


def inflated_trees(
    kinds: pd.DataFrame,
    *,
    controls: Sequence[str],
    scores: pd.DataFrame | None = None,
    least: float = 0.1,
) -> Verdict:
    """Judge claim 3 by targets that are linear in what was removed, so that 0 is sound.

    A kind of representations (`by_kind`) is *inflated* in a control if the interval of its typical
    score lies above `least`, *sound* if it lies below, else *open*. The claim **holds** if all
    kinds are inflated in all `controls`, **fails** if all are sound, holds **in part** if some kind
    is inflated in all, or if some are inflated and others sound, and is otherwise **undecided**.
    Judged by the first kind of folds; others are told, as are the best and the worst of `scores`.
    """
    missing = lacks(kinds, _KIND_COLUMNS)
    if missing:
        return Verdict(CLAIM, "undecided", f"Claim 3 is not judged here: {missing}.")
    first, *others = dict.fromkeys(kinds["folds"]) or [""]
    judged = kinds[(kinds["folds"] == first) & kinds["target"].isin(list(controls))]
    if judged.empty:
        why = f"{listed([_said(c) for c in controls])} do not vary within every test fold"
        return Verdict(CLAIM, "undecided", f"Claim 3 is undecided here: {why}.")
    of_kind = {
        kind: {_state(row, least) for _, row in rows.iterrows()}
        for kind, rows in judged.groupby("kind", sort=False)
    }
    states = set().union(*of_kind.values())
    outcome = decide(holds=states == {"inflated"}, fails=states == {"sound"})
    wholly = [_KINDS[str(kind)] for kind, found in of_kind.items() if found == {"inflated"}]
    if outcome == "undecided" and (wholly or {"inflated", "sound"} <= states):
        outcome = "partly"
    where = f", in {listed(wholly)}" if outcome == "partly" and wholly else ""
    told = [
        f"{_said(control)} in {', '.join(_cells(judged[judged['target'] == control]))}"
        for control in controls
        if (judged["target"] == control).any()
    ]
    sentence = (
        f"Claim 3 {VERBS[outcome]} here{where}: from projected residuals, which hold nothing "
        f"linear in composition, boosted trees recover {'; '.join(told)} "
        f"(R2 surely above {least:g}; in brackets that of the typical model)."
    )
    if scores is not None:
        of = scores[(scores["score"] == "r2_geom") & (scores["target"] == controls[0])]
        of = of[(of["folds"] == first) & of["mean"].notna()].sort_values("mean", kind="stable")
        if len(of):
            sentence += f" For {_said(controls[0])} {named(of.iloc[-1])}"
            sentence += f" and {named(of.iloc[0])}" if len(of) > 1 else ""
            sentence += f" (paper: {PAPER[0]:.2f} to {PAPER[1]:.2f})."
    for kind in others:
        here = kinds[(kinds["folds"] == kind) & (kinds["target"] == controls[0])]
        if len(here):
            cells = ", ".join(_cells(here))
            sentence += f" With {kind} folds they recover {_said(controls[0])} in {cells}."
    return Verdict(CLAIM, outcome, sentence)


def _state(row: pd.Series, least: float) -> str:
    return "inflated" if row["low"] > least else "sound" if row["high"] < least else "open"


def _cells(rows: pd.DataFrame) -> list[str]:
    return [
        f"{row['above']} of {row['models']} {_KINDS[row['kind']]} [{with_interval(row)}]"
        for _, row in rows.iterrows()
    ]


def _said(control: str) -> str:
    return control.replace("_", " ")


def safe_widths(table: pd.DataFrame, *, bound: float = 0.1) -> pd.DataFrame:
    """Up to which width a probe finds no more than `bound` where nothing is to be found.

    The largest that was tried such that it and all smaller ones keep to the bound; 0 where none
    does.
    """
    rows = []
    for (kind, probe), part in table.groupby(["planted", "probe"], sort=False):
        part = part.sort_values("width")
        kept = part.loc[(part["mean"] <= bound).cummin(), "width"]
        rows.append((kind, probe, int(kept.max()) if len(kept) else 0))
    return pd.DataFrame(rows, columns=["planted", "probe", "width"])


def made_by_projection(widths: pd.DataFrame, unprojected: float, *, control: str) -> str:
    """What trees find in coins before and after the projection, in a sentence."""
    width = widths["width"].max()
    rows = widths[(widths["planted"] == RARE) & (widths["probe"] == "trees")]
    after = rows.loc[rows["width"] == width, "mean"]
    told = [
        f"Trees on {width} coins that know nothing: {number(unprojected)} before the projection",
        *(f"{number(value)} after it" for value in after),
    ]
    return f"{', '.join(told)} ({control.replace('_', ' ')}; the truth is 0)."


def control_recovered(models: pd.DataFrame, *, target: str, folds: str, bound: float) -> str:
    """How much trees recover of what was removed from the target itself, in a sentence."""
    rows = models[(models["score"] == "control") & (models["probe"] == "trees")]
    return (
        f"Of what the projection removed from the {target} itself, trees recover an R2 of "
        f"{number(rows['mean'].min())} to {number(rows['mean'].max())} with {folds} folds, with "
        f"the whole interval above {bound:g} in {(rows['low'] > bound).sum()} of {len(rows)} "
        "models."
    )


def models_above_ceiling(models: pd.DataFrame, *, n: int) -> str:
    """How many of n structures count within formulas, and how many scores cross the ceiling."""
    return (
        f"{models['n_used'].iloc[-1]} of {n} structures have a companion of their formula in "
        f"their fold. {above_ceiling(models)}."
    )


def safe_after_projection(safe: pd.DataFrame, *, widths: Sequence[int]) -> str:
    """Up to which width each probe is safe after the linear projection alone, in a sentence."""
    least = safe[[SMOOTH, RARE]].min(axis=1).astype(int)
    told = "; ".join(f"{probe} safe up to {width}" for probe, width in least.items())
    return f"After a linear projection, with up to {max(widths)} channels tried: {told}."


def recommended_remedy(remedies: pd.DataFrame) -> str:
    """Formula means, with what probes find before and after them, in a sentence."""
    told = []
    for probe in ("trees", "kernel", "mlp"):
        rows = remedies[remedies["probe"] == probe]
        nothing = rows[rows["truth"] == 0].groupby("remedy")["mean"].max().clip(lower=0)
        got = rows[(rows["truth"] > 0) & (rows["remedy"] == "formula means")]["mean"].iloc[0]
        told.append(
            f"{probe} {number(nothing['linear'])} before, {number(nothing['formula means'])} "
            f"after, and {number(got)} where 0.50 is true"
        )
    return (
        "Recommended: subtract formula means from features, target and predictions, with formula "
        f"folds. Of planted nothing it finds: {'; '.join(told)}."
    )


def caught_by_trees(controls: pd.DataFrame, *, control: str, bound: float) -> str:
    """Models in which trees find the control, the worst first, a line for each kind of folds."""
    rows = controls[(controls["score"] == "r2_geom") & (controls["target"] == control)]
    lines = []
    for kind, part in rows[rows["probe"] == "trees"].groupby("folds", sort=False):
        caught = part[part["low"] > bound].sort_values("mean", ascending=False)
        told = [f"{row['representation']} {number(row['mean'])}" for _, row in caught.iterrows()]
        lines.append(f"{kind} folds, trees above {bound:g}: {', '.join(told) or 'none'}")
    return "\n\n".join(lines)
