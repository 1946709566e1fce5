"""The verdict of claim 3 follows the results."""

from __future__ import annotations

import pandas as pd
import pytest

from cpdkit.experiments.inflation.verdict import inflated_trees, safe_widths


def row(name, mean, half, *, probe="trees", target="heavy_atoms", score="r2_geom"):
    return {
        "representation": name, "probe": probe, "target": target, "score": score,
        "mean": mean, "low": mean - half, "high": mean + half,
    }  # fmt: skip


def judge(*rows):
    return inflated_trees(pd.DataFrame(rows), target="heavy_atoms")


@pytest.mark.parametrize(
    ("a", "b", "outcome"),
    [
        ((0.95, 0.02), (0.30, 0.1), "holds"),
        ((0.95, 0.02), (-0.1, 0.1), "holds"),  # half of them
        ((0.00, 0.05), (-0.1, 0.1), "fails"),
        ((0.15, 0.10), (0.0, 0.05), "undecided"),
    ],
)
def test_outcomes_of_constructed_results(a, b, outcome):
    verdict = judge(row("aev", *a), row("chgnet", *b))
    assert verdict.outcome == outcome
    assert f"aev {a[0]:.2f} ({a[0] - a[1]:.2f} to {a[0] + a[1]:.2f})" in verdict.sentence
    assert f"chgnet {b[0]:.2f}" in verdict.sentence


def test_controls_that_disagree_decide_nothing():
    rows = [row("aev", 0.9, 0.02), row("chgnet", 0.4, 0.1)]
    same = [row("aev", 0.8, 0.02, target="mass"), row("chgnet", 0.0, 0.05, target="mass")]
    other = [row(name, 0.0, 0.05, target="unsaturation") for name in ("aev", "chgnet")]
    undefined = [row("aev", float("nan"), 0.1, target="charge")]
    table = pd.DataFrame([*rows, *same, *other, *undefined])

    def told(*also):
        return inflated_trees(table, target="heavy_atoms", also=also)

    assert told().outcome == told("mass").outcome == told("charge", "absent").outcome == "holds"
    assert "2 of 2 models (mass in 1 of 2); aev" in told("mass").sentence
    assert told("mass", "unsaturation").outcome == "undecided"
    assert "unsaturation in 0 of 2" in told("unsaturation").sentence


def test_one_inflated_model_of_three_decides_nothing():
    verdict = judge(row("a", 0.9, 0.05), row("b", 0.0, 0.02), row("c", 0.0, 0.02))
    assert verdict.outcome == "undecided"
    assert "in 1 of 3 models" in verdict.sentence


def test_other_targets_scores_and_probes_do_not_count():
    base = [row("a", 0.0, 0.02)]
    others = [
        row("a", 0.9, 0.02, probe="knn"), row("a", 0.9, 0.02, target="mass"),
        row("a", 0.9, 0.02, score="crossing"),
    ]  # fmt: skip
    assert judge(*base, *others) == judge(*base)
    tiny = judge(*base, row("a", -0.001, 0.1, probe="ridge")).sentence
    assert "Ridge scores at most 0.00" in tiny
    assert "Ridge scores at most 0.03" in judge(*base, row("a", 0.03, 0.1, probe="ridge")).sentence


def test_a_target_that_is_constant_in_a_fold_decides_nothing():
    undefined = row("a", float("nan"), 0.0)
    verdict = judge(undefined)
    assert verdict.outcome == "undecided"
    assert "does not vary within every test fold" in verdict.sentence
    assert judge(undefined, row("b", 0.9, 0.05)) == judge(row("b", 0.9, 0.05))


def test_tables_that_cannot_be_judged_are_refused():
    with pytest.raises(ValueError, match="no 'r2_geom' of 'heavy_atoms' under 'trees'"):
        judge(row("a", 0.5, 0.1, target="mass"))
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
