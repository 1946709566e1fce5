"""Figures of learning curves, from the tables of `needed`."""

from __future__ import annotations

import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import LogLocator, NullFormatter, ScalarFormatter

from cpdkit.figures import _MARKERS, _STYLE, _needs

__all__ = ["curve_figure", "efficiency_figure"]

_LOWEST = -0.5  # scores below are off the page: a bad fit has no lower end
_LABELS = {
    "r2_partial": r"$R^2_\mathrm{partial}$ on the test set",
    "r2_partial_fixed": r"$R^2_\mathrm{partial}$ against composition from all rows",
    "r2_geom": r"$R^2_\mathrm{geom}$",
}
_WIDTHS = {"all": "all channels", "subset": "random channels", "pca": "components"}


def curve_figure(table: pd.DataFrame, laws: pd.DataFrame | None = None) -> Figure:
    """Learning curves with intervals, one panel per target.

    Parameters
    ----------
    table : DataFrame
        Of `needed.curve_table` for one score, with a column ``representation``.
    laws : DataFrame, optional
        Of `needed.power_law_table`, with the same column; drawn dashed.

    Returns
    -------
    matplotlib.figure.Figure

    Raises
    ------
    ValueError
        If a column is missing or the table holds several scores.
    """
    _needs(table, ["representation", "target", "score", "n", "mean", "low", "high"])
    if table["score"].nunique() > 1:
        raise ValueError("the table holds several scores; draw one of them.")
    names = list(dict.fromkeys(table["representation"]))
    targets = list(dict.fromkeys(table["target"]))
    colours = _colours(len(names))
    figure, axes = _panels(1, len(targets))
    for axis, target in zip(axes[0], targets, strict=True):
        for i, name in enumerate(names):
            rows = table[(table["target"] == target) & (table["representation"] == name)]
            axis.fill_between(
                rows["n"], rows["low"], rows["high"], color=colours[i], alpha=0.15, linewidth=0
            )
            axis.plot(
                rows["n"], rows["mean"], _MARKERS[i % len(_MARKERS)] + "-", color=colours[i],
                markersize=4, linewidth=1.3,
            )
            if laws is not None:
                _needs(laws, ["representation", "target", "a", "b", "c"])
                law = laws[(laws["target"] == target) & (laws["representation"] == name)]
                n = np.geomspace(rows["n"].min(), rows["n"].max(), 60)
                for row in law.itertuples():
                    fitted = 1 - row.a - row.b * n**-row.c
                    axis.plot(n, fitted, "--", color=colours[i], linewidth=0.9)
        axis.axhline(0, color="0.2", linewidth=0.8)
        axis.set(title=target, xlabel="training structures")
        _log(axis.xaxis, axis)
    axes[0][0].set_ylim(max(_LOWEST, float(table["low"].min()) - 0.03), 1.02)
    score = str(table["score"].iloc[0])
    axes[0][0].set_ylabel(_LABELS.get(score, score))
    _legend(figure, names, colours)
    return figure


def efficiency_figure(needed: pd.DataFrame, *, criterion: str = "50% of final") -> Figure:
    """Structures needed against the final score, a row for each width, a column per target.

    Parameters
    ----------
    needed : DataFrame
        Of `needed.structures_needed`, with columns ``representation``, ``width`` and
        ``smallest`` and ``largest`` (the range of subset sizes). Representations whose need lies
        outside that range stand at its end as triangles that point outwards.
    criterion : str
        Which structures needed.

    Returns
    -------
    matplotlib.figure.Figure

    Raises
    ------
    ValueError
        If a column is missing or the table lacks the criterion.
    """
    columns = ["representation", "width", "target", "criterion", "final", "needed", "bound"]
    _needs(needed, [*columns, "low", "high", "smallest", "largest"])
    chosen = needed[needed["criterion"] == criterion]
    if chosen.empty:
        raise ValueError(f"no {criterion!r}; the table has {sorted(set(needed['criterion']))}.")
    names = list(dict.fromkeys(chosen["representation"]))
    widths = list(dict.fromkeys(chosen["width"]))
    targets = list(dict.fromkeys(chosen["target"]))
    colours = _colours(len(names))
    figure, axes = _panels(len(widths), len(targets))
    for number, (line, width) in enumerate(zip(axes, widths, strict=True)):
        for axis, target in zip(line, targets, strict=True):
            rows = chosen[(chosen["width"] == width) & (chosen["target"] == target)]
            for row in rows.itertuples():
                i = names.index(row.representation)
                _point(axis, row, colours[i], _MARKERS[i % len(_MARKERS)])
            if number == 0:
                axis.set_title(target)
            if number == len(widths) - 1:
                axis.set_xlabel(r"final $R^2_\mathrm{partial}$")
            _log(axis.yaxis, axis)
            axis.set_xlim(0, 1)
            axis.set_ylim(0.8 * chosen["smallest"].min(), 1.25 * chosen["largest"].max())
        line[0].set_ylabel(f"structures for {criterion}\n({_WIDTHS.get(width, width)})")
    _legend(figure, names, colours)
    return figure


def _point(axis: Axes, row: object, colour: object, marker: str) -> None:
    final, needed, bound, low, high, smallest, largest = (
        getattr(row, k)
        for k in ("final", "needed", "bound", "low", "high", "smallest", "largest")
    )
    if bound == "undefined":
        return
    if bound != "exact":
        at, marker = (smallest, "v") if bound == "below" else (largest, "^")
        axis.plot(final, at, marker, color=colour, markerfacecolor="white", markersize=7)
        return
    low = smallest if np.isnan(low) else low
    high = largest if np.isnan(high) else high
    # A percentile interval need not hold its own estimate.
    width = np.maximum([[needed - low], [high - needed]], 0)
    axis.errorbar(final, needed, yerr=width, fmt=marker, color=colour, markersize=6, capsize=3)


def _colours(n: int) -> list:
    return sns.color_palette("colorblind", n) if n <= 10 else sns.color_palette("husl", n)


def _panels(rows: int, columns: int) -> tuple[Figure, np.ndarray]:
    with sns.axes_style("whitegrid", rc=_STYLE):
        size = (1.4 + 2.9 * columns, 1.2 + 2.6 * rows)
        figure = Figure(figsize=size, layout="constrained")
        axes = figure.subplots(rows, columns, sharey=True, squeeze=False)
    return figure, axes


def _log(which: object, axis: Axes) -> None:
    (axis.set_xscale if which is axis.xaxis else axis.set_yscale)("log")
    for here in (axis.xaxis, axis.yaxis):
        if here is which:
            here.set_major_locator(LogLocator(subs=(1.0, 3.0)))
            here.set_major_formatter(ScalarFormatter())
            here.set_minor_formatter(NullFormatter())


def _legend(figure: Figure, names: list[str], colours: list) -> None:
    handles = [
        Line2D([], [], color=colours[i], marker=_MARKERS[i % len(_MARKERS)], label=name)
        for i, name in enumerate(names)
    ]
    figure.legend(
        handles=handles, loc="outside upper center", ncols=min(4, len(names)), frameon=False
    )
