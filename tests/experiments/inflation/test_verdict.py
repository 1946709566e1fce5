"""The verdict of claim 3 follows the results, by kind of representation."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from cpdkit.experiments.inflation.verdict import STRONG, by_kind, inflated_trees, safe_widths

CONTROLS = ["mass", "unsaturation"]
SPREAD = np.array([-1.0, -0.5, 0.0, 0.5, 1.0])
INFLATED, SOUND, OPEN = (0.9, 0.05), (0.0, 0.05), (0.1, 0.3)


def row(name, mean, half, *, target="mass", score="r2_geom", folds="random"):
    turned = half * np.roll(SPREAD, len(name))
    return {
        "representation": name, "probe": STRONG, "target": target, "score": score, "folds": folds,
        "mean": mean, "low": mean - half, "high": mean + half,
        "fold_values": tuple(mean + turned),
    }  # fmt: skip


def judge(*rows):
    table = pd.DataFrame(rows)
    kinds = by_kind(table, handcrafted=["aev", "soap"], n_folds=5)
    return inflated_trees(kinds, controls=CONTROLS, scores=table)


def both(name, score):
    return [row(name, *score, target=control) for control in CONTROLS]


@pytest.mark.parametrize(
    ("descriptors", "trained", "outcome"),
    [
        (INFLATED, INFLATED, "holds"),
        (SOUND, SOUND, "fails"),
        (INFLATED, SOUND, "partly"),
        (INFLATED, OPEN, "partly"),
        (SOUND, OPEN, "undecided"),
        (OPEN, OPEN, "undecided"),
    ],
)
def test_outcomes_of_constructed_results(descriptors, trained, outcome):
    verdict = judge(*both("aev", descriptors), *both("zoo/mace-gap-0", trained))
    assert verdict.outcome == outcome
    found = [int(score == INFLATED) for score in (descriptors, trained)]
    assert (
        f"recover mass in {found[0]} of 1 descriptors [{descriptors[0]:.2f} (" in verdict.sentence
    )
    assert f", {found[1]} of 1 networks trained here [{trained[0]:.2f} (" in verdict.sentence


def test_controls_that_disagree_make_a_part():
    rows = [row("aev", *INFLATED), row("aev", *SOUND, target="unsaturation")]
    assert judge(*rows).outcome == "partly"
    rows = [row("aev", *INFLATED), row("aev", *OPEN, target="unsaturation")]
    assert judge(*rows).outcome == "undecided"


def test_the_kind_that_is_inflated_in_every_control_is_named():
    found = judge(*both("aev", INFLATED), *both("zoo/mace-gap-0", OPEN))
    assert found.sentence.startswith("Claim 3 holds in part here, in descriptors: from")


def test_the_typical_model_of_a_kind_decides():
    few = [*both("zoo/a-gap-0", INFLATED), *both("zoo/b-gap-0", SOUND), *both("zoo/c-gap-0", SOUND)]
    assert judge(*few).outcome == "fails"
    assert "mass in 1 of 3 networks trained here [0.0" in judge(*few).sentence
    assert judge(*few, *both("zoo/d-gap-0", INFLATED)).outcome == "holds"  # the mean of two


def test_best_and_worst_are_named_and_other_folds_told():
    rows = [
        *both("aev", INFLATED),
        *both("chgnet", (0.3, 0.01)),
        row("aev", *SOUND, folds="formula"),
    ]
    said = judge(*rows).sentence
    assert "For mass aev 0.90 (0.85 to 0.95) and chgnet 0.30 (0.29 to 0.31)" in said
    assert "With formula folds they recover mass in 0 of 1 descriptors [0.00 (" in said


def test_other_targets_and_scores_do_not_count():
    base = both("a", SOUND)
    others = [
        row("a", 0.9, 0.02, target="heavy_atoms"), row("a", 0.9, 0.02, score="crossing"),
    ]  # fmt: skip
    assert judge(*base, *others) == judge(*base)


def test_a_target_that_is_constant_in_a_fold_decides_nothing():
    undefined = both("a", (float("nan"), 0.0))
    verdict = judge(*undefined)
    assert verdict.outcome == "undecided"
    assert "mass and unsaturation do not vary within every test fold" in verdict.sentence
    assert judge(*undefined, *both("b", INFLATED)) == judge(*both("b", INFLATED))


def test_tables_that_cannot_be_judged_are_answered():
    old = inflated_trees(pd.DataFrame({"target": ["mass"]}), controls=CONTROLS)
    assert (old.outcome, "lacks folds, kind" in old.sentence) == ("undecided", True)
    with pytest.raises(ValueError, match="several rows for one representation"):
        judge(row("a", 0.5, 0.1), row("a", 0.4, 0.1))


def test_a_width_is_safe_only_if_all_smaller_ones_are():
    def rows(probe, highs):
        return [
            {"planted": "a", "probe": probe, "width": w, "mean": h}
            for w, h in zip((16, 1, 4), highs, strict=True)
        ]

    table = pd.DataFrame(rows("ridge", (0.0, 0.05, 0.1)) + rows("knn", (0.0, 0.0, 0.5)))
    table = pd.concat([table, pd.DataFrame(rows("trees", (0.9, 0.5, 0.8)))])
    found = safe_widths(table).set_index("probe").width
    assert found.to_dict() == {"ridge": 16, "knn": 1, "trees": 0}
