"""Figures of geometry alone and of the isomer benchmark; style as in `cpdkit.figures`."""

from __future__ import annotations

from itertools import cycle

import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from cpdkit.figures import _COLOURS, _MARKERS, _STYLE, _intervals, _needs

__all__ = ["isomer_figure", "rulers_figure", "within_figure"]

_COLUMNS = 4


def within_figure(table: pd.DataFrame) -> Figure:
    """Score within molecules of each representation, one panel per target.

    Parameters
    ----------
    table : DataFrame
        Columns ``representation, target, mean, low, high``.

    Returns
    -------
    matplotlib.figure.Figure

    Raises
    ------
    ValueError
        If a column is missing.
    """
    _needs(table, ["representation", "target", "mean", "low", "high"])
    names, targets = (list(dict.fromkeys(table[c])) for c in ("representation", "target"))
    figure, axes = _grid(len(targets), width=2.5, height=0.9 + 0.24 * len(names), left=1.8)
    for axis, target in zip(axes, targets, strict=True):
        rows = table[table["target"] == target].set_index("representation").reindex(names)
        _intervals(axis, rows, np.arange(len(names)), _COLOURS[0], _MARKERS[0])
        axis.axvline(0, color="0.2", linewidth=0.8)
        axis.set(title=target, xlabel=r"$R^2_\mathrm{within}$")
        axis.set_xlim(max(-0.5, min(0.0, table["low"].min()) - 0.03), 1.0)
        axis.set_yticks(range(len(names)), names)
        axis.set_ylim(len(names) - 0.5, -0.5)
    _hide_inner_labels(axes)
    return figure


def rulers_figure(table: pd.DataFrame) -> Figure:
    """Score between molecules against score within them, one panel per target.

    Parameters
    ----------
    table : DataFrame
        Columns ``representation, target, score, mean, low, high``, where ``score`` is
        ``"r2_partial"`` or ``"r2_within"``.

    Returns
    -------
    matplotlib.figure.Figure

    Raises
    ------
    ValueError
        If a column or a score is missing.
    """
    _needs(table, ["representation", "target", "score", "mean", "low", "high"])
    for score in ("r2_partial", "r2_within"):
        if not (table["score"] == score).any():
            raise ValueError(f"the table has no rows with score={score!r}.")
    names, targets = (list(dict.fromkeys(table[c])) for c in ("representation", "target"))
    figure, axes = _grid(len(targets), width=2.6, height=2.6, left=0.4)
    for axis, target in zip(axes, targets, strict=True):
        here = table[table["target"] == target].set_index(["score", "representation"])
        for name, colour, marker in zip(names, cycle(_COLOURS), cycle(_MARKERS), strict=False):
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
    _legend(figure, names)
    return figure


def isomer_figure(table: pd.DataFrame, *, claimed: float | None = None) -> Figure:
    """Share of isomer pairs in the right order by how much they differ, one panel per target.

    Parameters
    ----------
    table : DataFrame
        From `isomers.measure.accuracy_by_difference`; its rows with ``pairs="bin"`` are drawn.
    claimed : float, optional
        An accuracy to mark.

    Returns
    -------
    matplotlib.figure.Figure

    Raises
    ------
    ValueError
        If a column is missing.
    """
    _needs(
        table,
        ["representation", "target", "pairs", "from_quantile", "to_quantile"]
        + ["accuracy", "low", "high"],
    )
    here = table[table["pairs"] == "bin"]
    names, targets = (list(dict.fromkeys(here[c])) for c in ("representation", "target"))
    figure, axes = _grid(len(targets), width=2.7, height=2.8, left=0.4)
    for axis, target in zip(axes, targets, strict=True):
        for name, colour, marker in zip(names, cycle(_COLOURS), cycle(_MARKERS), strict=False):
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
    _legend(figure, names, lines)
    return figure


def _grid(n: int, *, width: float, height: float, left: float) -> tuple[Figure, list[Axes]]:
    columns = min(n, _COLUMNS)
    rows = -(-n // columns)
    with sns.axes_style("whitegrid", rc=_STYLE):
        size = (left + width * columns, 0.6 + height * rows)
        figure = Figure(figsize=size, layout="constrained")
        axes = figure.subplots(rows, columns, squeeze=False).ravel()
    for axis in axes[n:]:
        axis.remove()
    return figure, list(axes[:n])


def _hide_inner_labels(axes: list[Axes]) -> None:
    for i, axis in enumerate(axes):
        if i % _COLUMNS:
            axis.tick_params(labelleft=False)


def _legend(figure: Figure, names: list[str], lines: list[Line2D] | None = None) -> None:
    handles = [
        Line2D([], [], color=colour, marker=marker, linestyle="", label=name)
        for name, colour, marker in zip(names, cycle(_COLOURS), cycle(_MARKERS), strict=False)
    ]
    figure.legend(
        handles=handles + (lines or []), loc="outside upper center", ncols=3, frameon=False
    )
