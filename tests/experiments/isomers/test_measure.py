"""Isomer pairs: counted by hand, fold-safe, composition at chance, intervals over formulas."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pandas as pd
import pytest
import reference
from hypothesis import given, settings
from hypothesis import strategies as st
from toy import planted

from cpdkit.experiments.isomers.measure import (
    accuracy_by_difference,
    accuracy_differences,
    isomer_pairs,
)
from cpdkit.folds import make_folds


def test_pairs_and_order_by_hand_with_scikit_learn():
    data = planted(n=150, seed=1, d=6)
    fold = make_folds(150, scheme="formula", groups=data.formulas, seed=2)[0]
    said = np.empty(150)
    for k in range(5):
        train, test = fold != k, fold == k
        best = min(reference.ALPHAS, key=lambda a, k=k: squares(data, fold, k, a))
        fit = reference.standardised(data.X[train], data.X[test], data.C[train], data.C[test])
        said[test] = reference.ridge(*fit, data.y[train], best)
    expected = {
        (i, j): float((data.y[i] > data.y[j]) == (said[i] > said[j]))
        for i, j in combinations(range(150), 2)
        if data.formulas[i] == data.formulas[j]
    }
    pairs = isomer_pairs(data.X, data.C, data.y, data.formulas, seed=2)
    found = {(r.first, r.second): r.right for r in pairs.itertuples()}
    assert found == expected
    assert np.allclose(pairs["difference"], data.y[pairs["first"]] - data.y[pairs["second"]])
    assert (data.formulas[pairs["second"]] == pairs["formula"]).all()


def squares(data, fold, outer, alpha):
    total = 0.0
    for k in set(fold) - {outer}:
        train, test = (fold != outer) & (fold != k), fold == k
        fit = reference.standardised(data.X[train], data.X[test], data.C[train], data.C[test])
        said = reference.ridge(*fit, data.y[train], alpha)
        total += ((said - data.y[test]) ** 2).sum()
    return total


def test_isomers_are_ordered_by_geometry_and_not_by_composition():
    data = planted(n=600, seed=4, noise=0.0)
    full = isomer_pairs(data.X, data.C, data.y, data.formulas, seed=1)
    fold = make_folds(600, scheme="formula", groups=data.formulas, seed=1)[0]
    assert (fold[full["first"]] == fold[full["second"]]).all()
    assert full["right"].mean() > 0.9
    far = full[full["difference"].abs() > 1.0]
    assert far["right"].mean() > full["right"].mean()
    noise = np.random.default_rng(1).normal(size=(600, 3))
    blind = isomer_pairs(np.column_stack([data.C, noise]), data.C, data.y, data.formulas)
    assert blind["right"].mean() == pytest.approx(0.5, abs=0.06)


@settings(max_examples=20)
@given(seed=st.integers(0, 1000))
def test_functions_of_composition_are_right_half_of_the_time_exactly(seed):
    data = planted(n=120, seed=seed)
    X = np.column_stack([np.exp(data.C / 4), data.C**2])
    for composition in (data.C, None):
        pairs = isomer_pairs(X, composition, data.y, data.formulas)
        assert (pairs["right"] == 0.5).all()


def test_predictions_that_differ_by_rounding_tie():
    data = planted(n=200, seed=6)
    _, index = np.unique(data.formulas, return_inverse=True)
    constant = np.random.default_rng(0).normal(size=(index.max() + 1, 4))[index]
    rounded = constant * (1 + 1e-15 * np.random.default_rng(1).normal(size=constant.shape))
    assert (isomer_pairs(rounded, None, data.y, data.formulas)["right"] == 0.5).all()


def test_a_formula_is_never_in_training_and_test():
    """Features that only name the formula's best molecule help on no other formula."""
    data = planted(n=300, seed=2)
    names, index = np.unique(data.formulas, return_inverse=True)
    residual = data.y - pd.Series(data.y).groupby(data.formulas).transform("mean")
    X = np.eye(len(names))[index] * np.sign(residual).to_numpy()[:, None]
    pairs = isomer_pairs(X, data.C, data.y, data.formulas)
    assert pairs["right"].mean() == pytest.approx(0.5, abs=0.02)


def test_bins_share_the_pairs_and_larger_differences_are_easier():
    data = planted(n=500, seed=3, noise=1.0)
    pairs = {"planted": isomer_pairs(data.X, data.C, data.y, data.formulas)}
    table = accuracy_by_difference(pairs, n_bins=5)
    above, bins = (table[table["pairs"] == kind] for kind in ("above", "bin"))
    assert bins["n_pairs"].sum() == len(pairs["planted"]) == above.iloc[0]["n_pairs"]
    assert np.ptp(bins["n_pairs"]) <= 1
    mean = np.average(bins["accuracy"], weights=bins["n_pairs"])
    assert above.iloc[0]["accuracy"] == pytest.approx(mean)
    assert bins["accuracy"].is_monotonic_increasing
    assert (table["low"] <= table["accuracy"]).all()
    assert (table["accuracy"] <= table["high"]).all()
    row = above.iloc[2]
    size = pairs["planted"]["difference"].abs()
    chosen = pairs["planted"][size >= row["from_difference"]]
    assert row["n_pairs"] == len(chosen)
    assert row["accuracy"] == chosen["right"].mean()


def test_intervals_are_of_formulas_and_not_of_pairs():
    """As wide as the means of equally large formulas spread, however many pairs they hold."""
    rng = np.random.default_rng(0)
    together = np.repeat(rng.integers(0, 2, 40), 50).astype(float)
    alone = rng.integers(0, 2, 2000).astype(float)
    widths = []
    for right in (together, alone):
        frame = pd.DataFrame({"target": "y", "first": 0, "second": 1, "right": right})
        frame["formula"] = np.repeat([f"C{i}" for i in range(40)], 50)
        frame["difference"] = rng.normal(size=2000)
        row = accuracy_by_difference({"a": frame}, n_bins=1, n_draws=4000).iloc[0]
        widths.append(row["high"] - row["low"])
        error = right.reshape(40, 50).mean(axis=1).std() / np.sqrt(40)
        assert widths[-1] == pytest.approx(2 * 1.96 * error, rel=0.1)
    assert widths[0] > 5 * widths[1]


def test_few_large_formulas_are_worth_few_and_their_intervals_hold_the_truth():
    """Shares of formulas scatter about 0.8; three formulas hold most pairs."""
    sizes = np.array([400, 300, 200, *[5] * 30])
    names = np.repeat([f"C{i}" for i in range(len(sizes))], sizes)
    inside, alike = [], []
    for seed in range(200):
        rng = np.random.default_rng(seed)
        share = np.clip(0.8 + 0.08 * rng.normal(size=len(sizes)), 0, 1)
        frame = pd.DataFrame({"target": "y", "formula": names, "first": 0, "second": 1})
        frame["right"] = (rng.random(len(names)) < np.repeat(share, sizes)).astype(float)
        frame["difference"] = rng.normal(size=len(names))
        row = accuracy_by_difference({"a": frame}, n_bins=1, n_draws=300, seed=seed).iloc[0]
        inside.append(row["low"] <= 0.8 <= row["high"])
        alike.append(row["by_formula_low"] <= 0.8 <= row["by_formula_high"])
    assert row["n_effective"] == pytest.approx(sizes.sum() ** 2 / (sizes**2).sum())
    assert row["n_formulas"] == 33
    each = frame.groupby("formula")["right"].mean()
    assert row["by_formula"] == pytest.approx(each.mean())
    assert np.mean(inside) > 0.87
    assert np.mean(alike) > 0.9


def test_differences_are_paired_and_allow_for_many_models():
    data = planted(n=300, seed=5)
    noise = np.random.default_rng(0).normal(size=data.X.shape)
    pairs = {
        name: isomer_pairs(X, data.C, data.y, data.formulas)
        for name, X in {"X": data.X, "2X": 2 * data.X, "noise": noise}.items()
    }
    table = accuracy_differences(pairs, ["2X"]).set_index("representation")
    same = table.loc["X", ["difference", "low", "high"]]
    assert (same == 0).all()  # unpaired, the interval would be wide
    assert table.loc["noise", "high"] < 0
    alone = accuracy_differences({k: pairs[k] for k in ("2X", "noise")}, ["2X"]).iloc[0]
    assert alone["high"] - alone["low"] < table.loc["noise", "high"] - table.loc["noise", "low"]


def test_bad_input_is_answered():
    data = planted(n=100)
    with pytest.raises(ValueError, match="no two of 100 .*no isomers .* draw more"):
        isomer_pairs(data.X, data.C, data.y, [f"C{i}" for i in range(100)])
    with pytest.raises(ValueError, match="formula of each structure"):
        isomer_pairs(data.X, data.C, data.y, None)
    pairs = isomer_pairs(data.X, data.C, data.y, data.formulas)
    with pytest.raises(ValueError, match="too few for 99999 bins"):
        accuracy_by_difference({"a": pairs}, n_bins=99999)
    with pytest.raises(ValueError, match="at least 1"):
        accuracy_by_difference({"a": pairs}, n_bins=0)
    with pytest.raises(ValueError, match="at least one other representation"):
        accuracy_differences({"a": pairs}, ["a"])
    with pytest.raises(ValueError, match="not of the same pairs"):
        accuracy_differences({"a": pairs, "b": pairs.iloc[1:]}, ["b"])


def test_pairs_of_an_element_that_training_lacks_are_left_out():
    data = planted(n=150, seed=1, d=6)
    rare = np.flatnonzero(data.formulas == data.formulas[0])
    C = np.column_stack([data.C, np.isin(np.arange(150), rare)])
    pairs = isomer_pairs(data.X, C, data.y, data.formulas)
    every = isomer_pairs(data.X, data.C, data.y, data.formulas)
    assert set(every["formula"]) - set(pairs["formula"]) == {data.formulas[0]}


@pytest.mark.parametrize("scale", [1.0, 1e-6])
def test_features_that_are_alike_for_isomers_tie(scale):
    """A function of the formula orders nothing, however small the penalty that suits others."""
    data = planted(n=300, seed=3, noise=0.0)
    rng = np.random.default_rng(0)
    same = np.cos(data.C @ rng.normal(size=(data.C.shape[1], 400))) * scale
    noise = 1e-14 * scale * rng.normal(size=same.shape)
    pairs = isomer_pairs(same + noise, data.C, data.y, data.formulas)
    assert (pairs["right"] == 0.5).all()


def test_intervals_of_shares_end_at_0_and_1():
    """Of twelve formulas all but one have every pair right: Student's t goes past 1."""
    right = np.r_[np.ones(11), 0.5]
    pairs = pd.DataFrame({
        "target": "y", "formula": list("abcdefghijkl"), "difference": np.arange(1.0, 13.0),
        "right": right, "first": 0, "second": 1,
    })  # fmt: skip
    for values in (right, 1 - right):
        row = accuracy_by_difference({"m": pairs.assign(right=values)}, n_bins=1).iloc[0]
        for name, low, high in (
            ("accuracy", "low", "high"), ("by_formula", "by_formula_low", "by_formula_high"),
        ):  # fmt: skip
            assert 0 <= row[low] < row[name] < row[high] <= 1
        assert 0 in (row["by_formula_low"], 1 - row["by_formula_high"])
