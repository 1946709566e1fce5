"""Learning curves: sizes on the axis can be read."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pandas as pd
import pytest

from cpdkit.experiments.efficiency.figures import curve_figure


@pytest.mark.parametrize(("smallest", "largest"), [(290, 480), (111, 746), (261, 15700)])
def test_labels_of_sizes_do_not_overlap(smallest: int, largest: int) -> None:
    sizes = np.geomspace(smallest, largest, 6).round().astype(int)
    rows = [
        {"representation": "soap", "target": target, "score": "r2_partial", "n": n,
         "mean": 0.5, "low": 0.4, "high": 0.6}
        for target in ("gap", "mu", "alpha") for n in sizes
    ]  # fmt: skip
    figure = curve_figure(pd.DataFrame(rows))
    figure.canvas.draw()
    for axis in figure.axes[:3]:
        low, high = axis.get_xlim()
        labels = [t for t in axis.get_xticklabels() if low <= t.get_position()[0] <= high]
        boxes = [t.get_window_extent() for t in labels if t.get_text()]
        assert len(boxes) >= 2
        assert all(one.x1 < other.x0 for one, other in pairwise(boxes))
