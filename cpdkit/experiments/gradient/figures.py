"""Figures of the gradient: intervals, protocols, heat map, ladder, layers, probes."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from cpdkit.experiments.labels import label, labelled
from cpdkit.figures import (
    STYLE,
    intervals,
    legend,
    levels,
    looks,
    name_rows,
    needs,
    panels,
)

__all__ = ["architecture_figure", "gradient_figure", "heat_map", "ladder_figure", "ladder_map"]
__all__ += ["layer_figure", "probe_figure", "protocol_figure"]

_PARTIAL = r"$R^2_\mathrm{partial}$ (dimensionless)"
_SCORES = {
    "r2_partial": r"$R^2_\mathrm{partial}$: share of what composition leaves",
    "r2_geom": r"$R^2_\mathrm{geom}$: residual against the raw target",
}


def gradient_figure(
    table: pd.DataFrame, *, scores: Sequence[str] = ("r2_partial", "r2_geom")
) -> Figure:
    """What each representation keeps once composition is removed, one panel per target.

    Parameters
    ----------
    table : DataFrame
        Columns ``representation, target, score, mean, low, high``; one protocol.
    scores : sequence of str
        Scores to draw for every representation. Composition's own score and the ceiling of
        ``r2_geom`` are drawn as vertical lines, for each representation's rows are the same.

    Returns
    -------
    matplotlib.figure.Figure

    Raises
    ------
    ValueError
        If a column is missing or the table holds several protocols.
    """
    needs(table, ["representation", "target", "score", "mean", "low", "high"])
    if "protocol" in table and table["protocol"].nunique() > 1:
        raise ValueError("the table holds several protocols; draw them with protocol_figure.")
    table = labelled(table)
    names = levels(table, "representation")
    targets = [t for t in levels(table, "target") if _has(table, t, scores[0])]
    figure, axes = _rows_of_names(len(targets), names)
    drawn = looks(scores)
    for axis, target in zip(axes, targets, strict=True):
        here = table[table["target"] == target].set_index(["score", "representation"])
        for line, (name, style) in enumerate({"r2_comp": ":", "ceiling": "--"}.items()):
            row = here.loc[name].iloc[0]
            axis.axvline(row["mean"], color="0.35", linestyle=style, linewidth=1.5, zorder=1)
            axis.axvspan(row["low"], row["high"], color="0.5", alpha=0.12 + 0.06 * line, zorder=0)
        for i, score in enumerate(scores):
            shift = 0.18 * (i - (len(scores) - 1) / 2)
            rows = here.loc[score].reindex(names)
            intervals(axis, rows, np.arange(len(names)) + shift, drawn[score])
        axis.axvline(0, color="0.2", linewidth=0.8)
        axis.set(title=target, xlabel=r"held-out $R^2$ (dimensionless)")
    lines = [
        Line2D([], [], color="0.35", linestyle=":", label="composition alone"),
        Line2D([], [], color="0.35", linestyle="--", label=r"ceiling of $R^2_\mathrm{geom}$"),
    ]
    named = {_SCORES.get(s, s): look for s, look in drawn.items()}
    legend(figure, named, also=lines, line="-")
    return figure


def protocol_figure(table: pd.DataFrame, *, score: str = "r2_geom") -> Figure:
    """One score under several protocols, on an axis that is linear near zero and else logarithmic.

    Parameters
    ----------
    table : DataFrame
        Columns ``representation, protocol, target, score, mean, fold_values``.
    score : str, default "r2_geom"
        The score to draw: its mean, and each fold as a faint point.

    Returns
    -------
    matplotlib.figure.Figure

    Raises
    ------
    ValueError
        If a column is missing.
    """
    needs(table, ["representation", "protocol", "target", "score", "mean", "fold_values"])
    chosen = table[table["score"] == score]
    chosen = labelled(chosen)
    names, protocols, targets = levels(chosen, "representation", "protocol", "target")
    figure, axes = _rows_of_names(len(targets), names)
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


def _rows_of_names(n: int, names: list[str]) -> tuple[Figure, list]:
    """Panels that share one row for each name."""
    figure, axes = panels(n, height=1.3 + 0.42 * len(names), left=3.3)
    name_rows(axes, names)
    return figure, axes


def _has(table: pd.DataFrame, target: str, score: str) -> bool:
    rows = table[(table["target"] == target) & (table["score"] == score)]
    return bool(rows["mean"].notna().any())


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
    needs(table, ["representation", "target", "score", "mean"])
    chosen = table[table["score"] == score]
    chosen = labelled(chosen)
    names, targets = levels(chosen, "representation", "target")
    grid = chosen.pivot(index="representation", columns="target", values="mean")
    grid = grid.reindex(index=names, columns=targets)
    with sns.axes_style("white", rc=STYLE | {"axes.grid": False}):
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
    needs(table, ["representation", "removed", "target", "score", "mean", "low", "high"])
    table = labelled(table)
    return _lines(table, "removed", levels(table, "removed"), "removed beside the mean")


def ladder_map(table: pd.DataFrame) -> Figure:
    """Heat map of the first target: one row per representation, one column per rung.

    Parameters
    ----------
    table : DataFrame
        As for :func:`ladder_figure`.
    """
    needs(table, ["representation", "removed", "target", "score", "mean"])
    first = table["target"].iloc[0]
    rungs = table[table["target"] == first]
    figure = heat_map(rungs.assign(target=rungs["removed"]))
    figure.suptitle(f"{label(first)}, as more is removed")
    return figure


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
    needs(table, ["encoder", "depth", "target", "score", "mean", "low", "high"])
    table = table.assign(representation=table["encoder"])
    return _lines(table, "depth", None, "relative depth")


def architecture_figure(table: pd.DataFrame) -> Figure:
    """As :func:`layer_figure` for the first target, with one panel per architecture of the zoo.

    Colours tell what a model was trained for; models from elsewhere share a panel.

    Parameters
    ----------
    table : DataFrame
        As for :func:`layer_figure`.
    """
    first = table["target"].iloc[0]
    rows = table[table["target"] == first]
    panels, lines = zip(*map(_panel_and_line, rows["encoder"]), strict=True)
    figure = layer_figure(rows.assign(target=panels, encoder=lines))
    figure.supxlabel(f"{label(first)}: first layer at 0, last at 1")
    return figure


def _panel_and_line(encoder: str) -> tuple[str, str]:
    if not encoder.startswith("zoo/"):
        return "trained elsewhere", encoder
    architecture, task = label(encoder).split(", ", 1)
    return architecture, task


_LOWEST = -0.6  # a probe that went astray on few rows would hide all other lines


def _lines(
    table: pd.DataFrame, column: str, categories: Sequence[str] | None, label: str
) -> Figure:
    chosen = labelled(table[(table["score"] == "r2_partial") & table["mean"].notna()])
    names, targets = levels(chosen, "representation", "target")
    across = 3
    figure, axes = panels(len(targets), width=3.6, columns=across)
    for axis, target in zip(axes, targets, strict=True):
        for i, (name, (colour, marker)) in enumerate(looks(names).items()):
            rows = chosen[(chosen["target"] == target) & (chosen["representation"] == name)]
            shift = 0.06 * (i - (len(names) - 1) / 2)
            if categories is None:
                x = rows[column].to_numpy(float) + 0.1 * shift
            else:
                x = np.array([categories.index(v) for v in rows[column]]) + shift
            mean = rows["mean"].to_numpy()
            axis.errorbar(
                x, mean, yerr=np.abs([mean - rows["low"], rows["high"] - mean]), capsize=2,
                color=colour, marker=marker, markersize=5, linewidth=1.3, label=name,
                linestyle="-" if i < 6 else "--",
            )  # fmt: skip
        if categories is not None:
            axis.set_xticks(range(len(categories)), categories, rotation=20)
        axis.axhline(0, color="0.2", linewidth=0.8)
        axis.set(title=target, xlabel=label)
    for axis in axes[::across]:
        axis.set_ylabel(_PARTIAL)
    bottom, top = axes[0].get_ylim()
    axes[0].set_ylim(max(bottom, _LOWEST), min(top, 1.1))
    legend(figure, looks(names), line="-")
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
    needs(table, ["representation", "probe", "target", "score", "mean", "low", "high"])
    table = labelled(table)
    names, probes, targets = levels(table, "representation", "probe", "target")
    figure, axes = _rows_of_names(len(targets), names)
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
            axis.plot(
                rows["mean"][~above], y[~above], look[1], color=look[0], markersize=6,
                markerfacecolor="white", zorder=4,
            )  # fmt: skip
        axis.axvline(0, color="0.2", linewidth=0.8)
        low = min(-1.05, float(np.nanmin(here.loc["r2_geom"]["mean"])) - 0.1)
        axis.set_xlim(max(low, -1.5), 1.05)
        axis.set(title=target, xlabel=r"held-out $R^2_\mathrm{geom}$ (dimensionless)")
    named = {label(probe): look for probe, look in looks(probes).items()}
    dashed = Line2D([], [], color="0.35", linestyle="--", label="ceiling")
    legend(figure, named, also=[dashed])
    return figure
