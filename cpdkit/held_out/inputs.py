"""What `cpdkit.cpd` and its relatives are given, checked once."""

from __future__ import annotations

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
from cpdkit.projection.linear import CompositionProjector
from cpdkit.projection.rank import RANK_TOLERANCE
from cpdkit.scores import Rows

__all__ = ["CompositionWarning", "Inputs", "check_inputs", "fold_labels", "tested"]

ROWS_PER_COLUMN = 5
"""Training rows for each independent column of composition, below which `cpd` warns."""
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
        Sizes and settings of the split, as the ``attrs`` of a table hold them.
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
    }
    return Inputs(X, C, frame, labels, split, about)


def _warn_rank(C: np.ndarray, folds: np.ndarray, names: Sequence[str] | None) -> None:
    """Warn where training rows cannot tell what single columns of composition do."""
    trained = [fold != k for fold in folds for k in np.unique(tested(fold))]
    least = min(int(train.sum()) for train in trained)
    everything = CompositionProjector().fit(C, composition=C)
    if least < ROWS_PER_COLUMN * (everything.rank_ - 1):
        warnings.warn(
            f"{everything.rank_ - 1} columns of composition stand against {least} training rows: "
            "least squares on so many is ill determined, and what it leaves of features and "
            "targets is too; give more structures or fewer columns.",
            CompositionWarning,
            stacklevel=4,
        )
    for train in trained:
        fit = CompositionProjector().fit(C[train], composition=C[train])
        varying = np.setdiff1d(np.arange(C.shape[1]), fit.dropped_)
        residual = fit.transform(C[~train], composition=C[~train])[:, varying]
        off = np.abs(residual).max(axis=0, initial=0) > RANK_TOLERANCE * np.ptp(C, axis=0)[varying]
        if off.any():
            columns = varying[off].tolist()
            shown = [repr(column if names is None else names[column]) for column in columns]
            if len(shown) > _SHOWN:
                shown[_SHOWN:] = [f"and {len(shown) - _SHOWN} more"]
            warnings.warn(
                f"columns {', '.join(shown)} of composition vary only together with others in a "
                f"training fold (rank {fit.rank_ - 1} of {len(varying)} columns), but not in its "
                "test fold: what each does alone is taken from the solution of minimum norm; give "
                "more structures or fewer columns.",
                CompositionWarning,
                stacklevel=4,
            )
            return


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
