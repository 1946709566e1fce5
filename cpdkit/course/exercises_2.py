"""Exercises of lesson 2: composition, projection and its traps."""

from __future__ import annotations

from typing import Any

import numpy as np

from cpdkit.course.feedback import Wrong, many_numbers, name_mistake, one_number
from cpdkit.course.probe import r2, ridge_probe
from cpdkit.projection.linear import CompositionProjector
from cpdkit.projection.within import WithinGroups, within_r2

__all__ = ["exercise_2_1", "exercise_2_2", "exercise_2_3", "exercise_2_4", "exercise_2_5"]

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
            "fitted on training rows and applied to all. Among the test rows some correlation "
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


def exercise_2_2(answer: Any, *, r2_comp: float, r2_geom: float) -> str:
    """Share of what composition leaves, from two scores and a rule of thumb."""
    value = one_number(answer)
    ceiling = 1 - r2_comp
    right = r2_geom / ceiling
    if abs(value - right) < 6e-3:
        return (
            f"{right:.2f}. Composition explains {r2_comp:g}, so a residual without composition "
            f"ends at {ceiling:g}; {r2_geom:g} is {right:.0%} of the way there."
        )
    name_mistake(
        value,
        {
            "that is r2_geom itself. It is a share of all of y; asked is the share of what "
            "composition leaves.": r2_geom,
            "that is the ceiling: what a perfect residual would reach. How far did this one get?": (
                ceiling
            ),
            "the two were added: that is what composition and residual explain together.": (
                r2_comp + r2_geom
            ),
            "that is the ratio to composition's own score; divide by what it leaves.": (
                r2_geom / r2_comp
            ),
            "the two were multiplied; divide by what composition leaves.": r2_geom * ceiling,
            "that is how far the residual stays below the ceiling; asked was a ratio.": (
                ceiling - r2_geom
            ),
            "that is the share that neither explains; one minus it.": 1 - right,
        },
        tolerance=6e-3,
    )
    raise Wrong(
        f"{value:.2f} is not it. Composition leaves 1 - {r2_comp:g} of y. Which share of that does "
        f"a residual explain that explains {r2_geom:g} of all of y?"
    )


def exercise_2_3(answer: Any, *, y: Any, comp: Any, joint: Any, train: Any, formulas: Any) -> str:
    """Share of what composition leaves of y that the probe explains, on held-out rows."""
    value = one_number(answer)
    y, comp, joint = (np.asarray(v, dtype=np.float64).ravel() for v in (y, comp, joint))
    train = np.asarray(train, dtype=bool)
    seen = _share(y[train], comp[train], joint[train])
    mean, formulas = y[train].mean(), np.asarray(formulas)[~train]
    y, comp, joint = (v[~train] for v in (y, comp, joint))
    geom = joint - comp + mean  # of the raw target, by Frisch-Waugh-Lovell
    left = ((y - comp) ** 2).sum()
    total = ((y - y.mean()) ** 2).sum()
    right = _share(y, comp, joint)
    if abs(value - right) < _TOLERANCE:
        return (
            f"{right:.3f}: of the squared error that composition leaves, the residual explains "
            "this share. Numerator and denominator are of the same rows."
        )
    mistakes = {
        "that is the share on the training rows.": seen,
        "the target was not residualised: this is r2_geom, which scores the residual against the "
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
    name_mistake(value, mistakes, tolerance=_TOLERANCE)
    raise Wrong(
        f"{value:.3f} is not 1 - SSE(joint) / SSE(comp). Both sums run over the same test rows, "
        "of (y - joint)**2 and of (y - comp)**2."
    )


def _share(y: np.ndarray, comp: np.ndarray, joint: np.ndarray) -> float:
    return float(1 - ((y - joint) ** 2).sum() / ((y - comp) ** 2).sum())


def exercise_2_4(answer: Any, *, X: Any, C: Any, train: Any, least: float = 0.01) -> str:
    """Columns of which the projection leaves less than a share of their spread."""
    X, C = np.asarray(X, dtype=np.float64), np.asarray(C, dtype=np.float64)
    train = np.asarray(train, dtype=bool)
    before = X[train].std(axis=0)
    after = _projected(X[train], C[train]).std(axis=0)
    empty = set(np.flatnonzero(after < least * before).tolist())
    given = _columns(answer, X.shape[1])
    if given == empty:
        return (
            f"the columns {sorted(empty)} are composition and nothing else. What is left of them "
            "is rounding noise; divided by its own spread it would stand beside real features."
        )
    kept = set(range(X.shape[1])) - empty
    mistakes = {
        "these are the columns to keep; asked were those of which nothing is left.": kept,
        "these count from 1; Python counts columns from 0.": {i + 1 for i in empty},
        "these have the smallest spread *before* the projection. A small column can be all about "
        "geometry; compare each with itself.": _smallest(before, len(empty)),
        "these have the smallest spread after the projection, whatever it was before. Compare each "
        "column with itself.": set(np.flatnonzero(after < least).tolist()),
        "these are below the bound if squares are compared. The text asks for spreads, `std`, not "
        "for variances.": set(np.flatnonzero(after**2 < least * before**2).tolist()),
    }
    for why, wrong in mistakes.items():
        if given == wrong and wrong != empty:
            raise Wrong(why)
    if given < empty:
        raise Wrong(f"not all of them: of column {min(empty - given)} too hardly anything is left.")
    more = sorted(given - empty)
    if more:
        share = after[more[0]] / before[more[0]]
        raise Wrong(
            f"of column {more[0]} the projection leaves {share:.0%} of its spread on the training "
            f"rows, which is more than {least:.0%}."
        )
    raise Wrong(f"there are {len(empty)} such columns; you found none.")


def _smallest(values: np.ndarray, n: int) -> set[int]:
    return set(np.argsort(values)[:n].tolist())


def _columns(answer: Any, width: int) -> set[int]:
    """Columns that are meant, by numbers or by a mask; `width` itself for who counts from 1."""
    array = np.asarray(sorted(answer) if isinstance(answer, set) else answer).ravel()
    if array.dtype.kind not in "biuf":
        raise Wrong("numbers of columns were expected, such as [0, 3].")
    if array.size == width and np.isin(array, (0, 1)).all():
        array = np.flatnonzero(array)
    elif array.dtype == bool:
        raise Wrong(f"the mask has {array.size} entries; expected {width}, one per column.")
    if (array % 1 != 0).any():
        raise Wrong(f"{array[0]:g} is no number of a column; asked were places, such as [0, 3].")
    if (np.abs(array) > width).any():
        raise Wrong(f"there is no column {array[np.abs(array) > width][0]}; 0 to {width - 1} are.")
    return {int(i) + width if i < 0 else int(i) for i in array}


def exercise_2_5(answer: Any, *, X: Any, counts: Any, train: Any) -> str:
    """Held-out R2 of the number of atoms from what is left when fractions were removed."""
    value = one_number(answer)
    X, C = np.asarray(X, dtype=np.float64), np.asarray(counts, dtype=np.float64)
    train = np.asarray(train, dtype=bool)
    size = C.sum(axis=1)
    fractions = C / size[:, None]

    def score(features: np.ndarray, rows: np.ndarray) -> float:
        return r2(size, ridge_probe(features, size, train), rows)

    rest = _projected(X, fractions, train)
    right = score(rest, ~train)
    if abs(value - right) < 6e-3:
        return (
            f"{right:.2f}. Fractions do not know how large a molecule is, so size stays in the "
            "residual. Whoever removes fractions has to say so, or to remove counts."
        )
    name_mistake(
        value,
        {
            "that is the score after counts were removed: nothing. Divide each row of counts by "
            "its sum first.": score(_projected(X, C, train), ~train),
            "nothing was removed: that is the score of the features as they are.": score(X, ~train),
            "that is the score on the training rows.": score(rest, train),
            "the projection was fitted to all rows; fit it to the training rows.": (
                score(_projected(X, fractions, np.ones_like(train)), ~train)
            ),
            "0 is what one might hope for. Compute it: fractions do not tell size.": 0.0,
        },
        tolerance=6e-3,
    )
    raise Wrong(
        f"{value:.2f} is not it. Z is a column of ones beside counts / (sum of each row); project "
        "it out of X, fitted to the training rows; probe what is left for the number of atoms."
    )


def _projected(X: np.ndarray, C: np.ndarray, rows: Any = slice(None)) -> np.ndarray:
    return CompositionProjector().fit(X[rows], composition=C[rows]).transform(X, composition=C)


def _correlation(residual: np.ndarray, C: np.ndarray) -> float:
    """Largest absolute correlation between a column of one and of the other."""
    a, b = (v[:, v.std(axis=0) > 1e-12] for v in (residual, C))
    if a.shape[1] == 0 or b.shape[1] == 0:
        return 0.0
    a, b = ((v - v.mean(axis=0)) / v.std(axis=0) for v in (a, b))
    return float(np.abs(a.T @ b / len(a)).max())
