"""Verdict sentences change with the results."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from cpdkit.experiments.gradient.verdict import crossings, disentanglement_gradient, judged


def result(encoder: str, mean: float, half: float, *, last: bool = True, target: str = "gap"):
    folds = mean + half * np.array([-1.0, -0.5, 0.0, 0.5, 1.0])
    return {
        "encoder": encoder,
        "representation": encoder,
        "last": last,
        "protocol": "sound",
        "target": target,
        "score": "r2_geom",
        "mean": mean,
        "low": mean - half,
        "high": mean + half,
        "fold_values": tuple(folds),
    }


def judge(*rows):
    return disentanglement_gradient(pd.DataFrame(rows), target="gap", handcrafted=["aev"])


@pytest.mark.parametrize(
    ("aev", "mace", "outcome"),
    [
        ((-0.79, 0.1), (0.78, 0.1), "holds"),
        ((0.40, 0.1), (0.45, 0.1), "fails"),
        ((0.05, 0.2), (0.45, 0.1), "undecided"),
        ((-0.79, 0.1), (0.00, 0.1), "undecided"),
    ],
)
def test_outcomes_of_constructed_results(aev, mace, outcome):
    verdict = judge(result("aev", *aev), result("mace", *mace))
    assert verdict.outcome == outcome
    assert f"{aev[0]:.2f}" in verdict.sentence
    assert f"{mace[0]:.2f}" in verdict.sentence
    assert f"{mace[0] - aev[0]:+.2f}" in verdict.sentence


def test_earlier_layers_and_other_targets_do_not_count():
    base = [result("aev", -0.8, 0.1), result("mace", 0.8, 0.1)]
    others = [result("aev", 0.9, 0.1, last=False), result("aev", 0.9, 0.1, target="mu")]
    assert judge(*base, *others) == judge(*base)


def test_one_kind_alone_decides_nothing():
    assert judge(result("aev", -0.8, 0.1)).outcome == "undecided"
    assert "no handcrafted descriptor" in judge(result("mace", 0.8, 0.1)).sentence


def test_nothing_to_judge_is_said():
    said = judged(pd.DataFrame([result("bond-counts", 0.5, 0.1)]))
    verdict = disentanglement_gradient(said, target="gap", handcrafted=["aev"])
    assert verdict.outcome == "undecided"
    assert "no handcrafted descriptor and no learned representation" in verdict.sentence


def test_a_table_without_the_target_is_refused():
    with pytest.raises(ValueError, match="no sound 'r2_geom' of 'gap'"):
        judge(result("aev", 0.1, 0.1, target="mu"))


def test_the_best_that_was_not_trained_on_the_target_is_named():
    rows = [result("aev", 0.3, 0.1), result("zoo/painn-gap-0", 0.6, 0.1)]
    assert "not trained on" not in judge(*rows).sentence
    told = judge(*rows, result("zoo/painn-energy-0", 0.2, 0.1), result("chgnet", 0.1, 0.1)).sentence
    assert "zoo/painn-gap-0 0.60" in told
    assert "not trained on gap the best is zoo/painn-energy-0, 0.20 (0.10 to 0.30)" in told
    assert "the difference is -0.10 (-0.10 to -0.10)" in told


def test_nulls_and_untrained_networks_are_not_judged():
    encoders = ["aev", "bond-counts", "random", "zoo/mace-untrained-0", "zoo/mace-gap-0"]
    table = pd.DataFrame([result(name, 0.1, 0.1) for name in encoders])
    table.attrs = {"n_folds": 5}
    assert judged(table)["encoder"].tolist() == ["aev", "zoo/mace-gap-0"]
    assert judged(table).attrs == table.attrs


def test_only_a_crossing_that_is_certain_counts():
    table = pd.DataFrame({"score": ["crossing"] * 3 + ["r2_geom"], "low": [0.1, -0.1, 0.0, 0.2]})
    assert crossings(table) == "Above the ceiling: 1 of 3 scores of last layers."
