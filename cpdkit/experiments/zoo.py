"""Figure of the zoo: error against epoch."""

from __future__ import annotations

from collections.abc import Mapping

import pandas as pd
import seaborn as sns
from matplotlib.figure import Figure

from cpdkit.figures import _STYLE

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
    tasks = list(dict.fromkeys(curves["task"]))
    architectures = sorted(set(curves["architecture"]))
    colours = dict(zip(architectures, sns.color_palette("colorblind"), strict=False))
    markers = dict(zip(architectures, "osD^vP", strict=False))
    with sns.axes_style("whitegrid", rc=_STYLE):
        figure = Figure(figsize=(1 + 4.2 * len(tasks), 4), layout="constrained")
        axes = figure.subplots(1, len(tasks), squeeze=False)[0]
    for axis, task in zip(axes, tasks, strict=True):
        rows = curves[curves["task"] == task]
        for (architecture, _), line in rows.groupby(["architecture", "seed"]):
            line = line.sort_values("epoch")
            axis.plot(
                line["epoch"], line["mae"], marker=markers[architecture], label=architecture,
                color=colours[architecture], linewidth=1.5, markersize=5,
            )  # fmt: skip
        axis.axhline(bonds[task], color="0.3", linestyle="--", label="bond counts, ridge")
        axis.set(
            xscale="log", yscale="log", title=task, xlabel="epochs",
            ylabel=f"mean absolute error on probe ({unit})",
        )  # fmt: skip
    axes[-1].legend(frameon=True, fontsize=8)
    return figure
