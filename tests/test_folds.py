"""Laws of buckets and folds."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pandas as pd
import pytest
import reference
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.linear_model import LinearRegression
from sklearn.metrics import r2_score
from sklearn.model_selection import PredefinedSplit
from toy import planted

import cpdkit
from cpdkit.datasets import canonical_formulas
from cpdkit.folds import N_BUCKETS, assign_folds, hash_buckets, make_folds, nested_choice
from cpdkit.intervals import corrected_t


@given(st.lists(st.text(max_size=6), min_size=1, max_size=40), st.randoms())
def test_the_bucket_of_a_row_depends_on_its_key_alone(keys, random):
    order = list(range(len(keys)))
    random.shuffle(order)
    assert (hash_buckets([keys[i] for i in order]) == hash_buckets(keys)[order]).all()


def test_buckets_are_the_same_in_another_process():
    keys = ["C2H6O", "CH4", "17"]
    code = f"from cpdkit.folds import hash_buckets; print(hash_buckets({keys!r}).tolist())"
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert out.stdout.strip() == str(hash_buckets(keys).tolist())
    assert (hash_buckets([17]) == hash_buckets(["17"])).all()


def test_buckets_are_about_equal():
    counts = np.bincount(hash_buckets(range(50_000)), minlength=N_BUCKETS)
    assert abs(counts - 1000).max() < 5 * np.sqrt(1000)


@given(
    st.lists(st.integers(0, 100), min_size=5, max_size=60),
    st.integers(2, 5),
    st.integers(0, 1000),
)
def test_folds_differ_by_at_most_the_largest_bucket(sizes, n_folds, seed):
    sizes = np.array(sizes)
    filled = np.bincount(
        assign_folds(sizes, n_folds=n_folds, seed=seed), weights=sizes, minlength=n_folds
    )
    assert np.ptp(filled) <= sizes.max()


@given(st.integers(20, 300), st.integers(3, 6), st.integers(0, 100))
@settings(deadline=None)
def test_every_row_is_in_one_fold_and_no_fold_is_empty(n, n_folds, seed):
    folds = make_folds(n, n_folds=n_folds, repeats=2, seed=seed)
    assert folds.shape == (2, n)
    assert all(set(row) == set(range(n_folds)) for row in folds)


def test_formula_folds_are_disjoint_in_formulas():
    groups = np.random.default_rng(0).choice([f"C{i}" for i in range(30)], size=500)
    fold = make_folds(500, scheme="formula", groups=groups, seed=3)[0]
    assert all(len(set(fold[groups == g])) == 1 for g in set(groups))


def test_as_many_formulas_as_folds_suffice():
    groups = np.repeat(["CH4", "H2O", "NH3"], 4)
    fold = make_folds(12, scheme="formula", groups=groups, n_folds=3)[0]
    assert sorted(np.unique(fold[::4])) == [0, 1, 2]


@pytest.mark.parametrize("n_folds", [3, 4])
@pytest.mark.parametrize("outer", [None, 1])
def test_the_penalty_has_the_least_sum_over_all_other_folds(n_folds, outer):
    asked = []
    drawn = np.random.default_rng(0).random((n_folds, n_folds, 5, 40))  # penalties, targets

    def error(model, inner):
        asked.append((model, inner))
        (other,) = set(model) - {inner}
        return {"geom": drawn[other, inner]}

    chosen = nested_choice(n_folds, lambda left_out: left_out, error, outer=outer)
    for k, by_name in enumerate(chosen):
        inner = [j for j in range(n_folds) if j != k]
        least = sum(drawn[k, j] for j in inner).argmin(axis=0)
        assert len(set(least)) > 1
        wanted = {"geom": least.tolist()} if outer in (None, k) else {}
        assert {name: best.tolist() for name, best in by_name.items()} == wanted
    assert all(inner in left_out for left_out, inner in asked)
    with pytest.raises(ValueError, match="at least 3 folds, got 2"):
        nested_choice(2, lambda left_out: left_out, error)


def test_repeats_and_seeds_deal_anew():
    a, b = make_folds(300, repeats=2, seed=0)
    c = make_folds(300, seed=1)[0]
    assert (a != b).any()
    assert (a != c).any()
    assert (b != c).any()
    assert (make_folds(300, repeats=2, seed=0) == [a, b]).all()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"n": 3}, "3 rows cannot fill 5 folds"),
        ({"n": 30, "scheme": "formulas"}, "did you mean 'formula'"),
        ({"n": 30, "scheme": "formula"}, "needs groups"),
        ({"n": 30, "scheme": "formula", "groups": ["CH4"] * 30}, r"1 formula\(s\) cannot fill"),
        ({"n": 30, "scheme": "formula", "groups": ["CH4"] * 29 + ["C"]}, "cannot fill 5"),
        ({"n": 30, "ids": range(29)}, "ids has 29 entries, but there are 30 rows"),
        ({"n": 30, "n_folds": 1}, "at least 2"),
        ({"n": 30, "ids": ["same"] * 30}, "only 1 hash buckets"),
    ],
)
def test_bad_input_is_answered(options, message):
    with pytest.raises(ValueError, match=message):
        make_folds(options.pop("n"), **options)


def test_bad_seeds_of_a_deal_are_answered():
    with pytest.raises(ValueError, match="seed=-1 must be a whole number from 0"):
        assign_folds(np.ones(9), n_folds=3, seed=-1)


@given(st.integers(0, 99))
@settings(deadline=None, max_examples=20)
def test_spellings_of_a_formula_are_one_group(seed):
    rng = np.random.default_rng(seed)
    C, H, O = rng.integers(1, 6, size=(3, 80))  # noqa: E741, the element's symbol
    one = [f"C{c}H{h}O{o}" for c, h, o in zip(C, H, O, strict=True)]
    other = [f"O{o}(H{h})C{c}" for c, h, o in zip(C, H, O, strict=True)]
    mixed = np.where(rng.random(80) < 0.5, one, other)
    options = {"scheme": "formula", "n_folds": 3, "seed": seed}
    fold = make_folds(80, groups=mixed, **options)[0]
    assert all(len(set(fold[np.array(one) == formula])) == 1 for formula in one)


def test_spellings_are_one_group_in_every_score():
    data = planted(n=90, seed=3)
    other = np.array([f"H{h:.0f}O{o:.0f}C{c:.0f}" for c, h, o in data.C])
    hill = canonical_formulas(data.formulas)
    mixed = np.where(pd.Series(hill).duplicated(), other, hill)
    options = {"folds": "formula", "interval": "cluster-bootstrap", "n_draws": 20}
    a, b = (
        cpdkit.cpd(data.X, data.C, data.y, groups=groups, **options) for groups in (hill, mixed)
    )
    pd.testing.assert_frame_equal(a, b)


# --- labels of one's own ------------------------------------------------------------------------


@given(st.integers(0, 99), st.sampled_from(["ridge", LinearRegression()]))
@settings(deadline=None, max_examples=10)
def test_rows_of_label_minus_one_are_trained_on_and_never_tested(seed, probe):
    data = planted(n=100, seed=seed)
    fold = np.where(np.arange(100) < 40, -1, np.arange(100) % 3)
    table = cpdkit.cpd(data.X, data.C, data.y, folds=fold, probe=probe, leak=False)
    found = table.set_index("score")["fold_values"]
    assert table.attrs["n_folds"] == 3
    expected = []
    for train, test in PredefinedSplit(fold).split():
        comp = LinearRegression().fit(data.C[train], data.y[train])
        expected.append(r2_score(data.y[test], comp.predict(data.C[test])))
    np.testing.assert_allclose(found["r2_comp"], expected, atol=1e-9)
    assert {len(values) for values in found} == {3}


def test_minus_one_takes_the_fold_values_of_the_reference():
    data = planted(n=100)
    fold = np.where(np.arange(100) < 40, -1, np.arange(100) % 3)
    table = cpdkit.cpd(data.X, data.C, data.y, folds=fold, leak=False).set_index("score")
    rows = [reference.one_fold(data.X, data.C, data.y, fold, k) for k in range(3)]
    for name in ("r2_geom", "r2_partial"):
        expected = [row[name] for row in rows]
        np.testing.assert_allclose(table.loc[name, "fold_values"], expected, atol=1e-6)
    # Test folds of 20 rows beside 80 to train on, as in five folds.
    low, high = corrected_t(np.array(table.loc["r2_geom", "fold_values"]), test_share=1 / 4)
    assert (low, high) == pytest.approx((table.loc["r2_geom", "low"], table.loc["r2_geom", "high"]))


@given(st.integers(-1, 7), st.integers(1, 9))
@settings(deadline=None, max_examples=10)
def test_numbers_of_folds_do_not_matter(start, step):
    data = planted(n=60)
    first = np.arange(60) % 4
    second = np.random.default_rng(0).permutation(first)
    numbered = np.stack([first, max(start, 0) + step * second])
    a, b = (
        cpdkit.cpd(data.X, data.C, data.y, folds=folds, leak=False)
        for folds in (np.stack([first, second]), numbered)
    )
    assert a.attrs == b.attrs
    pd.testing.assert_frame_equal(a, b)


@pytest.mark.parametrize(
    ("folds", "message"),
    [
        (np.arange(60) % 3 - 2, "fold labels go down to -2"),
        (np.full(60, -1), "same number of folds, at least 2"),
        (np.where(np.arange(60) < 5, 0, -1), "same number of folds, at least 2"),
        (np.arange(60) % 3 + 0.0, "expected integers"),
        (np.ma.masked_array(np.arange(60) % 3, np.arange(60) < 2), "have masked entries"),
    ],
)
def test_labels_that_are_no_folds_are_refused(folds, message):
    data = planted(n=60)
    with pytest.raises(ValueError, match=message):
        cpdkit.cpd(data.X, data.C, data.y, folds=folds)
