"""Figures of inflated probes."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import NullLocator

from cpdkit.figures import _COLOURS, _MARKERS, _STYLE, _needs

__all__ = ["inflation_figure", "mechanism_figure", "remedy_figure", "width_figure"]

_ORDER = ("ridge", "mlp", "trees", "knn", "kernel")  # a probe looks alike in all figures
_LOWEST = -0.6  # scores below say that a probe overfits, not how much composition it found


def _axes(rows: int, columns: int, width: float, height: float) -> tuple[Figure, np.ndarray]:
    with sns.axes_style("whitegrid", rc=_STYLE):
        figure = Figure(figsize=(width, height), layout="constrained")
        axes = figure.subplots(rows, columns, squeeze=False)
    return figure, axes


def _look(probe: str) -> tuple[tuple[float, float, float], str]:
    """Colour and marker of a probe; those that are not ours share one."""
    i = _ORDER.index(probe) if probe in _ORDER else len(_ORDER)
    return _COLOURS[i], _MARKERS[i % len(_MARKERS)]


def _probe_handles(probes: Sequence[str]) -> list[Line2D]:
    looks = {probe: _look(probe) for probe in probes}
    return [
        Line2D([], [], color=colour, marker=marker, label=probe)
        for probe, (colour, marker) in looks.items()
    ]


def _errorbars(axis: Axes, rows: pd.DataFrame, at: np.ndarray, probe: str, *, flat: bool) -> None:
    colour, marker = _look(probe)
    mean = rows["mean"].clip(lower=_LOWEST).to_numpy()
    low, high = (rows[end].clip(lower=_LOWEST).to_numpy() for end in ("low", "high"))
    spread = np.maximum([mean - low, high - mean], 0)
    axis.errorbar(
        mean if flat else at, at if flat else mean,
        xerr=spread if flat else None, yerr=None if flat else spread,
        fmt=marker + ("" if flat else "-"), color=colour,
        markersize=5, capsize=2, linewidth=1.2,
    )  # fmt: skip


def mechanism_figure(
    residuals: dict[str, tuple[np.ndarray, np.ndarray]], colour: np.ndarray, *, label: str
) -> Figure:
    """Two residual channels against each other, coloured by what they ought not to know.

    Parameters
    ----------
    residuals : dict of str to pair of ndarray, shape (n,)
        Two columns of the residual for each panel, by its title.
    colour : ndarray of shape (n,)
        A compositional target.
    label : str
        Its name, with unit.

    Returns
    -------
    matplotlib.figure.Figure
    """
    figure, axes = _axes(1, len(residuals), 3.6 * len(residuals) + 1, 3.6)
    for axis, (title, (a, b)) in zip(axes[0], residuals.items(), strict=True):
        points = axis.scatter(a, b, c=colour, cmap="viridis", s=12, linewidths=0)
        axis.set(title=title, xlabel="residual of channel 1", ylabel="residual of channel 2")
    figure.colorbar(points, ax=list(axes[0]), label=label)
    return figure


def inflation_figure(table: pd.DataFrame) -> Figure:
    """What residuals tell of compositional targets, one panel per fold scheme.

    Parameters
    ----------
    table : DataFrame
        Columns ``representation, probe, folds, target, score, mean``; ``r2_geom`` is drawn: the
        mean over targets large, each target small. A sound score is 0 or below.

    Returns
    -------
    matplotlib.figure.Figure

    Raises
    ------
    ValueError
        If a column is missing.
    """
    _needs(table, ["representation", "probe", "folds", "target", "score", "mean"])
    table = table[table["score"] == "r2_geom"]
    names, probes, schemes = (
        list(dict.fromkeys(table[key])) for key in ("representation", "probe", "folds")
    )
    figure, axes = _axes(1, len(schemes), 3.2 + 3.2 * len(schemes), 1.6 + 0.55 * len(names))
    for axis, scheme in zip(axes[0], schemes, strict=True):
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
        axis.set(title=f"{scheme} folds", xlabel=r"$R^2_\mathrm{geom}$ of compositional targets")
        axis.set_xlim(_LOWEST - 0.05, 1.03)
        axis.set_yticks(range(len(names)), names if scheme == schemes[0] else [""] * len(names))
        axis.set_ylim(len(names) - 0.5, -0.5)
    figure.legend(
        handles=_probe_handles(probes), loc="outside upper center", ncols=len(probes), frameon=False
    )
    return figure


def width_figure(table: pd.DataFrame) -> Figure:
    """Inflation against width, one panel per planted representation, one line per probe.

    Parameters
    ----------
    table : DataFrame
        Columns ``planted, probe, width, mean, low, high``.

    Returns
    -------
    matplotlib.figure.Figure

    Raises
    ------
    ValueError
        If a column is missing.
    """
    _needs(table, ["planted", "probe", "width", "mean", "low", "high"])
    kinds, probes = (list(dict.fromkeys(table[key])) for key in ("planted", "probe"))
    figure, axes = _axes(1, len(kinds), 3.3 * len(kinds) + 0.8, 3.4)
    for axis, kind in zip(axes[0], kinds, strict=True):
        for i, probe in enumerate(probes):
            rows = table[(table["planted"] == kind) & (table["probe"] == probe)]
            _errorbars(axis, rows, rows["width"].to_numpy() * 1.04**i, probe, flat=False)
        axis.axhline(0, color="0.2", linewidth=0.8)
        axis.set_xscale("log", base=2)
        widths = sorted(set(table["width"]))
        axis.set_xticks(widths, [str(w) for w in widths])
        axis.xaxis.set_minor_locator(NullLocator())
        axis.set(title=kind, xlabel="channels", ylim=(_LOWEST - 0.05, 1.03))
    axes[0][0].set_ylabel(r"$R^2_\mathrm{geom}$ of a compositional target")
    figure.legend(
        handles=_probe_handles(probes), loc="outside upper center", ncols=len(probes), frameon=False
    )
    return figure


def remedy_figure(table: pd.DataFrame, *, panels: Sequence[str]) -> Figure:
    """Scores after each remedy, one row per remedy, one panel per question.

    Parameters
    ----------
    table : DataFrame
        Columns ``question, remedy, probe, mean, low, high`` and ``truth``, drawn as a line.
    panels : sequence of str
        Values of ``question`` in the order to draw them.

    Returns
    -------
    matplotlib.figure.Figure

    Raises
    ------
    ValueError
        If a column is missing.
    """
    _needs(table, ["question", "remedy", "probe", "mean", "low", "high", "truth"])
    remedies, probes = (list(dict.fromkeys(table[key])) for key in ("remedy", "probe"))
    figure, axes = _axes(1, len(panels), 3.0 + 2.8 * len(panels), 1.5 + 0.5 * len(remedies))
    for axis, question in zip(axes[0], panels, strict=True):
        here = table[table["question"] == question]
        for i, probe in enumerate(probes):
            rows = here[here["probe"] == probe].set_index("remedy").reindex(remedies)
            y = np.arange(len(remedies)) + 0.17 * (i - (len(probes) - 1) / 2)
            _errorbars(axis, rows, y, probe, flat=True)
        axis.axvline(float(here["truth"].iloc[0]), color="0.2", linewidth=1.2, linestyle="--")
        axis.set(title=question, xlabel=r"held-out $R^2$", xlim=(_LOWEST - 0.05, 1.03))
        labels = remedies if question == panels[0] else [""] * len(remedies)
        axis.set_yticks(range(len(remedies)), labels)
        axis.set_ylim(len(remedies) - 0.5, -0.5)
    handles = [
        *_probe_handles(probes), Line2D([], [], color="0.2", linestyle="--", label="truth")
    ]  # fmt: skip
    figure.legend(handles=handles, loc="outside upper center", ncols=len(handles), frameon=False)
    return figure
