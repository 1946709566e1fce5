r"""Blocks of features cut to equal width: random columns, or leading principal components.

A ridge probe of more columns has more to choose from, so blocks of different width cannot be
compared as they are.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from cpdkit.folds import nested_choice
from cpdkit.moments.folds import FoldMoments
from cpdkit.moments.moments import Pooled
from cpdkit.moments.ridge import FoldRidge, held_out_sums, regress_out
from cpdkit.projection.conditioned import DEFAULT_ALPHAS, floored_scale
from cpdkit.scores import SCORES, Sums

__all__ = ["WIDTHS", "channel_draws", "partial_scores"]

WIDTHS = ("all", "subset", "pca")
"""All columns, random columns to equal width, or leading principal components to equal width."""


def channel_draws(n_columns: int, width: int, n_draws: int, *, seed: int = 0) -> list[np.ndarray]:
    """Random sets of `width` columns, the same for the same seed.

    Parameters
    ----------
    n_columns, width, n_draws : int
        Columns there are, columns to keep, and sets to draw.
    seed : int, default 0
        Of the draws.

    Returns
    -------
    list of ndarray of int, each of shape (width,)
        Ascending column numbers; a single set where there is nothing to choose.

    Raises
    ------
    ValueError
        If there are fewer columns than `width`, or a number is below 1.
    """
    if width < 1 or n_draws < 1:
        raise ValueError(f"width={width} and n_draws={n_draws} must be at least 1.")
    if width > n_columns:
        raise ValueError(
            f"a block of {n_columns} columns cannot be cut to width={width}; the width must not "
            "exceed that of the narrowest block."
        )
    if width == n_columns:
        return [np.arange(width)]
    rng = np.random.default_rng(seed)
    return [np.sort(rng.choice(n_columns, width, replace=False)) for _ in range(n_draws)]


def partial_scores(
    folds: FoldMoments,
    *,
    components: int | None = None,
    alphas: Sequence[float] = DEFAULT_ALPHAS,
) -> np.ndarray:
    """``r2_partial`` of `cpdkit.cpd` on every fold, on all features or on their leading components.

    Principal components are those of the conditioned residual of the training rows, so that none
    of them is spent on composition; every inner fold has its own.

    Parameters
    ----------
    folds : FoldMoments
        Moments by fold.
    components : int, optional
        Number of principal components to keep; without it the features as they are.
    alphas : sequence of float
        Penalties per training row, chosen by inner folds.

    Returns
    -------
    ndarray of shape (n_folds, n_targets)
        NaN where composition leaves nothing of the target.

    Raises
    ------
    ValueError
        If there are fewer than three folds, or fewer features than `components`.
    """
    n, grid, width = folds.n_folds, np.asarray(alphas), folds.moments.n_features
    if components is not None and not 1 <= components <= width:
        raise ValueError(
            f"components={components} must lie between 1 and the number of features, {width}."
        )

    def fit(left_out: tuple[int, ...]) -> tuple[FoldRidge, np.ndarray | None]:
        train = folds.without(left_out)
        directions = None if components is None else _directions(train, components)
        return FoldRidge(_turned(train, directions), n_full=0), directions

    def sums(model: tuple[FoldRidge, np.ndarray | None], weights: np.ndarray, fold: int) -> Sums:
        test, _ = folds.test(fold, model[0].train)
        return held_out_sums(model[0], weights, _turned(test, model[1]))

    def error(model: tuple[FoldRidge, np.ndarray | None], inner: int) -> dict[str, np.ndarray]:
        return {"joint": sums(model, model[0].weights("geom", alphas), inner).joint}

    scores = []
    for k, best in enumerate(nested_choice(n, fit, error)):
        model = fit((k,))
        weights = model[0].chosen_weights("joint", grid[best["joint"]])
        with np.errstate(invalid="ignore", divide="ignore"):
            scores.append(SCORES["r2_partial"](sums(model, weights[:, None], k))[0])
    return np.stack(scores)


def _directions(train: Pooled, components: int) -> np.ndarray:
    """Columns that turn X into the leading principal components of its conditioned residual."""
    x = train.x
    variance = np.diag(train.scatter)[x] / train.n
    half_x = regress_out(train)[1][:, : train.n_features]
    residual = train.scatter[x, x] - half_x.T @ half_x
    scale = floored_scale(np.diag(residual) / train.n, variance)
    _, vectors = np.linalg.eigh(residual / scale / scale[:, None])
    return vectors[:, ::-1][:, :components] / scale[:, None]


def _turned(pooled: Pooled, directions: np.ndarray | None) -> Pooled:
    """Moments of [C, X directions, Y]."""
    if directions is None:
        return pooled
    k, (d, width) = pooled.n_composition, directions.shape
    t = len(pooled.mean) - k - d
    turn = np.zeros((len(pooled.mean), k + width + t))
    turn[:k, :k] = np.eye(k)
    turn[pooled.x, k : k + width] = directions
    turn[k + d :, k + width :] = np.eye(t)
    return Pooled(pooled.n, pooled.mean @ turn, turn.T @ pooled.scatter @ turn, k, width)
