"""Layers know their depth; every other choice of chapter 1 is the call of `cpd` it names."""

from __future__ import annotations

import dataclasses

import numpy as np
import pandas as pd
import pytest

import cpdkit
from cpdkit.composition import composition_matrix
from cpdkit.experiments.gradient import measure, tables

SCHNET = "zoo/schnet-untrained-0"


@pytest.fixture(scope="module")
def ds():
    return cpdkit.load_dataset("xtb9", n=60, targets=["gap", "mu"])


@pytest.fixture(scope="module")
def layers(ds):
    return measure.pooled_layers([SCHNET, "bond-counts"], ds, layers="all")


def test_depth_runs_from_the_first_layer_to_the_last(layers):
    names = [f"{SCHNET} / {name}" for name in ("block_1", "block_2", "block_3")]
    assert list(layers) == [*names, "bond-counts"]
    assert [layer.depth for layer in layers.values()] == [0.0, 0.5, 1.0, 1.0]
    last = measure.last_layers(layers)
    assert last == {SCHNET: layers[names[-1]], "bond-counts": layers["bond-counts"]}


def test_otherwise_is_the_sum_over_atoms(ds, layers):
    layer = layers[f"{SCHNET} / block_1"]
    sizes = np.array([len(atoms) for atoms in ds.atoms])[:, None]
    expected = layer.features.features * sizes
    np.testing.assert_allclose(layer.otherwise.features, expected, rtol=1e-4, atol=1e-4)


def test_only_last_layers_by_default(ds):
    found = measure.pooled_layers([SCHNET], ds, pooling="sum")
    assert list(found) == [SCHNET]
    assert found[SCHNET].last
    with pytest.raises(ValueError, match='give "all" or "last"'):
        measure.pooled_layers([SCHNET], ds, layers="first")
    with pytest.raises(ValueError, match="unknown pooling 'max'"):
        measure.pooled_layers([SCHNET], ds, pooling="max")


def test_rows_are_dealt_as_a_whole(ds):
    dealt = measure.dealt_anew(ds.targets, seed=1)
    assert not dealt.equals(ds.targets)
    pd.testing.assert_frame_equal(
        dealt.sort_values("gap", ignore_index=True),
        ds.targets.sort_values("gap", ignore_index=True),
    )


def test_without_smiles_no_bonds(ds):
    assert list(measure.nuisances(["counts", "bonds"], ds, folds="formula")) == ["counts", "bonds"]
    bare = dataclasses.replace(ds, smiles=None)
    with pytest.warns(UserWarning, match="the rung .formula. is left out: no formula of a test"):
        assert not measure.nuisances(["formula"], ds, folds="formula")
    with pytest.warns(UserWarning, match="the rung .morgan. is left out: .* has no SMILES"):
        assert list(measure.nuisances(["counts", "morgan"], bare, folds="random")) == ["counts"]


def test_other_choices_are_the_calls_they_name(ds, layers):
    layer = {SCHNET: measure.last_layers(layers)[SCHNET]}
    settings = {"groups": ds.formulas, "ids": ds.ids}
    found = measure.other_choices(
        layer, ds, ["gap"], removed="fractions", folds="formula", **settings
    )
    X, other = layer[SCHNET].features, layer[SCHNET].otherwise
    counts, fractions = (composition_matrix(ds, kind=kind) for kind in ("counts", "fractions"))
    for choice, (features, C, folds) in {
        "as above": (X, fractions, "formula"),
        "the other composition": (X, counts, "formula"),
        "the other pooling": (other, fractions, "formula"),
        "the other folds": (X, fractions, "random"),
    }.items():
        y = ds.targets[["gap"]]
        expected = cpdkit.cpd(features, C, y, folds=folds, leak=False, **settings)
        ours = found[found["choice"] == choice]
        assert ours["mean"].tolist() == expected["mean"].tolist()
    assert set(found["representation"]) == {SCHNET}


def scores(*rows):
    return pd.DataFrame(rows, columns=["representation", "protocol", "target", "score", "mean"])


def test_scores_know_their_layer(layers):
    first, last = f"{SCHNET} / block_1", f"{SCHNET} / block_3"
    table = tables.with_layers(
        scores(
            (first, "sound", "gap", "r2_partial", 0.1),
            (last, "sound", "gap", "r2_partial", 0.2),
            (last, "naive", "gap", "r2_partial", 0.3),
            ("bond-counts", "sound", "gap", "r2_partial", 0.4),
        ),
        layers,
    )
    assert list(table)[:4] == ["representation", "encoder", "depth", "protocol"]
    assert table["last"].tolist() == [False, True, True, True]
    final = tables.last_layers(table)
    assert final["representation"].tolist() == [SCHNET, "bond-counts"]
    assert tables.several_layers(table)["mean"].tolist() == [0.1, 0.2]


def test_channels_that_hardly_vary_are_counted(ds, layers):
    layer = layers["bond-counts"]
    found = tables.channels({"pairs": layer}).iloc[0]
    spread = layer.features.features.std(axis=0)
    assert found["channels"] == len(spread)
    assert found["almost constant"] == sum(spread < 0.01 * np.sqrt(np.mean(spread**2)))


def test_scores_are_picked_in_the_order_asked_for():
    table = scores(
        ("a", "sound", "gap", "r2_comp", 0.1), ("a", "sound", "gap", "r2_geom", 0.2),
        ("b", "sound", "gap", "r2_geom", 0.3), ("b", "sound", "mu", "r2_geom", 0.4),
    )  # fmt: skip
    picked = tables.pick(table, ["r2_geom", "r2_comp"], targets=["gap"])
    assert picked["mean"].tolist() == [0.2, 0.3, 0.1]


def test_ridge_stands_first_and_may_stand_alone():
    ridge = scores(("a", "sound", "gap", "r2_geom", 0.2)).assign(low=0.1, high=0.3)
    alone = tables.beside_ridge(ridge, {})
    assert alone["probe"].tolist() == ["ridge"]
    both = tables.beside_ridge(ridge, {("a", "knn"): ridge.drop(columns="representation")})
    assert both["probe"].tolist() == ["ridge", "knn"]
    assert list(both) == list(alone)


def test_some_target_is_drawn():
    assert tables.first_targets(["gap", "mu"], 1) == ["gap"]
    with pytest.raises(ValueError, match="at least 1"):
        tables.first_targets(["gap"], 0)
