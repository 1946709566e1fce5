"""Options that cannot be are answered by a sentence, at every door."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
from toy import planted

import cpdkit
from cpdkit._options import check_alphas, check_count, check_level, check_seed
from cpdkit.comparisons import compare, holm, paired_difference, rank_correlation
from cpdkit.controls import control_scores, null_scores
from cpdkit.folds import assign_folds, hash_buckets, make_folds
from cpdkit.intervals import bootstrap_weights, corrected_t
from cpdkit.moments.accumulate import MomentAccumulator
from cpdkit.moments.sources import moments_from_arrays
from cpdkit.probes.equivariant import equivariant_scores

DATA = planted(n=60)
MOMENTS = moments_from_arrays(DATA.X, DATA.C, DATA.y)
V = np.random.default_rng(0).normal(size=(60, 3, 3))
GIVEN = (DATA.X, DATA.C, DATA.y)
DOORS = {
    "cpd": lambda **o: cpdkit.cpd(*GIVEN, **o),
    "moments": lambda **o: cpdkit.cpd_from_moments(MOMENTS, **o),
    "vectors": lambda **o: equivariant_scores(V, V[:, 0], **o),
    "controls": lambda **o: control_scores(DATA.X, DATA.C, DATA.formulas, **o),
}


@pytest.mark.parametrize("door", DOORS)
@pytest.mark.parametrize(
    "option",
    [
        {"level": 95},
        {"level": 0},
        {"level": "0.95"},
        {"level": float("nan")},
        {"n_folds": 5.0},
        {"n_folds": 1},
        {"n_folds": True},
        {"repeats": 0},
        {"seed": -1},
        {"seed": 1.5},
        {"seed": None},
    ],
)
def test_every_door_names_the_option(door, option):
    with pytest.raises(ValueError, match=f"{next(iter(option))}="):
        DOORS[door](**option)


@pytest.mark.parametrize("alphas", [[], 0.0, [1e-3, -1.0], [np.inf], "0.1"])
@pytest.mark.parametrize("door", ["moments", "vectors"])
def test_penalties_are_positive(door, alphas):
    with pytest.raises(ValueError, match="alphas=.*must be positive"):
        DOORS[door](alphas=alphas)


@pytest.mark.parametrize(
    ("call", "name"),
    [
        (lambda: cpdkit.cpd(*GIVEN, n_draws=0), "n_draws"),
        (lambda: cpdkit.cpd(*GIVEN, folds=np.arange(60) % 3, seed=-1), "seed"),
        (lambda: null_scores(*GIVEN, groups=DATA.formulas, n_draws=0.5), "n_draws"),
        (lambda: bootstrap_weights(DATA.formulas, n_draws=-1, seed=0), "n_draws"),
        (lambda: bootstrap_weights(DATA.formulas, n_draws=9, seed=-1), "seed"),
        (lambda: corrected_t(np.arange(5.0), test_share=0.25, level=95), "level"),
        (lambda: hash_buckets(range(9), n_buckets=0), "n_buckets"),
        (lambda: assign_folds(np.ones(9), n_folds=2.5, seed=0), "n_folds"),
        (lambda: make_folds(30.0), "n"),
        (lambda: MomentAccumulator(n_buckets=0), "n_buckets"),
        (lambda: paired_difference([1.0, 2.0], [1.0, 3.0], n_folds=2, level=95), "level"),
        (lambda: compare({}, level=2), "level"),
        (lambda: rank_correlation([1, 2, 3], [1, 2, 3], level=95), "level"),
        (lambda: rank_correlation([1, 2, 3], [1, 2, 3], n_permutations=0), "n_permutations"),
    ],
)
def test_other_doors_name_it_too(call, name):
    with pytest.raises(ValueError, match=f"{name}="):
        call()


def test_numpy_numbers_are_numbers():
    assert check_count(np.int64(3), "n") == 3
    check_seed(np.uint32(7))
    check_seed([1, 2])
    check_level(np.float32(0.5))
    assert check_alphas(0.1) == (0.1,)


def test_scores_that_cannot_be_paired_are_refused():
    with pytest.raises(ValueError, match="cannot be paired"):
        paired_difference([0.1, 0.2, 0.3], [0.1], n_folds=3)
    with pytest.raises(ValueError, match="numbers from 0 to 1"):
        holm([0.1, np.nan])


@pytest.mark.parametrize(
    "call",
    [
        lambda n: cpdkit.cpd(DATA.X[:n], DATA.C[:n], DATA.y[:n], leak=False),
        lambda n: equivariant_scores(V[:n], V[:n, 0]),
        lambda n: cpdkit.cpd_from_moments(moments_from_arrays(DATA.X[:n], DATA.C[:n], DATA.y[:n])),
    ],
)
def test_too_few_rows_for_an_interval_are_told(call):
    with pytest.warns(UserWarning, match=r"the smallest test fold has \d row"):
        call(17)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        call(60)


def test_too_few_groups_for_a_bootstrap_are_told():
    groups = np.array(["CH4", "C2H6"] * 30)
    with pytest.warns(UserWarning, match=r"there are 2 group\(s\) to draw from"):
        bootstrap_weights(groups, n_draws=10, seed=0)
