"""Figures draw what the table says."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from cpdkit.experiments.gradient.figures import heat_map, ladder_figure, layer_figure, probe_figure


def rows(**columns):
    table = pd.DataFrame(columns)
    return table.assign(low=table["mean"] - 0.05, high=table["mean"] + 0.05)


def test_heat_map_writes_every_value():
    table = rows(
        representation=["a", "a", "b", "b"], target=["gap", "mu"] * 2, score="r2_partial",
        mean=[0.11, 0.22, -0.33, np.nan],
    )  # fmt: skip
    axis = heat_map(table).axes[0]
    assert [t.get_text() for t in axis.texts] == ["0.11", "0.22", "-0.33"]
    assert [t.get_text() for t in axis.get_yticklabels()] == ["a", "b"]


def test_a_ladder_keeps_the_order_of_its_rungs():
    table = rows(
        representation=["a", "a"], removed=["counts", "bonds"], target="gap",
        score="r2_partial", mean=[0.5, 0.2],
    )  # fmt: skip
    axis = ladder_figure(table).axes[0]
    assert [t.get_text() for t in axis.get_xticklabels()] == ["element counts", "bond counts"]
    assert axis.lines[0].get_ydata().tolist() == [0.5, 0.2]


def test_layers_lie_at_their_depth():
    table = rows(
        encoder=["a"] * 3 + ["b"], depth=[0, 0.5, 1, 1], target="mu", score="r2_partial",
        representation=["a / 1", "a / 2", "a / 3", "b / 1"],  # as the chapter has it
        mean=[0.1, 0.2, 0.3, 0.4],
    )  # fmt: skip
    axis = layer_figure(table).axes[0]
    assert axis.lines[0].get_xdata() == pytest.approx([0, 0.5, 1], abs=0.02)


def test_only_a_significant_crossing_is_filled():
    table = pd.concat(
        [
            rows(
                representation=["a", "b"], probe="trees", target="gap", score=score, mean=mean
            )
            for score, mean in {
                "r2_geom": [0.8, 0.62], "ceiling": [0.6, 0.6], "crossing": [0.2, 0.02],
            }.items()
        ]
    )  # fmt: skip
    axis = probe_figure(table).axes[0]
    hollow = [line for line in axis.lines if line.get_markerfacecolor() == "white"]
    assert [list(line.get_xdata()) for line in hollow] == [[0.62]]


@pytest.mark.parametrize("draw", [heat_map, ladder_figure, layer_figure, probe_figure])
def test_a_missing_column_is_named(draw):
    with pytest.raises(ValueError, match="lacks the columns"):
        draw(pd.DataFrame({"target": ["gap"]}))
