"""Figures show what the table holds."""

from __future__ import annotations

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
from toy import planted

import cpdkit
from cpdkit.experiments.gradient.figures import gradient_figure, protocol_figure


@pytest.fixture(scope="module")
def table():
    data = planted(n=100)
    targets = pd.DataFrame({"gap": data.y, "mu": data.y**2})
    parts = []
    for name, X in {"first": data.X, "second": data.X[:, :4]}.items():
        for protocol in ("sound", "naive"):
            scores = cpdkit.cpd(X, data.C, targets, groups=data.formulas, protocol=protocol)
            parts.append(scores.assign(representation=name, protocol=protocol))
    return pd.concat(parts, ignore_index=True)


def test_gradient_has_a_panel_per_target_and_every_mean_with_its_interval(table):
    sound = table[table.protocol == "sound"]
    figure = gradient_figure(sound)
    assert [axis.get_title() for axis in figure.axes] == ["HOMO-LUMO gap", "dipole moment"]
    for axis, target in zip(figure.axes, ["gap", "mu"], strict=True):
        drawn = np.concatenate([c.lines[0].get_xdata() for c in axis.containers])
        bars = [c.lines[2][0].get_segments() for c in axis.containers]
        ends = np.concatenate([[segment[:, 0] for segment in bar] for bar in bars])
        expected = sound[(sound.target == target) & sound.score.isin(["r2_partial", "r2_geom"])]
        expected = expected.sort_values(["score", "representation"], ascending=[False, True])
        assert np.allclose(drawn, expected["mean"])
        assert np.allclose(ends, expected[["low", "high"]])
        assert "dimensionless" in axis.get_xlabel()
    plt.close(figure)


def test_protocols_are_told_apart_and_shown_in_full(table):
    table = table.copy()
    row = table.index[(table.score == "r2_geom") & (table.protocol == "naive")][0]
    table.at[row, "fold_values"] = (-1e5, 0.1, 0.2, 0.1, 0.2)
    figure = protocol_figure(table[table.target.isin(["gap", "mu"])])
    labels = [text.get_text() for text in figure.legends[0].get_texts()]
    assert labels == ["sound", "naive"]
    assert all(axis.get_xlim()[0] < -1e5 for axis in figure.axes)
    plt.close(figure)


def test_tables_that_do_not_fit_are_refused(table):
    with pytest.raises(ValueError, match="several protocols"):
        gradient_figure(table)
    with pytest.raises(ValueError, match=r"lacks the columns \['representation'\]"):
        gradient_figure(table.drop(columns="representation"))
