"""The verdict on geometry alone changes with the results."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from cpdkit.experiments.geometry.verdict import (
    geometry_order,
    order_correlations,
    order_of_pairs,
    untaught,
)

NAMES = ["aev", "soap", "painn", "schnet", "mace", "chgnet"]


def tables(score, means, half, *, targets=("gap",), n=100):
    """One table per representation: means, and fold values that spread about them alike."""
    found = {}
    for i, (name, mean) in enumerate(zip(NAMES, means, strict=False)):
        spread = half * np.random.default_rng(i).normal(size=5)
        values = mean + spread - spread.mean()
        row = {"score": score, "mean": mean, "low": mean - half, "high": mean + half}
        table = pd.DataFrame([{"target": t, **row, "fold_values": tuple(values)} for t in targets])
        table.attrs = {"n": n, "folds": "random", "n_folds": 5, "repeats": 1, "seed": 0}
        found[name] = table
    return found


def judge(first, second, half):
    between, within = tables("r2_partial", first, half), tables("r2_within", second, half)
    pairs = order_of_pairs(between, within)
    correlations = order_correlations(between, within)
    return geometry_order(pairs, correlations, between, within, target="gap"), pairs


RISING = [0.2, 0.3, 0.4, 0.5, 0.6, 0.7]


@pytest.mark.parametrize(
    ("within", "half", "outcome", "reversed_pairs"),
    [
        (RISING, 0.001, "holds", 0),
        (RISING[::-1], 0.001, "fails", 15),
        (RISING[::-1], 1.0, "fails", 0),  # nothing resolved, but the correlation is below zero
        ([0.2, 0.3, 0.4, 0.5, 0.7, 0.6], 0.001, "fails", 1),
        ([0.2, 0.3, 0.4, 0.5, 0.7, 0.6], 1.0, "holds", 0),  # the exchange is not resolved
        ([0.4, 0.2, 0.6, 0.3, 0.7, 0.1], 1.0, "undecided", 0),
    ],
)
def test_outcomes_of_constructed_results(within, half, outcome, reversed_pairs):
    verdict, pairs = judge(RISING, within, half)
    assert verdict.outcome == outcome
    assert (pairs["order"] == "reversed").sum() == reversed_pairs
    assert f"{reversed_pairs} in opposite orders" in verdict.sentence
    best, least = NAMES[int(np.argmax(within))], NAMES[int(np.argmin(within))]
    assert f"{best} scores most, {max(within):.2f}" in verdict.sentence
    assert f"{least} least, {min(within):.2f}" in verdict.sentence
    assert f"they score {RISING[NAMES.index(best)]:.2f}" in verdict.sentence


def test_the_largest_reversal_is_named_with_its_differences():
    verdict, _ = judge(RISING, [0.2, 0.3, 0.45, 0.5, 0.9, 0.6], 0.001)
    assert "chgnet is 0.10 above mace between molecules and 0.30 below it within" in (
        verdict.sentence
    )


def test_two_representations_alone_decide_only_by_reversal():
    assert judge([0.2, 0.9], [0.2, 0.9], 0.001)[0].outcome == "undecided"
    assert judge([0.2, 0.9], [0.9, 0.2], 0.001)[0].outcome == "fails"


def test_one_representation_has_no_order():
    verdict, pairs = judge([0.5], [0.4], 0.1)
    assert pairs.empty
    assert verdict.outcome == "undecided"
    assert "at least 2 representations" in verdict.sentence


def test_who_was_trained_on_the_target_leads_by_both_and_does_not_count():
    within = [0.4, 0.2, 0.6, 0.3, 0.7, 0.1]
    between, inside = tables("r2_partial", RISING, 1.0), tables("r2_within", within, 1.0)
    for i, name in enumerate(("zoo/painn-gap-0", "zoo/mace-gap-0", "zoo/visnet-gap-0")):
        between[name] = tables("r2_partial", [0.90 + 0.01 * i], 1.0)["aev"]
        inside[name] = tables("r2_within", [0.90 + 0.01 * i], 1.0)["aev"]
    pairs = order_of_pairs(between, inside)
    rest = order_correlations(untaught(between, "gap"), untaught(inside, "gap"))
    verdict = geometry_order(pairs, rest, between, inside, target="gap")
    assert verdict.outcome == "undecided"
    assert "the order of 6 representations not trained on gap by r2_partial" in verdict.sentence
    assert "of 15 pairs" in verdict.sentence
    assert "zoo/" not in verdict.sentence
    with pytest.raises(ValueError, match="over 9 representations, but 6 were not trained on gap"):
        geometry_order(pairs, order_correlations(between, inside), between, inside, target="gap")


def test_a_pair_is_open_unless_both_sides_resolve_it():
    between = tables("r2_partial", RISING, 0.001)
    within = tables("r2_within", RISING[::-1], 1.0)
    assert (order_of_pairs(between, within)["order"] == "open").all()


def test_input_that_does_not_fit_is_answered():
    between, within = tables("r2_partial", RISING, 0.1), tables("r2_within", RISING, 0.1)
    pairs, rho = order_of_pairs(between, within), order_correlations(between, within)
    with pytest.raises(ValueError, match="no target 'mu'"):
        geometry_order(pairs, rho, between, within, target="mu")
    with pytest.raises(ValueError, match="same ones in the same order"):
        order_of_pairs(between, dict(reversed(within.items())))
    more = tables("r2_within", RISING, 0.1, targets=("gap", "mu"))
    with pytest.raises(ValueError, match="other targets"):
        order_of_pairs(between, more)
    with pytest.raises(ValueError, match="no 'r2_partial' of 'mu'"):
        order_correlations(between, more)
