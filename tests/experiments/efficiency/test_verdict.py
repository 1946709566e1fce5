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


def needed(pairs: dict[str, list[tuple[float, float]]], *, structure: float = 1.0) -> pd.DataFrame:
    """A table of structures needed from (final, needed) for each width.

    Unstructured features need 100 / final, to the power of `structure`.
    """
    rows = [
        {
            "representation": f"r{i}",
            "width": width,
            "target": "gap",
            "criterion": "50% of final",
            "final": final,
            "needed": n,
            "bound": "exact",
            "smallest": 1,
            "largest": 10_000,
            "unstructured": (100 / final) ** structure,
        }
        for width, points in pairs.items()
        for i, (final, n) in enumerate(points)
    ]
    return pd.DataFrame(rows)


FALLING = [(0.1 * i, 1000 / i) for i in range(1, 9)]
STEEP = [(0.1 * i, 1000 / i**2) for i in range(1, 9)]
RISING = [(0.1 * i, 100.0 * i) for i in range(1, 9)]
FLAT = [(0.1 * i, 100.0) for i in range(1, 9)]
MIXED = [(0.1 * i, 100.0 + (i * 5) % 8) for i in range(1, 9)]


@pytest.mark.parametrize(
    ("own", "channels", "outcome", "reason"),
    [
        (STEEP, STEEP, "holds", "fewer than signal to noise alone"),
        (FALLING, FALLING, "undecided", "signal to noise alone may do it"),
        (RISING, RISING, "fails", "more structures"),
        (MIXED, RISING, "fails", "more structures"),
        (MIXED, MIXED, "undecided", "not every interval"),
        (STEEP, MIXED, "undecided", "not at equal width"),
        (FALLING, RISING, "undecided", "not at equal width"),
        (MIXED, STEEP, "undecided", "only at equal width"),
        (FLAT, STEEP, "undecided", "cannot be ranked"),
    ],
)
def test_the_verdict_follows_its_rule(own, channels, outcome, reason):
    table = efficiency_correlations(needed({"all": own, "subset": channels, "pca": FALLING}))
    verdict = sample_efficiency(table, target="gap", every=table)
    assert verdict.outcome == outcome
    assert outcome in VERBS
    assert reason in verdict.sentence
    assert "drawn at random" in verdict.sentence
    assert f"Over {len(own)} representations" in verdict.sentence
    assert "With principal components, where signal to noise alone decides: -1.00" in (
        verdict.sentence
    )


@pytest.mark.parametrize("n", [1, 2, 4])
def test_too_few_representations_are_told_in_one_sentence(n):
    table = efficiency_correlations(needed({"all": STEEP, "subset": STEEP[:n], "pca": STEEP}))
    verdict = sample_efficiency(table, target="gap", every=table)
    assert verdict.outcome == "undecided"
    assert verdict.sentence == (
        "Claim 4 is undecided here: representations with a final score above zero that were not "
        f"trained on gap: {n}; a ranking takes at least 5, so add encoders."
    )


def test_other_folds_are_judged_by_the_same_rule_and_told():
    table = efficiency_correlations(needed({"all": STEEP, "subset": STEEP}))
    rising = efficiency_correlations(needed({"all": MIXED, "subset": RISING}))
    found = sample_efficiency(table, target="gap", other_folds={"formula": rising})
    assert found.outcome == "holds"
    assert "With formula folds it fails: " in found.sentence
    assert found.sentence.endswith(", at equal width +1.00 (+0.82 to +1.00).")
    told = sample_efficiency(table, target="gap", other_folds={"formula": table}).sentence
    assert "With formula folds it holds: -1.00" in told


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
    assert "is not there with all channels and" in sample_efficiency(table, target="gap").sentence
    assert sample_efficiency(table, target="mu").outcome == "undecided"
    old = sample_efficiency(table.drop(columns="of"), target="gap")
    assert (old.outcome, "lacks of" in old.sentence) == ("undecided", True)


def test_the_excess_is_cut_to_the_sizes_that_were_tried():
    table = needed({"all": FALLING}).assign(unstructured=np.inf)
    table.loc[0, "bound"], table.loc[0, "needed"] = "above", np.nan
    row = efficiency_correlations(table).set_index("of").loc["excess"]
    assert row.rho == pytest.approx(-1)
    assert row.models == 8
    plain = efficiency_correlations(table.drop(columns="unstructured"))
    assert plain["of"].tolist() == ["need"]
