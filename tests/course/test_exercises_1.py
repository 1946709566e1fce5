"""Exercises of lesson 1: right answers pass, typical mistakes are named, data decide."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.linear_model import LinearRegression, Ridge
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from cpdkit.course import check, load_table, r2, ridge_probe


@pytest.fixture(scope="module")
def table():
    return load_table()


def judge(name: str, answers: dict, **data) -> None:
    """The first answer is right, all others are wrong for the reason that is their key."""
    (praise, right), *wrong = answers.items()
    feedback = check(name, right, **data)
    assert feedback.right, feedback
    assert praise in feedback.why, feedback
    for why, answer in wrong:
        feedback = check(name, answer, **data)
        assert not feedback.right, (why, feedback)
        assert why in feedback.why, (why, feedback)


def sums(y, predicted):
    return ((y - predicted) ** 2).sum(), ((y - y.mean()) ** 2).sum()


def test_the_probe_is_that_of_scikit_learn(table):
    X, y, train = table.features["trained"], table.molecules["gap"].to_numpy(), table.train
    model = make_pipeline(StandardScaler(), Ridge(alpha=1e-3 * train.sum()))
    expected = model.fit(X[train], y[train]).predict(X)
    assert np.allclose(ridge_probe(X, y, train), expected, atol=1e-9)
    assert r2(y, expected, ~train) == pytest.approx(model.score(X[~train], y[~train]))


def test_a_constant_column_changes_nothing(table):
    X, y, train = table.features["trained"], table.molecules["gap"].to_numpy(), table.train
    wider = np.column_stack([X, np.ones(len(y))])
    assert np.allclose(ridge_probe(wider, y, train), ridge_probe(X, y, train))


@pytest.mark.parametrize("factor", [0.5, 0.55])
def test_1_1(table, factor):
    y, train = table.molecules["gap"].to_numpy(), table.train
    predicted = factor * table.counts["H"].to_numpy()
    t, p = y[~train], predicted[~train]
    error, spread = sums(t, p)
    seen_error, seen_spread = sums(y[train], predicted[train])
    data = {"y": y, "predicted": predicted, "train": train}
    answers = {
        "of the squared error": 1 - error / spread,
        "score on the training rows": 1 - seen_error / seen_spread,
        "over all rows": 1 - sums(y, predicted)[0] / sums(y, predicted)[1],
        "share of the error that is left": error / spread,
        "squared correlation": np.corrcoef(t, p)[0, 1] ** 2,
        "a correlation, not R2": np.corrcoef(t, p)[0, 1],
        "mean squared error": error / len(t),
        "root mean squared error": (error / len(t)) ** 0.5,
        "above 1": 17.0,
        "is not 1 - SSE / SS": -0.5,
        "one number was expected": predicted,
    }
    judge("1.1", answers, **data)
    for same in (np.float32(1 - error / spread), [1 - error / spread]):
        assert check("1.1", same, **data).right
    about_the_training_mean = 1 - error / ((t - y[train].mean()) ** 2).sum()
    assert check("1.1", about_the_training_mean, **data).right


@pytest.mark.parametrize("columns", [200, 400])
def test_1_2(table, columns):
    y, train = table.molecules["gap"].to_numpy(), table.train
    noise = np.random.default_rng(1).normal(size=(len(y), columns))
    plain = LinearRegression().fit(noise[train], y[train])
    all_rows = LinearRegression().fit(noise, y)
    data = {"noise": noise, "y": y, "train": train}
    answers = {
        "fits chance, and is worse than the mean of y": plain.score(noise[~train], y[~train]),
        "score on the training rows": plain.score(noise[train], y[train]),
        "fitted to all rows": all_rows.score(noise[~train], y[~train]),
        "fitted to the test rows": r2(y, ridge_probe(noise, y, ~train), ~train),
        "0 is what one might expect": 0.0,
        "`predicted` from a cell above": 0.9,
        "is not what ridge_probe": -5.0,
        "one number was expected": "below zero",
    }
    judge("1.2", answers, **data)
    assert check("1.2", r2(y, ridge_probe(noise, y, train), ~train), **data).right


@pytest.mark.parametrize(
    ("gaps", "right"), [([4, 6, 5, 9], 1 - 10 / 14), ([1, 2, 7, 9], 1 - 2.5 / 44.75)]
)
def test_1_3(gaps, right):
    answers = {
        "out of reach": right,
        "share that is left": 1 - right,
        "look the same": 1.0,
        "give each its own mean": 0.0,
        "square root": right**0.5,
        "Three steps": 0.123,
        "one number was expected": [right, right],
    }
    judge("1.3", answers, formulas=list("aabb"), y=gaps)
    left = {(4, 6, 5, 9): 10.0, (1, 2, 7, 9): 2.5}[tuple(gaps)]
    assert "a sum with a unit" in check("1.3", left, formulas=list("aabb"), y=gaps).why
    assert "mean squared error" in check("1.3", left / 4, formulas=list("aabb"), y=gaps).why


@pytest.mark.parametrize("name", ["mu", "gap"])
def test_1_4(table, name):
    y, train = table.molecules[name].to_numpy(), table.train
    data = {"trained": table.features["trained"], "untrained": table.features["untrained"]}
    score = {
        (which, rows): r2(y, ridge_probe(X, y, train), train if rows == "seen" else ~train)
        for which, X in data.items()
        for rows in ("seen", "new")
    }
    after, before = score["trained", "new"], score["untrained", "new"]
    other = table.molecules["gap" if name == "mu" else "mu"].to_numpy()
    of_other = [r2(other, ridge_probe(X, other, train), ~train) for X in data.values()]
    answers = {
        "The untrained network is the yardstick": after - before,
        "sign is turned": before - after,
        "the trained network alone": after,
        "the untrained network alone": before,
        "on the training rows": score["trained", "seen"] - score["untrained", "seen"],
        "a ratio": after / before,
        "the difference for the gap": np.subtract(*of_other),
        "relative to": (after - before) / before,
        "is not R2 of the trained minus": 0.05,
        "one number was expected": [after, before],
    }
    judge("1.4", answers, **data, y=y, train=train, gap=other)


def test_1_5(table):
    y, train = table.molecules["gap"].to_numpy(), table.train
    turned = np.where(np.floor(4 * y) % 2 == 0, y, -y)
    answers = {
        "All of y is there": turned,
        "a line should find less than 0.1": y,
        "rise or fall with y": y**2,
        "thinner slices": np.exp(y),
        "have y far apart": np.abs(y - y.mean()),
        "should be above 0.9": (y - y.mean()) * (-1) ** np.floor(4 * y),
        "cannot be read off": np.random.default_rng(0).normal(size=len(y)),
        "entries close together": np.sin(20 * y),
        "constant": np.ones(len(y)),
        "has shape": turned[train],
        "NaN or infinite": turned * np.nan,
        "numbers were expected": "sliced",
    }
    judge("1.5", answers, y=y, train=train)
    # another way, and other shapes
    slices = np.floor(3 * y)
    for other in (slices * (-1) ** slices + (3 * y - slices), turned[:, None], list(turned)):
        assert check("1.5", other, y=y, train=train).right
