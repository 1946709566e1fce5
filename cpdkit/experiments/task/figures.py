"""Figures of chapter 5: scores by architecture and task, and shares of the spread."""

from __future__ import annotations

import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from cpdkit.figures import _COLOURS, _MARKERS, _intervals, _needs, _panels

__all__ = ["effects_figure", "task_figure"]


def task_figure(table: pd.DataFrame) -> Figure:
    """One score by architecture (rows) and task (colours), one panel per target.

    Parameters
    ----------
    table : DataFrame
        Columns ``architecture, task, seed, at, target, mean, low, high``; one score. What is at
        ``"equal error"`` is drawn hollow; seeds stand one below the other.

    Raises
    ------
    ValueError
        If a column is missing.
    """
    _needs(table, ["architecture", "task", "seed", "at", "target", "mean", "low", "high"])
    names, tasks, targets = (
        list(dict.fromkeys(table[c])) for c in ("architecture", "task", "target")
    )
    seeds = sorted(set(table["seed"]))
    figure, axes = _panels(len(targets), 1 + 2 * len(names))
    for axis, target in zip(axes, targets, strict=True):
        for i, task in enumerate(tasks):
            here = table[(table["target"] == target) & (table["task"] == task)]
            for (at, seed), rows in here.groupby(["at", "seed"], sort=False):
                shift = 0.24 * (i - (len(tasks) - 1) / 2) + (0.07 if at == "equal error" else 0.0)
                shift += 0.05 * (seeds.index(seed) - (len(seeds) - 1) / 2)
                y = np.array([names.index(a) for a in rows["architecture"]]) + shift
                _intervals(axis, rows, y, _COLOURS[i], _MARKERS[i])
                if at == "equal error":
                    axis.plot(
                        rows["mean"], y, _MARKERS[i], color=_COLOURS[i], markerfacecolor="white",
                        zorder=4,
                    )  # fmt: skip
        axis.axvline(0, color="0.2", linewidth=0.8)
        axis.set(title=target, xlabel=r"$R^2_\mathrm{partial}$ (dimensionless)")
    axes[0].set_yticks(range(len(names)), names)
    axes[0].set_ylim(len(names) - 0.5, -0.5)
    handles = [
        Line2D([], [], color=_COLOURS[i], marker=_MARKERS[i], linestyle="", label=task)
        for i, task in enumerate(tasks)
    ]
    if (table["at"] == "equal error").any():
        handles.append(
            Line2D([], [], color="0.3", marker="o", markerfacecolor="white", linestyle="",
                   label="at equal error")
        )  # fmt: skip
    figure.legend(handles=handles, loc="outside upper center", ncols=len(handles), frameon=False)
    return figure


def effects_figure(shares: pd.DataFrame) -> Figure:
    """Shares of architecture, task and the rest, one panel per target.

    Parameters
    ----------
    shares : DataFrame
        Columns ``effect, mean, low, high, target, at``; differences of shares are not drawn.

    Raises
    ------
    ValueError
        If a column is missing.
    """
    _needs(shares, ["effect", "mean", "low", "high", "target", "at"])
    table = shares[~shares["effect"].str.contains(" - ")]
    effects, targets, when = (list(dict.fromkeys(table[c])) for c in ("effect", "target", "at"))
    figure, axes = _panels(len(targets), len(effects) + 1)
    for axis, target in zip(axes, targets, strict=True):
        for i, at in enumerate(when):
            rows = table[(table["target"] == target) & (table["at"] == at)]
            rows = rows.set_index("effect").reindex(effects)
            y = np.arange(len(effects)) + 0.2 * (i - (len(when) - 1) / 2)
            _intervals(axis, rows, y, _COLOURS[i], _MARKERS[i])
        axis.set(title=target, xlabel="share of the sum of squares", xlim=(-0.05, 1.05))
    axes[0].set_yticks(range(len(effects)), effects)
    axes[0].set_ylim(len(effects) - 0.5, -0.5)
    handles = [
        Line2D([], [], color=_COLOURS[i], marker=_MARKERS[i], linestyle="", label=at)
        for i, at in enumerate(when)
    ]
    figure.legend(handles=handles, loc="outside upper center", ncols=len(handles), frameon=False)
    return figure
