"""Figures of lesson 4: probes that find composition again, and seeds that differ."""

from __future__ import annotations

import numpy as np
import pandas as pd

from cpdkit.course.figures_1 import LOOKS
from cpdkit.course.picture import Picture
from cpdkit.experiments.labels import label
from cpdkit.experiments.verdict import listed
from cpdkit.figures import COLOURS, intervals, legend, levels, named_rows, needs, panels

__all__ = ["controls_figure", "seeds_figure"]

_PROBES = (("0.55", "o"), ("0.1", "s"))  # colours are for networks


def controls_figure(controls: pd.DataFrame) -> Picture:
    """Scores of a target that composition decides, whose truth is zero, by probe and folds."""
    needs(controls, ["representation", "probe", "folds", "target", "mean", "low", "high"])
    names, probes, kinds, targets = levels(controls, "representation", "probe", "folds", "target")
    if len(targets) > 1:
        raise ValueError(f"the table has the targets {targets}; give the rows of one.")
    figure, axes = named_rows(
        len(kinds), [label(name) for name in names], row=0.42, rest=1.0, width=3.2, left=1.9
    )
    look = dict(zip(probes, _PROBES, strict=False))
    lowest = max(-1.5, min(-0.2, controls["low"].min() - 0.1))
    highest = max(1.1, controls["high"].max() + 0.1)
    for axis, kind in zip(axes, kinds, strict=True):
        for i, probe in enumerate(probes):
            asked = (controls["folds"] == kind) & (controls["probe"] == probe)
            rows = controls[asked].set_index("representation").loc[names]
            at = np.arange(len(names)) + 0.2 * (i - (len(probes) - 1) / 2)
            intervals(axis, rows, at, look[probe])
        axis.axvline(0, color="0.2", linewidth=0.8)
        axis.set(title=f"{kind} folds", xlim=(lowest, highest))
        axis.set(xlabel=f"$R^2$ of {label(targets[0])} from the residual\n(share, no unit)")
    legend(figure, look)
    alt = (
        f"{label(targets[0])} predicted from residuals by {listed(probes)}, one panel for each "
        "kind of folds; a sound score is zero."
    )
    return Picture(figure, alt)


def seeds_figure(seeds: pd.DataFrame, differences: pd.DataFrame) -> Picture:
    """Scores of random initialisations, and their paired differences in order of size."""
    needs(seeds, ["seed", "mean", "low", "high"])
    needs(differences, ["difference", "low", "high"])
    figure, (left, right) = panels(2, width=3.6, height=3.2, sharey=False)
    look = {"difference: interval holds zero": ("0.45", "o")}
    look |= {"difference: interval excludes zero": (COLOURS[5], "D")}
    intervals(left, seeds, range(len(seeds)), LOOKS["untrained"], upright=True)
    left.axhline(seeds["mean"].mean(), color="0.35", linestyle="--", linewidth=1.2)
    left.set_xticks(range(len(seeds)), seeds["seed"])
    left.set(title="each untrained network alone", xlabel="seed of the random weights")
    left.set(ylabel=r"$R^2_\mathrm{partial}$ (share, no unit)")
    rows = differences.rename(columns={"difference": "mean"}).sort_values("mean")
    apart = ((rows["low"] > 0) | (rows["high"] < 0)).to_numpy()
    at = np.arange(len(rows))
    for chosen, style in zip((~apart, apart), look.values(), strict=True):
        intervals(right, rows[chosen], at[chosen], style, upright=True, markersize=4, capsize=2)
    right.axhline(0, color="0.2", linewidth=0.8)
    right.set_xticks([])
    right.set(title="every pair, on the same folds", xlabel=f"{len(rows)} pairs, by size")
    right.set(ylabel=r"difference of $R^2_\mathrm{partial}$")
    legend(figure, look)
    alt = (
        f"Left: scores of {len(seeds)} untrained networks with intervals. Right: {len(rows)} "
        f"paired differences, of which {apart.sum()} have intervals without zero."
    )
    return Picture(figure, alt)
