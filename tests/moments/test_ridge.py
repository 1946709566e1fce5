"""The engine equals the plain reference, which sees rows."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from sklearn.metrics import r2_score

from cpdkit import cpd
from cpdkit.folds import make_folds
from cpdkit.held_out.moments import held_out_moments
from cpdkit.held_out.protocol import PROTOCOLS, Protocol
from cpdkit.held_out.rows import held_out
from cpdkit.moments.folds import FoldMoments
from cpdkit.moments.ridge import FoldRidge, ShiftedSolves, choose_alphas
from cpdkit.moments.scores import cpd_from_moments, nested_sums
from cpdkit.moments.sources import moments_from_arrays
from cpdkit.projection.linear import CompositionProjector
from cpdkit.scores import SCORES


def fixed(alpha: float) -> Protocol:
    return Protocol("fixed", plain=False, transductive=False, alphas=(alpha,))


@st.composite
def problems(draw, wide: bool = False):
    """Random data with what goes wrong in practice planted in it.

    Dependencies among the columns of C hold in all rows: where one holds in training only, least
    squares has no unique prediction for the rows that break it.
    """
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    n = draw(st.integers(20, 120))
    d = draw(st.integers(n, n + 40)) if wide else draw(st.integers(1, 16))
    k, t = draw(st.integers(0, 4)), draw(st.integers(1, 3))
    C = rng.integers(0, 6, (n, k)).astype(float)
    X = rng.normal(size=(n, d)) * 10.0 ** rng.uniform(-2, 2, d) + C @ rng.normal(size=(k, d))
    Y = X[:, rng.integers(0, d, t)] + C @ rng.normal(size=(k, t)) + rng.normal(size=(n, t))
    if draw(st.booleans()):
        X = np.column_stack([X, X[:, 0], np.full(n, 0.1)])  # duplicated, constant
    if k and draw(st.booleans()):
        C = (C + 1) / (C + 1).sum(axis=1, keepdims=True)  # fractions: rank-deficient beside 1
        C = np.column_stack([C, C[:, 0], np.full(n, 3.0), 2 * C[:, -1]])
    if k and draw(st.booleans()):
        X = np.column_stack([X, C[:, 0] + 1e-9 * rng.normal(size=n)])  # composition in disguise
    folds = draw(st.integers(3, 5))
    return X, (C if k else None), Y, make_folds(n, n_folds=folds, seed=n)


def r2(part, name):
    columns = part.predictions.get(name, part.comp)
    return r2_score(part.y, columns, multioutput="raw_values")


def assert_parts_alike(fast, plain, tol=1e-9):
    fast, plain = list(fast), list(plain)
    assert len(fast) == len(plain)
    for a, b in zip(fast, plain, strict=True):
        assert (a.repeat, a.fold) == (b.repeat, b.fold)
        assert np.array_equal(a.rows, b.rows)
        assert set(a.predictions) == set(b.predictions)
        for name in ("comp", *b.predictions):
            score = r2(b, name)
            np.testing.assert_allclose(r2(a, name), score, atol=tol * (1 + np.abs(score)).max())


@settings(deadline=None, max_examples=60)
@given(problem=problems(), alpha=st.sampled_from([1e-6, 1e-3, 1.0, 100.0]))
def test_engine_equals_reference_at_any_penalty(problem, alpha):
    how = fixed(alpha)
    assert_parts_alike(held_out_moments(*problem, protocol=how), held_out(*problem, protocol=how))


@settings(deadline=None, max_examples=30)
@given(problem=problems())
def test_nested_engine_equals_reference(problem):
    # Penalties that differ by rounding only may be chosen for one another; scores then agree less.
    assert_parts_alike(held_out_moments(*problem), held_out(*problem), tol=1e-7)


@settings(deadline=None, max_examples=10)
@given(problem=problems(wide=True))
def test_more_features_than_rows(problem):
    assert_parts_alike(held_out_moments(*problem), held_out(*problem))


@settings(deadline=None, max_examples=15)
@given(problem=problems(wide=True), alpha=st.sampled_from([1e-3, 1.0]))
def test_moments_of_more_features_than_rows_serve_ordinary_penalties(problem, alpha):
    X, C, Y, folds = problem
    by_fold = FoldMoments.of_rows(X, C, Y, folds[0])
    sums = [part.sums for part in nested_sums(by_fold, (alpha,))]
    for part in held_out(*problem, protocol=fixed(alpha)):
        for score, name in (("r2_geom", "geom"), ("r2_full", "full"), ("r2_comp", "comp")):
            found = np.ravel(SCORES[score](sums[part.fold]))
            np.testing.assert_allclose(found, r2(part, name), atol=1e-8)


@settings(deadline=None, max_examples=40)
@given(
    d=st.integers(1, 12),
    n=st.integers(1, 30),
    t=st.integers(1, 3),
    seed=st.integers(0, 999),
    alphas=st.lists(st.floats(1e-6, 1e3), min_size=1, max_size=4),
)
def test_ridge_path_solves_its_equations(d, n, t, seed, alphas):
    rng = np.random.default_rng(seed)
    X, Y = rng.normal(size=(n, d)), rng.normal(size=(n, t))
    weights = ShiftedSolves(X.T @ X, X.T @ Y, n).weights(alphas)
    for i, alpha in enumerate(alphas):
        left = (X.T @ X + alpha * n * np.eye(d)) @ weights[:, i]
        np.testing.assert_allclose(left, X.T @ Y, atol=1e-9 * n)


def test_a_scatter_that_is_not_positive_is_refused():
    gram = np.ones((4, 4)) - 0.1 * np.eye(4)
    with pytest.raises(ValueError, match="rounding of these moments outweighs alpha=1e-08"):
        ShiftedSolves(gram, np.ones((4, 1)), 10).weights([1e-8])


def planted(n=1500, d=24, k=3, t=2, seed=0):
    rng = np.random.default_rng(seed)
    C = rng.integers(0, 6, (n, k)).astype(float)
    X = rng.normal(size=(n, d)) + C @ rng.normal(size=(k, d))
    Y = X[:, :t] + np.sin(X[:, t : 2 * t]) + C @ rng.normal(size=(k, t))
    formulas = np.array([f"C{a:.0f}H{b:.0f}O{c:.0f}" for a, b, c in C[:, :3] + 1])
    return X, C, Y + 0.5 * rng.normal(size=(n, t)), formulas


@pytest.mark.parametrize("scheme", ["random", "formula"])
def test_a_table_from_moments_is_the_table_from_rows(scheme):
    X, C, Y, formulas = planted()
    keys = formulas if scheme == "formula" else np.arange(len(X)) + 7
    moments = moments_from_arrays(X, C, Y, keys=keys)
    table = cpd_from_moments(moments, repeats=2, seed=3, n_folds=4)
    rows = cpd(
        X, C, Y, groups=formulas, ids=keys, folds=scheme, repeats=2, seed=3, n_folds=4, leak=False
    )
    assert table[["target", "score", "note", "alphas"]].equals(
        rows[["target", "score", "note", "alphas"]]
    )
    for column in ("mean", "low", "high"):
        np.testing.assert_allclose(table[column], rows[column], atol=1e-9)


def test_the_interface_to_other_questions_is_a_slice():
    X, C, Y, _ = planted()
    moments = moments_from_arrays(X, C, Y, targets=["gap", "mu"])
    part = cpd_from_moments(moments.select(features=slice(0, 9), composition=[0], targets=["mu"]))
    rows = cpd(X[:, :9], C[:, :1], {"mu": Y[:, 1]}, leak=False)
    np.testing.assert_allclose(part["mean"], rows["mean"], atol=1e-9)


def test_nothing_left_and_constant_targets_are_said():
    X, C, Y, _ = planted()
    linear = np.column_stack([Y, C @ [1.0, 2.0, 3.0]])
    moments = moments_from_arrays(X, C, linear)
    table = cpd_from_moments(moments).set_index(["target", "score"])
    row = table.loc["y2", "r2_partial"]
    assert np.isnan(row["mean"])
    assert "nothing is left" in row["note"]
    flat = Y.copy()
    folds = make_folds(len(X))[0]
    flat[folds == 1, 1] = 0.1
    with pytest.raises(ValueError, match="'y1' is constant in a test fold"):
        cpd_from_moments(moments_from_arrays(X, C, flat))
    with pytest.raises(ValueError, match="'y1' is constant in test fold 1"):
        cpd(X, C, flat, leak=False)
    with pytest.raises(ValueError, match="n_folds=51 must lie between 2"):
        cpd_from_moments(moments, n_folds=51)
    with pytest.raises(ValueError, match="needs at least 3 folds, got 2"):
        cpd_from_moments(moments, n_folds=2)


@settings(deadline=None, max_examples=8)
@given(power=st.sampled_from([-8, -3, 4, 8]), target_power=st.sampled_from([-8, 2, 8]))
def test_units_do_not_matter(power, target_power):
    X, C, Y, _ = planted(n=300, d=8)
    folds = make_folds(len(X))
    assert_parts_alike(
        held_out_moments(X * 10.0**power, C, Y * 10.0**target_power, folds),
        held_out(X, C, Y, folds),
    )


def test_features_far_from_zero_keep_their_score():
    X, C, Y, _ = planted(n=4000)
    near = cpd_from_moments(moments_from_arrays(X, C, Y))
    far = cpd_from_moments(moments_from_arrays(X + 1e6, C, Y - 1e6))
    np.testing.assert_allclose(far["mean"], near["mean"], atol=1e-8)


def test_single_precision_features_lose_only_what_they_lack():
    X, C, Y, _ = planted()
    single = X.astype(np.float32)
    table = cpd_from_moments(moments_from_arrays(single, C, Y))
    np.testing.assert_allclose(
        table["mean"], cpd(single.astype(float), C, Y, leak=False)["mean"], atol=1e-10
    )


@settings(deadline=None, max_examples=40)
@given(problem=problems())
def test_rank_and_coefficients_follow_the_projector(problem):
    X, C, Y, _ = problem
    assume(C is not None)
    projector = CompositionProjector().fit(Y, composition=C)
    fit = FoldRidge(moments_from_arrays(X, C, Y).pool(), n_full=0)
    assert fit.rank == projector.rank_
    said = projector.explained(C) - projector.mean_
    np.testing.assert_allclose((C - C.mean(axis=0)) @ fit.comp, said, atol=1e-9 * np.ptp(Y))


@pytest.mark.parametrize("share", [1e-2, 1e-4])
def test_a_column_that_differs_a_little_from_another_is_kept(share):
    """The tolerance is one of lengths; Cholesky pivots are their squares."""
    X, C, *_ = planted(n=300)
    own = np.random.default_rng(0).normal(size=300)
    C = np.column_stack([C[:, 0], C[:, 0] + share * own])
    for table in (cpd(X, C, own, leak=False), cpd_from_moments(moments_from_arrays(X, C, own))):
        assert table.set_index("score").loc["r2_comp", "mean"] == pytest.approx(1, abs=1e-6)


def test_folds_of_the_callers_own_may_be_anything():
    X, C, Y, _ = planted(n=300)
    folds = np.random.default_rng(0).integers(0, 4, (4, 300)) * 3 - 1  # labels -1, 2, 5, 8
    assert_parts_alike(held_out_moments(X, C, Y, folds), held_out(X, C, Y, folds))


@pytest.mark.parametrize("protocol", ["naive", "transductive"])
def test_protocols_without_floors_are_the_reference(protocol):
    X, C, Y, _ = planted(n=200)
    folds = make_folds(len(X))
    how = PROTOCOLS[protocol]
    assert_parts_alike(
        held_out_moments(X, C, Y, folds, protocol=how),
        held_out(X, C, Y, folds, protocol=how),
        tol=0,
    )


def test_penalties_are_chosen_without_the_outer_fold():
    X, C, Y, _ = planted(n=300)
    folds = make_folds(len(X))[0]
    alphas = (1e-6, 1e-2, 1.0, 100.0)
    spoilt = Y.copy()
    spoilt[folds == 2] = 1e3 * np.random.default_rng(1).normal(size=(np.sum(folds == 2), 2))
    first, second = (
        choose_alphas(FoldMoments.of_rows(X, C, y, folds), alphas) for y in (Y, spoilt)
    )
    for name in first[2]:
        assert np.array_equal(first[2][name], second[2][name])
    others = [(k, name) for k in (0, 1, 3, 4) for name in first[k]]
    assert any(not np.array_equal(first[k][name], second[k][name]) for k, name in others)


@pytest.mark.parametrize("interval", ["corrected-t", "cluster-bootstrap"])
def test_the_whole_table_is_that_of_the_reference(monkeypatch, interval):
    X, C, Y, formulas = planted(n=600)
    options = {"groups": formulas, "interval": interval, "n_draws": 50, "repeats": 2}
    fast = cpd(X, C, Y, **options)
    monkeypatch.setattr("cpdkit.held_out.engine.held_out_moments", held_out)
    monkeypatch.setattr("cpdkit.decomposition.one_pass", lambda *given, **_: [None] * len(given[2]))
    plain = cpd(X, C, Y, **options)
    assert fast.columns.equals(plain.columns)
    assert fast[["target", "score", "note", "alphas"]].equals(
        plain[["target", "score", "note", "alphas"]]
    )
    assert "r2_leak" in set(fast["score"])
    for column in ("mean", "low", "high"):
        np.testing.assert_allclose(fast[column], plain[column], atol=1e-9)


@pytest.mark.parametrize("size", [1e-80, 1e-100])
@pytest.mark.parametrize("rank", [1, 20, 40])
def test_the_least_penalty_follows_the_size_of_the_features(rank: int, size: float) -> None:
    """Eigenvalues may crowd and be tiny: the floor is relative to the largest of them."""
    rng = np.random.default_rng(rank)
    X = rng.normal(size=(60, rank)) @ rng.normal(size=(rank, 40))
    Y = rng.normal(size=(60, 2))
    expected = ShiftedSolves(X.T @ X, X.T @ Y, 60)
    scaled = ShiftedSolves(size**2 * (X.T @ X), size * (X.T @ Y), 60)
    assert scaled._floor == pytest.approx(size**2 * expected._floor, rel=1e-9)
