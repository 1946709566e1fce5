"""Figures of lesson 1."""

from __future__ import annotations

import numpy as np

from cpdkit.course.picture import Picture
from cpdkit.course.probe import r2, ridge_probe
from cpdkit.course.table import Table
from cpdkit.figures import looks, panels

__all__ = ["accessible_figure", "predictions_figure"]

SOURCES = {
    "counts": "counts of atoms",
    "descriptor": "descriptor",
    "untrained": "untrained network",
    "trained": "trained network",
}
LOOKS = looks(SOURCES)  # of each in all figures of lessons 1 and 2
PROPERTIES = {"gap": ("gap", "eV"), "mu": ("dipole moment", "debye")}


def _inputs(table: Table) -> dict[str, np.ndarray]:
    """What a probe may see, from little to much."""
    return {
        "counts": table.counts.to_numpy(float),
        "descriptor": table.features["descriptor"],
        "untrained": table.features["untrained"],
        "trained": table.features["trained"],
    }


def predictions_figure(table: Table, name: str = "gap") -> Picture:
    """Predicted against computed values of the test rows, from counts and from trained features."""
    y, test = table.molecules[name].to_numpy(), ~table.train
    word, unit = PROPERTIES[name]
    figure, axes = panels(2, width=3.3, height=3.2, left=0.3, top=0.2)
    for axis, what in zip(axes, ("counts", "trained"), strict=True):
        colour, marker = LOOKS[what]
        predicted = ridge_probe(_inputs(table)[what], y, table.train)
        ends = [y[test].min(), y[test].max()]
        axis.plot(ends, ends, color="0.3", linewidth=1)
        axis.plot(y[test], predicted[test], marker, color=colour, markersize=4, alpha=0.6)
        axis.set_title(f"from {SOURCES[what]}: $R^2$ = {r2(y, predicted, test):.2f}")
        axis.set_xlabel(f"{word}, computed ({unit})")
    axes[0].set_ylabel(f"{word}, predicted ({unit})")
    return Picture(
        figure,
        f"Two panels of predicted against computed {word} of 300 test molecules with the diagonal: "
        "from counts of atoms a wide cloud, from features of the trained network a narrow band.",
    )


def accessible_figure(table: Table) -> Picture:
    """Test score of the gap and of the dipole moment, for all that a probe may see."""
    inputs = _inputs(table)
    figure, axes = panels(2, width=3.3, height=2.0, left=1.2, top=0.2)
    for axis, (name, (word, _)) in zip(axes, PROPERTIES.items(), strict=True):
        y = table.molecules[name].to_numpy()
        for i, (what, (colour, marker)) in enumerate(LOOKS.items()):
            score = r2(y, ridge_probe(inputs[what], y, table.train), ~table.train)
            axis.plot([0, score], [i, i], color=colour, linewidth=2)
            axis.plot(score, i, marker, color=colour, markersize=8)
            axis.annotate(f"{score:.2f}", (score, i), (8, -4), textcoords="offset points")
        axis.set(title=word, xlabel="test $R^2$ of a linear probe", xlim=(0, 1.15))
        axis.set_yticks(range(len(inputs)), list(SOURCES.values()))
        axis.set_ylim(len(inputs) - 0.5, -0.5)
    return Picture(
        figure,
        "Two panels, gap and dipole moment, with the test R2 of a linear probe on counts, "
        "descriptor, untrained and trained network. The trained network is far ahead for the gap; "
        "for the dipole moment the untrained one is.",
    )
