"""Figures of chapter 3 show every number of their table, and the same probe alike."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from matplotlib.colors import to_hex

from cpdkit.experiments.inflation.figures import (
    inflation_figure,
    mechanism_figure,
    remedy_figure,
    width_figure,
)


def score(mean, **columns):
    return {**columns, "mean": mean, "low": mean - 0.1, "high": mean + 0.1, "score": "r2_geom"}


WIDTHS = pd.DataFrame(
    score(0.1 * w, planted=kind, probe=probe, width=w)
    for kind in "ab" for probe in ("ridge", "trees") for w in (1, 4)
)  # fmt: skip


def xy(axis):
    """Points of error bars, by colour."""
    return {
        to_hex(bars.lines[0].get_color()): np.transpose(bars.lines[0].get_data())
        for bars in axis.containers
    }


def test_widths_and_their_scores_are_drawn():
    figure = width_figure(WIDTHS)
    panels = figure.axes
    assert [axis.get_title() for axis in panels] == ["a", "b"]
    for axis in panels:
        lines = xy(axis)
        assert len(lines) == 2
        for points in lines.values():
            np.testing.assert_allclose(points[:, 1], [0.1, 0.4])
    only = width_figure(WIDTHS[WIDTHS.probe == "trees"])
    (colour,) = xy(only.axes[0])
    assert colour in xy(panels[0])
    assert colour != next(iter(xy(panels[0])))


def test_means_over_targets_are_drawn_and_low_scores_stay_on_the_page():
    table = pd.DataFrame(
        score(value, representation="aev", probe="knn", folds=folds, target=target)
        for folds in ("random", "formula")
        for target, value in {"mass": 0.5, "mean_Z": -7.0}.items()
    )
    left, right = inflation_figure(table).axes
    large = left.lines[-2].get_xdata()
    assert large == pytest.approx((0.5 - 0.6) / 2)
    assert left.get_xlim()[0] < -0.6
    assert right.get_title() == "formula folds"


def test_truth_is_drawn_in_every_panel():
    table = pd.DataFrame(
        score(0.3, question=question, remedy="none", probe="ridge", truth=truth)
        for question, truth in (("a", 0), ("b", 0.5))
    )
    axes = remedy_figure(table, questions=["b", "a"]).axes
    dashed = [next(x for x in a.lines if x.get_linestyle() == "--").get_xdata()[0] for a in axes]
    assert dashed == [0.5, 0]


def test_missing_columns_are_named():
    with pytest.raises(ValueError, match=r"lacks the columns \['planted'\]"):
        width_figure(WIDTHS.drop(columns="planted"))
    for draw in (
        inflation_figure,
        lambda t: remedy_figure(t, questions=["a"]),
        lambda t: mechanism_figure(t, colour="mass"),
    ):
        with pytest.raises(ValueError, match="lacks the columns"):
            draw(WIDTHS)


def test_points_are_coloured_by_what_they_should_not_know():
    a, b, count = np.arange(5.0), np.arange(5.0) ** 2, np.arange(5)
    table = pd.DataFrame({"planted": "x", "channel_1": a, "channel_2": b, "heavy_atoms": count})
    figure = mechanism_figure(table, colour="heavy_atoms")
    points = figure.axes[0].collections[0]
    np.testing.assert_allclose(points.get_offsets(), np.transpose([a, b]))
    np.testing.assert_allclose(points.get_array(), count)
    assert figure.axes[-1].get_ylabel() == "heavy atoms"
