"""What a representation has seen, and the figure that sorts scores by it."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

import pandas as pd
from matplotlib.artist import Artist
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch

from cpdkit.experiments.labels import label
from cpdkit.experiments.verdict import HANDCRAFTED, kind_of, number, saw_target
from cpdkit.figures import intervals, legend, looks, named_rows, needs

__all__ = ["PARTIAL", "kinds_figure", "seen", "seen_in_words"]

PARTIAL = r"$R^2_\mathrm{partial}$: share of what composition leaves"
_LOWEST = -0.15  # scores further left are written at the edge


def seen(representation: str, target: str, handcrafted: Collection[str] = HANDCRAFTED) -> str:
    """`saw` for a network trained on the target, else what `kind_of` says; pretrained is trained.

    Examples
    --------
    >>> [seen(name, "gap") for name in ("zoo/mace-gap-0", "chgnet", "soap", "bond-counts")]
    ['saw', 'trained', 'descriptor', 'null']
    """
    kind = kind_of(representation, handcrafted)
    if kind in ("trained", "pretrained"):
        return "saw" if saw_target(representation, target) else "trained"
    return kind


def seen_in_words(target: str) -> dict[str, str]:
    """What `seen` answers, in the order and the words of figures; nulls are left out."""
    return {
        "saw": f"networks trained on the {label(target)}",
        "trained": "networks trained on something else",
        "untrained": "untrained networks",
        "descriptor": "descriptors written by hand",
    }


def kinds_figure(
    tables: Mapping[str, pd.DataFrame],
    *,
    target: str,
    score: str | Mapping[str, str] = PARTIAL,
    handcrafted: Collection[str] = HANDCRAFTED,
    beside: str | None = None,
    counted: Collection[str] = (),
    marks: Mapping[str, Collection[float]] | None = None,
    xlim: tuple[float, float] = (_LOWEST, 1.05),
) -> Figure:
    """One score of one target by what a representation has seen, one panel per table.

    Parameters
    ----------
    tables : mapping of str to DataFrame
        By title; columns ``representation, mean, low, high``, a row for each representation.
    target : str
        Which networks count as trained on it.
    score : str or mapping of str to str
        Label of the horizontal axis, or of each panel's by its title.
    handcrafted : collection of str
        Representations that are descriptors.
    beside : str, optional
        The representation whose interval is the band, by default the best descriptor; ``""`` for
        no band.
    counted : collection of str
        Nulls that get a row, such as ``"Morgan counts"``.
    marks : mapping of str to floats, optional
        Places of dashed lines by their label.
    xlim : pair of float
        Of the horizontal axis; what lies left of it is written at the edge, and an arrow marks
        an interval that goes on.

    Returns
    -------
    Figure
        Other nulls and `beside` have no row.
    """
    kinds = seen_in_words(target) | {"null": "counts of bonds and fragments"}
    for table in tables.values():
        needs(table, ["representation", "mean", "low", "high"])
    every = pd.concat([table.assign(panel=title) for title, table in tables.items()])
    every["kind"] = [seen(name, target, handcrafted) for name in every["representation"]]
    if "saw" not in set(every["kind"]):  # then where they were trained may matter
        every["kind"] = [kind_of(name, handcrafted) for name in every["representation"]]
        here = {"trained": "networks trained here", "pretrained": "networks trained elsewhere"}
        kinds = here | {name: kinds[name] for name in kinds if name not in ("saw", "trained")}
    colours = looks(kinds)
    rowless = (every["kind"] == "null") & ~every["representation"].isin(counted)
    known = every[~rowless & (every["representation"] != beside)]
    order = known.groupby(["kind", "representation"])["mean"].mean()
    names = [n for k in kinds if k in order for n in order[k].sort_values(ascending=False).index]
    figure, axes = named_rows(
        len(tables), [label(name) for name in names], row=0.22, rest=0.9, left=3.0
    )
    banded = cut = False
    for axis, title in zip(axes, tables, strict=True):
        here, shown = every[every["panel"] == title], known[known["panel"] == title]
        own = here["kind"] == "descriptor" if beside is None else here["representation"] == beside
        if own.any():
            banded = True
            band = here[own].nlargest(1, "mean").iloc[0]
            axis.axvspan(band["low"], band["high"], color="0.5", alpha=0.18, zorder=0)
        for name, look in colours.items():
            of = shown[shown["kind"] == name]
            at_rows = [names.index(one) for one in of["representation"]]
            intervals(axis, of, at_rows, look, markersize=5)
        for _, row in shown[shown["mean"] < xlim[0]].iterrows():
            at = (xlim[0] + 0.01, names.index(row["representation"]))
            axis.annotate(f"\N{LEFTWARDS ARROW} {number(row['mean'], 1)}", at, va="center")
        for name, (colour, _) in colours.items():
            of = shown[(shown["kind"] == name) & (shown["mean"] >= xlim[0])]
            for edge, marker, over in (
                (xlim[0], "<", of["low"] < xlim[0]),
                (xlim[1], ">", of["high"] > xlim[1]),
            ):
                ends = [names.index(one) for one in of.loc[over, "representation"]]
                if ends:
                    cut = True
                    axis.plot([edge] * len(ends), ends, marker, color=colour, clip_on=False)
        axis.axvline(0, color="0.2", linewidth=0.8)
        for places in (marks or {}).values():
            for place in places:
                axis.axvline(place, color="0.2", linewidth=0.8, linestyle="--")
        axis.set(title=title, xlabel=score if isinstance(score, str) else score[title], xlim=xlim)
    also: list[Artist] = [
        Line2D([], [], color="0.2", linewidth=0.8, linestyle="--", label=text)
        for text in marks or {}
    ]
    if cut:
        arrows: dict[str, Any] = {"marker": "$\\leftrightarrow$", "markersize": 12, "linestyle": ""}
        also.append(Line2D([], [], color="0.2", label="interval goes on", **arrows))
    if banded:
        whose = "the best descriptor" if beside is None else label(beside)
        also.append(Patch(color="0.5", alpha=0.18, linewidth=0, label=f"95 % interval of {whose}"))
    entries = {kinds[kind]: look for kind, look in colours.items() if kind in order}
    legend(figure, entries, also=also)
    return figure
