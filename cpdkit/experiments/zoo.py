"""Figure of the zoo: error against epoch."""

from __future__ import annotations

from collections.abc import Mapping

import pandas as pd
from matplotlib.figure import Figure

from cpdkit.experiments.labels import label
from cpdkit.figures import levels, looks, panels

__all__ = ["learning_figure"]


def learning_figure(curves: pd.DataFrame, bonds: Mapping[str, float], unit: str = "eV") -> Figure:
    """Mean absolute error against epochs of training, one panel per task, both axes logarithmic.

    Parameters
    ----------
    curves : DataFrame
        Columns ``architecture, task, epoch, mae``.
    bonds : mapping of str to float
        By task, the error of bond counts: a dashed line.
    unit : str
        Of the errors.
    """
    tasks = levels(curves, "task")
    look = looks(sorted(set(curves["architecture"])))
    figure, axes = panels(len(tasks), width=4.2, height=4, left=1, top=0, sharey=False)
    for axis, task in zip(axes, tasks, strict=True):
        rows = curves[curves["task"] == task]
        for (architecture, _), line in rows.groupby(["architecture", "seed"]):
            line = line.sort_values("epoch")
            colour, marker = look[architecture]
            axis.plot(
                line["epoch"], line["mae"], marker=marker, label=label(architecture),
                color=colour, linewidth=1.5, markersize=5,
            )  # fmt: skip
        axis.axhline(bonds[task], color="0.3", linestyle="--", label="bond counts, ridge")
        axis.set(
            xscale="log", yscale="log", title=task, xlabel="epochs",
            ylabel=f"mean absolute error on probe ({unit})",
        )  # fmt: skip
    axes[-1].legend(frameon=True, fontsize=8)
    return figure
