"""Figures of the method by hand: what is given is drawn."""

from __future__ import annotations

import numpy as np
import pytest

from cpdkit.course.figures_by_hand import predictions_figure, shares_figure


def test_shares_stand_end_to_end_above_what_composition_leaves() -> None:
    planted = {"composition": 0.5, "double bonds": 0.2, "stretch": 0.2, "twist": 0.1}
    picture = shares_figure(planted, ceiling=0.49, r2_geom=0.41)
    (axis,) = picture.figure.axes
    bars = [(bar.get_x(), bar.get_width()) for bar in axis.patches]
    expected = [(0, 0.5), (0.5, 0.2), (0.7, 0.2), (0.9, 0.1), (0.51, 0.49), (0.51, 0.41)]
    assert np.allclose(bars, expected)
    assert axis.get_xlabel()
    written = [text.get_text() for text in axis.texts]
    assert written == [
        "composition\n0.50",
        "double\nbonds\n0.20",
        "stretch\n0.20",
        "twist\n0.10",
        "0.49",
        "0.41",
    ]
    assert all(word in picture.alt for word in (*planted, "0.49", "0.41"))


def test_predictions_have_a_scale_of_their_own() -> None:
    y = np.arange(5.0)
    wild = np.where(y == 3, -1e4, y)
    picture = predictions_figure(y, {"wild": wild, "tame": y})
    for axis, values in zip(picture.figure.axes, (wild, y), strict=True):
        (line,) = axis.get_lines()
        assert np.array_equal(line.get_xydata(), np.column_stack([y, values]))
        assert axis.get_xlabel()
    assert picture.figure.axes[1].get_ylim()[0] == pytest.approx(-0.2)
    assert "wild 10,003" in picture.alt
