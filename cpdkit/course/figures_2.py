"""Figures of lesson 2."""

from __future__ import annotations

import numpy as np

from cpdkit.course.figures_1 import SOURCES
from cpdkit.course.picture import Picture
from cpdkit.course.probe import r2, ridge_probe
from cpdkit.course.table import Table
from cpdkit.figures import COLOURS, legend, panels

__all__ = ["ceiling_figure", "traps_figure"]

_MASSES = (1.008, 12.011, 14.007, 15.999, 18.998)
_ROWS = (60, 100, 200, 400, 900)


def _project(X: np.ndarray, Z: np.ndarray, rows: np.ndarray) -> np.ndarray:
    return X - Z @ np.linalg.lstsq(Z[rows], X[rows], rcond=None)[0]


def _with_ones(C: np.ndarray) -> np.ndarray:
    return np.column_stack([np.ones(len(C)), C])


def ceiling_figure(table: Table, name: str = "gap") -> Picture:
    """Raw score and share of each representation, beside composition alone and the ceiling."""
    y, train = table.molecules[name].to_numpy(), table.train
    Z, test = _with_ones(table.counts.to_numpy(float)), ~table.train
    comp = y - _project(y[:, None], Z, train)[:, 0]
    alone, mean = r2(y, comp, test), y[train].mean()
    ceiling = 1 - ((comp - mean)[test] ** 2).sum() / ((y - y[test].mean())[test] ** 2).sum()
    figure, (axis,) = panels(1, width=6.2, height=2.2, left=1.2, top=0.5)
    kinds = ("r2_geom: of all of y", "r2_partial: of what composition leaves")
    shown = dict(zip(kinds, [(COLOURS[4], "v"), (COLOURS[5], "P")], strict=True))
    for i, X in enumerate(table.features.values()):
        geom = ridge_probe(_project(X, Z, train), y, train)
        left = ((y - comp)[test] ** 2).sum()
        partial = 1 - ((y - comp - geom + mean)[test] ** 2).sum() / left
        for (colour, marker), score in zip(
            shown.values(), (r2(y, geom, test), partial), strict=True
        ):
            axis.plot(score, i, marker, color=colour, markersize=9)
            axis.annotate(
                f"{score:.2f}", (score, i), (0, 8), textcoords="offset points", ha="center"
            )
    lines = [
        axis.axvline(alone, color="0.3", linestyle=":", label=f"composition alone: {alone:.2f}"),
        axis.axvline(ceiling, color="0.3", linestyle="--", label=f"ceiling: {ceiling:.2f}"),
    ]
    axis.set(xlabel=f"test $R^2$ of the {name}", xlim=(0, 1.03))
    axis.set_yticks(range(len(table.features)), [SOURCES[name] for name in table.features])
    axis.set_ylim(len(table.features) - 0.5, -0.6)
    legend(figure, shown, also=lines)
    return Picture(
        figure,
        f"For each representation two scores of the {name}: r2_geom never passes the dashed "
        "ceiling, r2_partial of the trained network is near one.",
    )


def traps_figure(table: Table) -> Picture:
    """Two ways to spoil a projection: test rows take part, or fractions are removed, not counts."""
    C, test = table.counts.to_numpy(float), ~table.train
    Z, mass, X = _with_ones(C), C @ np.array(_MASSES), table.features["trained"]
    figure, (left, right) = panels(2, width=3.4, height=2.6, left=0.5, top=0.2, sharey=False)
    for (what, peek), colour, marker in zip(
        {"training rows": False, "all rows": True}.items(),
        (COLOURS[7], COLOURS[4]),
        "os",
        strict=True,
    ):
        scores = []
        for n in _ROWS:
            train = table.train & (np.cumsum(table.train) <= n)
            rows = train | test if peek else train
            scores.append(r2(mass, ridge_probe(_project(X, Z, rows), mass, train), test))
        left.plot(_ROWS, scores, color=colour, marker=marker, label=what)
    left.set(xscale="log", xlabel="training molecules", ylabel="test $R^2$ of the mass")
    left.set_xticks(_ROWS, [str(n) for n in _ROWS])
    left.minorticks_off()
    left.set_title("projection fitted to")
    left.legend(frameon=False, loc="lower right")
    size = C.sum(axis=1)
    removed = {"counts": Z, "fractions": _with_ones(C / size[:, None])}
    for k, ((what, gone), colour) in enumerate(
        zip(removed.items(), (COLOURS[0], COLOURS[4]), strict=True)
    ):
        for i, features in enumerate(table.features.values()):
            rest = _project(features, gone, table.train)
            score = r2(size, ridge_probe(rest, size, table.train), test)
            label = what if i == 0 else None
            right.barh(i + 0.36 * k - 0.18, score, 0.34, color=colour, label=label)
    right.set_yticks(range(len(table.features)), [SOURCES[name] for name in table.features])
    right.invert_yaxis()
    right.set(xlabel="test $R^2$ of the number of atoms", title="what was removed")
    right.legend(frameon=False)
    return Picture(
        figure,
        "Left, R2 of the mass, which should be zero: with a projection fitted to training rows it "
        "is, with one fitted to all rows it falls far below zero where training molecules are few. "
        "Right, R2 of the number of atoms: zero after counts were removed, up to 0.2 after "
        "fractions.",
    )
