"""Figure of the degrees; the others are those of the chapters whose questions are asked again."""

from __future__ import annotations

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from cpdkit.experiments.labels import labelled
from cpdkit.figures import intervals, legend, levels, looks, needs, panels

__all__ = ["degree_figure"]

_LOWEST = -0.6  # a probe that went astray on few rows would hide all others


def degree_figure(table: pd.DataFrame) -> Figure:
    """``r2_partial`` of each degree at one width, layer by layer, by encoder and target."""
    needs(table, ["encoder", "name", "l", "kind", "target", "mean", "low", "high"])
    table = labelled(table)
    read = table[["l", "kind"]].drop_duplicates().sort_values("l", kind="stable")
    ways = {f"$\\ell={degree}$, {kind}": (degree, kind) for degree, kind in read.to_numpy()}
    pairs = list(table[["encoder", "target"]].drop_duplicates().itertuples(index=False))
    figure, axes = panels(len(pairs), width=3.1, height=2.8, top=0.8)
    for axis, (encoder, target) in zip(axes, pairs, strict=True):
        here = table[(table["encoder"] == encoder) & (table["target"] == target)]
        layers = levels(here, "name")
        for i, (name, look) in enumerate(looks(ways).items()):
            rows = here[(here["l"] == ways[name][0]) & (here["kind"] == ways[name][1])]
            at = np.array([layers.index(layer) for layer in rows["name"]], dtype=float)
            shift = 0.1 * (i - (len(ways) - 1) / 2)
            intervals(axis, rows, at + shift, look, upright=True, linestyle="-", markersize=5)
        axis.axhline(0, color="0.2", linewidth=0.8)
        axis.set_xticks(range(len(layers)), [str(i + 1) for i in range(len(layers))])
        axis.set(title=f"{encoder}:\n{target}", xlabel="layer")
    for axis in axes[::3]:
        axis.set_ylabel(r"$R^2_\mathrm{partial}$ (dimensionless)")
    axes[0].set_ylim(max(axes[0].get_ylim()[0], _LOWEST), 1.05)
    legend(figure, looks(ways), line="-")
    return figure
