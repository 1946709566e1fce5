"""What the chapter on the zoo draws and says."""

from __future__ import annotations

from collections.abc import Mapping

import pandas as pd
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from cpdkit.experiments.labels import arms_in_words, label, labelled
from cpdkit.experiments.verdict import listed, number
from cpdkit.figures import legend, levels, looks, panels
from cpdkit.zoo.recipe import TASKS

__all__ = ["exceptions_list", "learning_figure", "zoo_sentence"]


def learning_figure(curves: pd.DataFrame, bonds: Mapping[str, float]) -> Figure:
    """Mean absolute error against epochs of training, one panel per task, both axes logarithmic."""
    tasks = levels(curves, "task")
    titles = levels(labelled(curves), "task")
    look = looks(sorted(set(curves["architecture"])))
    figure, axes = panels(len(tasks), width=4.2, height=4, left=1, top=0, sharey=False)
    for axis, task, title in zip(axes, tasks, titles, strict=True):
        rows = curves[curves["task"] == task]
        for (architecture, _), line in rows.groupby(["architecture", "seed"]):
            line = line.sort_values("epoch")
            colour, marker = look[architecture]
            axis.plot(
                line["epoch"], line["mae"], marker=marker, color=colour, linewidth=1.5,
                markersize=5,
            )  # fmt: skip
        axis.axhline(bonds[task], color="0.3", linestyle="--")
        axis.set(
            xscale="log", yscale="log", title=title, xlabel="epochs",
            ylabel=f"error on new molecules ({TASKS[task].unit})",
        )  # fmt: skip
    ridge = Line2D([], [], color="0.3", linestyle="--", label="bond counts, ridge")
    legend(figure, {label(name): shape for name, shape in look.items()}, also=[ridge], line="-")
    return figure


def exceptions_list(exceptions: pd.DataFrame) -> str:
    """Models that were trained otherwise and why, as a Markdown list."""
    lines = []
    for (model, remark), rows in exceptions.groupby(["model", "remark"], sort=False):
        changes = [f"{r.setting} {r.value} instead of {r.first}" for r in rows.itertuples()]
        lines.append(f"- {label(model)}: {listed(changes)}. {remark}")
    return "\n".join(lines) or "All models share one recipe."


def zoo_sentence(table: pd.DataFrame) -> str:
    """How large the models are and how good, and whether bond counts are as good as one of them."""
    spans = []
    for task, rows in table.groupby("task", sort=False):
        unit = rows["unit"].iloc[0]
        least, most, bonds = (
            number(value, 4 if unit == "Ha" else 2)
            for value in (rows["mae"].min(), rows["mae"].max(), rows["mae_bonds"].iloc[0])
        )
        spans.append(f"{least} to {most} {unit} for {arms_in_words(task)} (bond counts {bonds})")
    below = table.loc[table["mae"] >= table["mae_bonds"], "model"].tolist()
    end = f"not better than bond counts: {', '.join(below)}" if below else "all beat bond counts"
    return (
        f"{len(table)} models of {table['parameters'].min():,} to {table['parameters'].max():,} "
        f"weights have mean absolute errors of {listed(spans)}; {end}."
    )
