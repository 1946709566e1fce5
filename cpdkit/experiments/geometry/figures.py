"""Figures of geometry alone; style as in `cpdkit.figures`."""

from __future__ import annotations

import pandas as pd
from matplotlib.figure import Figure

from cpdkit.experiments.labels import labelled
from cpdkit.figures import intervals, legend, levels, looks, named_rows, needs, panels

__all__ = ["rulers_figure", "within_figure"]


def within_figure(table: pd.DataFrame) -> Figure:
    """Score within molecules of each representation, one panel per target."""
    needs(table, ["representation", "target", "mean", "low", "high"])
    table = labelled(table)
    names, targets = levels(table, "representation", "target")
    figure, axes = named_rows(
        len(targets), names, row=0.24, rest=0.9, width=2.5, left=2.4, sharey=False
    )
    (look,) = looks([""]).values()
    for axis, target in zip(axes, targets, strict=True):
        rows = table[table["target"] == target].set_index("representation").reindex(names)
        intervals(axis, rows, range(len(names)), look)
        axis.axvline(0, color="0.2", linewidth=0.8)
        axis.set(title=target, xlabel=r"$R^2_\mathrm{within}$")
        axis.set_xlim(max(-0.5, min(0.0, table["low"].min()) - 0.03), 1.0)
    return figure


def rulers_figure(table: pd.DataFrame) -> Figure:
    """Score between molecules against score within them, one panel per target."""
    needs(table, ["representation", "target", "score", "mean", "low", "high"])
    for score in ("r2_partial", "r2_within"):
        if not (table["score"] == score).any():
            raise ValueError(f"the table has no rows with score={score!r}.")
    table = labelled(table)
    names, targets = levels(table, "representation", "target")
    figure, axes = panels(len(targets), width=2.6, height=2.6, left=0.4, sharey=False)
    for axis, target in zip(axes, targets, strict=True):
        here = table[table["target"] == target].set_index(["score", "representation"])
        for name, (colour, marker) in looks(names).items():
            x, y = here.loc[("r2_partial", name)], here.loc[("r2_within", name)]
            axis.errorbar(
                x["mean"], y["mean"],
                xerr=[[x["mean"] - x["low"]], [x["high"] - x["mean"]]],
                yerr=[[y["mean"] - y["low"]], [y["high"] - y["mean"]]],
                fmt=marker, color=colour, markersize=6, linewidth=1,
            )  # fmt: skip
        axis.set(
            title=target,
            xlabel=r"between: $R^2_\mathrm{partial}$",
            ylabel=r"within: $R^2_\mathrm{within}$",
        )
    legend(figure, looks(names))
    return figure
