"""Figures of the gradient: intervals, protocols, heat map, ladder, layers, probes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from cpdkit.experiments.by_kind import PARTIAL
from cpdkit.experiments.labels import label, labelled
from cpdkit.figures import (
    STYLE,
    hollow,
    intervals,
    legend,
    levels,
    looks,
    named_rows,
    needs,
    panels,
)

__all__ = ["architecture_figure", "gradient_figure", "heat_map", "ladder_figure"]
__all__ += ["ladder_map", "layer_figure", "probe_figure", "protocol_figure"]

_PARTIAL = r"$R^2_\mathrm{partial}$ (dimensionless)"
_LOWEST = -0.6  # a probe that went astray on few rows would hide all other lines
_ROWS: dict[str, Any] = {"row": 0.42, "rest": 1.3, "left": 3.3}
_SCORES = {
    "r2_partial": PARTIAL,
    "r2_geom": r"$R^2_\mathrm{geom}$: residual against the raw target",
}


def gradient_figure(table: pd.DataFrame) -> Figure:
    """What each representation keeps once composition is removed, one panel per target."""
    needs(table, ["representation", "target", "score", "mean", "low", "high"])
    if "protocol" in table and table["protocol"].nunique() > 1:
        raise ValueError("the table holds several protocols; draw them with protocol_figure.")
    table = labelled(table)
    names = levels(table, "representation")
    targets = levels(table[(table["score"] == "r2_partial") & table["mean"].notna()], "target")
    figure, axes = named_rows(len(targets), names, **_ROWS)
    drawn = looks(_SCORES)
    for axis, target in zip(axes, targets, strict=True):
        here = table[table["target"] == target].set_index(["score", "representation"])
        for line, (name, style) in enumerate({"r2_comp": ":", "ceiling": "--"}.items()):
            row = here.loc[name].iloc[0]
            axis.axvline(row["mean"], color="0.35", linestyle=style, linewidth=1.5, zorder=1)
            axis.axvspan(row["low"], row["high"], color="0.5", alpha=0.12 + 0.06 * line, zorder=0)
        for i, (score, look) in enumerate(drawn.items()):
            rows = here.loc[score].reindex(names)
            intervals(axis, rows, np.arange(len(names)) + 0.18 * (i - 0.5), look)
        axis.axvline(0, color="0.2", linewidth=0.8)
        axis.set(title=target, xlabel=r"held-out $R^2$ (dimensionless)")
    lines = [
        Line2D([], [], color="0.35", linestyle=":", label="composition alone"),
        Line2D([], [], color="0.35", linestyle="--", label=r"ceiling of $R^2_\mathrm{geom}$"),
    ]
    legend(figure, {_SCORES[score]: look for score, look in drawn.items()}, also=lines, line="-")
    return figure


def protocol_figure(table: pd.DataFrame) -> Figure:
    """``r2_geom`` under several protocols, fold by fold; the axis is linear near zero only."""
    needs(table, ["representation", "protocol", "target", "score", "mean", "fold_values"])
    chosen = labelled(table[table["score"] == "r2_geom"])
    names, protocols, targets = levels(chosen, "representation", "protocol", "target")
    figure, axes = named_rows(len(targets), names, **_ROWS)
    for axis, target in zip(axes, targets, strict=True):
        for i, (protocol, (colour, marker)) in enumerate(looks(protocols).items()):
            here = chosen[(chosen["target"] == target) & (chosen["protocol"] == protocol)]
            rows = here.set_index("representation").reindex(names)
            y = np.arange(len(names)) + 0.2 * (i - (len(protocols) - 1) / 2)
            for position, folds in zip(y, rows["fold_values"], strict=True):
                axis.plot(
                    folds, np.full(len(folds), position), marker, color=colour,
                    alpha=0.3, markersize=4, markeredgewidth=0,
                )  # fmt: skip
            axis.plot(rows["mean"], y, marker, color=colour, markersize=8)
        axis.set_xscale("symlog", linthresh=1.0)
        lowest = min(0.0, float(np.min([np.min(v) for v in chosen["fold_values"]])))
        axis.set_xlim(left=min(-1.0, 3 * lowest), right=1.3)
        axis.axvline(0, color="0.2", linewidth=0.8)
        axis.set(title=target, xlabel=r"held-out $R^2_\mathrm{geom}$ (dimensionless, symlog)")
        decades = np.floor(np.log10(max(1.0, -lowest)))
        step = max(1, int(np.ceil(decades / 4)))
        ticks = [-(10.0**e) for e in range(int(decades), -1, -step)]
        axis.set_xticks([*ticks, 0.0, 1.0])
        axis.minorticks_off()
    legend(figure, looks(protocols))
    return figure


def heat_map(table: pd.DataFrame) -> Figure:
    """``r2_partial`` for every representation (rows) and target (columns)."""
    needs(table, ["representation", "target", "score", "mean"])
    chosen = labelled(table[table["score"] == "r2_partial"])
    names, targets = levels(chosen, "representation", "target")
    grid = chosen.pivot(index="representation", columns="target", values="mean")
    grid = grid.reindex(index=names, columns=targets)
    with sns.axes_style("white", rc=STYLE | {"axes.grid": False}):
        size = (2.6 + 0.85 * len(targets), 1.2 + 0.36 * len(names))
        figure = Figure(figsize=size, layout="constrained")
        axis = figure.subplots()
    sns.heatmap(
        grid, ax=axis, annot=True, fmt=".2f", vmin=0, vmax=1, cmap="viridis", linewidths=0.5,
        cbar_kws={"label": _PARTIAL},
    )  # fmt: skip
    axis.set(xlabel="", ylabel="")
    axis.tick_params(axis="y", rotation=0)
    axis.tick_params(axis="x", rotation=30)
    return figure


def ladder_figure(table: pd.DataFrame) -> Figure:
    """What is left as more is removed: one line per representation, one panel per target."""
    needs(table, ["representation", "removed", "target", "score", "mean", "low", "high"])
    table = labelled(table)
    return _lines(table, "removed", levels(table, "removed"), "removed beside the mean")


def ladder_map(table: pd.DataFrame) -> Figure:
    """Heat map of the first target: one row per representation, one column per rung."""
    needs(table, ["representation", "removed", "target", "score", "mean"])
    first = table["target"].iloc[0]
    rungs = table[table["target"] == first]
    figure = heat_map(rungs.assign(target=rungs["removed"]))
    figure.suptitle(f"{label(first)}, as more is removed")
    return figure


def layer_figure(table: pd.DataFrame) -> Figure:
    """``r2_partial`` from the first layer to the last, one line per encoder."""
    needs(table, ["encoder", "depth", "target", "score", "mean", "low", "high"])
    table = table.assign(representation=table["encoder"])
    return _lines(table, "depth", None, "relative depth")


def architecture_figure(table: pd.DataFrame) -> Figure:
    """As :func:`layer_figure` for the first target, with one panel per architecture of the zoo.

    Colours tell what a model was trained for; models from elsewhere share a panel.
    """
    first = table["target"].iloc[0]
    rows = table[table["target"] == first]
    parts = [
        label(name).split(", ", 1) if name.startswith("zoo/") else ("trained elsewhere", name)
        for name in rows["encoder"]
    ]
    titles, lines = zip(*parts, strict=True)
    figure = layer_figure(rows.assign(target=titles, encoder=lines))
    figure.supxlabel(f"{label(first)}: first layer at 0, last at 1")
    return figure


def _lines(
    table: pd.DataFrame, column: str, categories: Sequence[str] | None, label: str
) -> Figure:
    chosen = labelled(table[(table["score"] == "r2_partial") & table["mean"].notna()])
    names, targets = levels(chosen, "representation", "target")
    figure, axes = panels(len(targets), width=3.1, left=0.7)
    for axis, target in zip(axes, targets, strict=True):
        for i, (name, look) in enumerate(looks(names).items()):
            rows = chosen[(chosen["target"] == target) & (chosen["representation"] == name)]
            shift = 0.06 * (i - (len(names) - 1) / 2)
            if categories is None:
                x = rows[column].to_numpy(float) + 0.1 * shift
            else:
                x = np.array([categories.index(v) for v in rows[column]]) + shift
            intervals(
                axis, rows, x, look, upright=True, capsize=2, markersize=5, linewidth=1.3,
                linestyle="-" if i < 6 else "--",
            )  # fmt: skip
        if categories is not None:
            axis.set_xticks(range(len(categories)), categories, rotation=20)
        axis.axhline(0, color="0.2", linewidth=0.8)
        axis.set(title=target, xlabel=label)
    for axis in axes:
        place = axis.get_subplotspec()
        if place is None or place.is_first_col():
            axis.set_ylabel(_PARTIAL)
    bottom, top = axes[0].get_ylim()
    axes[0].set_ylim(max(bottom, _LOWEST), min(top, 1.1))
    legend(figure, looks(names), line="-")
    return figure


def probe_figure(table: pd.DataFrame) -> Figure:
    """``r2_geom`` of every probe beside its ceiling; filled where it is crossed for certain."""
    needs(table, ["representation", "probe", "target", "score", "mean", "low", "high"])
    table = labelled(table)
    names, probes, targets = levels(table, "representation", "probe", "target")
    figure, axes = named_rows(len(targets), names, **_ROWS)
    for axis, target in zip(axes, targets, strict=True):
        keys = ["score", "probe", "representation"]
        here = table[table["target"] == target].set_index(keys).sort_index()
        ceiling = here.loc["ceiling"].iloc[0]
        axis.axvline(ceiling["mean"], color="0.35", linestyle="--", linewidth=1.5)
        axis.axvspan(ceiling["low"], ceiling["high"], color="0.5", alpha=0.15, zorder=0)
        for i, (probe, look) in enumerate(looks(probes).items()):
            y = np.arange(len(names)) + 0.2 * (i - (len(probes) - 1) / 2)
            rows = here.loc["r2_geom", probe].reindex(names)
            intervals(axis, rows, y, look)
            above = here.loc["crossing", probe].reindex(names)["low"].to_numpy() > 0
            hollow(axis, rows["mean"][~above], y[~above], look)
        axis.axvline(0, color="0.2", linewidth=0.8)
        low = min(-1.05, float(np.nanmin(here.loc["r2_geom"]["mean"])) - 0.1)
        axis.set_xlim(max(low, -1.5), 1.05)
        axis.set(title=target, xlabel=r"held-out $R^2_\mathrm{geom}$ (dimensionless)")
    named = {label(probe): look for probe, look in looks(probes).items()}
    dashed = Line2D([], [], color="0.35", linestyle="--", label="ceiling")
    legend(figure, named, also=[dashed])
    return figure
