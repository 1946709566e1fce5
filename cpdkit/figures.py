"""Figures from tidy tables: colour-blind-safe, with intervals, units and an opaque background.

Every function takes a table of `cpdkit.cpd` results to which a column ``representation`` (and,
for `protocol_figure`, ``protocol``) was added, and returns a matplotlib figure. Nothing is shown
or written.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

__all__ = ["gradient_figure", "protocol_figure"]

_COLOURS = sns.color_palette("colorblind")
_MARKERS = "osD^vP"
_STYLE = {
    "axes.facecolor": "white",
    "figure.facecolor": "white",  # stays white in dark mode, where the page dims images
    "axes.grid": True,
    "grid.color": "0.9",
    "font.size": 10.0,
    "svg.fonttype": "path",
}
_LABELS = {
    "r2_partial": r"$R^2_\mathrm{partial}$: share of what composition leaves",
    "r2_geom": r"$R^2_\mathrm{geom}$: residual against the raw target",
}


def _needs(table: pd.DataFrame, columns: Sequence[str]) -> None:
    missing = [c for c in columns if c not in table]
    if missing:
        raise ValueError(f"the table lacks the columns {missing}; it has {list(table.columns)}.")


def _panels(n: int, rows: int) -> tuple[Figure, list[Axes]]:
    with sns.axes_style("whitegrid", rc=_STYLE):
        figure = Figure(figsize=(3.3 + 3.2 * n, 1.9 + 0.42 * rows), layout="constrained")
        axes = figure.subplots(1, n, sharey=True, squeeze=False)[0]
    return figure, list(axes)


def _intervals(axis: Axes, rows: pd.DataFrame, y: np.ndarray, colour: object, marker: str) -> None:
    mean = rows["mean"].to_numpy()
    width = np.abs([mean - rows["low"], rows["high"] - mean])
    axis.errorbar(
        mean, y, xerr=width, fmt=marker, color=colour, markersize=6, capsize=3, linewidth=1.5
    )


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
    _needs(table, ["representation", "target", "score", "mean", "low", "high"])
    if "protocol" in table and table["protocol"].nunique() > 1:
        raise ValueError("the table holds several protocols; draw them with protocol_figure.")
    names = list(dict.fromkeys(table["representation"]))
    targets = [t for t in dict.fromkeys(table["target"]) if _has(table, t, scores[0])]
    figure, axes = _panels(len(targets), len(names))
    for axis, target in zip(axes, targets, strict=True):
        here = table[table["target"] == target].set_index(["score", "representation"])
        for line, (name, style) in enumerate({"r2_comp": ":", "ceiling": "--"}.items()):
            row = here.loc[name].iloc[0]
            axis.axvline(row["mean"], color="0.35", linestyle=style, linewidth=1.5, zorder=1)
            axis.axvspan(row["low"], row["high"], color="0.5", alpha=0.12 + 0.06 * line, zorder=0)
        for i, score in enumerate(scores):
            shift = 0.18 * (i - (len(scores) - 1) / 2)
            rows = here.loc[score].reindex(names)
            _intervals(axis, rows, np.arange(len(names)) + shift, _COLOURS[i], _MARKERS[i])
        axis.axvline(0, color="0.2", linewidth=0.8)
        axis.set(title=target, xlabel=r"held-out $R^2$ (dimensionless)")
    axes[0].set_yticks(range(len(names)), names)
    axes[0].set_ylim(len(names) - 0.5, -0.5)
    handles = [
        Line2D([], [], color=_COLOURS[i], marker=_MARKERS[i], label=_LABELS.get(s, s))
        for i, s in enumerate(scores)
    ]
    handles += [
        Line2D([], [], color="0.35", linestyle=":", label="composition alone"),
        Line2D([], [], color="0.35", linestyle="--", label=r"ceiling of $R^2_\mathrm{geom}$"),
    ]
    figure.legend(handles=handles, loc="outside upper center", ncols=2, frameon=False)
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
    _needs(table, ["representation", "protocol", "target", "score", "mean", "fold_values"])
    chosen = table[table["score"] == score]
    names = list(dict.fromkeys(chosen["representation"]))
    protocols = list(dict.fromkeys(chosen["protocol"]))
    targets = list(dict.fromkeys(chosen["target"]))
    figure, axes = _panels(len(targets), len(names))
    for axis, target in zip(axes, targets, strict=True):
        for i, protocol in enumerate(protocols):
            here = chosen[(chosen["target"] == target) & (chosen["protocol"] == protocol)]
            rows = here.set_index("representation").reindex(names)
            y = np.arange(len(names)) + 0.2 * (i - (len(protocols) - 1) / 2)
            for position, values in zip(y, rows["fold_values"], strict=True):
                axis.plot(
                    values, np.full(len(values), position), _MARKERS[i], color=_COLOURS[i],
                    alpha=0.3, markersize=4, markeredgewidth=0,
                )
            axis.plot(rows["mean"], y, _MARKERS[i], color=_COLOURS[i], markersize=8)
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
    axes[0].set_yticks(range(len(names)), names)
    axes[0].set_ylim(len(names) - 0.5, -0.5)
    handles = [
        Line2D([], [], color=_COLOURS[i], marker=_MARKERS[i], linestyle="", label=protocol)
        for i, protocol in enumerate(protocols)
    ]
    figure.legend(handles=handles, loc="outside upper center", ncols=len(handles), frameon=False)
    return figure


def _has(table: pd.DataFrame, target: str, score: str) -> bool:
    rows = table[(table["target"] == target) & (table["score"] == score)]
    return bool(rows["mean"].notna().any())
