"""Figures of chapter 5: scores by architecture and task, and shares of the spread."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from cpdkit.experiments.labels import labelled
from cpdkit.figures import hollow, intervals, legend, levels, looks, named_rows, needs

__all__ = ["effects_figure", "task_figure"]


def task_figure(table: pd.DataFrame) -> Figure:
    """One score by architecture (rows) and task (colours), hollow at equal error."""
    needs(table, ["architecture", "task", "seed", "at", "target", "mean", "low", "high"])
    table = labelled(table)
    names, tasks, targets = levels(table, "architecture", "task", "target")
    seeds = sorted(set(table["seed"]))
    places = _places(table, names, tasks)
    figure, axes = named_rows(len(targets), names, row=0.84, rest=1.7, left=3.3)
    for axis, target in zip(axes, targets, strict=True):
        for row in range(1, len(names), 2):  # many points a row: bands say which belong together
            axis.axhspan(row - 0.5, row + 0.5, color="0.94", linewidth=0, zorder=0)
        for task, look in looks(tasks).items():
            here = table[(table["target"] == target) & (table["task"] == task)]
            for (at, seed), rows in here.groupby(["at", "seed"], sort=False):
                shift = 0.07 if at == "equal error" else 0.0
                shift += 0.05 * (seeds.index(seed) - (len(seeds) - 1) / 2)
                y = np.array([places[a, task] for a in rows["architecture"]]) + shift
                intervals(axis, rows, y, look)
                if at == "equal error":
                    hollow(axis, rows["mean"], y, look)
        axis.axvline(0, color="0.2", linewidth=0.8)
        axis.set(title=target, xlabel=r"$R^2_\mathrm{partial}$ (dimensionless)")
    empty = Line2D(
        [], [], color="0.3", marker="o", markerfacecolor="white", linestyle="",
        label="at equal error",
    )  # fmt: skip
    legend(figure, looks(tasks), also=[empty] if (table["at"] == "equal error").any() else [])
    return figure


def _places(
    table: pd.DataFrame, names: Sequence[str], tasks: Sequence[str]
) -> dict[tuple[str, str], float]:
    """Where the tasks of each architecture stand: apart, and within its row."""
    places = {}
    for row, name in enumerate(names):
        own = set(table.loc[table["architecture"] == name, "task"])
        there = [task for task in tasks if task in own]
        for i, task in enumerate(there):
            step = min(0.24, 0.8 / len(there))
            places[name, task] = row + step * (i - (len(there) - 1) / 2)
    return places


def effects_figure(shares: pd.DataFrame) -> Figure:
    """Shares of architecture, task and the rest, without their differences."""
    needs(shares, ["effect", "mean", "low", "high", "target", "at"])
    table = labelled(shares[~shares["effect"].str.contains(" - ")])
    effects, targets, when = levels(table, "effect", "target", "at")
    figure, axes = named_rows(len(targets), effects, row=0.42, rest=1.7, left=3.3)
    for axis, target in zip(axes, targets, strict=True):
        for i, (at, look) in enumerate(looks(when).items()):
            rows = table[(table["target"] == target) & (table["at"] == at)]
            rows = rows.set_index("effect").reindex(effects)
            y = np.arange(len(effects)) + 0.2 * (i - (len(when) - 1) / 2)
            intervals(axis, rows, y, look)
        axis.set(title=target, xlabel="share of the sum of squares", xlim=(-0.05, 1.05))
    legend(figure, looks(when))
    return figure
