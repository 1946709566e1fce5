"""Shares of the sum of squares: statsmodels' analysis of variance, and planted effects."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import statsmodels.formula.api as smf
from hypothesis import given, settings
from hypothesis import strategies as st
from statsmodels.stats.anova import anova_lm

from cpdkit.experiments.task.measure import ADJUSTED, DIFFERENCE, anova_shares
from cpdkit.experiments.task.verdict import larger_share


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


def test_p_values_are_those_of_the_additive_model():
    values = np.random.default_rng(3).normal(size=(4, 2, 2, 3))
    shares = anova_shares(design(values), test_share=0.25).set_index("effect")
    frame = design(values).assign(y=values.mean(axis=-1).ravel())
    expected = anova_lm(smf.ols("y ~ C(architecture) + C(task)", frame).fit())["PR(>F)"]
    assert shares.loc[["architecture", "task"], "p"].tolist() == pytest.approx(
        expected[:2].tolist()
    )


def test_chance_alone_favours_neither_once_degrees_of_freedom_are_taken_out():
    rng = np.random.default_rng(4)
    found = [
        anova_shares(design(rng.normal(size=(5, 2, 1, 2))), test_share=0.25).set_index("effect")
        for _ in range(300)
    ]
    raw, adjusted = ([t.loc[e, "mean"] for t in found] for e in (DIFFERENCE, ADJUSTED))
    assert np.mean(raw) == pytest.approx(1 / 9 - 4 / 9, abs=0.05)
    assert abs(np.mean(adjusted)) < 0.05


def test_a_task_effect_of_one_architecture_alone_is_open():
    values = 0.01 * np.random.default_rng(5).normal(size=(5, 2, 1, 5))
    values[0, 1] += 1
    shares = anova_shares(design(values), test_share=0.25)
    row = shares.set_index("effect").loc[ADJUSTED]
    assert row["least"] < row["mean"] < row["most"]
    assert larger_share(shares) == "open"
    values[:, 1] += 1
    assert larger_share(anova_shares(design(values), test_share=0.25)) == "task"
    turned = values.copy()
    turned[:, 1] = turned[:, 0] = 0.01 * turned[:, 0] + np.arange(5)[:, None, None]
    assert larger_share(anova_shares(design(turned), test_share=0.25)) == "architecture"


def test_a_planted_effect_is_found():
    task = np.array([0.0, 1.0])[None, :, None, None]
    values = np.broadcast_to(task, (3, 2, 2, 4)) + 0.01 * np.random.default_rng(0).normal(
        size=(3, 2, 2, 4)
    )
    shares = anova_shares(design(values), test_share=0.25).set_index("effect")
    assert shares.loc["task", "mean"] > 0.99
    assert larger_share(shares.reset_index()) == "task"


def test_one_seed_cannot_tell_interaction_from_seed():
    shares = anova_shares(design(np.random.default_rng(1).normal(size=(3, 2, 1, 5))), test_share=1)
    assert shares["effect"].tolist() == [
        "architecture", "task", "interaction and seed", DIFFERENCE, ADJUSTED,
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
