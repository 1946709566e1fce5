"""Points of chapter 5 stand in the row of their network."""

from __future__ import annotations

import numpy as np

from cpdkit.experiments.labels import label
from cpdkit.experiments.task import tables
from cpdkit.experiments.task.figures import task_figure
from cpdkit.runs.record import recorded_tables


def test_every_recorded_score_stands_in_the_row_of_its_network() -> None:
    record = recorded_tables("05_task_or_architecture", dataset="xtb9")
    assert record is not None
    of_gap = record["scores"].query("score == 'r2_partial' and target == 'gap'")
    shown = tables.plain(of_gap)
    (axis,) = task_figure(shown).axes
    rows = [text.get_text() for text in axis.get_yticklabels()]
    points = np.concatenate([
        np.column_stack([line.get_xdata(), line.get_ydata()])
        for line in axis.lines
        if line.get_marker() not in ("None", "|", "")
    ]).astype(float)  # fmt: skip
    assert set(shown["task"]) >= {"gap", "energy", "dipole", "untrained"}
    for score in shown.itertuples():
        row = rows.index(label(score.architecture))
        near = points[np.abs(points[:, 0] - score.mean) < 1e-9]
        assert (np.abs(near[:, 1] - row) < 0.5).any()
