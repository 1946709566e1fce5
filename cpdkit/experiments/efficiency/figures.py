"""Figures of learning curves, from the tables of `needed`."""

from __future__ import annotations

from itertools import product
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.axis import Axis
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator, NullFormatter, ScalarFormatter

from cpdkit.experiments.labels import labelled
from cpdkit.figures import WIDEST, legend, levels, looks, needs, panels

__all__ = ["curve_figure", "efficiency_figure"]

_LOWEST = -0.5  # scores below are off the page: a bad fit has no lower end
_LABELS = {
    "r2_partial": r"$R^2_\mathrm{partial}$ on the test set",
    "r2_partial_fixed": r"$R^2_\mathrm{partial}$ against composition from all rows",
    "r2_geom": r"$R^2_\mathrm{geom}$",
}
_WIDTHS = {"all": "all channels", "subset": "random channels", "pca": "components"}


def curve_figure(table: pd.DataFrame, laws: pd.DataFrame | None = None) -> Figure:
    """Learning curves with intervals, one panel per target, and their power laws dashed."""
    needs(table, ["representation", "target", "score", "n", "mean", "low", "high"])
    if table["score"].nunique() > 1:
        raise ValueError("the table holds several scores; draw one of them.")
    table, laws = labelled(table), None if laws is None else labelled(laws)
    names, targets = levels(table, "representation", "target")
    figure, axes = panels(len(targets), width=2.9, height=2.6, left=1.4, top=1.2)
    for axis, target in zip(axes, targets, strict=True):
        for name, (colour, marker) in looks(names).items():
            rows = table[(table["target"] == target) & (table["representation"] == name)]
            axis.fill_between(
                rows["n"], rows["low"], rows["high"], color=colour, alpha=0.15, linewidth=0
            )
            line = {"color": colour, "markersize": 4, "linewidth": 1.3}
            axis.plot(rows["n"], rows["mean"], marker + "-", **line)
            if laws is not None:
                needs(laws, ["representation", "target", "a", "b", "c"])
                law = laws[(laws["target"] == target) & (laws["representation"] == name)]
                n = np.geomspace(rows["n"].min(), rows["n"].max(), 60)
                for row in law.itertuples():
                    axis.plot(n, 1 - row.a - row.b * n**-row.c, "--", color=colour, linewidth=0.9)
        axis.axhline(0, color="0.2", linewidth=0.8)
        axis.set(title=target, xlabel="training structures")
        axis.set_xscale("log")
        _ticks(axis.xaxis)
        sizes = np.unique(table["n"])
        if sizes[-1] < 10 * sizes[0]:  # ticks of a logarithm would be one, or far too many
            axis.set_xticks(np.unique(sizes[[0, len(sizes) // 2, -1]]))
    axes[0].set_ylim(max(_LOWEST, float(table["low"].min()) - 0.03), 1.02)
    score = str(table["score"].iloc[0])
    axes[0].set_ylabel(_LABELS.get(score, score))
    legend(figure, looks(names), line="-")
    return figure


def efficiency_figure(needed: pd.DataFrame, *, criterion: str = "50% of final") -> Figure:
    """Structures needed against the final score, a row for each width, a column per target.

    Representations whose need lies outside the sizes stand at their end as triangles.
    """
    columns = ["representation", "width", "target", "criterion", "final", "needed", "bound"]
    needs(needed, [*columns, "low", "high", "smallest", "largest"])
    chosen = needed[needed["criterion"] == criterion]
    if chosen.empty:
        raise ValueError(f"no {criterion!r}; the table has {sorted(set(needed['criterion']))}.")
    chosen = labelled(chosen)
    names, widths, targets = levels(chosen, "representation", "width", "target")
    across, look = len(targets), looks(names)
    width_of_one = min(2.9, (WIDEST - 1.4) / across)
    figure, axes = panels(
        len(widths) * across, width=width_of_one, height=2.6, left=1.4, top=1.2, columns=across
    )
    for axis, (width, target) in zip(axes, product(widths, targets), strict=True):
        rows = chosen[(chosen["width"] == width) & (chosen["target"] == target)]
        for row in rows.itertuples():
            _point(axis, row, *look[str(row.representation)])
        if width == widths[0]:
            axis.set_title(target)
        if width == widths[-1]:
            axis.set_xlabel(r"final $R^2_\mathrm{partial}$")
        if target == targets[0]:
            axis.set_ylabel(f"structures for {criterion}\n({_WIDTHS.get(width, width)})")
        axis.set_yscale("log")
        _ticks(axis.yaxis)
        axis.set_xlim(0, 1)
        axis.set_ylim(0.8 * chosen["smallest"].min(), 1.25 * chosen["largest"].max())
    legend(figure, looks(names), line="-")
    return figure


def _point(axis: Axes, row: Any, colour: Any, marker: str) -> None:
    if row.bound == "undefined":
        return
    if row.bound != "exact":
        at, marker = (row.smallest, "v") if row.bound == "below" else (row.largest, "^")
        axis.plot(row.final, at, marker, color=colour, markerfacecolor="white", markersize=7)
        return
    low = row.smallest if np.isnan(row.low) else row.low
    high = row.largest if np.isnan(row.high) else row.high
    # A percentile interval need not hold its own estimate.
    width = np.maximum([[row.needed - low], [high - row.needed]], 0)
    line: dict[str, Any] = {"fmt": marker, "color": colour, "markersize": 6, "capsize": 3}
    axis.errorbar(row.final, row.needed, yerr=width, **line)


def _ticks(axis: Axis) -> None:
    axis.set_major_locator(LogLocator(subs=(1.0, 3.0)))
    axis.set_major_formatter(ScalarFormatter())
    axis.set_minor_formatter(NullFormatter())
