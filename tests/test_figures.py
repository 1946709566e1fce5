"""The scaffold of all figures: places, looks, and columns that are missing."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from matplotlib.figure import Figure

from cpdkit.figures import (
    WIDEST,
    described,
    intervals,
    legend,
    levels,
    looks,
    name_rows,
    needs,
    panels,
)

TABLE = pd.DataFrame({"name": ["b", "a"], "mean": [0.5, -1.0], "low": [0.4, -2.0], "high": 0.7})


@pytest.mark.parametrize(("n", "columns", "down"), [(1, None, 1), (4, None, 1), (5, 3, 2)])
def test_there_are_as_many_panels_as_asked_for(n: int, columns: int | None, down: int) -> None:
    figure, axes = panels(n, width=2, height=1, left=0.5, top=0.25, columns=columns)
    assert figure.axes == axes
    assert len(axes) == n
    assert figure.get_size_inches() == pytest.approx([0.5 + 2 * min(n, columns or n), 0.25 + down])
    assert figure.get_facecolor()[:3] == (1, 1, 1)


@settings(max_examples=20, deadline=None)
@given(st.integers(1, 12), st.floats(0.5, 6), st.floats(0, 4))
def test_panels_wrap_before_letters_get_too_small(n: int, width: float, left: float) -> None:
    figure, axes = panels(n, width=width, height=0.1, left=left)
    across = figure.axes[0].get_gridspec().ncols
    assert len(axes) == n
    assert left + width * across <= WIDEST + 1e-9 or across == 1
    assert across == n or left + width * (across + 1) > WIDEST - 1e-9


def test_a_description_names_what_is_written_in_a_figure() -> None:
    figure, axes = panels(2)
    axes[0].set(title="dipole moment", xlabel=r"$R^2_\mathrm{partial}$")
    name_rows(axes, ["MACE, untrained", "SOAP"])
    legend(figure, looks(["trained"]))
    said = described(figure)
    for text in ("dipole moment", "R^2_partial", "MACE, untrained; SOAP", "Legend: trained"):
        assert text in said
    name_rows(axes, [f"row {i}" for i in range(20)])
    assert "20, from row 0 to row 19" in described(figure)


@pytest.mark.parametrize("upright", [False, True])
def test_points_and_their_intervals_lie_where_the_table_says(upright: bool) -> None:
    _, (axis,) = panels(1)
    intervals(axis, TABLE, [0, 1], ("red", "o"), upright=upright)
    (bars,) = axis.containers
    points = np.array(bars.lines[0].get_data(), dtype=float).T  # NumPy 1.26 makes objects
    ends = np.array(bars.lines[2][0].get_segments(), dtype=float)
    if upright:
        points, ends = points[:, ::-1], ends[..., ::-1]
    assert np.allclose(points, [[0.5, 0], [-1, 1]])
    assert np.allclose(ends[..., 0], TABLE[["low", "high"]])


def test_rows_are_named_once_from_the_top() -> None:
    _, axes = panels(5, columns=2, sharey=False)
    name_rows(axes, ["x", "y"])
    shown = [a.yaxis.get_tick_params()["labelleft"] for a in axes]
    assert shown == [True, False, True, False, True]
    assert all(a.get_ylim()[0] > a.get_ylim()[1] for a in axes)


def test_names_are_told_apart_and_listed() -> None:
    names = [f"n{i}" for i in range(30)]
    assert len(set(looks(names).values())) == 30
    figure, _ = panels(1)
    legend(figure, looks(names[:3]))
    assert [text.get_text() for text in figure.legends[0].get_texts()] == names[:3]


def test_a_long_legend_takes_no_room_from_the_panels() -> None:
    figure, (axis,) = panels(1, width=4, height=3)
    legend(figure, looks([f"a representation with a long name, {i}" for i in range(20)]))
    figure.draw_without_rendering()
    assert axis.get_position().height * figure.get_size_inches()[1] > 2
    box = figure.legends[0].get_window_extent()
    assert box.x0 >= 0
    assert box.x1 <= figure.bbox.x1


def test_levels_keep_the_order_of_the_table() -> None:
    assert levels(TABLE, "name") == ["b", "a"]
    assert levels(TABLE, "name", "high") == [["b", "a"], [0.7]]


def test_a_missing_column_is_named() -> None:
    with pytest.raises(ValueError, match=r"lacks the columns \['width'\]; it has \['name'"):
        needs(TABLE, ["name", "width"])


def test_nothing_is_drawn_on_the_screen() -> None:
    figure, _ = panels(2)
    assert type(figure) is Figure
    assert figure.canvas.manager is None
