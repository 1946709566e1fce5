"""Exercises of lesson 4: right answers pass, typical mistakes are named, data decide."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from answers import refused
from scipy import stats
from toy import planted

from cpdkit.comparisons import holm, paired_difference
from cpdkit.course.feedback import check
from cpdkit.experiments.inflation.planted import composition_only
from cpdkit.experiments.isomers.measure import isomer_pairs
from cpdkit.projection.within import group_index


def test_4_1_asks_for_composition_that_a_line_cannot_see():
    data = planted(n=240, d=5, seed=0)
    train = np.random.default_rng(0).random(240) < 0.75
    C = data.C
    formula = group_index(C, len(C))
    apart = formula % 4 > 0  # no formula on both sides: to tell formulas apart is not enough
    answers = {
        "credited them with knowing more": composition_only(C, 12),
        "linear in the counts": C @ np.ones((3, 2)),
        "take smooth functions": np.random.default_rng(0).normal(size=len(C))[formula],
        "different features": data.X,
        "constant": np.ones(len(C)),
        "has shape": np.ones((3, 2)),
        "numbers were expected": "curved",
    }
    for why, answer in answers.items():
        split = apart if why == "take smooth functions" else train
        feedback = check("4.1", answer, C=C, train=split)
        assert why in feedback.why, (why, feedback)
        assert feedback.right == (why == "credited them with knowing more")
    assert check("4.1", np.column_stack([C**2, C[:, :1] * C]), C=C, train=train).right


def test_4_2_agrees_with_the_chapter_and_names_mistakes():
    data = planted(n=120, d=5, seed=1)
    rng = np.random.default_rng(0)
    carbons = 1 + rng.integers(0, 12, size=120) ** 2 // 12
    formulas = np.array([f"C{k}" for k in carbons])
    y = data.y + carbons
    said = np.round(y + 3 * rng.normal(size=120))  # with ties
    given = {"y": y, "predicted": said, "formulas": formulas}
    points, order, by_formula, everyone = [], [], [], []
    for i in range(120):
        for j in range(i):
            sign = np.sign((y[i] - y[j]) * (said[i] - said[j]))
            everyone.append((1 + sign) / 2)
            if formulas[i] == formulas[j]:
                order.append(sign)
                points.append((1 + sign) / 2)
                by_formula.append((formulas[i], (1 + sign) / 2))
    right, order = np.mean(points), np.array(order)
    assert (order == 0).any()
    for form in (right, np.float32(right), round(right, 3), np.array([[right]])):
        assert check("4.2", form, **given).right
    names = {name for name, _ in by_formula}
    equal = np.mean([np.mean([v for n, v in by_formula if n == name]) for name in names])
    refused(
        "4.2",
        {
            "isomers or not": np.mean(everyone),
            "counted as right": (order >= 0).mean(),
            "counted as wrong": (order > 0).mean(),
            "left out": (order > 0).sum() / (order != 0).sum(),
            "wrong order": 1 - right,
            "same weight": equal,
            "per cent": 100 * right,
            "is not the share": 0.0123,
        },
        **given,
    )


def test_4_2_counts_pairs_as_chapter_7_does():
    data = planted(n=200, d=6, seed=2)
    formulas = np.array([f"H{c[0] + 1:.0f}C{c[1] + 1:.0f}" for c in data.C])
    y = data.y
    constant = np.column_stack([np.arange(200) % 7, np.zeros(200)])
    pairs = isomer_pairs(constant, None, y, formulas)
    assert len(pairs)
    feedback = check("4.2", 0.5, y=y, predicted=np.zeros(200), formulas=formulas)
    assert feedback.right
    assert f"of {len(pairs)} pairs" in feedback.why


@pytest.mark.parametrize(("repeats", "right"), [(1, 1.5), (10, np.sqrt(13.5))])
def test_4_3_repeats_do_not_make_folds_independent(repeats, right):
    data = {"n_folds": 5, "repeats": repeats}
    for form in (right, np.float32(right), [right], round(right, 2), round(right, 1)):
        assert check("4.3", form, **data).right
    wrong = {
        "factor between the variances": right**2,
        "turn it": 1 / right,
        "n_test/n_train": np.sqrt(1 + repeats),
        "is not the root": 7.7,
        "one number": (1, 2),
    }
    if repeats > 1:
        wrong |= {"for one repeat": 1.5, "were independent": np.sqrt(repeats)}
        wrong |= {"divide by the naive one": np.sqrt(1 / (5 * repeats) + 1 / 4)}
    refused("4.3", wrong, **data)


@pytest.fixture
def fold_values():
    rng = np.random.default_rng(0)
    hard = rng.normal(0.5, 0.2, size=10)  # folds that are hard for both
    return {"one": hard + rng.normal(0.1, 0.1, size=10), "other": hard, "n_folds": 5}


def test_4_4_the_interval_is_that_of_the_differences(fold_values):
    a, b = fold_values["one"], fold_values["other"]
    gap = a - b
    half = stats.t.ppf(0.975, 9) * gap.std(ddof=1) * np.sqrt(1 / 10 + 1 / 4)
    right = (gap.mean() - half, gap.mean() + half)
    for form in (right, list(right), np.array([right])):
        assert check("4.4", form, **fold_values).right
    each = [paired_difference(v, 0 * v, n_folds=5) for v in (a, b)]
    ends = [(v["low"], v["high"]) for v in each]
    naive = stats.t.ppf(0.975, 9) * gap.std(ddof=1) / np.sqrt(10)
    apart = stats.t.ppf(0.975, 9) * np.hypot(a.std(ddof=1), b.std(ddof=1)) * np.sqrt(0.35)

    def with_variance(variance):
        half = stats.t.ppf(0.975, 9) * np.sqrt(variance)
        return (gap.mean() - half, gap.mean() + half)

    refused(
        "4.4",
        {
            "too narrow": (gap.mean() - naive, gap.mean() + naive),
            "the same folds": (ends[0][0] - ends[1][1], ends[0][1] - ends[1][0]),
            "no interval of the difference": tuple(np.subtract(*ends)),
            "sign is turned": (-right[1], -right[0]),
            "lower end comes first": right[::-1],
            "different molecules": (gap.mean() - apart, gap.mean() + apart),
            "not with all 5": with_variance((1 / 10 + 1 / 5) * gap.var(ddof=1)),
            "J is the number of scores, here 10": with_variance((1 / 5 + 1 / 4) * gap.var(ddof=1)),
            "a root is missing": with_variance((0.35 * gap.var(ddof=1)) ** 2),
            "the width is not": (gap.mean() - 1, gap.mean() + 1),
            "about the mean difference": (3, 4),
            "the lower and the upper end": 0.3,
        },
        **fold_values,
    )


def test_4_5_holm_in_the_order_of_the_table():
    p = np.array([0.03, 0.001, 0.012, 0.011, 0.6, 0.9])
    right = np.array([0.09, 0.006, 0.055, 0.055, 1.0, 1.0])
    assert np.allclose(holm(p.tolist()), right)
    for form in (right, right.tolist(), right[:, None], right + 0.0005):
        assert check("4.5", form, p_values=p).right
    order = np.argsort(p)
    steps = p * np.array([3, 6, 4, 5, 2, 1])
    hochberg = np.minimum.accumulate((np.sort(p) * 6 / np.arange(1, 7))[::-1])[::-1]
    back = np.empty(6)
    back[order] = hochberg
    running = np.empty(6)
    running[order] = np.maximum.accumulate(steps[order])
    refused(
        "4.5",
        {
            "as they were": p,
            "Bonferroni": np.minimum(6 * p, 1),
            "exceeds 1": 6 * p,
            "running maximum in the order": np.minimum(steps, 1),
            "none may fall below": steps,
            "but no p exceeds 1.": running,
            "in the order of the table": np.sort(right),
            "Benjamini": back,
            "must grow": p / 6,
            "multiply the smallest by m": np.full(6, 0.5),
            "expected (6,), one row per p-value": right[:3],
        },
        p_values=p,
    )
    assert all(a <= b for a, b in pairwise(np.sort(right)))
