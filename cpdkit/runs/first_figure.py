"""The figure that leads: recorded scores by what a representation was trained on."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from cpdkit.experiments.headlines import NAMES
from cpdkit.runs.record import recorded_tables

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["by_training"]


def by_training(notebook: str, datasets: Sequence[str]) -> Figure:
    """``r2_partial`` of last layers for the first target, one panel for each recorded data set.

    Parameters
    ----------
    notebook : str
        With a table ``gradient``, such as ``"01_disentanglement_gradient"``.
    datasets : sequence of str
        Names of records; at least one must exist.

    Returns
    -------
    Figure
        See :func:`cpdkit.experiments.gradient.figures.kinds_figure`.

    Raises
    ------
    ValueError
        If none of them is recorded.
    """
    from cpdkit.experiments.gradient.figures import kinds_figure

    records = {name: recorded_tables(notebook, dataset=name) for name in datasets}
    known = {NAMES[name]: record for name, record in records.items() if record}
    if not known:
        raise ValueError(f"nothing is recorded of {notebook} on {', '.join(datasets)}.")
    asked = next(iter(known.values())).manifest["parameters"]
    drawn = {}
    for name, record in known.items():
        table = record["gradient"]
        drawn[name] = table[(table["protocol"] == "sound") & (table["depth"] == 1)]
    return kinds_figure(drawn, target=asked["targets"][0], handcrafted=asked["handcrafted"])
