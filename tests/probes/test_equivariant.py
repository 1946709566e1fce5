"""Equivariant ridge turns with its input and equals a plain least-squares computation."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.spatial.transform import Rotation

from cpdkit.folds import make_folds
from cpdkit.probes.equivariant import EquivariantRidge, equivariant_scores


def data(n=120, channels=4, components=3, seed=0, noise=0.3):
    rng = np.random.default_rng(seed)
    V = rng.normal(size=(n, channels, components)) * np.array([[1], [10], [0.1], [1]])[:channels]
    y = np.einsum("c,ncm->nm", rng.normal(size=channels), V)
    return V, y + noise * rng.normal(size=y.shape)


def degree_two(rotations: Rotation) -> np.ndarray:
    """Matrices of l=2 in an orthonormal basis of symmetric traceless tensors, (n, 5, 5)."""
    r = np.sqrt(0.5)
    basis = np.zeros((5, 3, 3))
    for m, (i, j) in enumerate([(0, 1), (1, 2), (0, 2)]):
        basis[m, i, j] = basis[m, j, i] = r
    basis[3] = np.diag([r, -r, 0])
    basis[4] = np.diag([-1, -1, 2]) / np.sqrt(6)
    R = rotations.as_matrix()
    turned = np.einsum("nij,bjk,nlk->nbil", R, basis, R)
    return np.einsum("aij,nbij->nab", basis, turned)


@settings(deadline=None, max_examples=25)
@given(
    seed=st.integers(0, 999),
    components=st.sampled_from([3, 5]),
    parity=st.sampled_from([1, -1]),
)
def test_turned_molecules_give_turned_predictions(seed, components, parity):
    V, y = data(seed=seed, components=components)
    rotations = Rotation.random(len(V), random_state=seed)
    D = rotations.as_matrix() if components == 3 else degree_two(rotations)
    D = parity * D if components == 3 else D
    turned = np.einsum("nab,ncb->nca", D, V)
    plain = EquivariantRidge().fit(V, y)
    # Each training molecule may be turned by itself: nothing changes ...
    other = EquivariantRidge().fit(turned, np.einsum("nab,nb->na", D, y))
    np.testing.assert_allclose(other.coef_, plain.coef_, rtol=1e-10)
    # ... and predictions turn with the input.
    np.testing.assert_allclose(
        plain.predict(turned), np.einsum("nab,nb->na", D, plain.predict(V)), atol=1e-12
    )


@settings(deadline=None, max_examples=25)
@given(
    n=st.integers(1, 60),
    channels=st.integers(1, 4),
    components=st.sampled_from([1, 3, 5]),
    alpha=st.sampled_from([1e-6, 1e-2, 1.0]),
    seed=st.integers(0, 99),
)
def test_weights_solve_the_normal_equations(n, channels, components, alpha, seed):
    V, y = data(n, channels, components, seed)
    A = V.transpose(0, 2, 1).reshape(-1, channels)
    scale = np.sqrt((A**2).mean(axis=0))
    A = A / scale
    expected = np.linalg.solve(A.T @ A + alpha * len(A) * np.eye(channels), A.T @ y.reshape(-1))
    np.testing.assert_allclose(
        EquivariantRidge(alpha=alpha).fit(V, y).coef_ * scale, expected, rtol=1e-6, atol=1e-8
    )


@pytest.mark.parametrize("scheme", ["random", "formula"])
def test_nested_scores_are_those_of_a_loop_over_rows(scheme):
    V, y = data(n=200, noise=2.0)
    groups = np.array([f"C{i}H4" for i in np.arange(200) % 37])
    alphas = (1e-6, 1e-1, 10.0)
    table = equivariant_scores(
        V, {"a": y, "b": V[:, 1]}, groups=groups, folds=scheme, alphas=alphas, repeats=2, seed=5
    ).set_index("target")
    labels = make_folds(200, scheme=scheme, groups=groups, repeats=2, seed=5)
    expected = []
    for fold in labels:
        for k in range(5):
            error = np.zeros(3)
            for j in set(range(5)) - {k}:
                train, inner = (fold != j) & (fold != k), fold == j
                for i, alpha in enumerate(alphas):
                    fit = EquivariantRidge(alpha=alpha).fit(V[train], y[train])
                    error[i] += ((fit.predict(V[inner]) - y[inner]) ** 2).sum()
            best = EquivariantRidge(alpha=alphas[error.argmin()]).fit(V[fold != k], y[fold != k])
            expected.append(best.score(V[fold == k], y[fold == k]))
    np.testing.assert_allclose(table.loc["a", "fold_values"], expected, atol=1e-9)
    assert table.loc["b", "mean"] > 0.999
    assert table.loc["a", "low"] < table.loc["a", "mean"] < table.loc["a", "high"]


def test_units_do_not_matter():
    V, y = data()
    a = equivariant_scores(V, y)
    b = equivariant_scores(V * np.array([[1e5], [1e-5], [3.0], [1.0]]), -1e4 * y)
    np.testing.assert_allclose(a["fold_values"][0], b["fold_values"][0], atol=1e-9)


def test_silent_channels_do_no_harm():
    V, y = data()
    V[:, 2] = 0.0
    assert abs(EquivariantRidge().fit(V, y).coef_[2]) < 1e-10


def test_several_targets_at_once():
    V, y = data()
    both = np.stack([y, V[:, 0]], axis=1)
    probe = EquivariantRidge().fit(V, both)
    assert probe.coef_.shape == (2, 4)
    assert probe.predict(V).shape == both.shape
    np.testing.assert_allclose(probe.coef_[0], EquivariantRidge().fit(V, y).coef_)
    apart = [EquivariantRidge().fit(V, target).score(V, target) for target in (y, V[:, 0])]
    assert probe.score(V, both) == pytest.approx(np.mean(apart))


def test_a_score_never_broadcasts():
    V, y = data()
    one, several = EquivariantRidge().fit(V, y), EquivariantRidge().fit(V, y[:, None])
    assert one.score(V, y) == pytest.approx(several.score(V, y[:, None]))
    for probe, truth in ((one, y[:, None]), (several, y), (one, y[:1]), (one, y[0])):
        with pytest.raises(ValueError, match="y has shape .* but predictions have"):
            probe.score(V, truth)


def test_a_data_frame_is_one_vector_target():
    V, y = data()
    frame = pd.DataFrame(y, columns=list("xyz"))
    pd.testing.assert_frame_equal(equivariant_scores(V, frame), equivariant_scores(V, y))
    named = equivariant_scores(V, {"mu": frame})
    assert named["target"].tolist() == ["mu"]
    for targets in ({}, {"a": y, "b": y[:, :2]}, {"a": frame["x"]}, y[:, None], y[:, 0]):
        with pytest.raises(ValueError, match="targets have shapes"):
            equivariant_scores(V, targets)


def test_bad_input_is_refused():
    V, y = data()
    probe = EquivariantRidge()
    with pytest.raises(ValueError, match=r"expected \(n, n_channels, 2 l \+ 1\)"):
        probe.fit(V[:, 0], y)
    with pytest.raises(ValueError, match=r"expected targets of shape \(120, 3\)"):
        probe.fit(V, y[:-1])
    bad = y.copy()
    bad[7, 1] = np.nan
    with pytest.raises(ValueError, match=r"targets have NaN or infinite entries \(first: row 7\)"):
        probe.fit(V, bad)
    with pytest.raises(ValueError, match="must be a positive penalty"):
        EquivariantRidge(alpha=0).fit(V, y)
    with pytest.raises(ValueError, match=r"fit saw \(n, 4, 3\)"):
        probe.fit(V, y).predict(V[:, :2])
    with pytest.raises(ValueError, match="needs at least 3 folds, got 2"):
        equivariant_scores(V, y, n_folds=2)
    with pytest.raises(ValueError, match="'y' vanishes in a test fold"):
        equivariant_scores(V, np.where(make_folds(120)[0][:, None] == 2, 0.0, y))
