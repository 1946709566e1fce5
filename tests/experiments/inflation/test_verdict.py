"""The verdict of claim 3 follows the results, by kind of representation."""

from __future__ import annotations

import pandas as pd
import pytest

from cpdkit.experiments.inflation.verdict import STRONG, inflated_trees, safe_widths

CONTROLS = ["mass", "unsaturation"]
INFLATED, SOUND, OPEN = (0.9, 0.05), (0.0, 0.05), (0.1, 0.3)


def row(name, mean, half, *, probe=STRONG, target="mass", score="r2_geom", folds="random"):
    return {
        "representation": name, "probe": probe, "target": target, "score": score, "folds": folds,
        "mean": mean, "low": mean - half, "high": mean + half,
    }  # fmt: skip


def judge(*rows):
    return inflated_trees(pd.DataFrame(rows), controls=CONTROLS, handcrafted=["aev", "soap"])


def both(name, score):
    return [row(name, *score, target=control) for control in CONTROLS]


@pytest.mark.parametrize(
    ("descriptors", "trained", "outcome"),
    [
        (INFLATED, INFLATED, "holds"),
        (SOUND, SOUND, "fails"),
        (INFLATED, SOUND, "partly"),
        (INFLATED, OPEN, "undecided"),
        (SOUND, OPEN, "undecided"),
        (OPEN, OPEN, "undecided"),
    ],
)
def test_outcomes_of_constructed_results(descriptors, trained, outcome):
    verdict = judge(*both("aev", descriptors), *both("zoo/mace-gap-0", trained))
    assert verdict.outcome == outcome
    found = [int(score == INFLATED) for score in (descriptors, trained)]
    assert (
        f"recover mass in {found[0]} of 1 descriptors, {found[1]} of 1 networks trained here; "
        f"unsaturation in {found[0]} of 1 descriptors" in verdict.sentence
    )


def test_controls_that_disagree_make_a_part():
    rows = [row("aev", *INFLATED), row("aev", *SOUND, target="unsaturation")]
    assert judge(*rows).outcome == "partly"


def test_a_kind_needs_more_than_half_of_its_models():
    rows = [*both("aev", INFLATED), *both("soap", SOUND)]
    assert judge(*rows).outcome == "undecided"
    assert "mass in 1 of 2 descriptors" in judge(*rows).sentence


def test_best_and_worst_are_named_and_other_folds_told():
    rows = [
        *both("aev", INFLATED),
        *both("chgnet", (0.3, 0.01)),
        row("aev", *SOUND, folds="formula"),
    ]
    said = judge(*rows).sentence
    assert "For mass aev 0.90 (0.85 to 0.95) and chgnet 0.30 (0.29 to 0.31)" in said
    assert said.endswith("With formula folds they recover mass in 0 of 1.")


def test_other_targets_scores_and_probes_do_not_count():
    base = both("a", SOUND)
    others = [
        row("a", 0.9, 0.02, probe="trees"), row("a", 0.9, 0.02, target="heavy_atoms"),
        row("a", 0.9, 0.02, score="crossing"),
    ]  # fmt: skip
    assert judge(*base, *others) == judge(*base)


def test_a_target_that_is_constant_in_a_fold_decides_nothing():
    undefined = both("a", (float("nan"), 0.0))
    verdict = judge(*undefined)
    assert verdict.outcome == "undecided"
    assert "mass and unsaturation do not vary within every test fold" in verdict.sentence
    assert judge(*undefined, *both("b", INFLATED)) == judge(*both("b", INFLATED))


def test_tables_that_cannot_be_judged_are_answered():
    weak = judge(row("a", 0.5, 0.1, probe="trees"))
    assert (weak.outcome, "no scores of the strong trees" in weak.sentence) == ("undecided", True)
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
