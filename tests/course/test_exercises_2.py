"""Exercises of lesson 2: right answers pass, typical mistakes are named, data decide."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.linear_model import LinearRegression
from toy import planted

from cpdkit.course.feedback import check
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


@pytest.mark.parametrize("seed", [0, 1])
def test_2_3_the_right_answer_and_its_usual_substitutes(seed):
    data, train = lesson_2(seed)
    y, test = data.y, ~train
    model = RidgeProbe(alpha=1e-3).fit(data.X[train], y[train], composition=data.C[train])
    comp = LinearRegression().fit(data.C[train], y[train]).predict(data.C[test])
    geom = model.predict(data.X[test], composition=data.C[test])
    joint, mean, y = comp + geom - y[train].mean(), y[train].mean(), y[test]
    left, total = ((y - comp) ** 2).sum(), ((y - y.mean()) ** 2).sum()
    right = 1 - ((y - joint) ** 2).sum() / left
    answers = {
        "of the squared error that composition leaves": right,
        "the target was not residualised": 1 - ((y - geom) ** 2).sum() / total,
        "the denominator is the variance": 1 - ((y - joint) ** 2).sum() / total,
        "lacks composition's part": 1 - ((y - geom) ** 2).sum() / left,
        "forgives wrong offsets": np.corrcoef(y - comp, joint - comp)[0, 1] ** 2,
        "left unexplained": 1 - right,
        "is not 1 - SSE": 7.0,
        "one number was expected": [1.0, 2.0],
    }
    data_of = {"y": y, "comp": comp, "joint": joint, "train_mean": mean}
    for why, answer in answers.items():
        feedback = check("2.3", answer, **data_of, formulas=data.formulas[test])
        assert feedback.right == (answer is right), (why, feedback)
        assert why in feedback.why, (why, feedback)
