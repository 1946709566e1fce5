"""Exercises of lesson 1: probes."""

from __future__ import annotations

from typing import Any

import numpy as np
from sklearn.neighbors import KNeighborsRegressor

from cpdkit.course.feedback import Wrong, many_numbers, name_mistake, one_number
from cpdkit.course.probe import r2, ridge_probe

__all__ = ["exercise_1_1", "exercise_1_2", "exercise_1_3", "exercise_1_4", "exercise_1_5"]

_TOLERANCE = 6e-3  # of a score: two digits are enough


def exercise_1_1(answer: Any, *, y: Any, predicted: Any, train: Any) -> str:
    """R2 of a prediction on the test rows."""
    value = one_number(answer)
    y, predicted = np.asarray(y, dtype=float), np.asarray(predicted, dtype=float)
    train = np.asarray(train, dtype=bool)
    t, p = y[~train], predicted[~train]
    right, error = r2(y, predicted, ~train), ((t - p) ** 2).mean()
    if abs(value - right) < _TOLERANCE:
        return (
            f"{right:.3f}. It leaves {1 - right:.0%} of the squared error that the mean would make."
        )
    if abs(value - (1 - error / ((t - y[train].mean()) ** 2).mean())) < _TOLERANCE:
        return f"right, against the mean of training rows; against that of test rows {right:.3f}."
    name_mistake(
        value,
        {
            "that is the score on the training rows; asked were the test rows.": r2(
                y, predicted, train
            ),
            "that is the score over all rows, training rows among them. Take y[test].": r2(
                y, predicted, np.ones_like(train)
            ),
            "that is the share of the error that is left, SSE / SS. R2 is one minus it.": 1 - right,
            "that is a squared correlation. It forgives a wrong slope and a wrong offset; R2 does "
            "not.": np.corrcoef(t, p)[0, 1] ** 2,
            "that is a correlation, not R2.": np.corrcoef(t, p)[0, 1],
            "that is the mean squared error, in squared units. Divide by the mean square about the "
            "mean, and subtract from one.": error,
            "that is the root mean squared error, in the unit of y. R2 has no unit.": error**0.5,
        },
        tolerance=_TOLERANCE,
    )
    if value > 1:
        raise Wrong(f"{value:.3f} is above 1; no R2 is, since squared errors are not negative.")
    raise Wrong(
        f"{value:.3f} is not 1 - SSE / SS over the test rows, with SSE the sum of "
        "(y - predicted)**2 and SS that of (y - y.mean())**2, both of y[test]."
    )


def exercise_1_2(answer: Any, *, noise: Any, y: Any, train: Any) -> str:
    """Held-out R2 of a probe on random numbers."""
    value = one_number(answer)
    noise, y = np.asarray(noise, dtype=float), np.asarray(y, dtype=float)
    train = np.asarray(train, dtype=bool)
    rows, columns = int(train.sum()), noise.shape[1]
    predicted = ridge_probe(noise, y, train)
    right, seen = r2(y, predicted, ~train), r2(y, predicted, train)
    plain = r2(y, ridge_probe(noise, y, train, penalty=0.0), ~train)
    if min(right, plain) - 0.02 < value < max(right, plain) + 0.02:
        return (
            f"{right:.2f}, while on its training rows the same probe scores {seen:.2f}. With "
            f"{columns} columns for {rows} rows it fits chance, and is worse than the mean of y on "
            "others."
        )
    everything = ridge_probe(noise, y, np.ones_like(train))
    swapped = ridge_probe(noise, y, ~train)
    name_mistake(
        value,
        {
            f"that is the score on the training rows. {columns} columns of noise can imitate much "
            "of any 900 numbers; ask for rows that the probe has not seen.": seen,
            "that is the score over all rows, training rows among them.": r2(
                y, predicted, np.ones_like(train)
            ),
            "the probe was fitted to all rows, so it has seen the test rows. Hand it `train`.": r2(
                y, everything, ~train
            ),
            "the probe was fitted to all rows and is judged by them.": r2(
                y, everything, np.ones_like(train)
            ),
            "the probe was fitted to the test rows. It must be handed `train`.": r2(
                y, swapped, ~train
            ),
            "training and test rows were exchanged.": r2(y, swapped, train),
            "0 is what one might expect of noise. It is worse: weights that were fitted to chance "
            "add errors of their own. Compute it.": 0.0,
        },
        tolerance=_TOLERANCE,
    )
    if value > 0:
        raise Wrong(
            f"{value:.2f} is positive, but noise says nothing of molecules not yet seen. Is this "
            "the score of `predicted` from a cell above? Predict from `noise` first."
        )
    raise Wrong(
        f"{value:.2f} is not what ridge_probe(noise, y, train) scores on ~train. Fit on the "
        "training rows, penalty as it is, and judge by the test rows."
    )


def exercise_1_3(answer: Any, *, formulas: Any, y: Any) -> str:
    """Largest R2 that any function of the formula can reach on these molecules."""
    value = one_number(answer)
    y = np.asarray(y, dtype=float)
    group = np.unique(np.asarray(formulas), return_inverse=True)[1]
    means = (np.bincount(group, y) / np.bincount(group))[group]
    everything = np.ones(len(y), dtype=bool)
    right = r2(y, means, everything)
    if abs(value - right) < _TOLERANCE:
        return (
            f"{right:.2f}: the best guess for molecules of one formula is their mean. What they "
            "differ by is out of reach, however clever the probe."
        )
    ends = [y[group == g] for g in range(group.max() + 1)]
    name_mistake(
        value,
        {
            "that is the share that is left. One minus it is reached.": 1 - right,
            "1 would need a different number for molecules of one formula. To a probe that sees "
            "counts alone they look the same.": 1.0,
            "0 is what one mean for all would score. Formulas tell more: give each its own mean.": (
                0.0
            ),
            "that is the squared error that is left, a sum with a unit. Divide by the sum of "
            "squares about the mean.": ((y - means) ** 2).sum(),
            "that is the mean squared error that is left. Divide by the mean square about the "
            "mean.": ((y - means) ** 2).mean(),
            "that is the square root of R2.": right**0.5,
            "that is the ratio of the ranges. R2 compares sums of squares.": (
                (max(e.mean() for e in ends) - min(e.mean() for e in ends)) / np.ptp(y)
            ),
        },
        tolerance=_TOLERANCE,
    )
    raise Wrong(
        f"{value:.2f} is not it. Three steps: the mean of each formula; the sum of squared "
        "distances from these; one minus its ratio to the sum of squared distances from the mean "
        "of all."
    )


def exercise_1_4(answer: Any, *, trained: Any, untrained: Any, y: Any, train: Any, gap: Any) -> str:
    """What training adds to the held-out R2 of a property other than the gap."""
    value = one_number(answer)
    train = np.asarray(train, dtype=bool)
    of_gap = [r2(gap, ridge_probe(X, gap, train), ~train) for X in (trained, untrained)]
    after, before = (
        {name: r2(y, predicted, rows) for name, rows in (("test", ~train), ("train", train))}
        for predicted in (ridge_probe(X, y, train) for X in (trained, untrained))
    )
    right = after["test"] - before["test"]
    if abs(value - right) < _TOLERANCE:
        verb = "rises" if right > 0 else "falls"
        return (
            f"{right:+.2f}: it {verb} from {before['test']:.2f} to {after['test']:.2f}. The "
            "untrained network is the yardstick, since its weights have learnt nothing."
        )
    name_mistake(
        value,
        {
            "the sign is turned: trained minus untrained.": -right,
            "that is the trained network alone. What would it score without training?": (
                after["test"]
            ),
            "that is the untrained network alone; subtract it from the trained one.": (
                before["test"]
            ),
            "that is the difference for the gap; asked was the dipole moment, `mu`.": (
                of_gap[0] - of_gap[1]
            ),
            "that is the difference on the training rows.": after["train"] - before["train"],
            "that is a ratio; asked was the difference.": after["test"] / before["test"],
            "that is relative to the untrained network; asked was the plain difference.": (
                right / before["test"]
            ),
        },
        tolerance=_TOLERANCE,
    )
    raise Wrong(
        f"{value:+.2f} is not R2 of the trained minus R2 of the untrained network, both on the "
        "test rows and of the dipole moment, `mu`."
    )


def exercise_1_5(answer: Any, *, y: Any, train: Any) -> str:
    """One column that holds y and hides it from a linear probe."""
    y, train = np.asarray(y, dtype=float), np.asarray(train, dtype=bool)
    column = many_numbers(answer, y.shape)
    if np.ptp(column) == 0:
        raise Wrong("this column is constant; it holds nothing.")
    line = r2(y, ridge_probe(column[:, None], y, train, penalty=0.0), ~train)
    neighbours = KNeighborsRegressor(n_neighbors=1).fit(column[train, None], y[train])
    found = r2(y, neighbours.predict(column[:, None]), ~train)
    numbers = f"a line finds R2 = {line:.2f}, the nearest neighbour {found:.2f}"
    if found < 0.9:
        raise Wrong(
            f"{numbers}, which should be above 0.9. So y cannot be read off this column: molecules "
            "with entries close together have y far apart."
        )
    if line > 0.1:
        raise Wrong(
            f"{numbers}. The neighbour may, a line should find less than 0.1. Entries still rise "
            "or fall with y on the whole: cut y into more, thinner slices, flip every second."
        )
    return (
        f"{numbers}. All of y is there and a linear probe says nothing: it judges how things are "
        "written down, not whether they are there."
    )
