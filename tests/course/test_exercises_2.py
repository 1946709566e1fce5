"""Exercises of lesson 2: right answers pass, typical mistakes are named, data decide."""

from __future__ import annotations

import numpy as np
import pytest
from answers import refused
from sklearn.linear_model import LinearRegression
from toy import planted

from cpdkit.course import check, load_table, r2, ridge_probe
from cpdkit.probes.residual import RidgeProbe
from cpdkit.projection.within import WithinGroups


def lesson_2(seed=0, n=240):
    data = planted(n=n, d=5, seed=seed)
    train = np.random.default_rng(seed).random(n) < 0.75
    return data, train


def projected(X, Z, rows):
    return X - Z @ np.linalg.lstsq(Z[rows], X[rows], rcond=None)[0]


@pytest.mark.parametrize("seed", [0, 1])
def test_2_1_the_right_answer_and_its_usual_substitutes(seed):
    data, train = lesson_2(seed)
    X, C = data.X, data.C
    Z = np.column_stack([np.ones(len(C)), C])
    right = projected(X, Z, train)
    own = right.copy()
    own[~train] = projected(X[~train], Z[~train], slice(None))
    answers = {
        "fitted on training rows": right,
        "fitted on all rows": projected(X, Z, slice(None)),
        "a projection of their own": own,
        "lacks its column of ones": projected(X, C, train),
        "only the mean": X - X[train].mean(axis=0),
        "with its sign turned": X - right,
        "formula means were subtracted": WithinGroups().fit_transform(X, composition=C),
        "still correlates with an element count": X,
        "has shape": right[train],
        "NaN or infinite": right * np.nan,
        "numbers were expected": "the residual",
    }
    for why, answer in answers.items():
        feedback = check("2.1", answer, X=X, C=C, train=train)
        assert why in feedback.why, (why, feedback)
        assert feedback.right == (answer is right)


@pytest.mark.parametrize(("r2_comp", "r2_geom"), [(0.4, 0.45), (0.3, 0.2)])
def test_2_2_the_share_from_two_scores(r2_comp, r2_geom):
    data, left = {"r2_comp": r2_comp, "r2_geom": r2_geom}, 1 - r2_comp
    assert check("2.2", r2_geom / left, **data).right
    assert check("2.2", [round(r2_geom / left, 2)], **data).right
    answers = {
        "r2_geom itself": r2_geom,
        "that is the ceiling": left,
        "the two were added": r2_comp + r2_geom,
        "ratio to composition's own score": r2_geom / r2_comp,
        "multiplied": r2_geom * left,
        "below the ceiling": left - r2_geom,
        "neither explains": 1 - r2_geom / left,
        "Composition leaves": 0.99,
        "one number was expected": "three quarters",
    }
    refused("2.2", answers, **data)


@pytest.mark.parametrize("seed", [0, 1])
def test_2_3_the_right_answer_and_its_usual_substitutes(seed):
    data, train = lesson_2(seed)
    Y, mean, test = data.y, data.y[train].mean(), ~train
    model = RidgeProbe(alpha=1e-3).fit(data.X[train], Y[train], composition=data.C[train])
    all_comp = LinearRegression().fit(data.C[train], Y[train]).predict(data.C)
    all_joint = all_comp + model.predict(data.X, composition=data.C) - mean
    y, comp, joint = Y[test], all_comp[test], all_joint[test]
    geom = joint - comp + mean
    left, total = ((y - comp) ** 2).sum(), ((y - y.mean()) ** 2).sum()
    right = 1 - ((y - joint) ** 2).sum() / left
    seen = 1 - ((Y - all_joint)[train] ** 2).sum() / ((Y - all_comp)[train] ** 2).sum()
    given = {"y": Y, "comp": all_comp, "joint": all_joint, "train": train}
    given["formulas"] = data.formulas
    feedback = check("2.3", right, **given)
    assert feedback.right
    assert "of the squared error that composition leaves" in feedback.why
    answers = {
        "on the training rows": seen,
        "the target was not residualised": 1 - ((y - geom) ** 2).sum() / total,
        "the denominator is the variance": 1 - ((y - joint) ** 2).sum() / total,
        "lacks composition's part": 1 - ((y - geom) ** 2).sum() / left,
        "forgives wrong offsets": np.corrcoef(y - comp, joint - comp)[0, 1] ** 2,
        "left unexplained": 1 - right,
        "is not 1 - SSE": 7.0,
        "one number was expected": [1.0, 2.0],
    }
    refused("2.3", answers, **given)


@pytest.fixture
def mixed():
    data, train = lesson_2(0)
    C, small = data.C, data.X[:, :1] * 1e-6
    composed = C @ np.ones((C.shape[1], 2)) + 1e-6 * data.X[:, :2]
    nearly = C[:, :1] + 0.03 * data.X[:, :1] * C[:, 0].std() / data.X[:, 0].std()
    return {"X": np.column_stack([data.X[:, :2], small, nearly, composed]), "C": C, "train": train}


def test_2_4_columns_by_number_or_mask(mixed):
    mask = np.arange(6) >= 4
    for right in ([4, 5], {5, 4}, np.array([5, 4]), (-1, -2), mask, mask.astype(int), [4.0, 5.0]):
        feedback = check("2.4", right, **mixed)
        assert feedback.right, (right, feedback)
    answers = {
        "columns to keep": [0, 1, 2, 3],
        "counts columns from 0": [5, 6],
        "*before* the projection": mixed["X"][mixed["train"]].std(axis=0).argsort()[:2],
        "whatever it was before": [2, 4, 5],
        "too hardly anything is left": [4],
        "of its spread on the training rows": [1, 4, 5],
        "there is no column": [17],
        "no number of a column": [0.5, 0.1],
        "the mask has": mask[:3],
        "numbers of columns were expected": "the last two",
    }
    refused("2.4", answers, **mixed)
    assert "too hardly anything" in check("2.4", [], **mixed).why
    squares = [3, 4, 5]
    assert "if squares are compared" in check("2.4", squares, **mixed).why


def test_2_5_size_stays_where_fractions_were_removed():
    table = load_table()
    X, C, train = table.features["descriptor"], table.counts.to_numpy(float), table.train
    size = C.sum(axis=1)
    F = C / size[:, None]
    Z, ones = np.column_stack([np.ones(len(C)), C]), np.ones_like(train)

    def score(features, rows=~train):
        return r2(size, ridge_probe(features, size, train), rows)

    right = score(projected(X, F, train))  # fractions sum to one: the intercept is in them
    assert right > 0.1
    for same in (right, np.float32(right), round(right, 2)):
        assert check("2.5", same, X=X, counts=table.counts, train=train).right
    answers = {
        "after counts were removed": score(projected(X, Z, train)),
        "nothing was removed": score(X),
        "on the training rows": score(projected(X, F, train), train),
        "fitted to all rows": score(projected(X, F, ones)),
        "0 is what one might hope for": 0.0,
        "is not it": 0.5,
        "one number was expected": size,
    }
    refused("2.5", answers, X=X, counts=C, train=train)
