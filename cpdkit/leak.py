"""Does a residual still hold composition, parametrised otherwise?"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pandas as pd

from cpdkit.composition import composition_controls
from cpdkit.held_out.rows import HeldOut, Protocol
from cpdkit.projection.linear import CompositionProjector
from cpdkit.summary import NOTHING_LEFT, Summary

__all__ = ["LEAK_SCORE", "leak_controls", "leak_of_means"]

LEAK_SCORE = "r2_leak"

# The mean over a rare formula is mostly y itself; formulas count from this many members on ...
MIN_MEMBERS = 5
# ... and the score only if they hold this share of the rows.
MIN_SHARE = 0.5


def leak_controls(C: np.ndarray | None, labels: np.ndarray | None, *, n: int) -> pd.DataFrame:
    """Parametrisations of composition that are not linear in the nuisance C.

    Those that are (N where counts were removed) score zero by algebra and are left out.

    Parameters
    ----------
    C : ndarray of shape (n, k) or None
        Nuisance.
    labels : ndarray of str, shape (n,), or None
        Chemical formulas. Without them there is nothing to compare with.
    n : int
        Number of rows.

    Returns
    -------
    pandas.DataFrame, shape (n, n_controls)
        N, 1/N and element fractions, as far as they apply.

    Raises
    ------
    ValueError
        If a label is no chemical formula.
    """
    if labels is None:
        return pd.DataFrame(index=range(n))
    try:
        controls = composition_controls(labels)
    except ValueError as error:
        raise ValueError(f"{error} Give formulas (ds.formulas), or leak=False.") from None
    values = controls.to_numpy()
    projector = CompositionProjector()
    residual = projector.fit_transform(values, composition=C)
    total = ((values - values.mean(axis=0)) ** 2).sum(axis=0)
    return controls.loc[:, (residual**2).sum(axis=0) > NOTHING_LEFT * total]


def leak_of_means(
    X: np.ndarray,
    C: np.ndarray | None,
    frame: pd.DataFrame,
    labels: np.ndarray | None,
    folds: np.ndarray,
    *,
    protocol: Protocol,
    summary: Summary,
    predict: Callable[..., Iterator[HeldOut]],
) -> list[dict[str, Any]]:
    """How well the residual predicts the mean of each target over its formula.

    Measured on the rows whose formula has at least five members.

    Parameters
    ----------
    X, C, frame, labels, folds
        As checked by `cpdkit.cpd`.
    protocol : Protocol
        Of the probe.
    summary : Summary
        Whose options the rows use.
    predict : callable
        Yields held-out predictions, as `cpdkit.held_out.rows.held_out`.

    Returns
    -------
    list of dict
        One row per target.
    """
    if labels is None:
        note = "needs groups: the formula of each row"
        return [summary.empty(name, LEAK_SCORE, note) for name in frame.columns]
    names, inverse, members = np.unique(labels, return_inverse=True, return_counts=True)
    rows = np.flatnonzero(members[inverse] >= MIN_MEMBERS)
    kept = folds[:, rows]
    complete = all(len(np.unique(a)) == len(np.unique(b)) for a, b in zip(kept, folds, strict=True))
    if len(rows) < MIN_SHARE * len(labels) or not complete:
        note = (
            f"only {len(rows)} of {len(labels)} structures share their formula with at least "
            f"{MIN_MEMBERS - 1} others"
        )
        return [summary.empty(name, LEAK_SCORE, note) for name in frame.columns]
    means = frame.groupby(labels).transform("mean").to_numpy()[rows]
    nuisance = None if C is None else C[rows]
    parts = list(predict(X[rows], nuisance, means, kept, protocol=protocol, probes=()))
    part_summary = summary.of(parts, labels[rows])
    return [
        part_summary.row(name, "r2_geom", t, label=LEAK_SCORE)
        for t, name in enumerate(frame.columns)
    ]
