"""Shares of the sum of squares: statsmodels' analysis of variance, and planted effects."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import statsmodels.formula.api as smf
from hypothesis import given, settings
from hypothesis import strategies as st
from statsmodels.stats.anova import anova_lm

from cpdkit.experiments.task.measure import (
    ADJUSTED,
    DIFFERENCE,
    _reach_of_seeds,
    _shares,
    anova_shares,
)
from cpdkit.experiments.task.verdict import larger_share, task_or_architecture
from cpdkit.intervals import corrected_t


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
        table = anova_lm(smf.ols("y ~ C(architecture) * C(task)", frame).fit())
        sums, between = table["sum_sq"], table.loc["Residual", "mean_sq"]
        expected = (sums - table["df"] * between) / (sums.sum() + between)
        mine = [shares.loc[e, "fold_values"][fold] for e in ("architecture", "task", "interaction")]
        assert mine == pytest.approx(expected.iloc[:3].tolist(), abs=1e-9)
        assert shares.loc["seed", "fold_values"][fold] == pytest.approx(1 - sum(mine), abs=1e-9)


def test_p_values_are_those_of_the_additive_model():
    values = np.random.default_rng(3).normal(size=(4, 2, 2, 3))
    shares = anova_shares(design(values), test_share=0.25).set_index("effect")
    means = design(values.mean(axis=2, keepdims=True))  # of the seeds: they are in the interaction
    frame = means.assign(y=values.mean(axis=(2, 3)).ravel())
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
    said = task_or_architecture(
        shares.assign(target="gap", at="last epoch", arms="energy, untrained"), targets=["gap"]
    ).sentence
    assert "neither share is surely larger (adjusted difference -1% (-4% to +3%))" in said
    steady = shares.assign(target="gap", at="last epoch", arms="energy, untrained")
    steady.loc[steady["effect"] == ADJUSTED, ["mean", "low", "high", "least"]] = 0.4, 0.2, 0.6, 0.1
    said = task_or_architecture(steady, targets=["gap"]).sentence
    assert "the task's is, but its F test on so few networks gives p = 0.38, not below" in said
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


def population(architecture, task, interaction, rng):
    """Five architectures and two tasks with these mean squares of their effects."""

    def effect(size, share):
        found = rng.normal(size=size)
        found -= found.mean()
        return found * np.sqrt(share / (found**2).mean())

    sign = np.array([-1.0, 1.0])
    rest = effect(5, interaction)[:, None] * sign if interaction else 0
    return effect(5, architecture)[:, None] + np.sqrt(task) * sign + rest


@pytest.mark.parametrize("planted", [(0.05, 0.85, 0.03), (0.3, 0.25, 0.15), (0.7, 0.01, 0.04)])
def test_planted_shares_are_recovered_and_covered_with_seeds_as_a_factor(planted):
    """Other seeds give other shares: their interval holds the planted one in 19 of 20 draws."""
    rng = np.random.default_rng(0)
    truth = dict(zip(("architecture", "task", "interaction"), planted, strict=True))
    truth["seed"] = 1 - sum(planted)
    truth[DIFFERENCE] = truth["task"] - truth["architecture"]
    estimates, hits = [], []
    for _ in range(120):
        cells = population(*planted, rng)[:, :, None]
        y = cells + np.sqrt(truth["seed"]) * rng.normal(size=(5, 2, 2))
        found, reach = _shares(y[..., None]), _reach_of_seeds(y[..., None], 0.95, log2_draws=8)
        estimates.append([found[name][0] for name in truth])
        off = np.array([truth[name] - found[name][0] for name in truth])
        hits.append([-reach[k][0] <= d <= reach[k][1] for k, d in zip(truth, off, strict=True)])
    assert np.mean(estimates, axis=0) == pytest.approx(list(truth.values()), abs=0.05)
    covered = np.mean(hits, axis=0)
    assert covered.min() > 0.87  # 0.95 less four standard errors
    assert covered.mean() < 0.99


def test_molecules_and_seeds_are_added_in_squares():
    y = population(0.3, 0.3, 0.1, np.random.default_rng(0))[:, :, None, None]
    rng = np.random.default_rng(1)
    seeds = y + 0.3 * rng.normal(size=(5, 2, 2, 1))
    alike = np.repeat(seeds, 5, axis=-1)  # every fold says the same
    varied = alike + 0.1 * rng.normal(size=alike.shape)
    tables = [anova_shares(design(v), test_share=0.25).set_index("effect") for v in (alike, varied)]
    for table, values in zip(tables, (alike, varied), strict=True):
        reach = _reach_of_seeds(values.mean(axis=-1, keepdims=True), 0.95)
        for name in ("task", "seed", ADJUSTED):
            row = table.loc[name]
            low, high = corrected_t(np.array(row["fold_values"]), test_share=0.25)
            expected = np.hypot([row["mean"] - low, high - row["mean"]], reach[name])
            assert [row["mean"] - row["low"], row["high"] - row["mean"]] == pytest.approx(expected)
            assert row["seeds"] == 2
    assert tables[0].loc["task", "high"] > tables[0].loc["task", "mean"] + 0.05


def test_one_seed_gives_sums_of_squares_and_the_interval_over_folds():
    values = np.random.default_rng(6).normal(size=(5, 2, 1, 5))
    shares = anova_shares(design(values), test_share=0.25).set_index("effect")
    for fold in range(5):
        frame = design(values).assign(y=values[..., fold].ravel())
        sums = anova_lm(smf.ols("y ~ C(architecture) + C(task)", frame).fit())["sum_sq"]
        found = [t[fold] for t in shares["fold_values"].iloc[:3]]
        assert found == pytest.approx((sums / sums.sum()).tolist())
    for row in shares.itertuples():
        folds = np.array(row.fold_values)
        assert (row.mean, row.low, row.high) == (folds.mean(), *corrected_t(folds, test_share=0.25))


def test_designs_that_do_not_balance_are_refused():
    full = design(np.zeros((2, 2, 1, 3)))
    with pytest.raises(ValueError, match="every architecture needs every task"):
        anova_shares(full.iloc[:-1], test_share=0.25)
    with pytest.raises(ValueError, match="at least two architectures"):
        anova_shares(full[full["task"] == "t0"], test_share=0.25)
    with pytest.raises(ValueError, match=r"lacks the columns \['seed'\]"):
        anova_shares(full.drop(columns="seed"), test_share=0.25)
