"""Further views of the gradient: heat map, ladder, layer profile, linear against nonlinear."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from cpdkit.figures import _COLOURS, _MARKERS, _STYLE, _intervals, _needs, _panels

__all__ = ["heat_map", "ladder_figure", "layer_figure", "probe_figure"]

_PARTIAL = r"$R^2_\mathrm{partial}$ (dimensionless)"


def heat_map(table: pd.DataFrame, *, score: str = "r2_partial") -> Figure:
    """One score for every representation (rows) and target (columns).

    Parameters
    ----------
    table : DataFrame
        Columns ``representation, target, score, mean``.
    score : str
        Which one; values below zero are drawn as zero, and written as they are.

    Raises
    ------
    ValueError
        If a column is missing.
    """
    _needs(table, ["representation", "target", "score", "mean"])
    chosen = table[table["score"] == score]
    names, targets = (list(dict.fromkeys(chosen[c])) for c in ("representation", "target"))
    grid = chosen.pivot(index="representation", columns="target", values="mean")
    grid = grid.reindex(index=names, columns=targets)
    with sns.axes_style("white", rc=_STYLE | {"axes.grid": False}):
        size = (2.6 + 0.85 * len(targets), 1.2 + 0.36 * len(names))
        figure = Figure(figsize=size, layout="constrained")
        axis = figure.subplots()
    sns.heatmap(
        grid, ax=axis, annot=True, fmt=".2f", vmin=0, vmax=1, cmap="viridis", linewidths=0.5,
        cbar_kws={"label": _PARTIAL if score == "r2_partial" else f"{score} (dimensionless)"},
    )  # fmt: skip
    axis.set(xlabel="", ylabel="")
    axis.tick_params(axis="y", rotation=0)
    axis.tick_params(axis="x", rotation=30)
    return figure


def ladder_figure(table: pd.DataFrame) -> Figure:
    """What is left as more is removed: one line per representation, one panel per target.

    Parameters
    ----------
    table : DataFrame
        Columns ``representation, removed, target, score, mean, low, high``; rungs in their order.

    Raises
    ------
    ValueError
        If a column is missing.
    """
    _needs(table, ["representation", "removed", "target", "score", "mean", "low", "high"])
    rungs = list(dict.fromkeys(table["removed"]))
    return _lines(table, "removed", rungs, "removed beside the mean")


def layer_figure(table: pd.DataFrame) -> Figure:
    """``r2_partial`` from the first layer to the last, one line per encoder.

    Scores below -0.6 lie outside the figure.

    Parameters
    ----------
    table : DataFrame
        Columns ``encoder, depth, target, score, mean, low, high``; depth 0 for the first layer and
        1 for the last.

    Raises
    ------
    ValueError
        If a column is missing.
    """
    _needs(table, ["encoder", "depth", "target", "score", "mean", "low", "high"])
    table = table.assign(representation=table["encoder"])
    return _lines(table, "depth", None, "relative depth")


_LOWEST = -0.6  # a probe that went astray on few rows would hide all other lines


def _lines(
    table: pd.DataFrame, column: str, categories: Sequence[str] | None, label: str
) -> Figure:
    chosen = table[(table["score"] == "r2_partial") & table["mean"].notna()]
    names, targets = (list(dict.fromkeys(chosen[c])) for c in ("representation", "target"))
    colours = sns.color_palette("colorblind", max(len(names), 1))
    with sns.axes_style("whitegrid", rc=_STYLE):
        across = min(len(targets), 3)
        down = -(-len(targets) // across)
        figure = Figure(figsize=(2.2 + 3.6 * across, 0.4 + 3.4 * down), layout="constrained")
        grid = figure.subplots(down, across, sharey=True, squeeze=False)
    axes = grid.flatten()
    for axis in axes[len(targets) :]:
        axis.remove()
    axes = axes[: len(targets)]
    for axis, target in zip(axes, targets, strict=True):
        for i, name in enumerate(names):
            rows = chosen[(chosen["target"] == target) & (chosen["representation"] == name)]
            shift = 0.06 * (i - (len(names) - 1) / 2)
            if categories is None:
                x = rows[column].to_numpy(float) + 0.1 * shift
            else:
                x = np.array([categories.index(v) for v in rows[column]]) + shift
            mean = rows["mean"].to_numpy()
            axis.errorbar(
                x, mean, yerr=np.abs([mean - rows["low"], rows["high"] - mean]), capsize=2,
                color=colours[i], marker=_MARKERS[i % len(_MARKERS)], markersize=5, linewidth=1.3,
                label=name, linestyle="-" if i < len(_MARKERS) else "--",
            )  # fmt: skip
        if categories is not None:
            axis.set_xticks(range(len(categories)), categories)
        axis.axhline(0, color="0.2", linewidth=0.8)
        axis.set(title=target, xlabel=label)
    for axis in axes[::across]:
        axis.set_ylabel(_PARTIAL)
    bottom, top = axes[0].get_ylim()
    axes[0].set_ylim(max(bottom, _LOWEST), min(top, 1.1))
    labelled = [axis.get_legend_handles_labels() for axis in axes]
    every = {name: handle for lines in labelled for handle, name in zip(*lines, strict=True)}
    figure.legend(
        list(every.values()), list(every), loc="outside right upper", frameon=False, fontsize=8
    )
    return figure


def probe_figure(table: pd.DataFrame) -> Figure:
    """``r2_geom`` of every probe beside its ceiling; filled where the ceiling is crossed.

    A crossing is filled only where the paired interval of ``r2_geom - ceiling`` lies above zero.

    Parameters
    ----------
    table : DataFrame
        Columns ``representation, probe, target, score, mean, low, high``, with the scores
        ``r2_geom``, ``ceiling`` and ``crossing``.

    Raises
    ------
    ValueError
        If a column is missing.
    """
    _needs(table, ["representation", "probe", "target", "score", "mean", "low", "high"])
    names, probes, targets = (
        list(dict.fromkeys(table[c])) for c in ("representation", "probe", "target")
    )
    figure, axes = _panels(len(targets), len(names))
    for axis, target in zip(axes, targets, strict=True):
        keys = ["score", "probe", "representation"]
        here = table[table["target"] == target].set_index(keys).sort_index()
        ceiling = here.loc["ceiling"].iloc[0]
        axis.axvline(ceiling["mean"], color="0.35", linestyle="--", linewidth=1.5)
        axis.axvspan(ceiling["low"], ceiling["high"], color="0.5", alpha=0.15, zorder=0)
        for i, probe in enumerate(probes):
            y = np.arange(len(names)) + 0.2 * (i - (len(probes) - 1) / 2)
            rows = here.loc["r2_geom", probe].reindex(names)
            _intervals(axis, rows, y, _COLOURS[i], _MARKERS[i])
            above = here.loc["crossing", probe].reindex(names)["low"].to_numpy() > 0
            axis.plot(
                rows["mean"][~above], y[~above], _MARKERS[i], color=_COLOURS[i], markersize=6,
                markerfacecolor="white", zorder=4,
            )  # fmt: skip
        axis.axvline(0, color="0.2", linewidth=0.8)
        low = min(-1.05, float(np.nanmin(here.loc["r2_geom"]["mean"])) - 0.1)
        axis.set_xlim(max(low, -1.5), 1.05)
        axis.set(title=target, xlabel=r"held-out $R^2_\mathrm{geom}$ (dimensionless)")
    axes[0].set_yticks(range(len(names)), names)
    axes[0].set_ylim(len(names) - 0.5, -0.5)
    handles = [
        Line2D([], [], color=_COLOURS[i], marker=_MARKERS[i], linestyle="", label=probe)
        for i, probe in enumerate(probes)
    ]
    handles.append(Line2D([], [], color="0.35", linestyle="--", label="ceiling"))
    figure.legend(handles=handles, loc="outside upper center", ncols=len(handles), frameon=False)
    return figure
