"""The verdict on claim 1 follows the differences to the descriptors and their margin."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from cpdkit.comparisons import paired_difference
from cpdkit.experiments.gradient.verdict import crossings, differences, disentanglement_gradient

HAND = ["aev", "soap"]
NOISE = np.array([-1.0, -0.5, 0.0, 0.5, 1.0])


def scores(means, *, half=0.01, target="gap"):
    """Last layers with fold values about their means, the noise of each turned by one fold."""
    return pd.DataFrame([
        {
            "encoder": name, "target": target, "score": score,
            "fold_values": tuple(mean + half * np.roll(NOISE, i)),
        }
        for i, (name, mean) in enumerate(means.items())
        for score in ("r2_partial", "r2_geom")
    ])  # fmt: skip


def judge(means, *, targets=("gap",), half=0.01, formula=None, **more):
    tables = {"random": pd.concat([scores(means, half=half), *more.values()])}
    if formula is not None:
        tables["formula"] = scores(formula)
    table = differences(tables, handcrafted=HAND, targets=targets, n_folds=5)
    return disentanglement_gradient(table, targets=targets)


@pytest.mark.parametrize(
    ("aev", "soap", "chgnet", "outcome"),
    [
        (0.00, 0.00, 0.86, "holds"),
        (0.24, 0.24, 0.86, "holds"),  # a descriptor that knows something refutes nothing
        (0.70, 0.70, 0.71, "fails"),
        (0.70, 0.10, 0.71, "fails"),  # one good descriptor is enough
        (0.70, 0.10, 0.30, "fails"),
        (0.70, 0.70, 0.80, "undecided"),  # about the margin
    ],
)
def test_outcomes_of_constructed_results(aev, soap, chgnet, outcome):
    verdict = judge({"aev": aev, "soap": soap, "chgnet": chgnet})
    assert verdict.outcome == outcome
    assert f"{chgnet - max(aev, soap):+.2f} (" in verdict.sentence


def test_wide_intervals_decide_nothing():
    assert judge({"aev": 0.5, "chgnet": 0.7}, half=0.5).outcome == "undecided"
    assert judge({"aev": 0.5, "chgnet": 0.5}, half=0.5).outcome == "undecided"


def test_an_open_answer_names_who_may_be_above_and_by_how_much():
    sentence = judge({"aev": 0.5, "chgnet": 0.59, "sevennet-0": 0.3}).sentence
    table = differences(
        {"random": scores({"aev": 0.5, "chgnet": 0.59, "sevennet-0": 0.3})},
        handcrafted=HAND, targets=["gap"], n_folds=5,
    )  # fmt: skip
    row = table[(table["encoder"] == "chgnet") & (table["score"] == "r2_partial")].iloc[0]
    assert row["most"] > 0.1
    assert f"1 may be (chgnet by up to {row['most']:.2f}, one-sided)" in sentence


def test_networks_that_saw_the_target_or_nothing_do_not_count():
    same = {"aev": 0.5, "zoo/painn-energy-0": 0.5}
    more = {"zoo/painn-gap-0": 0.9, "zoo/painn-untrained-0": 0.8, "bond-counts": 0.9, "random": 0.9}
    verdict = judge(same | more)
    assert verdict.outcome == judge(same).outcome == "fails"
    assert "trained on it, zoo/painn-gap-0: +0.40" in verdict.sentence
    assert "without training, zoo/painn-untrained-0: +0.30" in verdict.sentence
    assert judge({"aev": 0.5, "zoo/painn-gap-0": 0.9}).outcome == "undecided"


@pytest.mark.parametrize(
    ("names", "said"),
    [
        (["chgnet"], "the run has no descriptor; add one to encoders, such as soap."),
        (["aev", "schnet-untrained", "painn-untrained", "zoo/painn-gap-0"],
         "the run has no network that was trained on something else than the target "
         "(zoo/painn-gap-0 was trained on it; schnet-untrained and painn-untrained not at all); "
         "add one to encoders, such as sevennet-0."),
        (["aev"], "the run has no network that was trained on something else than the target; add"),
        (["bond-counts"], "than the target and no descriptor; add one to encoders, such as "
         "sevennet-0 and soap."),
    ],
)  # fmt: skip
def test_what_the_run_lacks_is_told(names, said):
    verdict = judge(dict.fromkeys(names, 0.5))
    assert verdict.outcome == "undecided"
    assert said in verdict.sentence


def test_of_two_targets_one_may_hold():
    """A network that was trained on the gap has not seen the dipole moment."""
    gap, mu = (
        {"aev": 0.5, "zoo/painn-gap-0": 0.9, "chgnet": 0.5},
        {"aev": 0.1, "zoo/painn-gap-0": 0.9},
    )
    verdict = judge(gap, targets=("gap", "mu"), mu=scores(mu, target="mu"))
    assert verdict.outcome == "partly"
    assert "holds in part here: for gap, all 1 networks" in verdict.sentence
    assert "For mu, 1 of 1 networks" in verdict.sentence


def test_formula_folds_stand_beside_and_do_not_decide():
    verdict = judge({"aev": 0.5, "chgnet": 0.5}, formula={"aev": 0.1, "chgnet": 0.5})
    assert verdict.outcome == "fails"
    assert verdict.sentence.endswith("With formula folds it holds for gap.")


def test_intervals_allow_for_the_choice_of_the_best():
    means = {"aev": 0.5, "soap": 0.4} | {f"net{i}": 0.6 for i in range(4)}
    tables = {"random": scores(means)}
    table = differences(tables, handcrafted=HAND, targets=["gap", "mu"], n_folds=5)
    row = table[(table.encoder == "net1") & (table.descriptor == "aev")].iloc[0]
    values = {r.encoder: r.fold_values for r in tables["random"].itertuples()}

    def interval(level):
        return paired_difference(values["net1"], values["aev"], n_folds=5, level=level)

    assert [row.low, row.high] == pytest.approx([interval(0.95)[k] for k in ("low", "high")])
    assert row.least == pytest.approx(interval(1 - 0.1 / 8)["low"])  # 4 networks, 2 targets
    assert row.most == pytest.approx(interval(1 - 0.1 / 2)["high"])  # 2 descriptors


def test_a_table_of_an_older_record_is_answered():
    old = pd.DataFrame({"target": ["gap"], "score": ["r2_geom"]})
    verdict = disentanglement_gradient(old, targets=["gap"])
    assert verdict.outcome == "undecided"
    assert "lacks folds, encoder, group" in verdict.sentence


def test_only_a_crossing_that_is_certain_counts():
    table = pd.DataFrame({"score": ["crossing"] * 3 + ["r2_geom"], "low": [0.1, -0.1, 0.0, 0.2]})
    assert crossings(table) == "Above the ceiling: 1 of 3 scores of last layers."
