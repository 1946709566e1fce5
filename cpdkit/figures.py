"""What all figures share: style, palette, panels, points with intervals, legend.

Colour-blind-safe, with a white background that stays white in dark mode, where the page dims
images. Nothing here belongs to one chapter, and nothing is shown or written.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from itertools import cycle
from typing import Any

import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

__all__ = ["COLOURS", "MARKERS", "STYLE", "WIDEST", "described", "hollow", "intervals", "legend"]
__all__ += ["levels", "looks", "name_rows", "named_rows", "needs", "panels"]

COLOURS = sns.color_palette("colorblind")
MARKERS = "osD^vP"
STYLE: dict[str, Any] = {
    "axes.facecolor": "white",
    "figure.facecolor": "white",
    "axes.grid": True,
    "grid.color": "0.9",
    "font.size": 10.0,
    "svg.fonttype": "path",
}
"""Settings of matplotlib for every figure."""

_NUMBER = re.compile(r"[-+\u2212]?[\d.,]+(e[-+]?\d+)?%?|1?0\^.*")
_MARK_UP = re.compile(r"\\mathdefault|\\mathrm|\\mathregular|\\ell(?=\W)|[${}\\]")

WIDEST = 10.2
"""Inches: in the 7-inch column of a page, letters of 10 points are then 9 pixels high."""

Look = tuple[Any, str]
"""Colour and marker."""


def needs(table: pd.DataFrame, columns: Sequence[str]) -> None:
    """Refuse a table that lacks a column.

    Raises
    ------
    ValueError
        With the columns that are missing and those there are.
    """
    missing = [c for c in columns if c not in table]
    if missing:
        raise ValueError(f"the table lacks the columns {missing}; it has {list(table.columns)}.")


def levels(table: pd.DataFrame, *columns: str) -> Any:
    """Values of a column in the order of the table; of several columns, a list of such lists.

    Examples
    --------
    >>> levels(pd.DataFrame({"a": [2, 1, 2], "b": ["x", "x", "x"]}), "a", "b")
    [[2, 1], ['x']]
    """
    found = [list(dict.fromkeys(table[column])) for column in columns]
    return found[0] if len(found) == 1 else found


def looks(names: Iterable[str]) -> dict[str, Look]:
    """A colour and a marker for each name; 30 of them before the first pair comes again."""
    return dict(zip(names, zip(cycle(COLOURS), cycle(MARKERS), strict=False), strict=False))


def panels(
    n: int,
    *,
    width: float = 3.2,
    height: float = 3.4,
    left: float = 0.6,
    top: float = 0.6,
    columns: int | None = None,
    sharey: bool = True,
) -> tuple[Figure, list[Axes]]:
    """A figure with `n` panels, row by row.

    Parameters
    ----------
    n : int
        How many.
    width, height : float
        Of one panel, in inches.
    left, top : float
        Inches beside them for the names of rows, and above them for title and legend.
    columns : int, optional
        Panels in a row at most; by default as many as are not wider than `WIDEST`.
    sharey : bool, default True
        Whether all have one vertical axis; labels then stand at the first of a row.

    Returns
    -------
    figure : matplotlib.figure.Figure
    axes : list of matplotlib.axes.Axes
        `n` of them.
    """
    across = min(n, columns or n, max(1, int((WIDEST - left) / width)))
    down = -(-n // across)
    with sns.axes_style("whitegrid", rc=STYLE):
        size = (left + width * across, top + height * down)
        figure = Figure(figsize=size, layout="constrained")
        axes = figure.subplots(down, across, sharey=sharey, squeeze=False).ravel()
    for axis in axes[n:]:
        axis.remove()
    return figure, list(axes[:n])


def named_rows(
    n: int, names: Sequence[str], *, row: float, rest: float, **size: Any
) -> tuple[Figure, list[Axes]]:
    """`n` panels that share one row for each name.

    Parameters
    ----------
    n : int
        How many panels.
    names : sequence of str
        Of the rows, from the top.
    row, rest : float
        Height of a row and of all that is above and below the rows, in inches.
    **size
        Of :func:`panels`, such as ``left``.
    """
    figure, axes = panels(n, height=rest + row * len(names), **size)
    name_rows(axes, names)
    return figure, axes


def hollow(axis: Axes, x: Any, y: Any, look: Look) -> None:
    """Points whose inside is white, over those of :func:`intervals`."""
    colour, marker = look
    axis.plot(x, y, marker, color=colour, markerfacecolor="white", markersize=6, zorder=4)


def intervals(
    axis: Axes,
    rows: pd.DataFrame,
    at: Sequence[float] | np.ndarray,
    look: Look,
    *,
    upright: bool = False,
    **line: Any,
) -> None:
    """Draw the column ``mean`` as points and ``low`` to ``high`` as error bars.

    Parameters
    ----------
    axis : Axes
    rows : DataFrame
        Columns ``mean, low, high``.
    at : array of shape (n,)
        Places of the points on the other axis.
    look : pair
        Colour and marker, of :func:`looks`.
    upright : bool, default False
        Whether the scores go up instead of to the right.
    **line
        Of :meth:`matplotlib.axes.Axes.errorbar`, such as ``markersize`` or ``linestyle="-"``.
    """
    colour, marker = look
    mean = rows["mean"].to_numpy()
    spread = np.abs([mean - rows["low"], rows["high"] - mean])
    options = dict[str, Any](markersize=6, capsize=3, linewidth=1.5, linestyle="") | line
    axis.errorbar(
        at if upright else mean, mean if upright else at,
        xerr=None if upright else spread, yerr=spread if upright else None,
        color=colour, marker=marker, **options,
    )  # fmt: skip


def name_rows(axes: Sequence[Axes], names: Sequence[str]) -> None:
    """Write names at the rows 0, 1, ... from the top, left of the first panel of each row.

    Parameters
    ----------
    axes : sequence of Axes
        Of :func:`panels`.
    names : sequence of str
        One for each row.
    """
    for axis in axes:
        place = axis.get_subplotspec()
        axis.set_yticks(range(len(names)), names)
        axis.set_ylim(len(names) - 0.5, -0.5)
        axis.tick_params(labelleft=place is None or place.is_first_col())


def legend(
    figure: Figure, names: Mapping[str, Look], *, also: Sequence[Artist] = (), line: Any = ""
) -> None:
    """One legend above all panels, in as many columns as its longest entry leaves room for.

    The figure grows by the rows of the legend after the first.

    Parameters
    ----------
    figure : Figure
    names : mapping of str to pair
        Colours and markers by text, of :func:`looks`.
    also : sequence of Artist
        Further entries with labels, such as lines that mark a bound.
    line : line style, default ""
        Style of the line through the marker; none by default.
    """
    handles: list[Artist] = [
        Line2D([], [], color=colour, marker=marker, linestyle=line, label=name)
        for name, (colour, marker) in names.items()
    ]
    handles += also
    longest = max(len(str(handle.get_label())) for handle in handles)
    width, height = figure.get_size_inches()
    columns = max(1, min(len(handles), int(width / (0.6 + 0.075 * longest))))  # 10-point letters
    figure.set_size_inches(width, height + 0.2 * (-(-len(handles) // columns) - 1))
    figure.legend(handles=handles, loc="outside upper center", ncols=columns, frameon=False)


def described(figure: Figure) -> str:
    """What a figure shows, in words for those who do not see it: panels, axes, rows, legend.

    Taken from what is written in the figure, so it says how to read it and not what follows.

    Examples
    --------
    >>> figure, (axis,) = panels(1)
    >>> _ = axis.set(title="gap", xlabel="score", ylabel="error (eV)")
    >>> described(figure)
    'gap. Horizontal: score. Vertical: error (eV).'
    """
    axes = [axis for axis in figure.axes if axis.axison]
    titles = _different(axis.get_title() for axis in axes)
    across = _different(axis.get_xlabel() for axis in axes)
    up = _different(axis.get_ylabel() for axis in axes)
    rows = _different(t.get_text() for axis in axes for t in axis.get_yticklabels())
    columns = _different(t.get_text() for axis in axes for t in axis.get_xticklabels())
    keys = [legend for axis in axes if (legend := axis.get_legend())] + list(figure.legends)
    entries = _different(text.get_text() for legend in keys for text in legend.get_texts())
    shared = [figure.get_suptitle(), figure.get_supxlabel(), figure.get_supylabel()]
    parts = {
        "": [text for text in shared[:1] if text],
        "Panels: " if len(titles) > 1 else " ": titles,
        "Horizontal: ": across + [text for text in shared[1:2] if text],
        "Vertical: ": up + [text for text in shared[2:] if text],
        "Rows: ": [row for row in rows if not _NUMBER.fullmatch(row)],
        "Columns: ": [column for column in columns if not _NUMBER.fullmatch(column)],
        "Legend: ": entries,
    }
    said = [f"{name}{_listed(texts)}." for name, texts in parts.items() if texts]
    return " ".join(" ".join(said).split())


def _listed(texts: Sequence[str], *, most: int = 8) -> str:
    """All texts, or how many, the first and the last."""
    many = f"{len(texts)}, from {texts[0]} to {texts[-1]}"
    return "; ".join(texts) if len(texts) <= most else many


def _different(texts: Iterable[str]) -> list[str]:
    """Texts without mathematical mark-up, each once."""
    plain = [_MARK_UP.sub("", text).replace("\n", " ").strip() for text in texts]
    return list(dict.fromkeys(text for text in plain if text))
