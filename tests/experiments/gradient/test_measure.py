"""Layers know their depth; every other choice of chapter 1 is the call of `cpd` it names."""

from __future__ import annotations

import dataclasses

import numpy as np
import pandas as pd
import pytest
from ase.build import molecule

import cpdkit
from cpdkit.composition import composition_matrix
from cpdkit.datasets import Dataset
from cpdkit.experiments.gradient import measure, tables
from cpdkit.folds import make_folds
from cpdkit.scores import SCORES

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
    X, other = layer[SCHNET].features, layer[SCHNET].otherwise
    counts, fractions = (composition_matrix(ds, kind=kind) for kind in ("counts", "fractions"))
    known = cpdkit.cpd(X, fractions, ds.targets, folds="formula", **settings)
    found = measure.other_choices(
        layer, ds, ["gap"], removed="fractions", folds="formula",
        known=known.assign(representation=SCHNET), **settings,
    )  # fmt: skip
    for choice, (features, C, folds) in {
        "as above": (X, fractions, "formula"),
        "the other composition": (X, counts, "formula"),
        "the other pooling": (other, fractions, "formula"),
        "the other folds": (X, fractions, "random"),
    }.items():
        y = ds.targets[["gap"]]
        expected = cpdkit.cpd(features, C, y, folds=folds, leak=False, **settings)
        ours = found[found["choice"] == choice]
        assert ours["score"].tolist() == expected["score"].tolist()
        np.testing.assert_allclose(ours["mean"], expected["mean"], rtol=1e-9)
    assert set(found["representation"]) == {SCHNET}


def test_a_rung_that_is_known_is_the_one_that_would_be_computed(ds, layers):
    features = {SCHNET: measure.last_layers(layers)[SCHNET].features}
    settings = {"groups": ds.formulas, "ids": ds.ids, "folds": "random"}
    C = composition_matrix(ds)
    known = cpdkit.cpd(features[SCHNET], C, ds.targets, **settings).assign(representation=SCHNET)
    asked = (features, ["counts", "bonds"], ds, ["gap"])
    found = measure.ladder_scores(*asked, known={"counts": known}, **settings)
    plain = measure.ladder_scores(*asked, **settings)
    pd.testing.assert_frame_equal(found, plain, rtol=1e-9, check_dtype=False)


def test_a_rung_with_more_columns_than_training_rows_is_named_and_not_scored(ds, layers):
    few = ds.select(np.arange(40))
    X = measure.last_layers(layers)[SCHNET].features.features[:40]
    settings = {"groups": few.formulas, "ids": few.ids, "folds": "random"}
    columns = composition_matrix(few, kind="morgan").shape[1]
    assert columns > 40
    with pytest.warns(UserWarning, match=f"'morgan' is not scored: {columns} columns stand"):
        found = measure.ladder_scores({"s": X}, ["counts", "morgan"], few, ["gap"], **settings)
    left_out = found[found["removed"] == "morgan"]
    trained = 40 - np.unique(make_folds(40, ids=few.ids)[0], return_counts=True)[1].max()
    said = f"not scored: {columns} columns stand against {trained} training rows"
    assert left_out["note"].eq(said).all()
    assert left_out["mean"].isna().all()
    assert set(left_out["score"]) == set(SCORES)
    assert found.loc[found["removed"] == "counts", "mean"].notna().all()
    assert "Not scored: morgan" in tables.rungs_in_words(found)


def constant_but_for_rare_ones(n=60):
    """A target that varies in one test fold only among rows which that fold sets aside."""
    rng = np.random.default_rng(0)
    frames = [molecule("H2O") for _ in range(n)]
    fold = make_folds(n, ids=range(n))[0]
    gap = rng.normal(size=n)
    gap[fold == 2] = 0.0
    gap[np.flatnonzero(fold == 2)[0]] = 1.0
    rung = np.column_stack([rng.integers(1, 5, n), np.arange(n) == np.flatnonzero(fold == 2)[0]])
    targets = {"gap": gap, "mu": rng.normal(size=n)}
    return Dataset("w", "", frames, targets, {}, [str(i) for i in range(n)]), rung.astype(float)


def test_a_target_that_a_rung_leaves_constant_is_named_and_the_others_go_on(monkeypatch):
    ds, rung = constant_but_for_rare_ones()
    monkeypatch.setattr(measure, "nuisances", lambda *_, **__: {"counts": rung[:, :1], "x": rung})
    X = np.random.default_rng(1).normal(size=(len(ds), 3))
    settings = {"ids": range(len(ds)), "folds": "random"}
    with pytest.warns(UserWarning, match="not scored: target 'gap' is constant in test fold 2"):
        found = measure.ladder_scores({"a": X}, ["counts", "x"], ds, ["gap", "mu"], **settings)
    scored = found.groupby(["removed", "target"])["mean"].agg(lambda m: m.notna().all())
    assert scored.to_dict() == {
        ("counts", "gap"): True, ("counts", "mu"): True, ("x", "gap"): False, ("x", "mu"): True,
    }  # fmt: skip
    assert found.attrs["n_folds"] == 5
    kept = found.groupby("removed")["rows_kept"].first()
    assert kept.to_dict() == {"counts": 60, "x": 59}
    assert "1 of 60 test rows set aside: no training row has one of their elements" in set(
        found["note"]
    )
    said = tables.rungs_in_words(found)
    assert said == (
        "Rungs are scored on different rows: 60 with counts and 59 with x removed. "
        "Not scored: x for gap; the table says why."
    )
    assert tables.rungs(found)["rows_kept"].tolist() == [60, 59]


@pytest.mark.parametrize("protocol", ["sound", "transductive"])
@pytest.mark.parametrize("probe", ["ridge", "knn"])
def test_scores_of_the_residual_are_those_of_cpd(ds, layers, protocol, probe):
    X = measure.last_layers(layers)[SCHNET].features
    options = {"groups": ds.formulas, "ids": ds.ids, "protocol": protocol, "probe": probe}
    given = (X, composition_matrix(ds), ds.targets[["gap"]])
    found = measure.residual_scores(*given, **options)
    expected = cpdkit.cpd(*given, leak=False, **options)
    expected = expected[expected["score"] != "r2_full"].reset_index(drop=True)
    pd.testing.assert_frame_equal(found, expected, rtol=1e-9)
    assert found.attrs == expected.attrs


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
