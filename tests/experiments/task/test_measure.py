"""Shares of the sum of squares: statsmodels' analysis of variance, and planted effects."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import statsmodels.formula.api as smf
from hypothesis import given, settings
from hypothesis import strategies as st
from statsmodels.stats.anova import anova_lm

from cpdkit.experiments.task.measure import anova_shares
from cpdkit.experiments.task.verdict import task_or_architecture


def design(values):
    """values: (architecture, task, seed, fold)."""
    rows = [
        {"architecture": f"a{i}", "task": f"t{j}", "seed": k, "fold_values": tuple(v)}
        for i, first in enumerate(values)
        for j, second in enumerate(first)
        for k, v in enumerate(second)
    ]
    return pd.DataFrame(rows)


@settings(max_examples=15, deadline=None)
@given(
    shape=st.tuples(st.integers(2, 4), st.integers(2, 3), st.integers(2, 3)),
    seed=st.integers(0, 10**6),
)
def test_equals_analysis_of_variance(shape, seed):
    rng = np.random.default_rng(seed)
    values = rng.normal(size=(*shape, 3))
    order = rng.permutation(int(np.prod(shape)))
    shares = anova_shares(design(values).iloc[order], test_share=0.25).set_index("effect")
    for fold in range(3):
        frame = design(values).assign(y=values[..., fold].ravel())
        sums = anova_lm(smf.ols("y ~ C(architecture) * C(task)", frame).fit())["sum_sq"]
        expected = sums / sums.sum()
        mine = [shares.loc[e, "fold_values"][fold] for e in ("architecture", "task", "interaction")]
        assert mine == pytest.approx(expected.iloc[:3].tolist(), abs=1e-9)
        assert shares.loc["seed", "fold_values"][fold] == pytest.approx(expected.iloc[3], abs=1e-9)


def test_a_planted_effect_is_found():
    task = np.array([0.0, 1.0])[None, :, None, None]
    values = np.broadcast_to(task, (3, 2, 2, 4)) + 0.01 * np.random.default_rng(0).normal(
        size=(3, 2, 2, 4)
    )
    shares = anova_shares(design(values), test_share=0.25).set_index("effect")
    assert shares.loc["task", "mean"] > 0.99
    assert task_or_architecture(shares.reset_index(), target="gap").outcome == "holds"


def test_one_seed_cannot_tell_interaction_from_seed():
    shares = anova_shares(design(np.random.default_rng(1).normal(size=(3, 2, 1, 5))), test_share=1)
    assert shares["effect"].tolist() == [
        "architecture", "task", "interaction and seed", "task - architecture",
    ]  # fmt: skip
    assert shares["mean"][:3].sum() == pytest.approx(1.0)


def test_designs_that_do_not_balance_are_refused():
    full = design(np.zeros((2, 2, 1, 3)))
    with pytest.raises(ValueError, match="every architecture needs every task"):
        anova_shares(full.iloc[:-1], test_share=0.25)
    with pytest.raises(ValueError, match="at least two architectures"):
        anova_shares(full[full["task"] == "t0"], test_share=0.25)
    with pytest.raises(ValueError, match=r"lacks the columns \['seed'\]"):
        anova_shares(full.drop(columns="seed"), test_share=0.25)


@pytest.mark.parametrize(
    ("low", "high", "outcome"),
    [(0.1, 0.5, "holds"), (-0.5, -0.1, "fails"), (-0.2, 0.3, "undecided")],
)
def test_the_verdict_follows_the_interval(low, high, outcome):
    shares = pd.DataFrame(
        {
            "effect": ["architecture", "task", "task - architecture"],
            "mean": [0.3, 0.5, (low + high) / 2],
            "low": [0.2, 0.4, low],
            "high": [0.4, 0.6, high],
        }
    )
    verdict = task_or_architecture(shares, target="gap")
    assert verdict.outcome == outcome
    agrees = task_or_architecture(shares, target="gap", others={"mu": shares})
    assert agrees.outcome == outcome
    assert "trained on: mu " in agrees.sentence
    turned = shares.assign(low=-shares["high"], high=-shares["low"], mean=-shares["mean"])
    assert task_or_architecture(shares, target="gap", others={"mu": turned}).outcome == "undecided"
    assert f"{(low + high) / 2:+.0%} ({low:+.0%} to {high:+.0%})" in verdict.sentence
