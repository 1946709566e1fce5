"""Claim 3: are boosted trees on projected residuals inflated?"""

from __future__ import annotations

from collections.abc import Collection, Sequence

import numpy as np
import pandas as pd

from cpdkit.experiments.inflation.planted import RARE, SMOOTH
from cpdkit.experiments.labels import label
from cpdkit.experiments.verdict import (
    KINDS,
    VERBS,
    Verdict,
    above_ceiling,
    decide,
    kind_of,
    lacks,
    listed,
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
__all__ += ["typical"]

CLAIM = "Boosted trees on projected residuals are inflated: they find composition again."
STRONG = "strong trees"
"""Trees as scikit-learn makes them by default, which decide."""

_KIND_COLUMNS = ["folds", "target", "kind", "models", "above", "mean", "low", "high"]


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


def inflated_trees(kinds: pd.DataFrame, *, controls: Sequence[str], least: float = 0.1) -> Verdict:
    """Judge claim 3 by targets that are linear in what was removed, so that 0 is sound.

    A kind of representations (`by_kind`) is *inflated* in a control if the interval of its typical
    score lies above `least`, *sound* if it lies below, else *open*. The claim **holds** if all
    kinds are inflated in all `controls`, **fails** if all are sound, holds **in part** if some kind
    is inflated in all, or if some are inflated and others sound, and is otherwise **undecided**.
    Judged by the first kind of folds; of others the first control is told.
    """
    missing = lacks(kinds, _KIND_COLUMNS)
    if missing:
        return Verdict(CLAIM, "undecided", f"Claim 3 is not judged here: {missing}.")
    kinds = kinds.assign(state=[_state(row, least) for _, row in kinds.iterrows()])
    first, *others = dict.fromkeys(kinds["folds"]) or [""]
    judged = kinds[(kinds["folds"] == first) & kinds["target"].isin(list(controls))]
    if judged.empty:
        why = f"{listed([_said(c) for c in controls])} do not vary within every test fold"
        return Verdict(CLAIM, "undecided", f"Claim 3 is undecided here: {why}.")
    of_kind = judged.groupby("kind", sort=False)["state"].agg(set)
    states = set(judged["state"])
    outcome = decide(holds=states == {"inflated"}, fails=states == {"sound"})
    if outcome == "undecided" and (
        {"inflated"} in of_kind.tolist() or {"inflated", "sound"} <= states
    ):
        outcome = "partly"
    asked = listed([_said(control) for control in controls])
    found = _where(judged, "inflated", controls) or f"nothing for certain of {asked}"
    sentence = (
        f"Claim 3 {VERBS[outcome]} here: from projected residuals, which hold nothing linear in "
        f"composition, boosted trees recover {found} "
        f"(R2 of the typical model surely above {least:g})."
    )
    if "sound" in states:
        sentence += f" Surely below {least:g} is {_where(judged, 'sound', controls)}."
    for kind in others:
        here = kinds[(kinds["folds"] == kind) & (kinds["target"] == controls[0])]
        if len(here):
            found = _where(here, "inflated", controls)
            found = found or f"{_said(controls[0])} for certain in no kind"
            sentence += f" With {kind} folds they recover {found}."
    return Verdict(CLAIM, outcome, sentence)


def typical(kinds: pd.DataFrame) -> pd.DataFrame:
    """The scores of :func:`by_kind` to look at: a row for each kind, a column for each control.

    A cell holds the R2 of the typical model with its interval, and how many models lie surely above
    the bound.
    """
    first = kinds["folds"].iloc[0]
    shown = kinds.assign(
        kind=[KINDS[kind] for kind in kinds["kind"]],
        column=[
            label(target) if folds == first else f"{label(target)}, {folds} folds"
            for target, folds in zip(kinds["target"], kinds["folds"], strict=True)
        ],
        cell=[
            f"{with_interval(row)}; {row['above']} of {row['models']}"
            for _, row in kinds.iterrows()
        ],
    )
    wide = shown.pivot(index="kind", columns="column", values="cell")
    wide = wide.reindex(index=shown["kind"].unique(), columns=shown["column"].unique())
    return wide.rename_axis(index="typical R2 of", columns=None).fillna("")


def _state(row: pd.Series, least: float) -> str:
    return "inflated" if row["low"] > least else "sound" if row["high"] < least else "open"


def _where(judged: pd.DataFrame, state: str, controls: Sequence[str]) -> str:
    """Controls that are in a state, and in which kinds, such as ``"mass in descriptors"``."""
    kinds: dict[tuple[str, ...], list[str]] = {}
    for kind, rows in judged[judged["state"] == state].groupby("kind", sort=False):
        found = set(rows["target"])
        key = tuple(_said(control) for control in controls if control in found)
        kinds.setdefault(key, []).append(KINDS[str(kind)])
    return "; ".join(f"{listed(found)} in {listed(where)}" for found, where in kinds.items())


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
    for probe in [p for p in ("trees", "kernel", "mlp") if p in set(remedies["probe"])]:
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
