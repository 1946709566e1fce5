"""Exercises: right answers pass, typical mistakes are named, and nothing is hard-coded."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.linear_model import LinearRegression
from toy import planted

from cpdkit.experiments.exercises import EXERCISES, Feedback, check
from cpdkit.experiments.inflation.planted import composition_only
from cpdkit.probes.residual import RidgeProbe
from cpdkit.projection.within import WithinGroups, group_index


@pytest.mark.parametrize("name", EXERCISES)
def test_without_an_answer_nothing_is_right(name):
    feedback = check(name, None)
    assert not feedback.right
    assert "no answer yet" in feedback.why


def test_feedback_as_text_and_as_markdown():
    assert str(Feedback(True, "as it should be.")) == "Right: as it should be."
    assert Feedback(False, "no.")._repr_markdown_() == "**Not yet**: no."


def test_an_unknown_exercise_is_answered():
    with pytest.raises(ValueError, match="unknown exercise '3,1'; did you mean '3.1'"):
        check("3,1", 0.0)


def chapter_3(seed=0, n=240):
    data = planted(n=n, d=5, seed=seed)
    train = np.random.default_rng(seed).random(n) < 0.75
    return data, train


def projected(X, Z, rows):
    return X - Z @ np.linalg.lstsq(Z[rows], X[rows], rcond=None)[0]


@pytest.mark.parametrize("seed", [0, 1])
def test_3_1_the_right_answer_and_its_usual_substitutes(seed):
    data, train = chapter_3(seed)
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
        feedback = check("3.1", answer, X=X, C=C, train=train)
        assert why in feedback.why, (why, feedback)
        assert feedback.right == (answer is right)


@pytest.mark.parametrize("seed", [0, 1])
def test_3_2_the_right_answer_and_its_usual_substitutes(seed):
    data, train = chapter_3(seed)
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
        feedback = check("3.2", answer, **data_of, formulas=data.formulas[test])
        assert feedback.right == (answer is right), (why, feedback)
        assert why in feedback.why, (why, feedback)


def test_3_3_asks_for_composition_that_a_line_cannot_see():
    data, train = chapter_3()
    C = data.C
    formula = group_index(C, len(C))
    apart = formula % 4 > 0  # no formula on both sides: to tell formulas apart is not enough
    answers = {
        "credited them with knowing more": composition_only(C, 12),
        "affine in the counts": C @ np.ones((3, 2)),
        "take smooth functions": np.random.default_rng(0).normal(size=len(C))[formula],
        "different features": data.X,
        "constant": np.ones(len(C)),
        "has shape": np.ones((3, 2)),
        "numbers were expected": "curved",
    }
    for why, answer in answers.items():
        split = apart if why == "take smooth functions" else train
        feedback = check("3.3", answer, C=C, train=split)
        assert why in feedback.why, (why, feedback)
        assert feedback.right == (why == "credited them with knowing more")
    assert check("3.3", np.column_stack([C**2, C[:, :1] * C]), C=C, train=train).right
