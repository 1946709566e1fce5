"""The figure that leads is drawn from records, and shows who saw what."""

from __future__ import annotations

import numpy as np
import pytest

from cpdkit.experiments.crystals.verdict import RECORDED
from cpdkit.experiments.labels import label
from cpdkit.runs.first_figure import by_training
from cpdkit.runs.record import recorded_tables


@pytest.mark.parametrize(
    ("notebook", "datasets", "kinds"),
    [("01_disentanglement_gradient", ("xtb9", "qm9"), 4), ("08_crystals", RECORDED[1:], 3)],
)
def test_every_recorded_score_of_the_first_target_is_drawn(
    notebook: str, datasets: tuple[str, ...], kinds: int
) -> None:
    figure = by_training(notebook, datasets)
    rows = [text.get_text() for text in figure.axes[0].get_yticklabels()]
    assert len(figure.axes) == len(datasets)
    for axis, name in zip(figure.axes, datasets, strict=True):
        record = recorded_tables(notebook, dataset=name)
        assert record is not None
        target = record.manifest["parameters"]["targets"][0]
        table = record["gradient"]
        table = table[(table["target"] == target) & (table["score"] == "r2_partial")]
        table = table[(table["protocol"] == "sound") & (table["depth"] == 1)]
        shown = table[table["encoder"].map(label).isin(rows)]
        assert len(shown) >= 0.9 * len(table)  # but for representations that hold nothing
        drawn = np.concatenate([np.atleast_1d(line.get_xdata()) for line in axis.lines])
        for score in shown["mean"]:
            assert np.abs(drawn - score).min() < 1e-9
    texts = [text.get_text() for legend in figure.legends for text in legend.get_texts()]
    assert len(texts) == kinds  # no entry for a kind that is not there


def test_nothing_recorded_is_said() -> None:
    with pytest.raises(ValueError, match="nothing is recorded of 01_disentanglement_gradient on x"):
        by_training("01_disentanglement_gradient", ["x"])
