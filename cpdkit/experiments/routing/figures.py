"""Figures of irrep routing, from the tables of `measure`; style as in `cpdkit.figures`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from cpdkit.experiments.labels import label
from cpdkit.figures import hollow, intervals, legend, levels, looks, named_rows, needs, panels

__all__ = ["index_figure", "score_heatmap", "vector_figure"]

_QUANTITIES = ("vector side", "scalar side", "index")
_ROWS: dict[str, Any] = {"row": 0.28, "rest": 1, "left": 2.6}


def index_figure(index: pd.DataFrame, *, targets: Sequence[str] | None = None) -> Figure:
    """Both sides of the routing index of l=1 and their sum, hollow for untrained networks."""
    needs(index, ["encoder", "name", "irrep", "l", "quantity", "mean", "low", "high"])
    here = index[index["l"] == 1]
    if here.empty:
        raise ValueError("no row has l=1; no encoder of this table has vectors.")
    known = [index.attrs.get(k, k) for k in ("vector", "scalar")] if targets is None else targets
    vector, scalar = map(label, known[:2])
    titles = {
        "vector side": f"{vector}:\n$\\ell=1$ minus $\\ell=0$",
        "scalar side": f"{scalar}:\n$\\ell=0$ minus $\\ell=1$",
        "index": "routing index:\ntheir sum",
    }
    rows = here.assign(row=_label(here) + " (" + here["irrep"] + ")")
    names = levels(rows, "row")
    untrained = rows.groupby("row")["encoder"].first().str.contains("untrained").reindex(names)
    figure, axes = named_rows(3, names, width=2.7, **_ROWS)
    for axis, (quantity, look) in zip(axes, looks(_QUANTITIES).items(), strict=True):
        part = rows[rows["quantity"] == quantity].set_index("row").reindex(names)
        intervals(axis, part, range(len(names)), look)
        bare = np.flatnonzero(untrained.to_numpy())
        hollow(axis, part["mean"].to_numpy()[bare], bare, look)
        axis.axvline(0, color="0.2", linewidth=0.8)
        axis.set(title=titles[quantity], xlabel=r"difference of $R^2_\mathrm{partial}$")
    empty = Line2D(
        [], [], color="0.3", marker="o", linestyle="", markerfacecolor="white", label="untrained"
    )
    legend(figure, {"trained": ("0.3", "o")}, also=[empty])
    return figure


def score_heatmap(table: pd.DataFrame, *, matched: str = "subset") -> Figure:
    """``r2_partial`` of every layer (rows) and reading (columns), of the better parity."""
    needs(table, ["encoder", "name", "l", "kind", "matched", "target", "mean"])
    here = table[table["matched"] == matched]
    if here.empty:
        raise ValueError(f"the table has no rows with matched={matched!r}.")
    readings = here[["l", "kind"]].drop_duplicates().sort_values("l", kind="stable")
    columns = [_reading(r.l, r.kind) for r in readings.itertuples()]
    here = here.assign(row=_label(here), column=[_reading(r.l, r.kind) for r in here.itertuples()])
    names, targets = levels(here, "row", "target")
    figure, axes = panels(
        len(targets), width=0.6 + 0.5 * len(columns), height=1 + 0.3 * len(names), left=2.6
    )
    top = max(0.1, float(here["mean"].max()))
    for axis, target in zip(axes, targets, strict=True):
        part = here[here["target"] == target]
        values = part.pivot_table(index="row", columns="column", values="mean", aggfunc="max")
        values = values.reindex(index=names, columns=columns)
        sns.heatmap(
            values, ax=axis, cmap="cividis", vmin=0, vmax=top, annot=True, fmt=".2f",
            annot_kws={"size": 9}, linewidths=0.5, cbar=axis is axes[-1],
            cbar_kws={"label": r"$R^2_\mathrm{partial}$"},
        )  # fmt: skip
        axis.set(title=label(target), xlabel="", ylabel="")
        axis.tick_params(axis="x", rotation=90)
        axis.tick_params(axis="y", rotation=0)
    return figure


def vector_figure(table: pd.DataFrame, *, matched: str = "subset") -> Figure:
    """Held-out R2 of equivariant ridge; rows without a layer's name are drawn as vertical lines."""
    needs(table, ["encoder", "name", "matched", "target", "mean", "low", "high"])
    baseline = table[table["name"] == ""]
    here = table[(table["matched"] == matched) & (table["name"] != "")]
    if here.empty:
        raise ValueError(f"the table has no layers with matched={matched!r}.")
    here = here.assign(row=_label(here))
    names, targets = levels(here, "row", "target")
    figure, axes = named_rows(len(targets), names, **_ROWS)
    for axis, (target, look) in zip(axes, looks(targets).items(), strict=True):
        part = here[here["target"] == target]
        places = np.array([names.index(row) for row in part["row"]])
        intervals(axis, part, places, look)
        for row in baseline[baseline["target"] == target].itertuples():
            axis.axvline(row.mean, color="0.35", linestyle=":", linewidth=1.5)
            axis.axvspan(row.low, row.high, color="0.5", alpha=0.15, zorder=0)
        axis.axvline(0, color="0.2", linewidth=0.8)
        axis.set(title=label(target), xlabel=r"held-out $R^2$ of equivariant ridge")
    if len(baseline):
        charge = Line2D([], [], color="0.35", linestyle=":", label="one charge per element")
        legend(figure, {}, also=[charge])
    return figure


def _reading(degree: int, kind: str) -> str:
    """Short name of a way to enter the probe."""
    return {
        "scalar": "l=0",
        "scalar and square": "l=0, squares",
        "norm of pooled": f"l={degree}",
        "pooled norm": f"l={degree}, per atom",
    }.get(kind, kind)


def _label(table: pd.DataFrame) -> pd.Series:
    named = zip(table["encoder"], table["name"], strict=True)
    return pd.Series([label(f"{encoder} / {name}") for encoder, name in named], table.index)
