"""Figures of inflated probes."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import NullLocator

from cpdkit.experiments.labels import label, labelled
from cpdkit.figures import Look, intervals, legend, levels, looks, named_rows, needs, panels

__all__ = ["inflation_figure", "mechanism_figure", "remedy_figure", "width_figure"]

_ORDER = ("ridge", "mlp", "trees", "knn", "kernel")  # a probe looks alike in all figures
_LOWEST = -0.6  # scores below say that a probe overfits, not how much composition it found


def _look(probe: str) -> Look:
    """Colour and marker of a probe; those that are not ours share one."""
    return looks([*_ORDER, ""])[probe if probe in _ORDER else ""]


def _legend(figure: Figure, probes: Sequence[str], also: Sequence[Line2D] = ()) -> None:
    legend(figure, {label(probe): _look(probe) for probe in probes}, also=also, line="-")


def _errorbars(axis: Axes, rows: pd.DataFrame, at: np.ndarray, probe: str, *, flat: bool) -> None:
    shown = rows[["mean", "low", "high"]].clip(lower=_LOWEST)
    line = {"markersize": 5, "capsize": 2, "linewidth": 1.2, "linestyle": "" if flat else "-"}
    intervals(axis, shown, at, _look(probe), upright=not flat, **line)


def mechanism_figure(table: pd.DataFrame, *, colour: str) -> Figure:
    """Two residual channels against each other, coloured by what they ought not to know."""
    needs(table, ["planted", "channel_1", "channel_2", colour])
    kinds = levels(table, "planted")
    figure, axes = panels(len(kinds), width=3.6, height=3.6, left=1, top=0, sharey=False)
    for axis, kind in zip(axes, kinds, strict=True):
        rows = table[table["planted"] == kind]
        points = axis.scatter(
            rows["channel_1"], rows["channel_2"], c=rows[colour], cmap="viridis", s=12, linewidths=0
        )
        axis.set(title=kind, xlabel="residual of channel 1", ylabel="residual of channel 2")
    figure.colorbar(points, ax=axes, label=label(colour))
    return figure


def inflation_figure(table: pd.DataFrame) -> Figure:
    """What residuals tell of compositional targets and their mean, one panel per fold scheme."""
    needs(table, ["representation", "probe", "folds", "target", "score", "mean"])
    table = labelled(table[table["score"] == "r2_geom"])
    names, probes, schemes = levels(table, "representation", "probe", "folds")
    figure, axes = named_rows(len(schemes), names, row=0.55, rest=1, left=3.2)
    for axis, scheme in zip(axes, schemes, strict=True):
        for i, probe in enumerate(probes):
            here = table[(table["folds"] == scheme) & (table["probe"] == probe)]
            scores = here.pivot(index="representation", columns="target", values="mean")
            scores = scores.reindex(names).clip(lower=_LOWEST)
            y = np.arange(len(names)) + 0.15 * (i - (len(probes) - 1) / 2)
            colour, marker = _look(probe)
            axis.plot(
                scores.to_numpy(), y[:, None].repeat(scores.shape[1], 1), marker, linestyle="",
                color=colour, alpha=0.35, markersize=3, markeredgewidth=0,
            )  # fmt: skip
            axis.plot(scores.mean(axis=1), y, marker, color=colour, markersize=7)
        axis.axvline(0, color="0.2", linewidth=0.8)
        axis.set(title=f"{scheme} folds", xlabel="$R^2$ of composition from residuals")
        axis.set_xlim(_LOWEST - 0.05, 1.03)
    _legend(figure, probes)
    return figure


def width_figure(table: pd.DataFrame) -> Figure:
    """Inflation against width, one panel per planted representation, one line per probe."""
    needs(table, ["planted", "probe", "width", "mean", "low", "high"])
    kinds, probes = levels(table, "planted", "probe")
    figure, axes = panels(len(kinds), width=3.3, left=0.8, top=0, sharey=False)
    for axis, kind in zip(axes, kinds, strict=True):
        for i, probe in enumerate(probes):
            rows = table[(table["planted"] == kind) & (table["probe"] == probe)]
            _errorbars(axis, rows, rows["width"].to_numpy() * 1.04**i, probe, flat=False)
        axis.axhline(0, color="0.2", linewidth=0.8)
        axis.set_xscale("log", base=2)
        widths = sorted(set(table["width"]))
        axis.set_xticks(widths, [str(w) for w in widths])
        axis.xaxis.set_minor_locator(NullLocator())
        axis.set(title=kind, xlabel="channels", ylim=(_LOWEST - 0.05, 1.03))
    axes[0].set_ylabel("$R^2$ of composition from residuals")
    _legend(figure, probes)
    return figure


def remedy_figure(table: pd.DataFrame, *, questions: Sequence[str]) -> Figure:
    """Scores after each remedy, one row per remedy, one panel per question."""
    needs(table, ["question", "remedy", "probe", "mean", "low", "high", "truth"])
    remedies, probes = levels(table, "remedy", "probe")
    figure, axes = named_rows(len(questions), remedies, row=0.5, rest=0.9, width=2.8, left=3)
    for axis, question in zip(axes, questions, strict=True):
        here = table[table["question"] == question]
        for i, probe in enumerate(probes):
            rows = here[here["probe"] == probe].set_index("remedy").reindex(remedies)
            y = np.arange(len(remedies)) + 0.17 * (i - (len(probes) - 1) / 2)
            _errorbars(axis, rows, y, probe, flat=True)
        axis.axvline(float(here["truth"].iloc[0]), color="0.2", linewidth=1.2, linestyle="--")
        axis.set(title=question, xlabel=r"held-out $R^2$", xlim=(_LOWEST - 0.05, 1.03))
    _legend(figure, probes, [Line2D([], [], color="0.2", linestyle="--", label="truth")])
    return figure
