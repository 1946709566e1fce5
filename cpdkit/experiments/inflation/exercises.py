"""Exercises of chapter 3: inflated probes."""

from __future__ import annotations

from typing import Any

import numpy as np
from sklearn.linear_model import LinearRegression

from cpdkit.experiments.exercises import Wrong, one_number
from cpdkit.probes.nonlinear import neighbors
from cpdkit.probes.residual import ResidualProbe
from cpdkit.projection.linear import CompositionProjector
from cpdkit.projection.within import WithinGroups, group_index, within_r2

__all__ = ["exercise_3_1", "exercise_3_2", "exercise_3_3"]

_TOLERANCE = 5e-4  # of a score


def exercise_3_1(answer: Any, *, X: Any, C: Any, train: Any) -> str:
    """Residual of the features, projection fitted on training rows."""
    X, C = np.asarray(X, dtype=np.float64), np.asarray(C, dtype=np.float64)
    train = np.asarray(train, dtype=bool)
    given = _array(answer, X.shape)
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
            "formula means were subtracted. That is the remedy of this chapter; asked was the "
            "linear projection."
        )
    found = _correlation(given[train], C[train])
    raise Wrong(
        f"on the training rows a column still correlates with an element count at {found:.3f}; "
        "after the projection it must be 0. Solve least squares of X on Z = [1, C] there."
    )


def exercise_3_2(
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


def exercise_3_3(answer: Any, *, C: Any, train: Any) -> str:
    """Give features that hold composition only and hide it from a linear probe, not from others.

    They must let nearest neighbours predict the number of atoms with an R2 above 0.5.
    """
    C = np.asarray(C, dtype=np.float64)
    train = np.asarray(train, dtype=bool)
    given = np.asarray(answer, dtype=object)
    shape = (len(C), *given.shape[1:]) if given.ndim in (1, 2) else (len(C),)
    features = _array(answer, shape).reshape(len(C), -1)
    if (features.std(axis=0) == 0).all():
        raise Wrong("these features are constant; they hold nothing at all.")
    within = WithinGroups().fit_transform(features, composition=C)
    if np.abs(within).max() > 1e-9 * features.std(axis=0).max():
        repeated = group_index(C, len(C))
        row = int(np.abs(within).max(axis=1).argmax())
        count = int((repeated == repeated[row]).sum())
        raise Wrong(
            f"{count} structures of one formula have different features (row {row} among them), "
            "so these hold more than composition."
        )
    projector = CompositionProjector().fit(features[train], composition=C[train])
    residual = projector.transform(features, composition=C)
    if np.abs(residual).max() < 1e-9 * features.std():
        raise Wrong(
            "these features are affine in the counts, and the projection removes them altogether. "
            "Bend them."
        )
    size = C.sum(axis=1)
    linear = LinearRegression().fit(residual[train], size[train])
    probe = ResidualProbe(neighbors(3)).fit(residual[train], size[train])
    by_line = _r2(size[~train], linear.predict(residual[~train]))
    by_neighbours = _r2(size[~train], probe.predict(residual[~train]))
    numbers = (
        f"from the residual a linear probe predicts the number of atoms with R2 = {by_line:.2f}, "
        f"nearest neighbours with {by_neighbours:.2f}"
    )
    if by_neighbours > 0.5:
        return (
            f"{numbers}. The features know nothing but composition, and a score of geometry would "
            "have credited them with knowing more."
        )
    raise Wrong(
        f"{numbers}; above 0.5 was asked. Formulas that lie close together should be of similar "
        "size: take smooth functions of the counts, and a few of them."
    )


def _r2(y: np.ndarray, predicted: np.ndarray) -> float:
    return float(1 - ((y - predicted) ** 2).sum() / ((y - y.mean()) ** 2).sum())


def _array(answer: Any, shape: tuple[int, ...]) -> np.ndarray:
    """Answer as finite numbers of the right shape, or what is wrong with it."""
    try:
        array = np.asarray(answer, dtype=np.float64)
    except (TypeError, ValueError):
        raise Wrong(f"numbers were expected, got {type(answer).__name__}.") from None
    if array.shape != shape:
        raise Wrong(f"the answer has shape {array.shape}; expected {shape}, one row per structure.")
    if not np.isfinite(array).all():
        raise Wrong(f"{int((~np.isfinite(array)).sum())} entries are NaN or infinite.")
    return array


def _correlation(residual: np.ndarray, C: np.ndarray) -> float:
    """Largest absolute correlation between a column of one and of the other."""
    a, b = (v[:, v.std(axis=0) > 1e-12] for v in (residual, C))
    if a.shape[1] == 0 or b.shape[1] == 0:
        return 0.0
    a, b = ((v - v.mean(axis=0)) / v.std(axis=0) for v in (a, b))
    return float(np.abs(a.T @ b / len(a)).max())
