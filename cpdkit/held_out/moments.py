"""Held-out predictions of CPD with weights from moments."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from cpdkit.held_out.protocol import INPUTS, PROTOCOLS, Protocol
from cpdkit.held_out.rows import ALL_ASIDE, held_out
from cpdkit.moments.folds import FoldMoments, rare_rows
from cpdkit.moments.ridge import FoldRidge, choose_alphas
from cpdkit.moments.sources import moments_from_arrays
from cpdkit.scores import HeldOut

__all__ = ["held_out_moments"]

# Folds that are unions of hash buckets give at most 50 classes of rows that are always together.
_MAX_CLASSES = 64
_MAX_KINDS = 16  # of rows that are set aside together
_ROWS = 1024


def held_out_moments(
    X: np.ndarray,
    C: np.ndarray | None,
    Y: np.ndarray,
    folds: np.ndarray,
    *,
    protocol: Protocol = PROTOCOLS["sound"],
    inputs: Sequence[str] = INPUTS,
    only: int | None = None,
) -> Iterator[HeldOut]:
    """`cpdkit.held_out.rows.held_out` in one pass over the rows, and one more to predict them.

    Passed on to the plain reference where moments lack the digits or the point: protocols that
    standardise without floors, rows that are never tested, many kinds of rows to set aside, and
    more features than training rows, where ridge on rows (the dual) is exact and cheaper.

    Parameters
    ----------
    X, C, Y, folds, protocol, inputs, only
        As in `cpdkit.held_out.rows.held_out`.

    Yields
    ------
    HeldOut
        One for each repeat and fold.
    """
    never = bool(folds.min() < 0)
    plain = never or protocol.plain or protocol.transductive or _wide(X, folds)
    rare = None if plain else rare_rows(C, folds)
    if rare is None or rare.max() >= _MAX_KINDS or protocol.alphas is None:
        yield from held_out(X, C, Y, folds, protocol=protocol, inputs=inputs, only=only)
        return
    classes, buckets = np.unique(np.vstack([folds, rare]), axis=1, return_inverse=True)
    one_pass = classes.shape[1] <= _MAX_CLASSES  # otherwise one for each repeat
    if one_pass:
        moments = moments_from_arrays(X, C, Y, buckets=buckets.ravel(), n_buckets=classes.shape[1])
    for repeat, fold in enumerate(folds):
        labels = np.unique(fold)
        if one_pass:
            number, kind = np.searchsorted(labels, classes[repeat]), classes[-1]
            own, group = np.unique(np.stack([number, kind]), axis=1, return_inverse=True)
            by_fold = FoldMoments(moments.regroup(group.ravel()), own[0], apart=True)
        else:
            by_fold = FoldMoments.of_rows(X, C, Y, np.searchsorted(labels, fold))
        full = "full" in inputs
        asked = [i for i, k in enumerate(labels.tolist()) if only in (None, k)]
        outer = None if only is None else asked[0]
        chosen = choose_alphas(by_fold, protocol.alphas, full=full, outer=outer)
        for i in asked:
            k = int(labels[i])
            fit = FoldRidge(by_fold.without([i]), full=full)
            rows = np.flatnonzero(fold == k)
            aside = 0
            if C is not None:
                unseen = fit.unseen(C[rows])
                rows, aside = rows[~unseen], int(unseen.sum())
                if len(rows) == 0:
                    raise ValueError(ALL_ASIDE)
            names = ("geom", *(name for name in inputs if name != "geom"))
            alphas = {name: chosen[i][name] for name in names}
            comp, predictions = _predict(fit, X, C, rows, alphas)
            yield HeldOut(
                repeat=repeat,
                fold=k,
                rows=rows,
                train_mean=fit.train.mean[fit.train.y],
                y=Y[rows],
                comp=comp,
                predictions=predictions,
                alphas=alphas,
                aside=aside,
            )


def _wide(X: np.ndarray, folds: np.ndarray) -> bool:
    """Whether the smallest inner training set has fewer rows than X has columns."""
    largest = max(np.sort(np.unique(fold, return_counts=True)[1])[-2:].sum() for fold in folds)
    return len(X) - largest < X.shape[1]


def _predict(
    fit: FoldRidge,
    X: np.ndarray,
    C: np.ndarray | None,
    rows: np.ndarray,
    alphas: dict[str, np.ndarray],
) -> tuple[np.ndarray, dict[str, np.ndarray]]:
    """Predictions of least squares on Z and of each probe, for some rows."""
    train = fit.train
    mean = train.mean[train.y]
    comp = np.tile(mean, (len(rows), 1))
    if C is not None:
        comp += (C[rows] - train.mean[train.c]) @ fit.comp
    names = {name: "full" if name == "full" else "geom" for name in alphas}
    weights = np.concatenate(
        [fit.chosen_weights(path, alphas[name]) for name, path in names.items()], axis=1
    )
    out = np.empty((len(rows), weights.shape[1]))
    for start in range(0, len(rows), _ROWS):
        part = rows[start : start + _ROWS]
        # Centred before they are multiplied, or features far from zero would lose digits.
        centred = X[part]
        centred -= train.mean[train.x]
        value = centred @ weights[train.x]
        if C is not None:
            value += (C[part] - train.mean[train.c]) @ weights[train.c]
        out[start : start + _ROWS] = value
    predictions = dict(zip(names, np.split(out, len(names), axis=1), strict=True))
    for name in predictions:
        predictions[name] += comp if name == "joint" else mean
    return comp, predictions
