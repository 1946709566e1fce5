"""Exercises of lesson 2: composition, projection and its traps."""

from __future__ import annotations

from typing import Any

import numpy as np

from cpdkit.course.feedback import Wrong, many_numbers, one_number
from cpdkit.projection.linear import CompositionProjector
from cpdkit.projection.within import WithinGroups, within_r2

__all__ = ["exercise_2_1", "exercise_2_3"]

_TOLERANCE = 5e-4  # of a score


def exercise_2_1(answer: Any, *, X: Any, C: Any, train: Any) -> str:
    """Residual of the features, projection fitted on training rows."""
    X, C = np.asarray(X, dtype=np.float64), np.asarray(C, dtype=np.float64)
    train = np.asarray(train, dtype=bool)
    given = many_numbers(answer, X.shape)
    size = X.std()

    def same(other: np.ndarray, rows: np.ndarray | slice = slice(None)) -> bool:
        return bool(np.abs(given[rows] - other[rows]).max() < 1e-6 * size)

    right = CompositionProjector().fit(X[train], composition=C[train]).transform(X, composition=C)
    if same(right):
        return (
            "fitted on training rows and applied to all. Among the test rows a little correlation "
            f"with composition is left (largest {_correlation(right[~train], C[~train]):.2f}); "
            "that is as it should be, since they had no say."
        )
    everything = CompositionProjector().fit_transform(X, composition=C)
    test = CompositionProjector().fit_transform(X[~train], composition=C[~train])
    if same(everything):
        raise Wrong(
            "the projection was fitted on all rows. Test rows then help to decide what is "
            "subtracted, which ties them to the training rows and biases scores downwards."
        )
    if same(right, train) and np.abs(given[~train] - test).max() < 1e-6 * size:
        raise Wrong(
            "the test rows got a projection of their own. Apply to them the coefficients that the "
            "training rows gave."
        )
    no_intercept = X - C @ np.linalg.lstsq(C[train], X[train], rcond=None)[0]
    if same(no_intercept):
        raise Wrong("Z lacks its column of ones: C alone, without an intercept.")
    if same(X - X[train].mean(axis=0)):
        raise Wrong("only the mean was removed, not what is linear in composition.")
    if same(X - right) or same(-right):
        raise Wrong("that is Z B, or X - Z B with its sign turned.")
    if same(WithinGroups().fit_transform(X, composition=C)):
        raise Wrong(
            "formula means were subtracted. That removes more than what is linear; asked was the "
            "linear projection."
        )
    found = _correlation(given[train], C[train])
    raise Wrong(
        f"on the training rows a column still correlates with an element count at {found:.3f}; "
        "after the projection it must be 0. Solve least squares of X on Z = [1, C] there."
    )


def exercise_2_3(
    answer: Any, *, y: Any, comp: Any, joint: Any, train_mean: float, formulas: Any
) -> str:
    """Share of what composition leaves of y that the probe explains, on held-out rows."""
    value = one_number(answer)
    y, comp, joint = (np.asarray(v, dtype=np.float64).ravel() for v in (y, comp, joint))
    geom = joint - comp + train_mean  # of the raw target, by Frisch-Waugh-Lovell
    left = ((y - comp) ** 2).sum()
    total = ((y - y.mean()) ** 2).sum()
    right = 1 - ((y - joint) ** 2).sum() / left
    if abs(value - right) < _TOLERANCE:
        return (
            f"{right:.3f}: of the squared error that composition leaves, the residual explains "
            "this share. Numerator and denominator are of the same rows."
        )
    mistakes = {
        "the target was not residualised: this is R2_geom, which scores the residual against the "
        "raw target and cannot exceed the ceiling.": 1 - ((y - geom) ** 2).sum() / total,
        "the denominator is the variance of y. That is the score of composition and residual "
        "together; divide by the error that composition leaves.": (
            1 - ((y - joint) ** 2).sum() / total
        ),
        "the prediction lacks composition's part: y was compared with what the residual alone "
        "predicts.": 1 - ((y - geom) ** 2).sum() / left,
        "explained variance was taken for explained error; they agree on training rows only.": (
            ((comp - joint) ** 2).sum() / left
        ),
        "a squared correlation forgives wrong offsets and scales; take 1 - SSE/SSE.": (
            np.corrcoef(y - comp, joint - comp)[0, 1] ** 2
        ),
        "a squared correlation with the raw target, which composition alone makes large; take 1 - "
        "SSE/SSE with composition's error below.": np.corrcoef(y, joint)[0, 1] ** 2,
        "y and prediction were centred within formulas. That score is safe for any probe; asked "
        "was the share of what linear composition leaves.": within_r2(y, joint, formulas),
        "that is the share that is left unexplained.": 1 - right,
    }
    for why, wrong in mistakes.items():
        if abs(value - wrong) < _TOLERANCE:
            raise Wrong(why)
    raise Wrong(
        f"{value:.3f} is not 1 - SSE(Z and X_geom) / SSE(Z). Both sums run over the same held-out "
        "rows, the first with `joint`, the second with `comp`."
    )


def _correlation(residual: np.ndarray, C: np.ndarray) -> float:
    """Largest absolute correlation between a column of one and of the other."""
    a, b = (v[:, v.std(axis=0) > 1e-12] for v in (residual, C))
    if a.shape[1] == 0 or b.shape[1] == 0:
        return 0.0
    a, b = ((v - v.mean(axis=0)) / v.std(axis=0) for v in (a, b))
    return float(np.abs(a.T @ b / len(a)).max())
