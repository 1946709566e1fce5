"""Nulls keep what they should and lose the rest; comparisons are paired and corrected."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats
from statsmodels.stats.multitest import multipletests
from toy import planted

from cpdkit import cpd
from cpdkit.comparisons import compare, holm, paired_difference, rank_correlation
from cpdkit.controls import formula_labels, null_scores, permuted_within, random_features
from cpdkit.intervals import corrected_t


@pytest.mark.parametrize("p", [[0.2], [0.01, 0.04, 0.01, 0.9], [0.6, 0.5, 0.0, 1.0, 0.3, 0.02]])
def test_holm_is_that_of_statsmodels(p):
    np.testing.assert_allclose(holm(p), multipletests(p, method="holm")[1], atol=1e-12)


@pytest.mark.parametrize("p", [[0.2, 1.5], [-0.1], [np.nan], [[0.1]], 0.5])
def test_what_is_no_list_of_p_values_is_refused(p):
    with pytest.raises(ValueError, match="numbers from 0 to 1"):
        holm(p)


def test_a_difference_is_paired():
    one, other = [0.5, 0.6, 0.4, 0.7, 0.5], [0.4, 0.5, 0.3, 0.6, 0.4]
    gain = paired_difference(one, other, n_folds=5)
    assert [gain[k] for k in ("mean", "low", "high")] == pytest.approx([0.1, 0.1, 0.1])
    noisy = paired_difference(one, [0.1] * 5, n_folds=5, level=0.9)
    expected = corrected_t(np.subtract(one, 0.1), test_share=1 / 4, level=0.9)
    assert (noisy["low"], noisy["high"]) == expected


@settings(deadline=None)
@given(n=st.integers(4, 40), seed=st.integers(0, 99))
def test_permutations_stay_within_formulas(n, seed):
    rng = np.random.default_rng(seed)
    groups = np.array(["C", "CH4", "H2O"])[rng.integers(0, 3, n)]
    y = rng.normal(size=n)
    shuffled = permuted_within(y, groups, 5, seed=seed)
    for formula in np.unique(groups):
        own = groups == formula
        for column in shuffled.T:
            assert np.array_equal(np.sort(column[own]), np.sort(y[own]))


def test_permutations_are_uniform():
    groups = ["C"] * 3 + ["O"]
    shuffled = permuted_within(np.array([0.0, 1.0, 2.0, 9.0]), groups, 6000, seed=1)
    assert (shuffled[3] == 9.0).all()
    _, counts = np.unique(shuffled[:3], axis=1, return_counts=True)
    assert len(counts) == 6
    assert stats.chisquare(counts).pvalue > 1e-4


def test_formula_labels_are_one_number_per_formula():
    groups = np.array(["C", "O", "C", "N", "O"])
    labels = formula_labels(groups, 3, seed=0)
    assert labels.shape == (5, 3)
    assert np.array_equal(labels[0], labels[2])
    assert np.array_equal(labels[1], labels[4])
    assert len(np.unique(labels)) == 9
    assert np.array_equal(labels, formula_labels(groups, 3, seed=0))


def test_random_features_have_the_width_and_spread():
    X = np.random.default_rng(0).normal(size=(4000, 3)) * [1.0, 10.0, 0.0] + [0.0, 5.0, 7.0]
    noise = random_features(X, seed=1)
    assert noise.shape == X.shape
    np.testing.assert_allclose(noise.std(axis=0), X.std(axis=0), rtol=0.05)
    assert (noise[:, 2] == 7.0).all()
    assert abs(np.corrcoef(X[:, 0], noise[:, 0])[0, 1]) < 0.06


def test_nulls_tell_what_is_found_from_what_is_not():
    data = planted(n=500, seed=3)
    noise = np.random.default_rng(0).normal(size=500)
    table = null_scores(
        data.X, data.C, {"y": data.y, "noise": noise}, groups=data.formulas, n_draws=39
    ).set_index(["target", "null"])
    direct = cpd(data.X, data.C, data.y, leak=False).set_index("score")
    assert table.loc[("y", "none"), "mean"] == pytest.approx(direct.loc["r2_partial", "mean"])
    assert table.loc[("y", "permuted within formula"), "p"] == 1 / 40
    assert table.loc[("noise", "permuted within formula"), "p"] > 0.05
    for null in ("permuted within formula", "random features"):
        assert table.loc[("y", null), "high"] < 0.05
    # Labels of formulas are no linear function of the residual.
    assert table.loc[("y", "random formula labels"), "high"] < 0.1


def test_a_permutation_that_changes_nothing_is_no_evidence():
    """All draws tie with the score itself, and a tie counts against the claim."""
    data = planted(n=300, seed=3)
    y = np.unique(data.formulas, return_inverse=True)[1].astype(float)
    table = null_scores(data.X, data.C, y, groups=data.formulas, n_draws=19).set_index("null")
    assert table.loc["permuted within formula", "p"] == 1


def test_every_target_is_permuted_on_its_own():
    data = planted(n=300, seed=3)
    twins = {"y": data.y, "twin": data.y}
    table = null_scores(data.X, data.C, twins, groups=data.formulas, n_draws=19)
    first, second = (table[table["target"] == name].set_index("null") for name in twins)
    assert first.loc["none", "mean"] == second.loc["none", "mean"]
    assert (
        first.loc["permuted within formula", "low"] != second.loc["permuted within formula", "low"]
    )


def test_a_representation_that_knows_formulas_by_heart_is_caught():
    rng = np.random.default_rng(0)
    formulas = np.array([f"C{i}" for i in rng.integers(1, 20, 400)])
    by_heart = (formulas[:, None] == np.unique(formulas)).astype(float)  # one-hot
    X = np.hstack([by_heart, rng.normal(size=(400, 3))])
    y = X[:, -1] + 0.3 * rng.normal(size=400)
    C = np.char.lstrip(formulas, "C").astype(float)[:, None]
    options = {"groups": formulas, "n_draws": 19}
    random = null_scores(X, C, y, **options).set_index("null")
    formula = null_scores(X, C, y, folds="formula", **options).set_index("null")
    assert random.loc["random formula labels", "mean"] > 0.9
    assert formula.loc["random formula labels", "mean"] < 0.2


def test_p_values_of_noise_are_uniform():
    rng = np.random.default_rng(0)
    formulas = np.repeat([f"C{i}H{j}" for i in range(1, 6) for j in range(1, 5)], 6)
    X, Y = rng.normal(size=(120, 4)), rng.normal(size=(120, 40))
    p = null_scores(X, None, Y, groups=formulas, n_draws=19)
    p = p.loc[p["null"] == "permuted within formula", "p"].to_numpy()
    assert stats.kstest(p, "uniform", args=(0, 1)).statistic < 0.25
    assert (p <= 0.05).mean() < 0.2


def tables(n=400):
    data = planted(n=n, d=10)
    rng = np.random.default_rng(1)
    worse = data.X + rng.normal(size=data.X.shape)
    Y = {"y": data.y, "z": data.X[:, 0]}
    return {
        name: cpd(X, data.C, Y, leak=False, repeats=2)
        for name, X in (("full", data.X), ("same", data.X.copy()), ("noisy", worse))
    }


def test_comparison_is_of_paired_folds():
    given_tables = tables()
    table = compare(given_tables).set_index(["target", "a", "b"])
    assert len(table) == 6
    assert table.loc[("y", "full", "same"), ["difference", "p"]].tolist() == [0.0, 1.0]
    row = table.loc[("y", "full", "noisy")]
    assert row["low"] > 0
    assert row["p_holm"] < 0.05
    values = [
        t[(t.target == "y") & (t.score == "r2_partial")]["fold_values"].iloc[0]
        for t in (given_tables["full"], given_tables["noisy"])
    ]
    gap = np.subtract(*values)
    # An ordinary t test with its variance inflated from 1/J to 1/J + 1/(k - 1).
    plain = stats.ttest_1samp(gap, 0)
    corrected = plain.statistic * np.sqrt((1 / 10) / (1 / 10 + 1 / 4))
    assert row["p"] == pytest.approx(2 * stats.t.sf(abs(corrected), 9))
    np.testing.assert_allclose(table["p_holm"], holm(table["p"]))
    # The interval excludes zero just when p is below 1 - level.
    assert ((table["low"] > 0) | (table["high"] < 0)).equals(table["p"] < 0.05)


def test_two_folds_are_compared():
    def table(values):
        row = {"target": "y", "score": "r2_partial", "fold_values": values}
        found = pd.DataFrame([row])
        found.attrs = {"n_folds": 2}
        return found

    row = compare({"a": table((0.5, 0.9)), "b": table((0.1, 0.2))}).iloc[0]
    # The gaps 0.4 and 0.7 have the spread 0.15 sqrt(2); with its variance times 1/2 + 1.
    t = 0.55 / (0.15 * np.sqrt(2) * np.sqrt(1.5))
    assert row["p"] == pytest.approx(2 * stats.t.sf(t, 1))


def test_no_more_permutations_are_made_than_asked_for():
    # Of 99 no other is as extreme: the smallest p, counted on both sides.
    found = rank_correlation(range(20), range(20), n_permutations=99)
    assert found.p == pytest.approx(2 / 100)


def test_comparisons_that_are_not_paired_are_refused():
    given_tables = tables(200)
    data = planted(n=200, d=10)
    other = cpd(data.X, data.C, data.y, leak=False, repeats=2, seed=1)
    with pytest.raises(ValueError, match="'full' and 'other' are not on the same folds"):
        compare({"full": given_tables["full"], "other": other})
    fewer = cpd(data.X, data.C, data.y, leak=False, repeats=2)
    with pytest.raises(ValueError, match="has targets"):
        compare({"full": given_tables["full"], "fewer": fewer})
    with pytest.raises(ValueError, match="needs at least two"):
        compare({"full": given_tables["full"]})
    with pytest.raises(ValueError, match="unknown score 'r2_geo'; did you mean 'r2_geom'"):
        compare(given_tables, score="r2_geo")


def test_undefined_scores_are_compared_with_a_note():
    data = planted(n=200)
    Y = {"y": data.y, "linear": data.C @ [1.0, 2.0, 3.0]}
    found = {name: cpd(X, data.C, Y, leak=False) for name, X in (("a", data.X), ("b", data.X**2))}
    table = compare(found).set_index("target")
    assert table.loc["linear", "note"] == "undefined for one of them"
    assert np.isnan(table.loc["linear", "p_holm"])
    assert table.loc["y", "p_holm"] == table.loc["y", "p"]  # the only test that was made
    assert isinstance(table, pd.DataFrame)


def test_bad_nulls_are_refused():
    data = planted(n=100)
    with pytest.raises(ValueError, match="no formula occurs twice"):
        permuted_within(data.y, [str(i) for i in range(100)], 3)
    with pytest.raises(ValueError, match="unknown score 'r2'"):
        null_scores(data.X, data.C, data.y, groups=data.formulas, score="r2")
    with pytest.raises(ValueError, match="unknown fold scheme 'formulas'; did you mean 'formula'"):
        null_scores(data.X, data.C, data.y, groups=data.formulas, folds="formulas")
    with pytest.raises(ValueError, match="nulls need groups"):
        null_scores(data.X, data.C, data.y, groups=None)
