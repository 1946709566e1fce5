"""The figure that leads a chapter: the recorded numbers that answer its question."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import pandas as pd

from cpdkit._messages import unknown
from cpdkit.experiments.headlines import NAMES
from cpdkit.experiments.labels import label
from cpdkit.runs.record import Recorded, recorded_tables

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["first_figure"]

Records = Mapping[str, Recorded]


def first_figure(notebook: str, datasets: Sequence[str] = ("xtb9", "qm9")) -> Figure:
    """The figure that answers a chapter's question, one panel for each recorded data set.

    Parameters
    ----------
    notebook : str
        Name of the chapter without extension, such as ``"01_disentanglement_gradient"``.
    datasets : sequence of str
        Names of records, in this order; those that do not exist are left out.

    Returns
    -------
    Figure

    Raises
    ------
    ValueError
        If none of them is recorded, or the chapter has no such figure.
    """
    if notebook not in _DRAWN:
        raise ValueError(unknown("chapter with a leading figure", notebook, _DRAWN))
    found = {name: recorded_tables(notebook, dataset=name) for name in datasets}
    records = {NAMES[name]: record for name, record in found.items() if record is not None}
    if not records:
        raise ValueError(f"nothing is recorded of {notebook} on {', '.join(datasets)}.")
    return _DRAWN[notebook](records)


def _gradient(records: Records) -> Figure:
    """`r2_partial` of last layers."""
    from cpdkit.experiments.by_kind import kinds_figure

    rows = {"protocol": "sound", "depth": 1, "score": "r2_partial"}
    asked = _asked(records)
    return kinds_figure(
        {
            name: _where(_named(record["gradient"]), target=asked["targets"][0], **rows)
            for name, record in records.items()
        },
        target=asked["targets"][0], handcrafted=asked["handcrafted"],
    )  # fmt: skip


def _routing(records: Records) -> Figure:
    """The routing index of the last layer with vectors."""
    from cpdkit.experiments.by_kind import kinds_figure

    tables = {}
    for name, record in records.items():
        index = _where(_named(record["index"]), quantity="index", l=1)
        last = index.groupby("representation")["layer"].transform("max")
        tables[name] = index[index["layer"] == last]
    vector, scalar = _asked(records)["targets"][:2]
    score = f"routing index: {label(vector)} in $\\ell=1$,\n{label(scalar)} in $\\ell=0$"
    return kinds_figure(tables, target=scalar, score=score, xlim=(-0.3, 0.8))


def _inflation(records: Records) -> Figure:
    """The compositional target that boosted trees find again in residuals."""
    from cpdkit.experiments.by_kind import kinds_figure

    asked = _asked(records)
    rows = {"score": "r2_geom", "target": asked["control"], "folds": asked["folds"][0]}
    return kinds_figure(
        {name: _where(record["strong"], **rows) for name, record in records.items()},
        target=asked["control"], score=f"$R^2$ of {asked['control']} from residuals",
        beside="", marks={"the paper: 0.68 to 0.95": (0.68, 0.95)},
    )  # fmt: skip


def _samples(records: Records) -> Figure:
    """Structures needed against the final score, with all channels and at one width."""
    from cpdkit.experiments.by_kind import seen, seen_in_words
    from cpdkit.experiments.efficiency.figures import efficiency_figure
    from cpdkit.experiments.efficiency.needed import share_of_final

    asked = _asked(records)
    target, rows = asked["targets"][0], []
    words = seen_in_words(target)
    for name, record in records.items():
        needed = _where(record["needed"], target=target, score="r2_partial")
        needed = needed[needed["width"].isin(["all", "subset"])]
        of = needed["representation"].map(lambda one: seen(one, target))
        for kind, said in words.items():
            rows.append(needed[of == kind].assign(target=name, representation=said))
    return efficiency_figure(pd.concat(rows), criterion=share_of_final(asked["fractions"][-1]))


def _geometry(records: Records) -> Figure:
    """Scores between molecules and within them."""
    from cpdkit.experiments.by_kind import PARTIAL, kinds_figure

    target = _asked(records)["targets"][0]
    (record,) = records.values()
    scores = {"between molecules": "r2_partial", "within molecules": "r2_within"}
    said = {"between molecules": PARTIAL, "within molecules": r"$R^2_\mathrm{within}$"}
    return kinds_figure(
        {
            title: _where(record["rulers"], target=target, score=score)
            for title, score in scores.items()
        },
        target=target, score=said,
    )  # fmt: skip


def _isomers(records: Records) -> Figure:
    """Share of all pairs in order."""
    from cpdkit.experiments.by_kind import kinds_figure
    from cpdkit.experiments.isomers.verdict import CLAIMED

    target, tables = _asked(records)["targets"][0], {}
    for name, record in records.items():
        pairs = _where(record["accuracy"], target=target, pairs="above", from_quantile=0.0)
        tables[name] = pairs.assign(mean=pairs["accuracy"])
    return kinds_figure(
        tables, target=target, score="share of pairs in order", beside="bond counts",
        counted=["Morgan counts"],
        marks={f"the paper, QM9: {CLAIMED:.1%}": (CLAIMED,)}, xlim=(0.48, 1.0),
    )  # fmt: skip


_DRAWN: Mapping[str, Callable[[Records], Figure]] = {
    "01_disentanglement_gradient": _gradient,
    "02_irrep_routing": _routing,
    "03_gbt_inflation": _inflation,
    "04_sample_efficiency": _samples,
    "06_geometry_alone": _geometry,
    "07_isomers": _isomers,
    "08_crystals": _gradient,
}


def _asked(records: Records) -> Mapping[str, Any]:
    """Parameters of the first record."""
    return next(iter(records.values())).manifest["parameters"]


def _named(table: pd.DataFrame) -> pd.DataFrame:
    """With the encoder as the representation."""
    return table.assign(representation=table["encoder"])


def _where(table: pd.DataFrame, **values: Any) -> pd.DataFrame:
    """Rows that have these values."""
    for column, value in values.items():
        table = table[table[column] == value]
    return table
