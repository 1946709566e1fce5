"""The verdicts on isomers change with the results."""

from __future__ import annotations

import pandas as pd
import pytest

from cpdkit.experiments.isomers.verdict import claimed_accuracy, residual_against_constitution

BASELINES = {"bonds": 0.76, "morgan": 0.77}


def accuracies(found, half=0.01, steps=(0.0, 0.5)):
    """Accuracy over all pairs, and 0.1 more above the median difference."""
    rows = []
    for name, accuracy in {**found, **BASELINES}.items():
        for kind in ("above", "bin"):
            for i, quantile in enumerate(steps):
                value = min(accuracy + 0.1 * i, 1.0) if kind == "above" else 0.123
                rows.append(
                    {
                        "representation": name,
                        "target": "gap",
                        "pairs": kind,
                        "from_quantile": quantile,
                        "from_difference": 2.5 * i,
                        "accuracy": value,
                        "low": value - half,
                        "high": value + half,
                        "n_pairs": 3059,
                    }
                )
    return pd.DataFrame(rows)


def judge(found, half=0.01):
    differences = pd.DataFrame(
        [
            {
                "target": "gap",
                "representation": name,
                "baseline": baseline,
                "difference": value - other,
                "low": value - other - half,
                "high": value - other + half,
            }
            for name, value in found.items()
            for baseline, other in BASELINES.items()
        ]
    )
    return residual_against_constitution(differences, accuracies(found, half), target="gap")


@pytest.mark.parametrize(
    ("found", "half", "outcome"),
    [
        ({"aev": 0.767, "painn": 0.90}, 0.01, "holds"),
        ({"aev": 0.70, "painn": 0.72}, 0.01, "fails"),
        ({"aev": 0.70, "painn": 0.769}, 0.01, "undecided"),
        ({"aev": 0.765, "painn": 0.775}, 0.004, "holds"),
        ({"aev": 0.765, "painn": 0.775}, 0.007, "undecided"),  # above bonds, not above morgan
        ({"aev": 0.765, "painn": 0.765}, 0.001, "fails"),  # above bonds, below morgan
    ],
)
def test_against_bonds(found, half, outcome):
    verdict = judge(found, half)
    assert verdict.outcome == outcome
    best = max(found, key=found.get)
    assert f"{best} puts {found[best]:.1%}" in verdict.sentence
    assert f"{100 * (found[best] - 0.77):+.1f} points" in verdict.sentence
    assert "morgan 77.0%" in verdict.sentence
    assert "3,059 pairs" in verdict.sentence


def test_only_those_that_beat_every_baseline_are_named():
    sentence = judge({"aev": 0.767, "painn": 0.90, "mace": 0.93}).sentence
    assert "painn, mace beat every baseline (2 of 3 representations not trained on gap)" in sentence
    assert "painn beats every baseline (1 of 2" in judge({"aev": 0.767, "painn": 0.90}).sentence


def test_networks_trained_on_the_target_are_told_and_do_not_count():
    verdict = judge({"aev": 0.70, "zoo/painn-gap-0": 0.95})
    assert verdict.outcome == "fails"
    assert verdict.sentence.endswith("zoo/painn-gap-0 puts 95.0% (94.0% to 96.0%) in order.")
    assert "every representation was trained on gap" in judge({"zoo/painn-gap-0": 0.95}).sentence
    assert judge({"zoo/painn-gap-0": 0.95}).outcome == "undecided"


def test_formulas_are_told_where_the_table_has_them():
    found = {"aev": 0.70}
    table = accuracies(found).assign(
        n_formulas=159, n_effective=14.6, by_formula=0.66, by_formula_low=0.6, by_formula_high=0.7
    )
    differences = pd.DataFrame([
        {"target": "gap", "representation": "aev", "baseline": name, "difference": -0.06,
         "low": -0.08, "high": -0.04}
        for name in BASELINES
    ])  # fmt: skip
    said = residual_against_constitution(differences, table, target="gap").sentence
    assert "Of 3,059 pairs (159 formulas, worth 15 of equal size) aev puts 70.0%" in said
    assert "Each formula counting once: 66.0% (60.0% to 70.0%) by aev" in said


def test_crystals_have_polymorphs_and_counts_of_neighbours():
    table = accuracies({"aev": 0.7}).replace({"bonds": "coordination"})
    difference = {"target": "gap", "representation": "aev", "baseline": "coordination"}
    differences = pd.DataFrame([difference | {"difference": 0.1, "low": 0.05, "high": 0.15}])
    said = residual_against_constitution(differences, table, target="gap").sentence
    assert said.startswith("That residuals order polymorphs better than counts of neighbours do")


@pytest.mark.parametrize(
    ("accuracy", "half", "outcome", "said"),
    [
        (0.96, 0.01, "holds", "96.0% (95.0% to 97.0%)."),
        (0.94, 0.01, "undecided", "among the 50% of pairs that differ by 2.5 eV or more"),
        (0.90, 0.01, "fails", "among the 50% of pairs that differ by 2.5 eV or more"),
        (0.80, 0.01, "fails", "not even the pairs that differ most reach it"),
    ],
)
def test_the_claimed_share(accuracy, half, outcome, said):
    table = accuracies({"aev": 0.7, "painn": accuracy}, half)
    verdict = claimed_accuracy(table, target="gap", representations=["aev", "painn"], unit="eV")
    assert verdict.outcome == outcome
    assert said in verdict.sentence
    assert f"painn comes to {accuracy:.1%}" in verdict.sentence


def test_baselines_cannot_reach_it_and_another_share_can_be_asked_for():
    table = accuracies({"aev": 0.7})
    table.loc[table.representation == "bonds", ["accuracy", "low", "high"]] = 0.99
    options = {"target": "gap", "representations": ["aev"]}
    assert claimed_accuracy(table, **options).outcome == "fails"
    assert claimed_accuracy(table, **options, claimed=0.6).outcome == "holds"


def test_missing_rows_are_answered():
    table = accuracies({"aev": 0.7})
    with pytest.raises(ValueError, match="no target 'mu'"):
        claimed_accuracy(table, target="mu", representations=["aev"])
    with pytest.raises(ValueError, match="none of the representations"):
        claimed_accuracy(table, target="gap", representations=["mace"])
