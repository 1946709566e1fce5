"""Figures draw what the table says."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from cpdkit.experiments.gradient.figures import (
    architecture_figure,
    heat_map,
    ladder_figure,
    ladder_map,
    layer_figure,
    probe_figure,
)


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


def test_a_map_of_the_ladder_shows_the_first_target_rung_by_rung():
    table = rows(
        representation="a", removed=["counts", "counts", "bonds", "bonds"],
        target=["gap", "mu"] * 2, score="r2_partial", mean=[0.5, 0.9, 0.2, 0.8],
    )  # fmt: skip
    axis = ladder_map(table).axes[0]
    assert [t.get_text() for t in axis.get_xticklabels()] == ["element counts", "bond counts"]
    assert [t.get_text() for t in axis.texts] == ["0.50", "0.20"]


def test_one_panel_per_architecture_and_one_line_per_task():
    encoders = ["ani2x", "zoo/mace-gap-0", "zoo/mace-untrained-0", "zoo/painn-gap-0"]
    table = pd.concat(
        rows(
            representation=name, encoder=name, depth=[0, 1], target=["gap", "gap"],
            score="r2_partial", mean=[0.1, 0.2],
        )
        for name in encoders
    )  # fmt: skip
    axes = architecture_figure(table).axes
    assert [axis.get_title() for axis in axes] == ["trained elsewhere", "MACE", "PaiNN"]
    lines = [text.get_text() for text in axes[0].figure.legends[0].texts]
    assert lines == ["ANI-2x network", "trained on the gap", "untrained"]


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


@pytest.mark.parametrize("draw", [heat_map, ladder_figure, ladder_map, layer_figure, probe_figure])
def test_a_missing_column_is_named(draw):
    with pytest.raises(ValueError, match="lacks the columns"):
        draw(pd.DataFrame({"target": ["gap"]}))
