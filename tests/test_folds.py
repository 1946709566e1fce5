"""Laws of buckets and folds."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cpdkit.folds import N_BUCKETS, assign_folds, hash_buckets, make_folds


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
