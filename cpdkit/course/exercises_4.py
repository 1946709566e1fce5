"""Exercises of lesson 4: from a score to a claim."""

from __future__ import annotations

from itertools import combinations
from typing import Any

import numpy as np
from scipy import stats
from sklearn.linear_model import LinearRegression

from cpdkit.comparisons import holm, paired_difference
from cpdkit.course.feedback import (
    Wrong,
    many_numbers,
    name_mistake,
    one_number,
    two_numbers,
)
from cpdkit.probes.nonlinear import neighbors
from cpdkit.probes.residual import ResidualProbe
from cpdkit.projection.linear import CompositionProjector
from cpdkit.projection.within import WithinGroups, group_index

__all__ = ["exercise_4_1", "exercise_4_2", "exercise_4_3", "exercise_4_4", "exercise_4_5"]

_TOLERANCE = 5e-3  # of a score, so that two digits are enough


def exercise_4_1(answer: Any, *, C: Any, train: Any) -> str:
    """Give features that hold composition only and hide it from a linear probe, not from others.

    They must let nearest neighbours predict the number of atoms with an R2 above 0.5.
    """
    C = np.asarray(C, dtype=np.float64)
    train = np.asarray(train, dtype=bool)
    given = np.asarray(answer, dtype=object)
    shape = (len(C), *given.shape[1:]) if given.ndim in (1, 2) else (len(C),)
    features = many_numbers(answer, shape).reshape(len(C), -1)
    if (features.std(axis=0) == 0).all():
        raise Wrong("these features are constant; they hold nothing at all.")
    within = WithinGroups().fit_transform(features, composition=C)
    if np.abs(within).max() > 1e-9 * features.std(axis=0).max():
        repeated = group_index(C, len(C))
        row = int(np.abs(within).max(axis=1).argmax())
        count = int((repeated == repeated[row]).sum())
        raise Wrong(
            f"{count} molecules of one formula have different features (row {row} among them), "
            "so these hold more than composition."
        )
    projector = CompositionProjector().fit(features[train], composition=C[train])
    residual = projector.transform(features, composition=C)
    if np.abs(residual).max() < 1e-9 * features.std():
        raise Wrong(
            "these features are linear in the counts, and the projection removes them altogether. "
            "Bend them."
        )
    size = C.sum(axis=1)
    linear = LinearRegression().fit(residual[train], size[train])
    probe = ResidualProbe(neighbors(3)).fit(residual[train], size[train])
    by_line = _r2(size[~train], linear.predict(residual[~train]))
    by_neighbours = _r2(size[~train], probe.predict(residual[~train]))
    scores = (
        f"from the residual a linear probe predicts the number of atoms with R2 = {by_line:.2f}, "
        f"nearest neighbours with {by_neighbours:.2f}"
    )
    if by_neighbours > 0.5:
        return (
            f"{scores}. The features know nothing but composition, and a score of geometry would "
            "have credited them with knowing more."
        )
    raise Wrong(
        f"{scores}; above 0.5 was asked. Neighbours are molecules whose rows are alike, so "
        "molecules of like size should have like rows: take smooth functions of every single "
        "count, and few of them."
    )


def exercise_4_2(answer: Any, *, y: Any, predicted: Any, formulas: Any) -> str:
    """Share of pairs of isomers in the right order."""
    value = one_number(answer)
    y, predicted = (np.asarray(v, dtype=np.float64).ravel() for v in (y, predicted))
    labels = np.asarray(formulas).ravel()
    pairs = np.array(list(combinations(range(len(y)), 2)))
    first, second = pairs.T
    order = np.sign((y[first] - y[second]) * (predicted[first] - predicted[second]))
    counted = y[first] != y[second]
    same = counted & (labels[first] == labels[second])
    points = 0.5 + 0.5 * order
    right, ties = points[same].mean(), (order[same] == 0).mean()
    if abs(value - right) < _TOLERANCE:
        return (
            f"{right:.1%} of {same.sum()} pairs, of which {ties:.0%} are ties that count one half. "
            "Composition would have scored one half exactly."
        )
    by_formula = [
        points[same & (labels[first] == name)].mean() for name in set(labels[first[same]])
    ]
    mistakes = {
        "these are all pairs, isomers or not. Between formulas composition helps; compare "
        "molecules of one formula only.": points[counted].mean(),
        "that is the share of pairs in the wrong order: does a larger prediction mean a larger "
        "gap?": 1 - right,
        "ties were counted as right. A guess that says nothing would then score 100 %.": (
            (order[same] >= 0).mean()
        ),
        "ties were counted as wrong. A guess that says nothing would then score 0 instead of one "
        "half.": (order[same] > 0).mean(),
        "ties were left out. That flatters a guess that rarely commits itself.": (
            (order[same] > 0).sum() / max((order[same] != 0).sum(), 1)
        ),
        "formulas were averaged, each with the same weight; asked was the share of pairs.": (
            float(np.mean(by_formula))
        ),
        "in per cent; give the share, between 0 and 1.": 100 * right,
    }
    name_mistake(value, mistakes, tolerance=_TOLERANCE)
    raise Wrong(f"{value:.3f} is not the share of the {same.sum()} pairs that have one formula.")


def exercise_4_3(answer: Any, *, n_folds: int, repeats: int) -> str:
    """How much wider the corrected interval is than the naive one."""
    value = one_number(answer)
    scores = n_folds * repeats
    naive, overlap = 1 / scores, 1 / (n_folds - 1)
    right = np.sqrt((naive + overlap) / naive)
    if abs(value - right) < 0.05:  # two digits are enough, as in the text
        return (
            f"{right:.2f}. More repeats shrink the first term only: with any number of them the "
            f"half-width stays above t times {np.sqrt(overlap):.2f} s, because all scores come "
            "from the same molecules."
        )
    mistakes = {
        "that is the factor between the variances; intervals go with the root.": right**2,
        "that is how many times narrower; turn it.": 1 / right,
        "that is for one repeat. Now there are "
        f"{scores} scores: the first term is 1/{scores}, the second is as it was.": np.sqrt(
            1 + n_folds / (n_folds - 1)
        ),
        "the term for overlap is n_test/n_train: each fold is tested with the other "
        f"{n_folds - 1} as training rows.": np.sqrt((naive + 1 / n_folds) / naive),
        "that is the corrected factor before s alone; divide by the naive one.": (
            np.sqrt(naive + overlap)
        ),
        "that is by how much repeats would narrow an interval if the scores were independent.": (
            np.sqrt(repeats)
        ),
    }
    name_mistake(value, mistakes, tolerance=0.02)
    raise Wrong(
        f"{value:.3g} is not the root of (1/{scores} + 1/{n_folds - 1}) over (1/{scores}); t and s "
        "are the same for both."
    )


def exercise_4_4(answer: Any, *, one: Any, other: Any, n_folds: int) -> str:
    """Interval of a paired difference."""
    given = two_numbers(answer, "the lower and the upper end")
    a, b = (np.asarray(v, dtype=np.float64) for v in (one, other))
    found = paired_difference(a, b, n_folds=n_folds)
    right = np.array([found["low"], found["high"]])
    alone = [paired_difference(v, np.zeros_like(v), n_folds=n_folds) for v in (a, b)]
    (low_a, high_a), (low_b, high_b) = ((v["low"], v["high"]) for v in alone)
    if np.abs(given - right).max() < _TOLERANCE:
        return (
            f"{right[0]:+.2f} to {right[1]:+.2f}, {right[1] - right[0]:.2f} wide. The intervals of "
            f"the two alone are {high_a - low_a:.2f} and {high_b - low_b:.2f} wide; what makes a "
            "fold hard for both networks cancels in the difference."
        )
    gap, share = a - b, 1 / (n_folds - 1)
    t = stats.t.ppf(0.975, len(a) - 1)

    def about(half: float) -> np.ndarray:
        return np.array([gap.mean() - half, gap.mean() + half])

    spread = gap.std(ddof=1)
    naive = spread / np.sqrt(len(a))
    factor = np.sqrt(1 / len(a) + share)
    mistakes = {
        "the sign is turned: one minus other.": -right[::-1],
        "lower end minus lower end, upper minus upper: that is no interval of the difference. Take "
        "the difference in every fold first.": np.array([low_a - low_b, high_a - high_b]),
        "that is the widest that two intervals allow. It forgets that both networks were tested on "
        "the same folds.": np.array([low_a - high_b, high_a - low_b]),
        "folds share training rows, so this is too narrow: the variance is (1/J + n_test/n_train) "
        "s^2.": about(t * naive),
        "folds share training rows, and for few folds t is larger than 1.96.": about(1.96 * naive),
        "for few folds t is larger than 1.96.": about(1.96 * spread * factor),
        "n_test/n_train compares a fold with the other "
        f"{n_folds - 1}, not with all {n_folds}.": about(
            t * spread * np.sqrt(1 / len(a) + 1 / n_folds)
        ),
        f"J is the number of scores, here {len(a)}, not that of folds.": about(
            t * spread * np.sqrt(1 / n_folds + share)
        ),
        "the width is t times the root of the variance; a root is missing.": about(
            t * spread**2 * factor**2
        ),
        "the spreads of both were combined as if they had been tested on different molecules; "
        "take the difference in every fold first.": about(
            t * factor * np.hypot(a.std(ddof=1), b.std(ddof=1))
        ),
        "the lower end comes first.": right[::-1],
    }
    name_mistake(given, mistakes, tolerance=_TOLERANCE)
    if given[0] > given[1]:
        raise Wrong("the lower end comes first, and the width is not right either.")
    if abs(given.mean() - gap.mean()) < _TOLERANCE:
        raise Wrong("the middle is right, the width is not.")
    raise Wrong(f"the interval must lie about the mean difference, which is {gap.mean():+.2f}.")


def exercise_4_5(answer: Any, *, p_values: Any) -> str:
    """Adjust p-values by Holm's method."""
    p = np.asarray(p_values, dtype=np.float64).ravel()
    given = many_numbers(answer, p.shape, row="p-value")
    right, m = holm(p.tolist()), len(p)
    if np.abs(given - right).max() < 1e-3:  # three digits are enough
        before, after = (p < 0.05).sum(), (right < 0.05).sum()
        return (
            f"{before} of {m} differences had p < 0.05, {after} are left. Where nothing differs, "
            "the chance of even one of these is now at most 5 %."
        )
    order = np.argsort(p)
    rank = np.empty(m, dtype=int)
    rank[order] = np.arange(m)
    steps = p * (m - rank)
    reverse = np.minimum.accumulate((p[order] * m / np.arange(1, m + 1))[::-1])[::-1]
    hochberg = np.empty(m)
    hochberg[order] = np.minimum(reverse, 1)
    mistakes = {
        "these are the p-values as they were. Each alone errs once in twenty; together they err "
        "far more often.": p,
        "every p was multiplied by their number. That is Bonferroni's: it bounds the same error, "
        "but Holm's is never larger. The smallest p is multiplied by m, the next by m - 1, ...": (
            np.minimum(p * m, 1)
        ),
        "every p was multiplied by their number, and exceeds 1.": p * m,
        "the factors are right, but a p may not fall below that of a smaller one: take the running "
        "maximum in the order of p.": np.minimum(steps, 1),
        "the factors are right, but no p exceeds 1, and none may fall below that of a smaller "
        "one.": steps,
        "the running maximum is right, but no p exceeds 1.": np.maximum.accumulate(steps[order])[
            rank
        ],
        "these are sorted; give them in the order of the table.": np.sort(right),
        "that is Benjamini and Hochberg's: it bounds the share of false ones among those that you "
        "report, not the chance of any.": hochberg,
        "p was divided by the number of tests; it must grow.": p / m,
    }
    name_mistake(given, mistakes, tolerance=1e-4)
    raise Wrong(
        "sort p; multiply the smallest by m, the next by m - 1 and so on; running maximum; at most "
        "1; back into the order of the table."
    )


def _r2(y: np.ndarray, predicted: np.ndarray) -> float:
    return float(1 - ((y - predicted) ** 2).sum() / ((y - y.mean()) ** 2).sum())
