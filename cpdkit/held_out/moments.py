"""Held-out predictions of CPD with weights from moments."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from cpdkit.held_out.protocol import INPUTS, PROTOCOLS, Protocol
from cpdkit.held_out.rows import ALL_ASIDE, held_out
from cpdkit.moments.folds import FoldMoments, rare_rows, row_classes
from cpdkit.moments.ridge import FoldRidge, choose_alphas
from cpdkit.moments.sources import moments_from_arrays
from cpdkit.scores import HeldOut

__all__ = ["MAX_CLASSES", "held_out_moments", "kinds_of_rows"]

# Folds that are unions of hash buckets give at most 50 classes of rows that are always together.
MAX_CLASSES = 64
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
    rare = kinds_of_rows(C, folds, width=X.shape[1], protocol=protocol)
    if rare is None or protocol.alphas is None:
        yield from held_out(X, C, Y, folds, protocol=protocol, inputs=inputs, only=only)
        return
    classes, buckets = row_classes(*folds, rare)
    one_pass = classes.shape[1] <= MAX_CLASSES  # otherwise one for each repeat
    if one_pass:
        moments = moments_from_arrays(X, C, Y, buckets=buckets, n_buckets=classes.shape[1])
    for repeat, fold in enumerate(folds):
        labels = np.unique(fold)
        if one_pass:
            by_fold = FoldMoments.of_classes(moments, classes[repeat], classes[-1])
        else:
            by_fold = FoldMoments.of_rows(X, C, Y, np.searchsorted(labels, fold))
        n_full = None if "full" in inputs else 0
        asked = [i for i, k in enumerate(labels.tolist()) if only in (None, k)]
        outer = None if only is None else asked[0]
        chosen = choose_alphas(by_fold, protocol.alphas, n_full=n_full, outer=outer)
        for i in asked:
            k = int(labels[i])
            fit = FoldRidge(by_fold.without([i]), n_full=n_full)
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


def kinds_of_rows(
    C: np.ndarray | None, folds: np.ndarray, *, width: int, protocol: Protocol
) -> np.ndarray | None:
    """Number rows that are set aside together, or None where moments lack the digits or the point.

    Parameters
    ----------
    C, folds, protocol
        As in `cpdkit.held_out.rows.held_out`.
    width : int
        Number of features.

    Returns
    -------
    ndarray of int, shape (n,), or None
        As from `cpdkit.moments.folds.rare_rows`.
    """
    if folds.min() < 0 or protocol.plain or protocol.transductive or protocol.alphas is None:
        return None
    largest = max(np.sort(np.unique(fold, return_counts=True)[1])[-2:].sum() for fold in folds)
    if folds.shape[1] - largest < width:  # the smallest inner training set
        return None
    rare = rare_rows(C, folds)
    return rare if rare.max() < _MAX_KINDS else None


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
