"""Learning curves: nested subsets, one test set, scikit-learn's scores, analytic expectation."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import reference
from hypothesis import given
from hypothesis import strategies as st
from toy import planted

from cpdkit.experiments.efficiency.figures import curve_figure, efficiency_figure
from cpdkit.experiments.efficiency.measure import (
    CURVE_SCORES,
    isotropic_r2,
    learning_curve,
    unstructured_curves,
)
from cpdkit.experiments.efficiency.needed import (
    EXPONENTS,
    curve_table,
    fit_power_law,
    power_law_table,
    size_reaching,
    structures_needed,
)
from cpdkit.experiments.efficiency.subsets import nested_subsets
from cpdkit.experiments.efficiency.tables import laws_left_out
from cpdkit.held_out.rows import held_out


@pytest.fixture(scope="module")
def data():
    return planted(n=300, d=12)


@pytest.fixture(scope="module")
def subsets():
    return nested_subsets(300, n_sizes=5, repeats=3)


@pytest.fixture(scope="module")
def curve(data, subsets):
    return learning_curve(data.X, data.C, {"y": data.y, "twice": 2 * data.y + 3}, subsets)


@given(
    n=st.integers(60, 200),
    seed=st.integers(0, 50),
    scheme=st.sampled_from(["random", "formula"]),
)
def test_every_repeat_takes_the_same_training_rows_and_no_test_row(n, seed, scheme):
    groups = np.random.default_rng(seed).integers(40, size=n).astype(str)
    subsets = nested_subsets(
        n, groups=groups, scheme=scheme, smallest=15, test_share=0.3, repeats=3, seed=seed
    )
    train = set(range(n)) - set(subsets.test.tolist())
    for order in subsets.order:
        assert set(order.tolist()) == train
        assert len(order) == len(train)
    assert subsets.sizes[0] == 15
    assert subsets.sizes[-1] == len(train)
    assert list(subsets.sizes) == sorted(set(subsets.sizes))
    if scheme == "formula":
        assert not set(groups[subsets.test]) & set(groups[sorted(train)])
        for order, inner in zip(subsets.order, subsets.inner, strict=True):
            where = pd.DataFrame({"formula": groups[order], "inner": inner})
            assert (where.groupby("formula").inner.nunique() == 1).all()


@given(n=st.integers(80, 150), more=st.integers(1, 60), seed=st.integers(0, 20))
def test_rows_added_at_the_end_move_no_row(n, more, seed):
    few = nested_subsets(n, repeats=2, seed=seed)
    many = nested_subsets(n + more, repeats=2, seed=seed)
    assert [row for row in many.test if row < n] == few.test.tolist()
    for old, new in zip(few.order, many.order, strict=True):
        assert new[new < n].tolist() == old.tolist()


def test_subsets_follow_the_ids_and_not_the_order_of_the_rows():
    ids = np.array([f"m{i}" for i in range(120)])
    shuffle = np.random.default_rng(0).permutation(120)
    here, there = nested_subsets(120, ids=ids), nested_subsets(120, ids=ids[shuffle])
    assert set(ids[here.test]) == set(ids[shuffle][there.test])
    assert (ids[here.order] == ids[shuffle][there.order]).all()


@pytest.mark.parametrize("d", [12, 150])
def test_one_point_is_that_of_scikit_learn_and_of_cpd(d):
    """Both engines: d=12 uses moments, d=150 has more channels than rows."""
    data = planted(n=200, d=d, seed=4)
    subsets = nested_subsets(200, n_sizes=3, repeats=2, seed=1)
    curve = learning_curve(data.X, data.C, data.y, subsets)
    for r, s in ((0, 1), (1, 1), (0, 2)):
        size = subsets.sizes[s]
        rows = np.concatenate([subsets.order[r, :size], subsets.test])
        fold = np.append(subsets.inner[r, :size], np.full(len(subsets.test), 9))
        X, C, y = data.X[rows], data.C[rows], data.y[rows]
        expected = reference.one_fold(X, C, y, fold, 9)
        for score in ("r2_partial", "r2_geom"):
            found = curve.scores(score)[r, s, 0]
            assert found == pytest.approx(expected[score], abs=1e-6), (score, r, s)
        (part,) = [p for p in held_out(X, C, y[:, None], fold[None]) if p.fold == 9]
        assert np.allclose(curve.joint[r, s], (part.y - part.predictions["joint"]) ** 2, atol=1e-7)
        assert curve.alphas[r, s, 0] == part.alphas["joint"][0]


def test_a_subset_knows_nothing_of_the_rows_outside_it(data, subsets, curve):
    size = subsets.sizes[1]
    outside = subsets.order[0, size:]
    X, y = data.X.copy(), data.y.copy()
    X[outside] += 5 * np.random.default_rng(0).normal(size=X[outside].shape)
    y[outside] = 0.0
    other = learning_curve(X, data.C, y, subsets)
    assert np.allclose(other.joint[0, :2], curve.joint[0, :2, :, :1], rtol=1e-9)
    assert not np.allclose(other.joint[0, 2], curve.joint[0, 2, :, :1])


def test_identical_on_a_second_run_and_for_targets_alone_or_together(data, subsets, curve):
    again = learning_curve(data.X, data.C, {"y": data.y}, subsets)
    assert np.allclose(again.joint[..., 0], curve.joint[..., 0], rtol=1e-9)
    both = learning_curve(data.X, data.C, {"y": data.y, "twice": 2 * data.y + 3}, subsets)
    assert np.array_equal(both.joint, curve.joint)
    assert np.array_equal(both.geom, curve.geom)
    assert np.array_equal(both.draws(n_draws=20), curve.draws(n_draws=20))


@pytest.mark.parametrize("score", CURVE_SCORES)
def test_scores_do_not_depend_on_the_unit_of_the_target(curve, score):
    values = curve.scores(score)
    assert np.allclose(values[..., 0], values[..., 1], atol=1e-8)


def test_weights_of_the_bootstrap_are_repetitions_of_rows(curve):
    n = len(curve.y)
    weights = np.random.default_rng(1).multinomial(n, np.full(n, 1 / n))
    rows = np.repeat(np.arange(n), weights)
    y = curve.y[rows, 0]
    expected = 1 - curve.geom[:, :, rows, 0].sum(axis=2) / ((y - y.mean()) ** 2).sum()
    found = curve.scores("r2_geom", weights=weights[None].astype(float))[0, :, :, 0]
    assert np.allclose(found, expected)


def test_the_yardstick_matters_at_small_n_only(curve):
    own, fixed = curve.scores("r2_partial"), curve.scores("r2_partial_fixed")
    assert np.allclose(own[:, -1], fixed[:, -1])
    assert (fixed[:, 0].mean(axis=0) < own[:, 0].mean(axis=0)).all()


def test_features_that_know_nothing_score_zero_and_have_no_need():
    """Up to chance: an interval above zero is wrong in at most a few of a hundred."""
    undefined, curves = 0, []
    for seed in range(12):
        data = planted(n=400, seed=seed)
        noise = np.random.default_rng(100 + seed).normal(size=(400, 20))
        subsets = nested_subsets(400, repeats=3, n_sizes=4, seed=seed)
        curve = learning_curve(noise, data.C, data.y, subsets)
        row = structures_needed(curve, curve.draws(n_draws=100), fractions=[0.5]).iloc[0]
        if row.bound == "undefined":
            undefined += 1
            assert np.isnan([row.needed, row.low, row.high]).all()
            assert "not clearly above zero" in row.note
        curves.append(curve.scores().mean(axis=0)[:, 0])
    assert undefined >= 10
    assert (np.abs(np.mean(curves, axis=0)[1:]) < 0.05).all()


def test_a_planted_curve_meets_its_analytic_expectation_within_its_interval():
    """Isotropic Gaussian features under least squares; 95 % intervals, 30 data sets."""
    channels, share = 8, 2 / 3
    inside, missed = [], []
    for seed in range(30):
        rng = np.random.default_rng(seed)
        X, w = rng.normal(size=(800, channels)), rng.normal(size=channels)
        y = X @ w / np.linalg.norm(w) + np.sqrt((1 - share) / share) * rng.normal(size=800)
        subsets = nested_subsets(800, n_sizes=6, seed=seed)
        curve = learning_curve(X, None, y, subsets, alphas=[1e-10])
        sizes = np.array(subsets.sizes)
        expected = isotropic_r2(sizes, channels=channels, share=share)
        # the yardstick, a mean over all training rows, has its own small error
        expected = 1 - (1 - expected) / (1 + 1 / sizes[-1])
        low, high = np.quantile(
            curve.draws("r2_partial_fixed", n_draws=200, seed=seed)[..., 0], [0.025, 0.975], axis=0
        )
        inside.append((low <= expected) & (expected <= high))
        missed.append(curve.scores("r2_partial_fixed").mean(axis=0)[:, 0] - expected)
    # 28.5 of 30 are expected; fewer than 24 has a chance below 0.1 % at each size
    assert (np.sum(inside, axis=0) >= 24).all(), np.mean(inside, axis=0)
    error = np.std(missed, axis=0, ddof=1) / np.sqrt(len(missed))
    assert (np.abs(np.mean(missed, axis=0)) < 4 * error).all()


def test_unstructured_features_explain_the_share_they_were_given(data, subsets):
    frame = pd.DataFrame({"y": data.y})
    options = {"width": 5, "shares": [0.2, 0.8], "draws": 2, "seed": 0}
    found = unstructured_curves(data.C, frame, subsets, **options)
    assert list(found) == [(0.2, 0), (0.2, 1), (0.8, 0), (0.8, 1)]
    for (share, _), curve in found.items():
        assert curve.width == 5
        assert curve.scores()[:, -1, 0].mean() == pytest.approx(share, abs=0.15)
    again = unstructured_curves(data.C, frame, subsets, **options)
    assert np.array_equal(again[0.2, 1].joint, found[0.2, 1].joint)


@pytest.mark.parametrize("match", ["subset", "pca"])
def test_at_its_full_width_matching_changes_nothing(data, subsets, curve, match):
    """All channels in another order, or rotated: only the scaling of columns can differ."""
    same = learning_curve(data.X, data.C, {"y": data.y}, subsets, width=12, matched=match)
    assert same.width == 12
    if match == "subset":
        assert np.allclose(same.joint[0, ..., 0], curve.joint[0, ..., 0], atol=1e-8)
    ols = [
        learning_curve(data.X, data.C, data.y, subsets, alphas=[1e-10], **options).joint[0]
        for options in ({}, {"width": 12, "matched": match})
    ]
    assert np.allclose(*ols, atol=1e-4)


def test_principal_components_see_no_test_row(data, subsets):
    X = data.X.copy()
    X[subsets.test[0]] *= 100
    before, after = (
        learning_curve(x, data.C, data.y, subsets, width=4, matched="pca") for x in (data.X, X)
    )
    assert np.allclose(before.joint[:, :, 1:], after.joint[:, :, 1:])


def test_random_channels_differ_between_repeats(data, subsets):
    narrow = learning_curve(data.X, data.C, data.y, subsets, width=3, matched="subset")
    assert np.ptp(narrow.scores()[:, -1, 0]) > 0


SIZES = [10, 100, 1000]


@pytest.mark.parametrize(
    ("curve", "level", "expected"),
    [
        ([0.0, 0.5, 1.0], 0.5, 100.0),
        ([0.0, 0.5, 1.0], 0.25, 10**1.5),
        ([0.0, 0.5, 0.2], 0.1, 10**1.2),  # stays above from there
        ([0.3, 0.1, 0.5], 0.2, 10**2.25),  # an early crossing that is lost again does not count
        ([0.3, 0.5, 1.0], 0.2, -np.inf),
        ([0.0, 0.1, 0.2], 0.5, np.inf),
        ([0.0, 0.6, 0.2], 0.5, np.inf),
        ([0.0, np.nan, 1.0], 0.5, np.nan),
        ([0.0, 0.5, 1.0], np.nan, np.nan),
    ],
)
def test_crossing(curve, level, expected):
    assert size_reaching(SIZES, np.array(curve), level) == pytest.approx(expected, nan_ok=True)
    many = size_reaching(SIZES, np.tile(curve, (2, 3, 1)), np.full((2, 3), level))
    assert many.shape == (2, 3)
    assert np.array_equal(many, np.full((2, 3), many[0, 0]), True)


def test_what_was_not_reached_is_nan_with_a_reason(curve):
    draws = curve.draws(n_draws=50)
    table = structures_needed(curve, draws, fractions=[0.01], levels=[0.999]).set_index("criterion")
    below, above = table.loc["1% of final"].iloc[0], table.loc["score 0.999"].iloc[0]
    assert below.bound == "below"
    assert np.isnan(below.needed)
    assert "25 structures" in below.note
    assert above.bound == "above"
    assert np.isnan(above.needed)
    assert "not reached" in above.note
    exact = structures_needed(curve, draws, levels=[0.905]).query("bound == 'exact'")
    for row in exact.itertuples():
        assert curve.sizes[0] <= row.needed <= curve.sizes[-1]
        assert not row.low > row.high


@given(
    a=st.floats(0.0, 0.9),
    b=st.floats(0.5, 20.0),
    c=st.floats(0.2, 1.5),
)
def test_an_exact_power_law_is_found_again(a, b, c):
    sizes = np.unique(np.geomspace(25, 3000, 10).round())
    law = fit_power_law(sizes, a + b * sizes**-c)
    assert law.misfit < 1e-5
    assert np.allclose(law(sizes), a + b * sizes**-c, rtol=1e-4)
    assert law(1e9) == pytest.approx(a, abs=0.02) or c < 0.4


def test_the_fit_is_scipys_curve_fit():
    from scipy.optimize import curve_fit

    sizes = np.geomspace(25, 2000, 10)
    error = (0.3 + 4 * sizes**-0.7) * np.exp(0.03 * np.random.default_rng(0).normal(size=10))
    law = fit_power_law(sizes, error)
    expected, _ = curve_fit(
        lambda n, a, b, c: a + b * n**-c, sizes, error, p0=[0.3, 4.0, 0.7], sigma=error
    )
    assert [law.a, law.b, law.c] == pytest.approx(expected, rel=1e-3)


def test_intervals_of_the_exponent_hold_the_planted_one():
    """Under least squares the excess error falls as 1/n, up to 1/(n - p - 2)."""
    rng = np.random.default_rng(3)
    X = rng.normal(size=(2000, 4))
    y = X @ [1.0, 0.5, -0.5, 0.2] + rng.normal(size=2000)
    curve = learning_curve(X, None, y, nested_subsets(2000, smallest=40), alphas=[1e-10])
    row = power_law_table(curve, curve.draws("r2_partial_fixed", n_draws=200)).iloc[0]
    assert row.c_low <= 1.1
    assert row.c_high >= 1.0
    share = 1.54 / 2.54
    assert row.a_low <= 1 - share <= row.a_high


def test_a_flat_curve_has_no_exponent():
    law = fit_power_law([25, 50, 100, 200], [0.5, 0.5, 0.5, 0.5])
    assert law(1000) == pytest.approx(0.5)
    rng = np.random.default_rng(0)
    data = planted(n=300)
    curve = learning_curve(
        rng.normal(size=(300, 3)), data.C, data.y, nested_subsets(300), alphas=[1e2]
    )
    table = power_law_table(curve, curve.draws(n_draws=60), score="r2_partial")
    assert "not determined" in table.note[0]
    assert table.c_high[0] <= EXPONENTS[1] * 1.001


def test_tables_and_figures(curve):
    draws = curve.draws(n_draws=40)
    table = curve_table(curve, draws).assign(representation="mine")
    assert len(table) == 2 * len(curve.sizes)
    assert (table.low <= table.high).all()
    assert table.groupby("target").sd.last().tolist() == [0.0, 0.0]  # the same rows each time
    laws = power_law_table(curve, curve.draws("r2_partial_fixed", n_draws=10))
    figure = curve_figure(table, laws.assign(representation="mine"))
    assert [axis.get_title() for axis in figure.axes] == ["y", "twice"]
    needed = structures_needed(curve, draws, levels=[0.5, 0.9]).assign(
        representation="mine", width="all", smallest=curve.sizes[0], largest=curve.sizes[-1]
    )
    both = pd.concat([needed, needed.assign(width="pca")])
    figure = efficiency_figure(both, criterion="score 0.9")
    assert [axis.get_title() for axis in figure.axes] == ["y", "twice", "", ""]
    assert [bool(axis.get_xlabel()) for axis in figure.axes] == [False, False, True, True]
    with pytest.raises(ValueError, match="no '75% of final'"):
        efficiency_figure(needed, criterion="75% of final")
    with pytest.raises(ValueError, match="several scores"):
        curve_figure(pd.concat([table, table.assign(score="r2_geom")]))


def test_bad_input_is_answered(data, subsets):
    with pytest.raises(ValueError, match="did you mean 'formula'"):
        nested_subsets(100, scheme="formulas")
    with pytest.raises(ValueError, match="needs groups"):
        nested_subsets(100, scheme="formula")
    with pytest.raises(ValueError, match="too few for subsets"):
        nested_subsets(30)
    with pytest.raises(ValueError, match="distinct"):
        nested_subsets(100, ids=[1] * 100)
    with pytest.raises(ValueError, match="test_share"):
        nested_subsets(100, test_share=1.5)
    with pytest.raises(ValueError, match="twice n_inner"):
        nested_subsets(100, smallest=5)
    with pytest.raises(ValueError, match="too few formulas"):
        nested_subsets(100, scheme="formula", groups=["a"] * 90 + list("bcdefghijk"))
    with pytest.raises(ValueError, match="nested_subsets\\(200\\)"):
        learning_curve(data.X[:200], data.C[:200], data.y[:200], subsets)
    with pytest.raises(ValueError, match="width=13"):
        learning_curve(data.X, data.C, data.y, subsets, width=13, matched="pca")
    few = nested_subsets(60, smallest=10, n_sizes=3, repeats=1)
    wide = np.random.default_rng(0).normal(size=(60, 90))
    options = {"targets": data.y[:60], "subsets": few, "width": 80}
    assert learning_curve(wide, data.C[:60], **options, matched="subset").width == 80
    with pytest.raises(ValueError, match="width=80 must .*with 'pca' also the .* training rows"):
        learning_curve(wide, data.C[:60], **options, matched="pca")
    with pytest.raises(ValueError, match="did you mean 'pca'"):
        learning_curve(data.X, data.C, data.y, subsets, width=3, matched="pc")
    y = data.y.copy()
    y[subsets.test] = 1.0
    with pytest.raises(ValueError, match="constant on the test rows"):
        learning_curve(data.X, data.C, y, subsets)
    curve = learning_curve(data.X, data.C, data.y, subsets, alphas=[1e-3])
    with pytest.raises(ValueError, match="did you mean 'r2_partial'"):
        curve.scores("r2_partials")
    with pytest.raises(ValueError, match="fractions"):
        structures_needed(curve, curve.draws(n_draws=5), fractions=[1.5])
    with pytest.raises(ValueError, match="at least 4 sizes"):
        fit_power_law([1, 2, 3], [1.0, 0.5, 0.3])
    with pytest.raises(ValueError, match="positive"):
        fit_power_law([1, 2, 3, 4], [1.0, 0.5, 0.3, 0.0])


def test_a_target_linear_in_composition_has_no_score(data, subsets):
    curve = learning_curve(data.X, data.C, data.C @ [1.0, 2.0, 0.5], subsets)
    assert np.isnan(curve.scores()).all()
    draws = curve.draws(n_draws=20)
    assert (structures_needed(curve, draws).bound == "undefined").all()
    assert power_law_table(curve, draws).note[0]


def known_at_first(curve, rows):
    """The curve with no more test rows than these that the smallest subset knows."""
    parts = {name: getattr(curve, name).copy() for name in ("comp", "geom", "joint")}
    for errors in parts.values():
        errors[:, 0, rows:] = np.nan
    return replace(curve, **parts)


def test_draws_without_a_known_test_row_do_not_enter_a_power_law(curve):
    score, n = "r2_partial_fixed", len(curve.test)
    whole = power_law_table(curve, curve.draws(score, n_draws=60))
    for rows, lost in ((n - 2, False), (1, True)):
        part = known_at_first(curve, rows)
        draws = part.draws(score, n_draws=60)
        assert np.isnan(draws[:, 0]).any() == lost
        laws = power_law_table(part, draws)
        assert np.isfinite(laws[["limit", "c", "misfit"]]).all(axis=None)
        assert laws.c_low.isna().all() == lost
        assert (laws.note.str.contains("no interval: .* have no score at some size") == lost).all()
        assert np.allclose(laws.limit, whole.limit, atol=0.2)


def test_a_curve_that_cannot_be_fitted_is_left_out_with_its_reason(curve):
    part = known_at_first(curve, 0)
    draws = part.draws(n_draws=20)
    said = "no score with 25 structures: they lack elements of nearly all test structures"
    assert set(power_law_table(part, draws).note) == {said}
    needed = structures_needed(part, draws, levels=[0.1])
    assert set(needed.bound) == {"undefined"}
    assert set(needed.note) == {said}
    one = known_at_first(curve, 1)
    assert np.isfinite(one.scores()).all()
    assert np.isnan(one.scores("r2_geom")[:, 0]).all()
    assert set(structures_needed(one, draws, score="r2_geom").note) == {said}
    exact = replace(curve, joint=np.zeros_like(curve.joint))
    laws = power_law_table(exact, exact.draws(n_draws=5))
    assert set(laws.note) == {"a score of 1 leaves no error to fit"}
    assert laws.limit.isna().all()
    three = replace(
        curve, sizes=curve.sizes[-3:],
        **{k: getattr(curve, k)[:, -3:] for k in ("comp", "geom", "joint", "alphas")},
    )  # fmt: skip
    laws = power_law_table(three, three.draws(n_draws=5))
    assert set(laws.note) == {"a power law needs at least 4 sizes, and there are 3"}
    told = laws_left_out(laws.assign(representation="mine"))
    assert told.startswith("Without a power law: mine for y (a power law needs at least 4 sizes")
    assert laws_left_out(power_law_table(curve, curve.draws(n_draws=5))) == ""
