"""Figure of the isomer benchmark; style as in `cpdkit.figures`."""

from __future__ import annotations

import pandas as pd
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from cpdkit.experiments.labels import labelled
from cpdkit.figures import legend, levels, looks, needs, panels

__all__ = ["isomer_figure"]


def isomer_figure(table: pd.DataFrame, *, claimed: float | None = None) -> Figure:
    """Share of isomer pairs in the right order by how much they differ, one panel per target."""
    columns = ["representation", "target", "pairs", "from_quantile", "to_quantile"]
    needs(table, [*columns, "accuracy", "low", "high"])
    here = labelled(table[table["pairs"] == "bin"])
    names, targets = levels(here, "representation", "target")
    figure, axes = panels(len(targets), width=2.7, height=2.8, left=0.4, sharey=False)
    for axis, target in zip(axes, targets, strict=True):
        for name, (colour, marker) in looks(names).items():
            rows = here[(here["target"] == target) & (here["representation"] == name)]
            x = 50 * (rows["from_quantile"] + rows["to_quantile"])
            axis.fill_between(x, rows["low"], rows["high"], color=colour, alpha=0.1, linewidth=0)
            axis.plot(x, rows["accuracy"], marker=marker, color=colour, markersize=4)
        axis.axhline(0.5, color="0.2", linewidth=0.8)
        if claimed is not None:
            axis.axhline(claimed, color="0.35", linestyle="--", linewidth=1.2)
        axis.set(
            title=target,
            xlabel="difference of the pair (percentile)",
            ylabel="share of pairs in order",
            xlim=(0, 100),
        )
    lines = [Line2D([], [], color="0.2", linewidth=0.8, label="composition: chance")]
    if claimed is not None:
        lines.append(Line2D([], [], color="0.35", linestyle="--", label=f"{claimed:.1%}"))
    legend(figure, looks(names), also=lines)
    return figure
