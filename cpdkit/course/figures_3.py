"""Figures of lesson 3: scores layer by layer, and degree by degree."""

from __future__ import annotations

import pandas as pd
from matplotlib.lines import Line2D

from cpdkit.course.figures_1 import LOOKS
from cpdkit.course.picture import Picture
from cpdkit.experiments.labels import label
from cpdkit.experiments.verdict import listed
from cpdkit.figures import COLOURS, hollow, intervals, legend, levels, needs, panels

__all__ = ["degrees_figure", "layers_figure"]

_SCORE = r"$R^2_\mathrm{partial}$ (share, no unit)"
_NETWORKS = {
    "trained on gaps": LOOKS["trained"],  # as in lesson 1
    "trained on energies": (COLOURS[4], "P"),
    "untrained": LOOKS["untrained"],
}
_DEGREES = ((COLOURS[5], "o"), (COLOURS[9], "s"))  # what is no network has colours of its own
_COLUMNS = ["network", "layer", "l", "target", "mean", "low", "high"]


def layers_figure(scores: pd.DataFrame, *, target: str = "gap") -> Picture:
    """What the scalars of each layer tell of a target, one line per network."""
    needs(scores, _COLUMNS)
    rows = scores[(scores["l"] == 0) & (scores["target"] == target)]
    networks, layers = levels(rows, "network", "layer")
    figure, (axis,) = panels(1, width=6.0, height=3.2)
    look = {name: _NETWORKS.get(name, (COLOURS[7], "v")) for name in networks}
    for i, name in enumerate(networks):
        here = rows[rows["network"] == name].set_index("layer").loc[layers]
        at = [k + 0.08 * (i - (len(networks) - 1) / 2) for k in range(len(layers))]
        intervals(axis, here, at, look[name], upright=True, linestyle="-")
    axis.axhline(0, color="0.2", linewidth=0.8)
    axis.set_xticks(range(len(layers)), layers)
    axis.set(title=f"{label(target)}, scalars (l = 0)", xlabel="layer, first to last")
    axis.set(ylabel=_SCORE, ylim=(min(-0.1, *rows["low"]), 1.02))
    legend(figure, look, line="-")
    alt = (
        f"{label(target)}: score of the scalars of each layer, one line per network: "
        f"{listed(networks)}."
    )
    return Picture(figure, alt)


def degrees_figure(scores: pd.DataFrame, *, trained: str, untrained: str) -> Picture:
    """Scores of two targets from scalars and from vectors, hollow for the untrained network."""
    needs(scores, _COLUMNS)
    targets, layers, degrees = levels(scores, "target", "layer", "l")
    for name in (trained, untrained):
        if name not in set(scores["network"]):
            known = levels(scores, "network")
            raise ValueError(f"the table has no network {name!r}; it has {known}.")
    figure, axes = panels(len(targets), width=3.4, height=3.2)
    look = {f"l = {degree}": _DEGREES[degree] for degree in degrees}
    lowest = min(-0.1, scores["low"].min())
    for axis, target in zip(axes, targets, strict=True):
        for degree in degrees:
            for name, shift, line in ((untrained, -0.05, ":"), (trained, 0.05, "-")):
                asked = (scores["network"] == name) & (scores["l"] == degree)
                rows = scores[asked & (scores["target"] == target)].set_index("layer").loc[layers]
                at = [k + shift + 0.16 * (degree - 0.5) for k in range(len(layers))]
                intervals(axis, rows, at, look[f"l = {degree}"], upright=True, linestyle=line)
                if name == untrained:
                    hollow(axis, at, rows["mean"], look[f"l = {degree}"])
        axis.axhline(0, color="0.2", linewidth=0.8)
        axis.set_xticks(range(len(layers)), layers)
        axis.set(title=label(target), ylabel=_SCORE, ylim=(lowest, 1.02))
    empty = Line2D([], [], color="0.3", marker="o", markerfacecolor="white", linestyle=":")
    empty.set_label(untrained)
    full = Line2D([], [], color="0.3", marker="o", linestyle="-", label=trained)
    legend(figure, look, also=[full, empty])
    alt = (
        f"Scores of {listed([label(t) for t in targets])} by layer, from scalars and from vectors; "
        f"filled: {trained}, hollow: {untrained}."
    )
    return Picture(figure, alt)
