"""One probe per layer and degree: planted routing is found, rotations change nothing."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from ase.build import bulk
from scipy.spatial.transform import Rotation
from sklearn.decomposition import PCA
from sklearn.linear_model import LinearRegression, Ridge

import cpdkit
from cpdkit.composition import composition_matrix
from cpdkit.datasets import AtomsSequence
from cpdkit.experiments.routing.figures import index_figure, score_heatmap, vector_figure
from cpdkit.experiments.routing.measure import (
    invariant_inputs,
    routing_difference,
    routing_index,
    routing_scores,
    vector_scores,
    with_vectors,
)
from cpdkit.experiments.routing.multipoles import (
    element_multipoles,
    l2_components,
    multipole_targets,
)
from cpdkit.folds import make_folds
from cpdkit.moments.folds import FoldMoments
from cpdkit.probes.widths import channel_draws, partial_scores
from cpdkit.projection.conditioned import ConditionedResidual
from cpdkit.representation import Block, Representation


def planted_routing(*, swapped: bool = False, n: int = 300, seed: int = 0):
    """l=1 carries the vector and l=0 the scalar; swapped, their norms are the other way round."""
    rng = np.random.default_rng(seed)
    C = rng.integers(1, 8, size=(n, 3)).astype(float)
    dipole = rng.normal(size=(n, 3))
    length = np.linalg.norm(dipole, axis=1)
    gap = 5 + rng.normal(size=n)
    for_scalars, vectors = gap, dipole
    if swapped:
        for_scalars, vectors = length, gap[:, None] * (dipole / length[:, None])
    scalars = np.column_stack([for_scalars, C]) @ rng.normal(size=(4, 12))
    vectors = rng.normal(size=(12, 1)) * vectors[:, None, :]
    values = np.hstack([scalars, vectors.reshape(n, -1)])
    values += 0.1 * rng.normal(size=values.shape)
    blocks = (
        Block(layer=0, name="only", l=0, p="e", mul=12, pooling="mean", start=0),
        Block(layer=0, name="only", l=1, p="o", mul=12, pooling="mean", start=12),
    )
    rep = Representation(values, blocks, np.full(n, 9))
    targets = pd.DataFrame({"mu": length + 0.1 * C[:, 0], "gap": gap - 0.3 * C[:, 1]})
    return rep, C, targets, dipole


@pytest.mark.parametrize("matched", ["all", "subset", "pca"])
@pytest.mark.parametrize("swapped", [False, True])
def test_planted_routing_gives_a_high_index_and_swapped_a_negative_one(matched, swapped):
    rep, C, targets, _ = planted_routing(swapped=swapped)
    table = routing_scores(rep, C, targets, width=6, n_draws=3, matchings=[matched])
    index = routing_index(table, matched=matched).set_index("quantity")
    sign = -1 if swapped else 1
    ends = index[["low", "high"]] * sign
    assert (ends > 0.1).all(axis=None)
    assert index.loc["index", "mean"] * sign > 1


def test_the_index_is_the_sum_of_its_sides_and_turns_its_sign_with_the_roles():
    rep, C, targets, _ = planted_routing()
    table = routing_scores(rep, C, targets, width=6, n_draws=2, repeats=2)
    index = routing_index(table).set_index("quantity")
    folds = {name: np.array(values) for name, values in index["fold_values"].items()}
    assert len(folds["index"]) == 10
    assert np.allclose(folds["index"], folds["vector side"] + folds["scalar side"])
    turned = routing_index(table, vector="gap", scalar="mu").set_index("quantity")
    assert np.allclose(turned.loc["index", "mean"], -index.loc["index", "mean"])


def test_a_subset_scores_as_cpd_on_those_columns():
    """So its width is what it says."""
    rep, C, targets, _ = planted_routing(n=120)
    table = routing_scores(rep, C, targets, width=5, n_draws=2, seed=3).set_index(
        ["kind", "matched", "target"]
    )
    for _, _, kind, features in invariant_inputs(rep, 0):
        draws = channel_draws(features.shape[1], 5, 2, seed=3)
        parts = [
            cpdkit.cpd(features[:, draw], C, targets, seed=3, leak=False).set_index(
                ["score", "target"]
            )
            for draw in draws
        ]
        for target in targets:
            expected = [part.loc[("r2_partial", target), "fold_values"] for part in parts]
            found = table.loc[(kind, "subset", target)]
            assert np.allclose(found["fold_values"], np.mean(expected, axis=0), atol=1e-9)
            assert np.isclose(found["draw_sd"], np.std(np.mean(expected, axis=1), ddof=1))
            assert found["width"] == 5
            assert found["channels"] == features.shape[1]


def test_principal_components_are_those_of_the_training_residual():
    """The same with scikit-learn, fold by fold, at one penalty."""
    rep, C, targets, _ = planted_routing(n=100)
    X, Y = rep.select(l=0).with_squares().features, targets.to_numpy()
    (fold,) = make_folds(len(X), n_folds=4)
    found = partial_scores(FoldMoments.of_rows(X, C, Y, fold), components=3, alphas=[1e-3])
    for k in range(4):
        train, test = fold != k, fold == k
        first = ConditionedResidual().fit(X[train], composition=C[train])
        residual = [first.transform(X[rows], composition=C[rows]) for rows in (train, test)]
        pca = PCA(3, svd_solver="full").fit(residual[0])
        second = ConditionedResidual().fit(pca.transform(residual[0]))
        parts = [second.transform(pca.transform(part)) for part in residual]
        comp = LinearRegression().fit(C[train], Y[train])
        left = Y[train] - comp.predict(C[train])
        probe = Ridge(alpha=1e-3 * train.sum()).fit(parts[0], left)
        error = Y[test] - comp.predict(C[test])
        joint = error - probe.predict(parts[1])
        assert np.allclose(found[k], 1 - (joint**2).sum(axis=0) / (error**2).sum(axis=0))


def test_a_narrow_block_sets_the_width_of_all_and_is_named():
    rep, C, targets, dipole = planted_routing(n=100)
    few = rep.blocks[1]
    narrow = Representation(rep.features[:, :18], (rep.blocks[0], replace(few, mul=2)), rep.n_atoms)
    with pytest.warns(UserWarning, match="cut to 2 columns, not to width=6"):
        table = routing_scores(narrow, C, targets, width=6, n_draws=2)
    pd.testing.assert_frame_equal(table, routing_scores(narrow, C, targets, width=2, n_draws=2))
    options = {"l": 1, "n_draws": 2, "pooling": "mean"}
    with pytest.warns(UserWarning, match="cut to 2 columns"):
        vectors = vector_scores(narrow, {"dipole": dipole}, width=6, **options)
    same = vector_scores(narrow, {"dipole": dipole}, width=2, **options)
    pd.testing.assert_frame_equal(vectors, same)


def test_encoders_without_vectors_are_left_out_and_named():
    rep = planted_routing(n=20)[0]
    flat = rep.select(l=0)
    with pytest.warns(UserWarning, match="without vectors.*flat"):
        assert list(with_vectors({"flat": flat, "both": rep})) == ["both"]
    with pytest.raises(ValueError, match="none of flat has vectors"):
        with_vectors({"flat": flat})


def test_draws_follow_the_seed_and_have_the_width():
    draws = channel_draws(40, 8, 5, seed=1)
    assert all(len(set(draw)) == 8 and max(draw) < 40 for draw in draws)
    assert np.array_equal(draws, channel_draws(40, 8, 5, seed=1))
    assert not np.array_equal(draws, channel_draws(40, 8, 5, seed=2))
    assert len(channel_draws(8, 8, 5)) == 1
    with pytest.raises(ValueError, match="7 columns cannot be cut to width=8"):
        channel_draws(7, 8, 5)


def _shifted(atoms: AtomsSequence) -> AtomsSequence:
    return AtomsSequence(atoms.numbers, atoms.positions + [3.0, -1.0, 2.0], atoms.n_atoms)


@pytest.fixture(scope="module")
def molecules():
    return cpdkit.load_dataset("xtb9", n=60, seed=1)


def _turned(atoms: AtomsSequence, rotation: np.ndarray) -> AtomsSequence:
    return AtomsSequence(atoms.numbers, atoms.positions @ rotation.T, atoms.n_atoms)


def _random_rotation(seed: int) -> np.ndarray:
    return Rotation.random(random_state=seed).as_matrix()


def test_turning_the_molecules_changes_no_score(molecules):
    encoder = cpdkit.load_encoder("painn-untrained", channels=12, layers=2, dtype="float64")
    rotation = _random_rotation(0)
    C = composition_matrix(molecules.atoms)
    dipole = multipole_targets(molecules)[1]["dipole"]
    tables, vectors = [], []
    for atoms, vector in (
        (molecules.atoms, dipole),
        (_turned(molecules.atoms, rotation), dipole @ rotation.T),
    ):
        rep = cpdkit.extract(encoder, atoms, pooling=["mean", "mean_norm", "sum"], progress=False)
        tables.append(routing_scores(rep, C, molecules.targets[["mu", "gap"]], width=6, n_draws=2))
        vectors.append(vector_scores(rep, {"dipole": vector}, l=1, width=6, n_draws=2))
    assert set(tables[0]["kind"]) == {
        "scalar", "scalar and square", "norm of pooled", "pooled norm"
    }  # fmt: skip
    for one, other in (tables, vectors):
        assert np.allclose(one["mean"], other["mean"], rtol=0, atol=1e-6)
        assert one.drop(columns=["mean", "low", "high", "fold_values", "draw_sd"]).equals(
            other.drop(columns=["mean", "low", "high", "fold_values", "draw_sd"])
        )


def test_a_planted_dipole_is_read_from_vectors_alone():
    rep, _, _, dipole = planted_routing()
    table = vector_scores(rep, {"dipole": dipole}, l=1, width=4, n_draws=2, pooling="mean")
    assert (table["mean"] > 0.95).all()
    assert set(table["matched"]) == {"all", "subset"}
    assert vector_scores(rep, {"t": dipole}, l=2, width=4).empty


def test_what_training_changed_is_zero_against_itself_and_needs_the_same_folds():
    rep, C, targets, _ = planted_routing(n=100)
    table = routing_scores(rep, C, targets, width=4, n_draws=2)
    assert (routing_difference(table, table)["mean"] == 0).all()
    index = routing_index(table)
    assert (routing_difference(index, index)[["mean", "low", "high"]] == 0).all(axis=None)
    null = index.assign(fold_values=[(0.0,) * 5] * len(index))
    null.attrs = index.attrs
    one = routing_difference(index, null)
    assert one[["least", "most"]].to_numpy() == pytest.approx(one[["low", "high"]].to_numpy())
    second = pd.concat([index, index.assign(layer=1, name="second")])
    other = pd.concat([null, null.assign(layer=1, name="second")])
    second.attrs = other.attrs = index.attrs
    two = routing_difference(second, other).iloc[: len(one)]
    assert two["low"].tolist() == pytest.approx(one["low"].tolist())
    assert (two["least"] < two["low"]).all()
    other = routing_scores(rep, C, targets, width=4, n_draws=2, seed=1)
    with pytest.raises(ValueError, match="differ in seed: 0 and 1"):
        routing_difference(table, other)


def test_layers_without_vectors_have_no_index():
    rep, C, targets, _ = planted_routing(n=100)
    table = routing_scores(rep, C, targets, width=4, n_draws=2)
    none = table[table["l"] == 0]
    with pytest.raises(ValueError, match="none of the encoders has vectors"):
        routing_index(none)
    with pytest.raises(ValueError, match="unknown kind 'norms'. Known: 'norm of pooled'"):
        routing_index(table, norms="norms")
    with pytest.raises(ValueError, match="unknown target 'dipole'"):
        routing_index(table, vector="dipole")
    scalars = table.assign(name="later", layer=1)[table["l"] == 0]
    both = pd.concat([table, scalars], ignore_index=True)
    both.attrs = table.attrs
    assert set(routing_index(both)["name"]) == {"only"}


def test_tensors_keep_their_size_and_lose_their_trace():
    rng = np.random.default_rng(0)
    tensors = rng.normal(size=(5, 3, 3))
    tensors += tensors.transpose(0, 2, 1)
    found = l2_components(tensors)
    traceless = tensors - np.trace(tensors, axis1=1, axis2=2)[:, None, None] * np.eye(3) / 3
    assert np.allclose((found**2).sum(axis=1), 1.5 * (traceless**2).sum(axis=(1, 2)))
    assert np.allclose(found, l2_components(tensors + 7 * np.eye(3)))
    with pytest.raises(ValueError, match="expected .n, 3, 3."):
        l2_components(rng.normal(size=(5, 9)))


@pytest.mark.parametrize("name", ["sevennet-0", "visnet-untrained"])
def test_l2_features_turn_as_l2_components_do(name, molecules):
    """So quadrupoles stand in the basis of the models."""
    small = {"hidden_channels": 16, "num_layers": 2} if name == "visnet-untrained" else {}
    encoder = cpdkit.load_encoder(name, dtype="float64", **small)
    rotation = _random_rotation(1)
    some = molecules.atoms[:3]
    layer = encoder.layers[1].name
    first, second = (
        cpdkit.extract(encoder, atoms, pooling="sum", progress=False).vectors(l=2, layer=layer)
        for atoms in (some, _turned(some, rotation))
    )
    tensors = np.random.default_rng(0).normal(size=(20, 3, 3))
    tensors += tensors.transpose(0, 2, 1)
    turn = np.linalg.lstsq(
        l2_components(tensors), l2_components(rotation @ tensors @ rotation.T), rcond=None
    )[0]
    assert np.abs(second - first).max() > 1e-3
    assert np.allclose(second, first @ turn, atol=1e-6 * np.abs(first).max())


def test_molecules_of_one_charge_per_element_are_predicted_exactly(molecules):
    for degree in (1, 2):
        moments = element_multipoles(molecules.atoms, l=degree)
        charges = np.linspace(-1, 1, moments.shape[1])
        target = np.einsum("nec,e->nc", moments, charges)
        probe = cpdkit.EquivariantRidge(alpha=1e-12).fit(moments, target)
        assert probe.score(moments, target) > 1 - 1e-9
        assert np.allclose(moments, element_multipoles(_shifted(molecules.atoms), l=degree))
    with pytest.raises(ValueError, match="degree 1 and 2"):
        element_multipoles(molecules.atoms, l=3)


def test_a_crystal_has_no_multipoles() -> None:
    crystal = AtomsSequence.from_atoms([bulk("Si")])
    with pytest.raises(ValueError, match="structure 0 is periodic"):
        element_multipoles(crystal, l=1)


def test_labels_are_those_of_the_data_set(molecules):
    labels = multipole_targets(molecules)
    assert np.allclose(
        np.linalg.norm(labels[1]["dipole"], axis=1), molecules.targets["mu"], atol=1e-4
    )
    assert labels[2]["quadrupole"].shape == (60, 5)


def test_figures_show_every_layer():
    rep, C, targets, dipole = planted_routing(n=100)
    table = routing_scores(rep, C, targets, width=4, n_draws=2).assign(encoder="a")
    other = table.assign(encoder="b-untrained")
    both = pd.concat([table, other], ignore_index=True)
    both.attrs = routing_scores(rep, C, targets, width=4, n_draws=2).attrs
    figure = index_figure(routing_index(both))
    assert [t.get_text() for t in figure.axes[0].get_yticklabels()] == [
        "a / only (1o)", "b-untrained / only (1o)"
    ]  # fmt: skip
    drawn = [t.get_text() for t in score_heatmap(both).axes[0].texts]
    rounded = both[(both.matched == "subset") & (both.target == "mu")]["mean"]
    assert sorted(drawn) == sorted(f"{value:.2f}" for value in rounded)
    vectors = vector_scores(rep, {"dipole": dipole}, l=1, width=4, n_draws=2, pooling="mean")
    assert len(vector_figure(vectors.assign(encoder="a")).axes) == 1
    with pytest.raises(ValueError, match="lacks the columns"):
        index_figure(pd.DataFrame({"encoder": []}))
