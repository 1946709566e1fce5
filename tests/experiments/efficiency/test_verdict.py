"""Claim 4: the rank correlation and the verdict it decides."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from cpdkit.experiments.efficiency.verdict import (
    efficiency_correlations,
    rank_correlation,
    sample_efficiency,
)
from cpdkit.experiments.verdict import VERBS


@given(n=st.integers(3, 30), seed=st.integers(0, 100))
def test_rho_is_scipys_and_lies_in_its_interval(n, seed):
    x, y = np.random.default_rng(seed).integers(0, 10, size=(2, n))
    if np.ptp(x) == 0 or np.ptp(y) == 0:
        return
    found = rank_correlation(x, y, n_permutations=20)
    assert found.rho == pytest.approx(stats.spearmanr(x, y).statistic)
    if n >= 5:
        assert -1 <= found.low <= found.rho <= found.high <= 1
    else:
        assert np.isnan([found.low, found.high]).all()


def test_the_p_value_is_exact_for_few_pairs():
    found = rank_correlation([1, 2, 3, 4, 5], [1, 2, 3, 4, 5])
    assert found.p == pytest.approx(2 / 120)
    assert found.rho == pytest.approx(1)
    assert found.low < 0.95


def test_infinite_values_rank_at_the_ends_and_nan_is_left_out():
    found = rank_correlation([1, 2, 3, 4, 5, 9], [-np.inf, 30, 40, 50, np.inf, np.nan])
    assert found.rho == pytest.approx(1)
    assert found.n == 5
    assert np.isnan(rank_correlation([1, 2, 3], [np.inf] * 3).rho)
    assert np.isnan(rank_correlation([1, 2], [1, 2]).rho)
    with pytest.raises(ValueError, match="paired"):
        rank_correlation([1, 2], [1, 2, 3])


def test_the_interval_covers_what_it_should():
    rng = np.random.default_rng(0)
    for n, r in ((6, 0.5), (12, 0.8)):
        truth = 6 / np.pi * np.arcsin(r / 2)
        inside = 0
        for _ in range(200):
            x = rng.normal(size=n)
            y = r * x + np.sqrt(1 - r * r) * rng.normal(size=n)
            found = rank_correlation(x, y, n_permutations=1)
            inside += found.low <= truth <= found.high
        assert 0.88 <= inside / 200 <= 1.0


def needed(pairs: dict[str, list[tuple[float, float]]]) -> pd.DataFrame:
    """A table of structures needed from (final, needed) for each width."""
    rows = [
        {
            "representation": f"r{i}",
            "width": width,
            "target": "gap",
            "criterion": "50% of final",
            "final": final,
            "needed": n,
            "bound": "exact",
        }
        for width, points in pairs.items()
        for i, (final, n) in enumerate(points)
    ]
    return pd.DataFrame(rows)


FALLING = [(0.1 * i, 1000 / i) for i in range(1, 9)]
RISING = [(0.1 * i, 100.0 * i) for i in range(1, 9)]
MIXED = [(0.1 * i, 100.0 + (i * 5) % 8) for i in range(1, 9)]


@pytest.mark.parametrize(
    ("own", "channels", "pca", "outcome", "reason"),
    [
        (FALLING, FALLING, FALLING, "holds", "fewer structures"),
        (RISING, RISING, RISING, "fails", "more structures"),
        (MIXED, RISING, RISING, "fails", "more structures"),
        (MIXED, MIXED, MIXED, "undecided", "not every interval"),
        (FALLING, MIXED, FALLING, "undecided", "not at every matched width"),
        (FALLING, RISING, RISING, "undecided", "not at every matched width"),
        (MIXED, FALLING, FALLING, "undecided", "only once widths are matched"),
        (RISING, MIXED, RISING, "undecided", "not every interval"),
        (FALLING[:4], FALLING[:4], FALLING[:4], "undecided", "a ranking of 4 says too little"),
    ],
)
def test_the_verdict_follows_its_rule(own, channels, pca, outcome, reason):
    table = efficiency_correlations(needed({"all": own, "subset": channels, "pca": pca}))
    verdict = sample_efficiency(table, target="gap")
    assert verdict.outcome == outcome
    assert outcome in VERBS
    assert reason in verdict.sentence
    assert "drawn at random" in verdict.sentence
    assert f"Over {len(own)} representations" in verdict.sentence


def test_needs_outside_the_sizes_keep_their_rank():
    table = needed({"all": FALLING})
    table.loc[[0, 7], "needed"] = np.nan
    table.loc[0, "bound"], table.loc[7, "bound"] = "above", "below"
    row = efficiency_correlations(table).iloc[0]
    assert row.rho == pytest.approx(-1)
    assert row.models == 8
    assert row.left_out == 0
    table.loc[7, "bound"] = "undefined"
    row = efficiency_correlations(table).iloc[0]
    assert row.models == 7
    assert row.left_out == 1


def test_missing_rows_and_columns_are_answered():
    with pytest.raises(ValueError, match="lacks the columns"):
        efficiency_correlations(needed({"all": FALLING}).drop(columns="bound"))
    table = efficiency_correlations(needed({"all": FALLING}))
    with pytest.raises(ValueError, match="at least one way of matching"):
        sample_efficiency(table, target="gap")
    with pytest.raises(ValueError, match="widths"):
        sample_efficiency(table, target="mu")
