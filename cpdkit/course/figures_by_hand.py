"""Figures of the page that does the method by hand."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from cpdkit.course.picture import Picture
from cpdkit.figures import COLOURS, panels

__all__ = ["predictions_figure", "shares_figure"]


def shares_figure(planted: Mapping[str, float], *, ceiling: float, r2_geom: float) -> Picture:
    """Planted shares of a target, composition first, above what a residual could and does find."""
    figure, (axis,) = panels(1, width=4.6, height=2.6, left=0.8, top=0)
    start = 0.0
    for (name, share), colour in zip(planted.items(), (7, 1, 8, 9), strict=True):
        axis.barh(0, share, left=start, color=COLOURS[colour], edgecolor="black")
        said = f"{name} {share:.2f}".replace(" ", "\n")
        axis.text(start + share / 2, 0, said, ha="center", va="center")
        start += share
    for row, share in ((1, ceiling), (2, r2_geom)):
        axis.barh(row, share, left=1 - ceiling, color="white", edgecolor="black")
        axis.text(1 - ceiling + share / 2, row, f"{share:.2f}", ha="center", va="center")
    axis.set_yticks(range(3), ["planted", "ceiling", "r2_geom"])
    axis.invert_yaxis()
    axis.grid(False)
    axis.set(xlabel="share of the variance of y", xlim=(0, 1))
    parts = ", ".join(f"{name} {share:.2f}" for name, share in planted.items())
    return Picture(
        figure, f"Planted shares: {parts}. Ceiling: {ceiling:.2f}. r2_geom: {r2_geom:.2f}."
    )


def predictions_figure(y: np.ndarray, predicted: Mapping[str, np.ndarray]) -> Picture:
    """Predictions against the truth, one panel and vertical scale for each way of predicting."""
    figure, axes = panels(len(predicted), width=2.3, height=2.3, left=0.6, top=0.1, sharey=False)
    for axis, (name, values) in zip(axes, predicted.items(), strict=True):
        axis.plot(y, values, ".", color=COLOURS[0])
        axis.set(title=name, xlabel="y")
    axes[0].set_ylabel("predicted y")
    off = ", ".join(f"{name} {np.abs(v - y).max():,.0f}" for name, v in predicted.items())
    return Picture(figure, f"Predicted against true y. Largest error: {off}.")
