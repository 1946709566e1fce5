"""The verdict of claim 3 follows the results, by kind of representation."""

from __future__ import annotations

from dataclasses import asdict

import numpy as np
import pandas as pd
import pytest

from cpdkit.controls import LINEAR_TARGETS
from cpdkit.experiments.inflation.verdict import (
    STRONG,
    by_kind,
    inflated_trees,
    safe_widths,
    typical,
)
from cpdkit.runs.record import recorded_tables

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
    return inflated_trees(kinds, controls=CONTROLS)


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
    kinds = {"descriptors": descriptors, "networks trained here": trained}
    for state, words in {INFLATED: "recover", SOUND: "Surely below 0.1 is"}.items():
        where = " and ".join(kind for kind, score in kinds.items() if score == state)
        told = f"{words} mass and unsaturation in {where}"
        assert (told in verdict.sentence) == bool(where)
    nothing = "recover nothing for certain" in verdict.sentence
    assert nothing == (INFLATED not in kinds.values())


def test_controls_that_disagree_make_a_part():
    rows = [row("aev", *INFLATED), row("aev", *SOUND, target="unsaturation")]
    assert judge(*rows).outcome == "partly"
    rows = [row("aev", *INFLATED), row("aev", *OPEN, target="unsaturation")]
    assert judge(*rows).outcome == "undecided"


def test_kinds_are_named_by_what_is_found_in_them():
    rows = [
        *both("aev", INFLATED),
        row("zoo/mace-gap-0", *OPEN),
        row("zoo/mace-gap-0", *INFLATED, target="unsaturation"),
        row("chgnet", *OPEN),
        row("chgnet", *INFLATED, target="unsaturation"),
    ]
    assert (
        "recover mass and unsaturation in descriptors; unsaturation in networks trained here and "
        "pretrained networks (R2" in judge(*rows).sentence
    )


def test_the_typical_model_of_a_kind_decides():
    few = [*both("zoo/a-gap-0", INFLATED), *both("zoo/b-gap-0", SOUND), *both("zoo/c-gap-0", SOUND)]
    assert judge(*few).outcome == "fails"
    assert "Surely below 0.1 is mass and unsaturation in networks trained" in judge(*few).sentence
    assert judge(*few, *both("zoo/d-gap-0", INFLATED)).outcome == "holds"  # the mean of two


def test_other_folds_are_told_by_the_first_control():
    base = both("aev", INFLATED)
    said = judge(*base, row("aev", *INFLATED, folds="formula")).sentence
    assert said.endswith("With formula folds they recover mass in descriptors.")
    said = judge(*base, row("aev", *SOUND, folds="formula")).sentence
    assert said.endswith("With formula folds they recover mass for certain in no kind.")


def test_numbers_stand_in_a_table_of_kinds_and_controls():
    rows = [*both("aev", INFLATED), *both("chgnet", SOUND), row("aev", *OPEN, folds="formula")]
    kinds = by_kind(pd.DataFrame(rows), handcrafted=["aev"], n_folds=5)
    table = typical(kinds)
    assert table.columns.tolist() == ["mass", "unsaturation", "mass, formula folds"]
    assert table.index.tolist() == ["descriptors", "pretrained networks"]
    assert table.loc["descriptors", "mass"].startswith("0.90 (")
    assert table.loc["descriptors", "mass"].endswith("; 1 of 1")
    assert table.loc["pretrained networks", "unsaturation"].endswith("; 0 of 1")
    assert table.loc["pretrained networks", "mass, formula folds"] == ""


@pytest.mark.parametrize("dataset", ["xtb9", "qm9"])
def test_what_is_recorded_is_what_the_rule_says_of_the_recorded_table(dataset):
    record = recorded_tables("03_gbt_inflation", dataset=dataset)
    given = record.manifest["parameters"]
    controls = [given["control"], *(n for n in LINEAR_TARGETS if n != given["control"])]
    again = inflated_trees(record["kinds"], controls=controls, least=given["bound"])
    assert record["verdict"].to_dict("records") == [asdict(again)]


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
