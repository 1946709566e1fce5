"""Claim 3: are boosted trees on projected residuals inflated?"""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd

from cpdkit.experiments.inflation.planted import RARE, SMOOTH
from cpdkit.experiments.verdict import VERBS, Verdict, above_ceiling, decide, named, number

__all__ = ["caught_by_trees", "control_recovered", "inflated_trees", "made_by_projection"]
__all__ += ["models_above_ceiling", "recommended_remedy", "safe_after_projection", "safe_widths"]

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

    The claim **holds** if the interval of the trees' score lies above `least` for at least half of
    the representations, **fails** if for every one it lies below, and is **undecided** otherwise.
    Undefined scores do not count. Which target is judged is a choice, so others of the kind can be
    judged beside it; where they disagree the claim is **undecided**.
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
        "models" + (f" ({', '.join(told)})" if told else "") + f"; {named(best)}"
    )
    if total > 1:
        sentence += f", {named(worst)}"
    sentence += f" (paper: {PAPER[0]:.2f} to {PAPER[1]:.2f})."
    ridge = rows[rows["probe"] == "ridge"]
    if len(ridge):
        sentence += f" Ridge scores at most {number(ridge['mean'].max())}."
    return Verdict(CLAIM, outcome, sentence)


def _outcome(judged: pd.DataFrame, least: float) -> tuple[str, int]:
    """What the scores of one control say, and how many are inflated."""
    count = int((judged["low"] > least).sum())
    fails = bool((judged["high"] < least).all())
    return decide(holds=2 * count >= len(judged), fails=fails), count


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
