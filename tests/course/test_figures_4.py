"""Figures of lesson 4: what the tables hold is drawn, and nothing else."""

from __future__ import annotations

from itertools import combinations, product

import numpy as np
import pandas as pd
import pytest

from cpdkit.course.figures_4 import controls_figure, seeds_figure


@pytest.fixture
def controls() -> pd.DataFrame:
    keys = list(product(("soap", "ani2x-aev"), ("ridge", "trees"), ("random", "formula")))
    table = pd.DataFrame(keys, columns=["representation", "probe", "folds"])
    table["mean"] = np.linspace(0, 0.9, len(table))
    return table.assign(target="mass", low=table["mean"] - 0.2, high=table["mean"] + 0.6)


def test_controls_have_a_panel_for_each_kind_of_folds(controls):
    axes = controls_figure(controls).figure.axes
    for axis, kind in zip(axes, ("random", "formula"), strict=True):
        drawn = [x for bar in axis.containers for x in bar.lines[0].get_xdata()]
        assert np.allclose(sorted(drawn), sorted(controls.loc[controls.folds == kind, "mean"]))
        assert axis.get_xlim()[1] > controls["high"].max()  # no interval is cut off
    with pytest.raises(ValueError, match="rows of one"):
        controls_figure(pd.concat([controls, controls.assign(target="x_H")]))


def test_differences_without_zero_are_marked():
    means = np.array([0.1, 0.3, 0.32, 0.9])
    seeds = pd.DataFrame({"seed": range(4), "mean": means, "low": means - 0.1, "high": means + 0.1})
    gaps = np.array([means[i] - means[j] for i, j in combinations(range(4), 2)])
    table = pd.DataFrame({"difference": gaps, "low": gaps - 0.25, "high": gaps + 0.25})
    picture = seeds_figure(seeds, table)
    left, right = picture.figure.axes
    assert np.allclose(left.containers[0].lines[0].get_ydata(), means)
    sizes = [len(bar.lines[0].get_ydata()) for bar in right.containers]
    assert sizes == [(np.abs(gaps) <= 0.25).sum(), (np.abs(gaps) > 0.25).sum()]
    assert f"of which {sizes[1]} have" in picture.alt
