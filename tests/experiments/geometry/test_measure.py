"""Within molecules: constitution scores nothing, geometry is found, fixed effects agree."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import reference
import statsmodels.formula.api as smf
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import r2_score

import cpdkit
from cpdkit.composition import bond_counts, composition_matrix
from cpdkit.experiments.geometry.measure import centre_by_molecule, within_molecule_scores
from cpdkit.folds import make_folds


def geometries(n_molecules=40, size=6, d=5, seed=0, noise=0.3):
    """Features and target that mix what is constant in a molecule with what varies."""
    rng = np.random.default_rng(seed)
    molecules = np.repeat([f"m{i}" for i in range(n_molecules)], size)
    constant = np.repeat(rng.normal(size=(n_molecules, 3)), size, axis=0)
    geometry = rng.normal(size=(len(molecules), 3))
    X = np.hstack([constant, geometry]) @ rng.normal(size=(6, d))
    y = 5 * constant[:, 0] + geometry @ [1.0, 0.5, 0.0] + noise * rng.normal(size=len(X))
    return X, y, molecules


def mean_of(table):
    return table.set_index("target")["mean"]


def test_slopes_are_those_of_fixed_effects_ols_and_scores_follow_from_them():
    X, y, molecules = geometries(noise=0.01, d=3)
    fold = make_folds(len(X), scheme="formula", groups=molecules, seed=3)[0]
    frame = pd.DataFrame(X, columns=list("abc")).assign(y=y, molecule=molecules)
    expected = []
    for k in range(5):
        ols = smf.ols("y ~ a + b + c + C(molecule)", frame[fold != k]).fit()
        test = frame[fold == k].set_index("molecule")
        test = test - test.groupby("molecule").mean()
        said = test[list("abc")] @ ols.params[list("abc")]
        expected.append(r2_score(test["y"], said))
    row = within_molecule_scores(X, y, molecules, seed=3).iloc[0]
    np.testing.assert_allclose(row.fold_values, expected, atol=1e-6)
    assert min(expected) > 0.99


@pytest.mark.parametrize("noise", [0.3, 3.0])
def test_penalties_chosen_on_inner_folds_are_those_of_scikit_learn(noise):
    X, y, molecules = geometries(noise=noise, d=30)
    fold = make_folds(len(X), scheme="formula", groups=molecules, seed=1)[0]
    frame = pd.DataFrame(X).groupby(molecules).transform(lambda c: c - c.mean()).to_numpy()
    target = pd.Series(y).groupby(molecules).transform(lambda c: c - c.mean()).to_numpy()
    expected = []
    for k in range(5):
        error = [
            sum(squares(frame, target, fold, k, j, alpha) for j in range(5) if j != k)
            for alpha in reference.ALPHAS
        ]
        best = reference.ALPHAS[np.argmin(error)]
        fitted = reference.standardised(frame[fold != k], frame[fold == k], None, None)
        said = reference.ridge(*fitted, target[fold != k], best)
        expected.append(r2_score(target[fold == k], said))
    row = within_molecule_scores(X, y, molecules, seed=1).iloc[0]
    np.testing.assert_allclose(row.fold_values, expected, atol=1e-8)


def squares(X, y, fold, outer, inner, alpha):
    fit = (fold != outer) & (fold != inner)
    fitted = reference.standardised(X[fit], X[fold == inner], None, None)
    return ((reference.ridge(*fitted, y[fit], alpha) - y[fold == inner]) ** 2).sum()


@settings(max_examples=30)
@given(seed=st.integers(0, 10_000), size=st.sampled_from([1e-3, 1.0, 1e4]))
def test_what_is_constant_in_a_molecule_changes_nothing(seed, size):
    X, y, molecules = geometries(seed=seed, n_molecules=20, size=4)
    rng = np.random.default_rng(seed)
    _, index = np.unique(molecules, return_inverse=True)
    more_x, more_y = rng.normal(size=(20, X.shape[1])), rng.normal(size=20)
    plain = within_molecule_scores(X, y, molecules, n_folds=3).iloc[0]
    shifted = within_molecule_scores(
        X + size * more_x[index], y + size * more_y[index], molecules, n_folds=3
    ).iloc[0]
    np.testing.assert_allclose(shifted.fold_values, plain.fold_values, atol=1e-5)


def test_constitution_scores_exactly_zero():
    ds = cpdkit.load_dataset("xtb9", split="conformers").select(np.arange(400))
    molecules = ds.info["inchikey"].to_numpy()
    targets = ds.targets[["gap", "mu", "energy"]]
    for X in (bond_counts(ds).to_numpy(), composition_matrix(ds, kind="morgan") / 7):
        for pooled in (X, (X / X.sum(axis=1, keepdims=True)).astype(np.float32)):
            assert not centre_by_molecule(pooled, molecules).any()
            table = within_molecule_scores(pooled, targets, molecules)
            assert (table["mean"].abs() < 1e-12).all()
            assert (table["high"].abs() < 1e-12).all()


def test_rounding_is_not_geometry_and_small_changes_are():
    X, y, molecules = geometries(noise=0.0)
    rng = np.random.default_rng(0)
    _, index = np.unique(molecules, return_inverse=True)
    constant = rng.normal(size=(40, 8))[index] + 3
    rounded = constant * (1 + 1e-8 * rng.normal(size=constant.shape))
    assert abs(within_molecule_scores(rounded, y, molecules).iloc[0]["mean"]) < 1e-12
    real = constant[:, :5] + 1e-3 * X
    assert within_molecule_scores(real, y, molecules).iloc[0]["mean"] == pytest.approx(
        within_molecule_scores(X, y, molecules).iloc[0]["mean"], abs=1e-3
    )


def test_relative_and_total_energy_are_one_target():
    ds = cpdkit.load_dataset("xtb9", split="conformers").select(np.arange(400))
    X = cpdkit.extract(cpdkit.load_encoder("ani2x-aev"), ds, progress=False)
    targets = ds.targets[["energy", "relative_energy"]]
    scores = mean_of(within_molecule_scores(X, targets, ds.info["inchikey"]))
    assert scores["energy"] == pytest.approx(scores["relative_energy"], abs=1e-6)
    assert scores["energy"] > 0.5


def test_noise_scores_nothing_with_either_interval():
    X, y, molecules = geometries(n_molecules=60)
    noise = np.random.default_rng(1).normal(size=X.shape)
    for interval in ("corrected-t", "cluster-bootstrap"):
        row = within_molecule_scores(noise, y, molecules, interval=interval).iloc[0]
        assert row.low < 0.03
        assert row["mean"] < 0.03
        found = within_molecule_scores(X, y, molecules, interval=interval).iloc[0]
        assert found.low > 0
        assert found.low < found["mean"] < found.high


def test_lone_geometries_are_left_out():
    X, y, molecules = geometries(n_molecules=20)
    more = np.concatenate([molecules, ["lone1", "lone2"]])
    with_lone = within_molecule_scores(
        np.vstack([X, X[:2] + 9]), np.concatenate([y, [1e6, -1e6]]), more, n_folds=3
    )
    assert with_lone.attrs["molecules"] == 20
    assert with_lone.attrs["n"] == len(X)
    alone = within_molecule_scores(X, y, molecules, n_folds=3)
    np.testing.assert_allclose(with_lone["mean"], alone["mean"])


def test_bad_input_is_answered():
    X, y, molecules = geometries(n_molecules=10)
    _, index = np.unique(molecules, return_inverse=True)
    with pytest.raises(ValueError, match="'mass' does not vary within molecules"):
        within_molecule_scores(X, {"mass": index * 0.1}, molecules)
    with pytest.raises(ValueError, match="3 molecule.s. have two geometries"):
        within_molecule_scores(X[:18], y[:18], molecules[:18])
    with pytest.raises(ValueError, match="did you mean 'corrected-t'"):
        within_molecule_scores(X, y, molecules, interval="corrected")
    with pytest.raises(ValueError, match="molecule of each row"):
        within_molecule_scores(X, y, None)
