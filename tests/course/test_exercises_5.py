"""Exercises of the project: right answers pass, typical mistakes are named, data decide."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from cpdkit.course.feedback import check
from cpdkit.experiments.efficiency.measure import isotropic_r2


@pytest.mark.parametrize(("channels", "share"), [(64, 0.5), (64, 0.1), (8, 0.8)])
def test_5_1_a_search_over_n_is_right(channels, share):
    n = np.arange(channels + 3, 20_000)
    curve = isotropic_r2(n, channels=channels, share=share)
    right = n[np.argmax(curve >= share / 2)]
    assert check("5.1", right, channels=channels, share=share).right
    quarter = n[np.argmax(curve >= share / 4)]
    for wrong, why in (
        (channels, "no finite expected error"),
        (quarter, "a quarter"),
        (3 * right, "are expected to score"),
        ("many", "one number"),
        (np.array([1, 2]), "one number"),
        (np.inf, "no finite number"),
        (True, "one number"),
    ):
        feedback = check("5.1", wrong, channels=channels, share=share)
        assert not feedback.right
        assert why in feedback.why


@pytest.fixture
def needed():
    rng = np.random.default_rng(1)
    rows = []
    for width in ("all", "pca"):
        for i in range(8):
            final = rng.uniform(0.1, 0.9)
            rows.append(
                {
                    "representation": f"r{i}",
                    "width": width,
                    "target": "mu",
                    "criterion": "50% of final",
                    "final": final,
                    "needed": 40 / final**2 * rng.uniform(0.5, 2),
                    "bound": "exact",
                }
            )
    table = pd.DataFrame(rows)
    table.loc[3, ["needed", "bound"]] = np.nan, "above"
    return table


def test_5_2(needed):
    own = needed[needed.width == "all"]
    right = stats.spearmanr(own.final, own.needed.fillna(1e9)).statistic
    seen = own[own.bound == "exact"]
    matched = needed[needed.width == "pca"]
    assert check("5.2", right, needed=needed, target="mu").right
    for wrong, why in (
        (-right, "sign"),
        (stats.pearsonr(seen.final, seen.needed).statistic, "Pearson"),
        (stats.spearmanr(seen.final, seen.needed).statistic, "left out"),
        (stats.spearmanr(matched.final, matched.needed).statistic, "matched width"),
        (0.123, "not the rank correlation"),
        (7, "between -1 and 1"),
        (None, "no answer yet"),
        ([1, 2], "one number"),
    ):
        feedback = check("5.2", wrong, needed=needed, target="mu")
        assert not feedback.right, wrong
        assert why in feedback.why, wrong
    assert "no rank correlation" in check("5.2", 0.5, needed=needed, target="gap").why


@pytest.mark.parametrize("c", [0.3, 0.7, 1.4])
def test_5_3(c):
    laws = pd.DataFrame(
        [{"representation": "r", "target": "gap", "c": c, "c_low": 0.8 * c, "c_high": 1.2 * c}]
    )
    data = {"laws": laws, "representation": "r", "target": "gap"}
    n, factor = 300.0, 2 ** (1 / c)
    assert (factor * n) ** -c == pytest.approx(0.5 * n**-c)
    assert check("5.3", factor, **data).right
    for wrong, why in (
        (2, "would do for c = 1"),
        (2**c, "by how much the distance shrinks"),
        (0.5, "fewer structures never"),
        (10 * factor, "of the distance, not half"),
    ):
        feedback = check("5.3", wrong, **data)
        assert not feedback.right, wrong
        assert why in feedback.why, wrong
    with pytest.raises(ValueError, match="0 laws"):
        check("5.3", 2.0, laws=laws, representation="other", target="gap")
