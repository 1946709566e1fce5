"""Several questions to the same rows, answered from one pass over them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from cpdkit.held_out.inputs import Inputs
from cpdkit.held_out.moments import MAX_CLASSES, kinds_of_rows
from cpdkit.held_out.protocol import INPUTS, Protocol
from cpdkit.held_out.rows import ALL_ASIDE
from cpdkit.moments.folds import FoldMoments, row_classes
from cpdkit.moments.scores import FoldSums, nested_sums
from cpdkit.moments.sources import moments_from_arrays
from cpdkit.scores import Rows

__all__ = ["Question", "of_rows", "one_pass"]

# Scores are given from moments where rounding of these changes them by less than about this.
_ROUNDING = 1e-11


@dataclass(frozen=True, eq=False)
class Question:
    """Targets, and of which rows they are asked.

    Attributes
    ----------
    Y : ndarray of shape (n, n_targets)
        Targets of all rows.
    n_full : int
        How many of them, from the first, are also predicted from X itself.
    kept : ndarray of int, shape (n_kept,), or None
        The rows that are trained on and tested; None for all.
    """

    Y: np.ndarray
    n_full: int = 0
    kept: np.ndarray | None = None


def one_pass(
    X: np.ndarray,
    C: np.ndarray | None,
    questions: Sequence[Question],
    folds: np.ndarray,
    *,
    protocol: Protocol,
) -> list[list[FoldSums] | None]:
    """Held-out sums for each question, every row read once.

    Rows that are in the same fold of each repeat, kept for the same questions and set aside
    together are one class; the folds of a question are put together from the moments of classes.

    Parameters
    ----------
    X, C, folds, protocol
        As in `cpdkit.held_out.rows.held_out`.
    questions : sequence of Question
        What is asked.

    Returns
    -------
    list of (list of FoldSums, or None)
        For each question the sums of every repeat and fold; None where moments lack the digits or
        the point, so that rows must be predicted (`cpdkit.held_out.moments.held_out_moments`).

    Raises
    ------
    ValueError
        As from `cpdkit.held_out.rows.held_out`.
    """
    kinds = [_kinds(X, C, question.kept, folds, protocol) for question in questions]
    asked = [i for i, kind in enumerate(kinds) if kind is not None]
    answers: list[list[FoldSums] | None] = [None] * len(questions)
    classes, buckets = row_classes(*folds, *(kind for kind in kinds if kind is not None))
    if not asked or classes.shape[1] > MAX_CLASSES:
        return answers
    Y = np.hstack([questions[i].Y for i in asked])
    names = np.array([f"{i}:{t}" for i in asked for t in range(questions[i].Y.shape[1])])
    moments = moments_from_arrays(
        X, C, Y, buckets=buckets, n_buckets=classes.shape[1], targets=names.tolist()
    )
    for number, i in enumerate(asked):
        own = [name for name in names.tolist() if name.startswith(f"{i}:")]
        chosen = moments.select(targets=own)
        parts = []
        for fold in classes[: len(folds)]:
            by_fold = FoldMoments.of_classes(chosen, fold, classes[len(folds) + number])
            parts += nested_sums(by_fold, protocol.alphas or (), n_full=questions[i].n_full)
        if any(part.tested == 0 for part in parts):
            raise ValueError(ALL_ASIDE)
        if all(part.rounding < _ROUNDING for part in parts):
            answers[i] = parts
    return answers


def _kinds(
    X: np.ndarray,
    C: np.ndarray | None,
    kept: np.ndarray | None,
    folds: np.ndarray,
    protocol: Protocol,
) -> np.ndarray | None:
    """`kinds_of_rows` of the rows that are kept, -1 for the others."""
    rows = slice(None) if kept is None else kept
    found = kinds_of_rows(
        None if C is None else C[rows], folds[:, rows], width=X.shape[1], protocol=protocol
    )
    if found is None:
        return None
    kinds = np.full(len(X), -1)
    kinds[rows] = found
    return kinds


def of_rows(
    given: Inputs, question: Question, predict: Callable[..., Any], options: dict[str, Any]
) -> Rows:
    """Answer a question by predicting its rows."""
    kept = slice(None) if question.kept is None else question.kept
    parts = predict(
        given.X[kept], None if given.C is None else given.C[kept], question.Y[kept],
        given.folds[:, kept], inputs=INPUTS if question.n_full else (),
    )  # fmt: skip
    labels = None if given.groups is None else given.groups[kept]
    return Rows.of_predictions(list(parts), labels=labels, **options)
