"""Figures of lesson 3: what the table holds is drawn, and nothing else."""

from __future__ import annotations

from itertools import product

import numpy as np
import pandas as pd
import pytest

from cpdkit.course.figures_3 import degrees_figure, layers_figure

NETWORKS, LAYERS = ("trained", "other", "untrained"), ("block_1", "block_2")


@pytest.fixture
def scores() -> pd.DataFrame:
    keys = list(product(NETWORKS, LAYERS, (0, 1), ("gap", "mu")))
    table = pd.DataFrame(keys, columns=["network", "layer", "l", "target"])
    table["mean"] = np.linspace(0.05, 0.95, len(table))
    return table.assign(low=table["mean"] - 0.1, high=table["mean"] + 0.1)


def _drawn(axis) -> list[float]:
    """Heights of the points of all lines with intervals."""
    return sorted(float(y) for bar in axis.containers for y in bar.lines[0].get_ydata())


def test_layers_are_those_of_the_scalars_of_one_target(scores):
    picture = layers_figure(scores.sample(frac=1, random_state=0).sort_values("layer"))
    (axis,) = picture.figure.axes
    asked = scores[(scores["l"] == 0) & (scores["target"] == "gap")]
    assert np.allclose(_drawn(axis), sorted(asked["mean"]))
    assert [text.get_text() for text in axis.get_xticklabels()] == list(LAYERS)
    assert all(name in picture.alt for name in NETWORKS)


def test_degrees_show_two_networks_and_every_target(scores):
    picture = degrees_figure(scores, trained="trained", untrained="untrained")
    for axis, target in zip(picture.figure.axes, ("gap", "mu"), strict=True):
        asked = scores[(scores["target"] == target) & (scores["network"] != "other")]
        assert np.allclose(_drawn(axis), sorted(asked["mean"]))
    with pytest.raises(ValueError, match="no network 'new'"):
        degrees_figure(scores, trained="trained", untrained="new")
    with pytest.raises(ValueError, match="lacks the columns"):
        layers_figure(scores.drop(columns="low"))
