"""What chapter 3 measures, tabulates and says: planted truths, hand-made tables."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

import cpdkit
from cpdkit.experiments.inflation import measure, planted, tables, verdict


@pytest.fixture(scope="module")
def empty():
    ds = cpdkit.load_dataset("xtb9", n=80, seed=0)
    return planted.without_geometry(ds, width=8, control="mass", seed=0)


def test_what_holds_no_geometry_is_one_for_a_formula_or_a_coin(empty):
    features = empty.features(4)
    smooth, coins = features["functions of composition"], features["rare random events"]
    assert smooth.shape == coins.shape == (80, 4)
    for formula in set(empty.formulas):
        rows = np.array([f == formula for f in empty.formulas])
        assert np.ptp(smooth[rows], axis=0).max() < 1e-12
    assert set(np.unique(empty.coins)) == {0.0, 1.0}
    assert empty.coins.mean() < 0.1


def test_residual_channels_are_orthogonal_to_composition(empty):
    table = planted.residual_channels(empty)
    assert list(table) == ["planted", "channel_1", "channel_2", "mass"]
    for _, rows in table.groupby("planted"):
        found = rows[["channel_1", "channel_2"]].to_numpy()
        assert np.abs((empty.composition - empty.composition.mean(axis=0)).T @ found).max() < 1e-8


def test_each_width_probe_and_representation_has_a_row(empty):
    table = measure.scores_by_width(empty, widths=[2, 8], probes={"ridge": "ridge"}, seed=0)
    assert table.width.tolist() == [2, 8] * 3
    assert table.planted.unique().tolist() == [
        "functions of composition", "rare random events", "rare events, within formulas",
    ]  # fmt: skip
    assert table["mean"].max() < 0.1
    said = verdict.made_by_projection(table, 0.5, control="mass")
    assert (
        said
        == "Trees on 8 coins that know nothing: 0.50 before the projection (mass; the truth is 0)."
    )


def test_fixed_probes_are_those_of_the_settings():
    settings = measure.probe_settings(n_trees=5, seed=0)
    fixed = measure.fixed_probes(settings, asked=["kernel", "mlp", "knn"])
    assert list(fixed) == ["ridge", "mlp", "trees", "kernel"]
    assert list(measure.fixed_probes(settings, asked=["knn"])) == ["ridge", "trees"]
    assert fixed["trees"] is settings["trees"]
    assert settings["kernel"] == "kernel"


REMEDIES = pd.DataFrame(
    {"folds": "formula", "remedy": remedy, "probe": probe, "truth": truth, "mean": mean}
    for remedy, means in {"linear": (0.8, 0.6, 0.1), "formula means": (-0.2, 0.04, 0.4)}.items()
    for probe in ("trees", "kernel", "mlp")
    for truth, mean in zip((0.0, 0.0, 0.5), means, strict=True)
)


def test_the_most_that_is_found_of_nothing_counts():
    table = tables.found_of_nothing(REMEDIES)
    assert list(table) == ["most found of nothing", "trees", "kernel", "mlp"]
    assert table.loc[("formula", "linear")].tolist() == [0.8, 0.1, 0.1, 0.1]
    assert table.loc[("formula", "formula means")].tolist() == [0.04, 0.4, 0.4, 0.4]
    said = verdict.recommended_remedy(REMEDIES)
    assert "trees 0.80 before, 0.04 after, and 0.40 where 0.50 is true; kernel" in said


def test_models_are_caught_whose_interval_lies_above_the_bound():
    rows = [("a", 0.5, 0.3), ("b", 0.9, 0.8), ("c", 0.2, 0.0)]
    table = pd.DataFrame(rows, columns=["representation", "mean", "low"])
    table = table.assign(probe="trees", folds="random", target="mass", score="r2_geom")
    ridge = table.assign(probe="ridge", folds="formula")
    said = verdict.caught_by_trees(pd.concat([table, ridge]), control="mass", bound=0.1)
    assert said == "random folds, trees above 0.1: b 0.90, a 0.50"
    none = verdict.caught_by_trees(table, control="mass", bound=0.95)
    assert none.endswith(": none")


def test_what_trees_recover_of_the_target_is_counted():
    models = pd.DataFrame(
        {"representation": name, "probe": "trees", "score": score, "mean": mean, "low": low,
         "n_used": 7}
        for name, mean, low in (("a", 0.5, 0.3), ("b", -0.001, -0.2))
        for score in ("control", "crossing")
    )  # fmt: skip
    said = verdict.control_recovered(models, target="gap", folds="formula", bound=0.1)
    assert "an R2 of 0.00 to 0.50 with formula folds" in said
    assert "above 0.1 in 1 of 2 models" in said
    assert verdict.models_above_ceiling(models, n=9).startswith("7 of 9 structures")
    assert "Above the ceiling: 1 of 2 scores" in verdict.models_above_ceiling(models, n=9)


def test_only_what_is_linear_in_what_is_removed_is_judged():
    molecules = cpdkit.load_dataset("xtb9", n=5)
    crystals = cpdkit.load_dataset("prototypes", n=5)
    expected = ["unsaturation", "mass", "heavy_atoms"]
    assert measure.judged_controls("unsaturation", molecules) == expected
    assert measure.judged_controls("mean_Z", crystals) == ["mean_Z"]
    with pytest.warns(UserWarning, match="'mass' is not linear in what is removed.*are mean_Z"):
        assert measure.judged_controls("mass", crystals) == ["mean_Z"]
    with pytest.warns(UserWarning, match="'mean_Z' is not linear.*judged are mass, heavy_atoms"):
        assert measure.judged_controls("mean_Z", molecules)[0] == "mass"
