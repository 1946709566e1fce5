"""What `cpdkit.cpd` and its relatives are given, checked once."""

from __future__ import annotations

import hashlib
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from cpdkit._arrays import check_same_rows
from cpdkit._checks import (
    check_composition,
    check_features,
    check_groups,
    check_targets,
    column_names,
    plain_features,
)
from cpdkit._options import FEW, check_seed, warn_few_rows
from cpdkit.composition.matrix import composition_matrix
from cpdkit.datasets.formulas import canonical_formulas, canonical_groups
from cpdkit.folds import make_folds
from cpdkit.projection.factors import ranked_cholesky
from cpdkit.projection.linear import CompositionProjector
from cpdkit.projection.rank import RANK_TOLERANCE, untold
from cpdkit.scores import Rows

__all__ = ["CompositionWarning", "Inputs", "check_inputs", "fold_labels", "tested"]

ROWS_PER_COLUMN = 5
"""Training rows for each independent column of composition, below which `cpd` warns."""
TOLD: set[tuple[str, tuple[int, ...], bytes]] = set()
"""Compositions that were warned of in this process; clear it to be warned again."""
_SHOWN = 6


class CompositionWarning(UserWarning):
    """Training rows are few for the columns of composition, or cannot tell some of them apart."""


@dataclass(frozen=True, eq=False)
class Inputs:
    """Rows of one representation, and the folds they are split into.

    Attributes
    ----------
    X : ndarray of shape (n, d)
        Features.
    C : ndarray of shape (n, k) or None
        Nuisance.
    targets : DataFrame of shape (n, t)
        Finite, varying columns.
    groups : ndarray of str, shape (n,), or None
        Formulas, in one spelling.
    folds : ndarray of int, shape (repeats, n)
        Fold labels; -1 for rows that are never tested.
    about : dict
        Sizes and settings of the split, as the ``attrs`` of a table hold them: also the number of
        ``columns`` of composition, ``columns_dropped`` of each training fold since they do not vary
        there, and ``rows_set_aside``, the test rows that differ in such a column.
    """

    X: np.ndarray
    C: np.ndarray | None
    targets: pd.DataFrame
    groups: np.ndarray | None
    folds: np.ndarray
    about: dict[str, Any]

    @property
    def Y(self) -> np.ndarray:
        """Targets as an array."""
        return self.targets.to_numpy()

    @property
    def n_folds(self) -> int:
        """Folds of a repeat."""
        return int(self.about["n_folds"])

    @property
    def rows_per_tested(self) -> float:
        """Rows for each row of a test fold: `n_folds`, or more where some are never tested."""
        return self.n_folds * self.folds.size / np.count_nonzero(self.folds >= 0)

    def check_varying(self, rows: Rows) -> None:
        """Refuse a target that is constant within a test fold, where R2 is undefined."""
        for t, name in enumerate(self.targets):
            number = rows.constant_fold(t)
            if number is not None:
                repeat, fold = divmod(number, self.n_folds)
                size = np.unique(tested(self.folds[repeat]), return_counts=True)[1][fold]
                raise ValueError(
                    f"target {name!r} is constant in test fold {fold} of repeat {repeat} ({size} "
                    "rows), where R2 is undefined; use fewer folds, folds='random', another seed "
                    "or more structures."
                )


def check_inputs(
    features: Any,
    composition: Any,
    targets: Any,
    *,
    groups: Sequence[str] | None = None,
    ids: Sequence[object] | None = None,
    folds: str | np.ndarray = "random",
    n_folds: int = 5,
    repeats: int = 1,
    seed: int = 0,
) -> Inputs:
    """Check what was given and deal out the folds; arguments and errors as in `cpdkit.cpd`."""
    check_seed(seed)
    check_same_rows(
        {
            "features": plain_features(features), "composition": composition, "targets": targets,
            "groups": groups, "ids": ids, "folds": folds,
        }
    )  # fmt: skip
    X = check_features(features)
    n = len(X)
    if _are_formulas(composition):
        formulas = canonical_formulas(composition)
        composition = composition_matrix(formulas)
        groups = formulas.tolist() if groups is None else groups
    C = check_composition(composition, n)
    frame = check_targets(targets, n)
    labels = check_groups(groups, n)
    labels = None if labels is None else canonical_groups(labels)
    split = fold_labels(
        folds, n, groups=labels, ids=ids, n_folds=n_folds, repeats=repeats, seed=seed
    )
    sizes = [np.unique(tested(fold), return_counts=True)[1] for fold in split]
    warn_few_rows(np.concatenate(sizes))
    if C is not None and min(map(min, sizes)) >= FEW:
        _warn_rank(C, split, column_names(composition))
    about = {
        "n": n,
        "channels": X.shape[1],
        "folds": folds if isinstance(folds, str) else "given",
        "n_folds": len(sizes[0]),
        "repeats": len(split),
        "seed": seed,
        **_untold(C, split),
    }
    return Inputs(X, C, frame, labels, split, about)


def _untold(C: np.ndarray | None, folds: np.ndarray) -> dict[str, Any]:
    """Columns of composition, how many each training fold lacks, and the test rows this costs."""
    if C is None:
        return {"columns": 0, "columns_dropped": [], "rows_set_aside": 0}
    parts = [
        (dropped, int(unseen[fold == k].sum()))
        for fold in folds
        for k in np.unique(tested(fold))
        for dropped, unseen in [untold(C, fold != k)]
    ]
    dropped, aside = zip(*parts, strict=True)
    return {"columns": C.shape[1], "columns_dropped": list(dropped), "rows_set_aside": sum(aside)}


def _warn_rank(C: np.ndarray, folds: np.ndarray, names: Sequence[str] | None) -> None:
    """Warn where training rows cannot tell what single columns of composition do."""
    splits = [(k, fold != k) for fold in folds for k in np.unique(tested(fold))]
    least = min(int(train.sum()) for _, train in splits)
    rank = C.shape[1]
    if least < ROWS_PER_COLUMN * rank:
        rank = CompositionProjector().fit(C, composition=C).rank_ - 1
    if least < ROWS_PER_COLUMN * rank:
        _warn_once(
            "few rows", C,
            f"{rank} columns of composition stand against {least} training rows: "
            "least squares on so many is ill determined, and what it leaves of features and "
            "targets is too; give more structures or fewer columns.",
        )  # fmt: skip
    worst: list[int] = []
    for k, train in splits:
        if _independent(C[train]):
            continue
        fit = CompositionProjector().fit(C[train], composition=C[train])
        test = ~train & ~fit.unseen(C)  # rows with an unknown element are set aside
        if not test.any():
            continue
        varying = np.setdiff1d(np.arange(C.shape[1]), fit.dropped_)
        residual = C[test][:, varying] - fit.explained(C[test])[:, varying]
        off = np.abs(residual).max(axis=0, initial=0) > RANK_TOLERANCE * np.ptp(C, axis=0)[varying]
        if off.sum() > len(worst):
            worst = varying[off].tolist()
            where = f"fold {k} (rank {fit.rank_ - 1} of {len(varying)} columns)"
    if worst:
        shown = [repr(column if names is None else names[column]) for column in worst]
        if len(shown) > _SHOWN:
            shown[_SHOWN:] = [f"and {len(shown) - _SHOWN} more"]
        _warn_once(
            "dependent", C,
            f"columns {', '.join(shown)} of composition vary only together with others in the "
            f"training rows of {where}, but not in its test rows: what each does alone is taken "
            "from the solution of minimum norm; give more structures or fewer columns.",
        )  # fmt: skip


def _warn_once(what: str, C: np.ndarray, text: str) -> None:
    """Warn once for each composition: a chapter asks the same of every encoder and target."""
    key = (what, C.shape, hashlib.sha256(C.tobytes()).digest())
    if key not in TOLD:
        warnings.warn(text, CompositionWarning, stacklevel=5)
        TOLD.add(key)


def _independent(C: np.ndarray) -> bool:
    """Whether the varying columns are independent by the rank rule, so that none is left out."""
    scatter = np.cov(C, rowvar=False).reshape(C.shape[1], -1)
    varying = np.ptp(C, axis=0) > 0
    spread = np.sqrt(np.diag(scatter)[varying])
    if not (spread > RANK_TOLERANCE * np.abs(C[:, varying]).max(axis=0, initial=0)).all():
        return False
    correlation = scatter[np.ix_(varying, varying)] / spread / spread[:, None]
    return not len(spread) or ranked_cholesky(correlation)[0].shape[1] == len(spread)


def _are_formulas(composition: Any) -> bool:
    """Whether composition is text in one dimension; a row that is no formula is refused later."""
    kinds = Sequence | np.ndarray | pd.Series | pd.Index | pd.api.extensions.ExtensionArray
    if not isinstance(composition, kinds) or getattr(composition, "ndim", 1) != 1:
        return False
    return isinstance(composition, str) or any(isinstance(row, str) for row in composition)


def tested(fold: np.ndarray) -> np.ndarray:
    """Fold labels of the rows that are tested at all."""
    return fold[fold >= 0]


def fold_labels(
    folds: str | np.ndarray,
    n: int,
    *,
    groups: Sequence[str] | np.ndarray | None = None,
    ids: Sequence[object] | None = None,
    n_folds: int = 5,
    repeats: int = 1,
    seed: int = 0,
) -> np.ndarray:
    """Folds by the name of a scheme, or labels of one's own, checked.

    Parameters
    ----------
    folds : {"random", "formula"} or ndarray of int, shape (n,) or (repeats, n)
        Fold scheme, or fold labels from 0. As in `sklearn.model_selection.PredefinedSplit`, a row
        of label -1 is in no test fold and in every training set.
    n : int
        Number of rows.
    groups, ids, n_folds, repeats, seed
        As in `make_folds`; not used with labels of one's own.

    Returns
    -------
    ndarray of int, shape (repeats, n)
        Fold labels.

    Raises
    ------
    ValueError
        As from `make_folds`, or if labels have another shape, are no integers from -1, or differ
        in the number of folds.
    """
    if isinstance(folds, str):
        return make_folds(
            n, scheme=folds, groups=groups, ids=ids, n_folds=n_folds, repeats=repeats, seed=seed
        )
    if np.ma.is_masked(folds):
        raise ValueError("fold labels have masked entries; -1 marks rows that are never tested.")
    labels = np.atleast_2d(np.asarray(folds))
    if labels.ndim != 2 or labels.shape[1] != n or not np.issubdtype(labels.dtype, np.integer):
        raise ValueError(
            f"fold labels have shape {np.shape(folds)} and type {labels.dtype}; expected integers "
            f"of shape ({n},) or (repeats, {n})."
        )
    if labels.size and labels.min() < -1:
        raise ValueError(
            f"fold labels go down to {labels.min()}; number folds from 0, and mark rows that are "
            "never tested by -1."
        )
    counts = {len(np.unique(tested(row))) for row in labels}
    if len(counts) != 1 or counts.pop() < 2:
        raise ValueError("every repeat needs the same number of folds, at least 2.")
    return labels
